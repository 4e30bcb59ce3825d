"""The settings of a node with an STK500 bootloader: the ``[params]`` of its profile."""

import re
from functools import lru_cache
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from flashers.api import Params, ResetKind
from flashers.images import Area, compile_stamp
from flashers.stk500.parts import PARTS, Loader, Part

Seconds = Annotated[float, Field(gt=0, le=600)]


class Stk500Params(Params):
    """What differs between boards.  All times are in seconds.

    The defaults of the times suit both loaders: Optiboot listens for about one second
    after a reset, ATmegaBOOT for about as long after it has flashed its LED.
    """

    part: str
    """The AVR, as ``atmega328p``; see ``parts.py``."""
    loader: Loader = Loader.OPTIBOOT
    boot_section: int | None = Field(default=None, gt=0)
    """Bytes at the end of the flash that belong to the loader, where the fuses are unusual."""
    boot_line: str | None = None
    """A regular expression for the line that the application prints when it starts.

    It may have groups ``version`` and ``hardware``.  Without it a boot cannot be proved.
    """
    boot_deadline: Seconds = 10.0
    """From leaving the loader until that line must have come."""
    reply_timeout: Seconds = 1.0
    """For the loader's answer to one request, the bytes' own time on the line included."""
    sync_timeout: Seconds = 1.5
    """After one reset, for the loader's first answer."""
    resets: int = Field(default=3, ge=1, le=20)
    """How often to reset a node that does not answer."""
    settle: float = Field(default=0.1, ge=0, le=10)
    """After a reset, before the first byte is sent: the part's own start-up takes up to 65 ms."""
    reset: ResetKind = ResetKind.DTR
    """How to reset: by a modem line, or ``none`` by opening the port anew."""
    stamp: str | None = None
    """A regular expression over an image's bytes that finds its ``version`` and ``hardware``."""
    hardware: str | None = None
    """The hardware that stamp and boot line have to name, where they name one."""

    @field_validator("part")
    @classmethod
    def _known_part(cls, value: str) -> str:
        if value not in PARTS:
            raise ValueError(f"no part {value!r} is known; there are {', '.join(PARTS)}")
        return value

    @field_validator("boot_line")
    @classmethod
    def _line(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                line_pattern(value)
            except re.error as error:
                raise ValueError(f"{value!r} is no regular expression: {error}") from error
        return value

    @field_validator("stamp")
    @classmethod
    def _stamp(cls, value: str | None) -> str | None:
        if value is not None:
            compile_stamp(value)
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        section, part = self.boot_section, PARTS[self.part]
        if section is None:
            if self.loader not in part.boot_sections:
                raise ValueError(
                    f"{self.loader} on {self.part}: set boot_section, the loader's size in bytes"
                )
        elif section % part.page_size or section >= part.flash_size:
            raise ValueError(
                f"boot_section is whole pages of {part.page_size} bytes, and less than the flash"
            )
        return self

    @property
    def avr(self) -> Part:
        """The part's data."""
        return PARTS[self.part]

    @property
    def area(self) -> Area:
        """Where an application may lie."""
        part = self.avr
        return part.area(self.boot_section or part.boot_sections[self.loader])

    @property
    def boot_pattern(self) -> re.Pattern[str] | None:
        """``boot_line``, compiled."""
        return None if self.boot_line is None else line_pattern(self.boot_line)


@lru_cache(maxsize=64)
def line_pattern(pattern: str) -> re.Pattern[str]:
    """A pattern for a console line, whose ``^`` also holds after unprintable characters.

    The line on which an application begins often carries a byte of the loader's last
    answer, or what the pin did while the part was reset.
    """
    if pattern.startswith("^"):
        pattern = "(?:^|(?<=[^ -~]))" + pattern[1:]
    return re.compile(pattern)
