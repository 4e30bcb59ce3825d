"""The AVR parts that the two loaders are known on, with their memories.

Signatures, flash and page sizes: avrdude 7.1, ``avrdude.conf``.  Boot sections:
``boards.txt`` and the loaders' makefiles of the Arduino AVR core 1.8.4 (flash size less
``upload.maximum_size``; for Optiboot the address it is linked to).  Both protocols
address words with 16 bits, so nothing beyond 128 KiB can be reached and no larger part
is listed.  What a board's fuses say otherwise is set by the profile.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from flashers.images import Area


class Loader(StrEnum):
    """Which bootloader answers."""

    OPTIBOOT = "optiboot"
    ATMEGABOOT = "atmegaboot"


@dataclass(frozen=True, slots=True)
class Part:
    """An AVR: sizes in bytes; ``boot_sections`` as the loader is usually installed."""

    name: str
    signature: bytes
    flash_size: int
    page_size: int
    boot_sections: Mapping[Loader, int]

    def area(self, boot_section: int) -> Area:
        """Its program memory with a boot section of this many bytes at the end."""
        end = self.flash_size
        return Area(self.name, range(end), range(end - boot_section))


_TABLE = (
    Part("atmega8", b"\x1e\x93\x07", 8 << 10, 64, {Loader.OPTIBOOT: 512, Loader.ATMEGABOOT: 1024}),
    Part("atmega168", b"\x1e\x94\x06", 16 << 10, 128, {Loader.OPTIBOOT: 512, Loader.ATMEGABOOT: 2048}),
    Part("atmega328", b"\x1e\x95\x14", 32 << 10, 128, {Loader.ATMEGABOOT: 2048}),
    Part("atmega328p", b"\x1e\x95\x0f", 32 << 10, 128, {Loader.OPTIBOOT: 512, Loader.ATMEGABOOT: 2048}),
    Part("atmega1280", b"\x1e\x97\x03", 128 << 10, 256, {Loader.ATMEGABOOT: 4096}),
)

PARTS: Mapping[str, Part] = {part.name: part for part in _TABLE}
"""By name, as a profile's ``part``."""

_BY_SIGNATURE = {part.signature: part.name for part in _TABLE}


def name_of(signature: bytes) -> str:
    """The part's name, or its signature in hexadecimal if we do not know it."""
    return _BY_SIGNATURE.get(signature, signature.hex())
