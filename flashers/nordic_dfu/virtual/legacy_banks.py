"""The flash of a virtual node with a legacy loader: one bank or two, and the loader's settings.

With one bank an image is received where it runs, so the first erase ends the old one.
With two it waits in the second until it is activated; then the first is erased and the
second copied over it, and nothing finishes that after a loss of power.  Which firmware
is whole, the loader knows from a CRC in its settings, and looks at each start.

Source: nRF5 SDK 11, ``dfu_single_bank.c``, ``dfu_dual_bank.c``, ``bootloader.c``.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from flashers.nordic_dfu.package.legacy_init import crc16
from flashers.sim import SimFlash

_SETTINGS = struct.Struct("<HHI")
VALID = 0x01
"""``BANK_VALID_APP``."""
INVALID = 0xFF
"""``BANK_INVALID_APP``."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the loader remembers of the first bank; a CRC of 0 is not looked at."""

    code: int
    crc: int
    size: int


class Banks:
    """The node's memory; ``pages`` are those of one bank."""

    def __init__(self, page: int, pages: int, *, two: bool) -> None:
        self.flash = SimFlash(page * (pages * (2 if two else 1) + 1), page)
        self.size = page * pages
        self.two = two
        self._settings_at = len(self.flash) - page

    def preload(self, image: bytes, *, by_wire: bool) -> None:
        """As it left the factory; over a wire nobody tells the loader a CRC."""
        self.flash.preload(0, image)
        said = _SETTINGS.pack(VALID, 0 if by_wire else crc16(image), len(image))
        self.flash.preload(self._settings_at, said)

    @property
    def settings(self) -> Settings:
        """As they are now."""
        return Settings(*_SETTINGS.unpack(self.flash.read(self._settings_at, _SETTINGS.size)))

    def application(self) -> bytes | None:
        """What the loader would start; None where nothing is."""
        said = self.settings
        if said.code != VALID or said.size > self.size:
            return None
        image = self.flash.read(0, said.size)
        return image if said.crc in (0, crc16(image)) else None

    # What an update does

    @property
    def receiving(self) -> int:
        """Where an image is received."""
        return self.size if self.two else 0

    def erase(self, size: int) -> Iterator[None]:
        """Make room for so many bytes, a page a turn; with one bank nothing is valid afterwards."""
        yield from self._erase(self.receiving, size)
        if not self.two:
            self._save(Settings(INVALID, 0, 0))
            yield

    def write(self, offset: int, data: bytes) -> None:
        """Some bytes of an image that is received."""
        self._program(self.receiving + offset, data)

    def received(self, size: int) -> bytes:
        """What came."""
        return self.flash.read(self.receiving, size)

    def activate(self, size: int) -> None:
        """Make what came the application."""
        image = self.received(size)
        if self.two:
            for _ in self._erase(0, size):
                pass
            for start in range(0, size, self.flash.page):
                self._program(start, image[start : start + self.flash.page])
        self._save(Settings(VALID, crc16(image), size))

    def _erase(self, address: int, size: int) -> Iterator[None]:
        for page in range(address, address + size, self.flash.page):
            self.flash.erase(page)
            yield

    def _program(self, address: int, data: bytes) -> None:
        while data:
            fits = self.flash.page - address % self.flash.page
            self.flash.program(address, data[:fits])
            address, data = address + fits, data[fits:]

    def _save(self, said: Settings) -> None:
        self.flash.erase(self._settings_at)
        self.flash.program(self._settings_at, _SETTINGS.pack(said.code, said.crc, said.size))
