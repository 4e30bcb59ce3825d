"""A line of a GPIO chip, by libgpiod's Python binding (version 2).

The line is requested when it is driven and released afterwards; a process that dies has
its lines released by the kernel.  What a released line does is the board's to decide,
so it is wired in such a way that a line nobody drives lets the node run.
"""

import asyncio
import errno
from pathlib import Path
from types import ModuleType
from typing import Any

from transports.power.circuits import GpioLine
from transports.power.errors import BindingMissing, PowerError, SwitchDenied, SwitchMissing

CONSUMER = "tender"
"""What `gpioinfo` shows beside the line while we drive it."""


class GpioSwitch:
    """Drives one line."""

    def __init__(self, line: GpioLine) -> None:
        self._line = line
        self._request: Any = None  # gpiod.LineRequest: the binding is imported late

    async def check(self) -> None:
        """Find the line.  Raises SwitchMissing, SwitchDenied, BindingMissing."""
        await asyncio.to_thread(self._find)

    async def off(self) -> None:
        """Drive the line to its active level."""
        await asyncio.to_thread(self._off)

    async def on(self) -> None:
        """Drive it back, and let it go."""
        await asyncio.to_thread(self._on)

    def _off(self) -> None:
        self._request = self._requested(active=True)

    def _on(self) -> None:
        gpiod = _binding()
        try:
            if self._request is None:
                self._request = self._requested(active=False)
            else:
                (offset,) = self._request.offsets
                self._request.set_value(offset, gpiod.line.Value.INACTIVE)
        except OSError as error:
            raise _named(error, self._line) from error
        finally:
            request, self._request = self._request, None
            if request is not None:
                request.release()

    def _requested(self, *, active: bool) -> Any:
        gpiod = _binding()
        path, offset = self._find()
        value = gpiod.line.Value.ACTIVE if active else gpiod.line.Value.INACTIVE
        settings = gpiod.LineSettings(
            direction=gpiod.line.Direction.OUTPUT, output_value=value, active_low=self._line.active_low
        )
        try:
            return gpiod.request_lines(path, consumer=CONSUMER, config={offset: settings})
        except OSError as error:
            raise _named(error, self._line) from error

    def _find(self) -> tuple[str, int]:
        """The chip's path and the line's number on it."""
        gpiod, line = _binding(), self._line
        wanted: str | int = int(line.line) if line.line.isdecimal() else line.line
        chips = self._chips(gpiod)
        trouble: OSError | None = None
        for path in chips:
            try:
                with gpiod.Chip(path) as chip:
                    if line.chip and line.chip not in (path, Path(path).name, chip.get_info().label):
                        continue
                    return path, int(chip.line_offset_from_id(wanted))
            except (OSError, ValueError) as error:
                if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM):
                    trouble = error
        if trouble is not None:
            raise _named(trouble, line) from trouble
        raise SwitchMissing(
            f"no GPIO chip{f' {line.chip}' if line.chip else ''} here has a line {line.line!r}"
        )

    def _chips(self, gpiod: ModuleType) -> list[str]:
        if self._line.chip.startswith("/"):
            if not gpiod.is_gpiochip_device(self._line.chip):
                raise SwitchMissing(f"{self._line.chip} is no GPIO chip")
            return [self._line.chip]
        if not self._line.chip and self._line.line.isdecimal():
            raise SwitchMissing(f"line {self._line.line} is a number, which means nothing without its chip")
        found = sorted(str(path) for path in Path(self._line.devices).glob("gpiochip*"))
        return [path for path in found if gpiod.is_gpiochip_device(path)]


def _binding() -> ModuleType:
    try:
        import gpiod
    except ModuleNotFoundError as missing:
        raise BindingMissing from missing
    if not hasattr(gpiod, "request_lines"):
        raise BindingMissing("the installed gpiod is older than version 2, whose interface is another one")
    return gpiod


def _named(error: OSError, line: GpioLine) -> PowerError:
    what = f"line {line.line} of {line.chip or 'its chip'}: {error.strerror or error}"
    if error.errno in (errno.EACCES, errno.EPERM):
        return SwitchDenied(what, remedy="Add the service's user to the chip's group (commonly `gpio`).")
    if error.errno == errno.EBUSY:
        return PowerError(what, remedy="`gpioinfo` tells who drives the line; only one can.")
    if error.errno in (errno.ENOENT, errno.ENODEV):
        return SwitchMissing(what)
    return PowerError(what)
