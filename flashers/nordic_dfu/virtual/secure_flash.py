"""What survives in a virtual node: its banks, and the loader's settings beside them.

Settings are in two pages that are written in turns, so that a loss of power leaves one of
them whole.  What the loader does at its start follows from them alone: a copy that was
begun is begun again, as often as it takes.

Source: nRF5 SDK 17.1.0, ``nrf_bootloader.c`` (activation), ``nrf_dfu_settings.c`` (backup page).
"""

import json
import zlib
from dataclasses import asdict, dataclass, replace

from flashers.sim import SimFlash

_HEAD = 8
SETTINGS_PAGES = 2
_SETTINGS = 4096
"""Bytes of settings that are kept: an init packet as text, and some numbers."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The loader's memory; ``size`` and ``crc`` are of the application in the first bank, 0 for none.

    ``waits`` is the size of a valid image in the second bank.  ``init`` is the init packet
    that was taken, ``offset`` and ``image_crc`` how far its image came, if that is kept.
    """

    count: int = 0
    size: int = 0
    crc: int = 0
    version: int = 0
    waits: int = 0
    init: str = ""
    offset: int = 0
    image_crc: int = 0


class Store:
    """Banks and settings on one simulated flash."""

    def __init__(self, page: int, pages: int, *, two: bool) -> None:
        self.page = page
        self.room = page * pages
        self._two = two
        self._per_settings = -(-_SETTINGS // page)
        self._at = self.room * (2 if two else 1)
        self.flash = SimFlash(self._at + SETTINGS_PAGES * self._per_settings * page, page)
        self.settings = Settings()

    @property
    def target(self) -> int:
        """Where what comes is put."""
        return self.room if self._two else 0

    @property
    def two(self) -> bool:
        """Whether what comes is put beside the old application."""
        return self._two

    def preload(self, image: bytes, version: int) -> None:
        """Put an application there, as a programmer on the bench would."""
        self.flash.preload(0, image)
        self.settings = Settings(1, len(image), zlib.crc32(image), version)
        text = _packed(self.settings)
        self.flash.preload(self._place(1), text)

    def load(self) -> None:
        """Read the settings, after a start."""
        found = [_unpacked(self.flash.read(self._place(turn), _SETTINGS)) for turn in range(SETTINGS_PAGES)]
        self.settings = max((each for each in found if each is not None), key=_count, default=Settings())

    def save(self, **changes: object) -> None:
        """Change settings, for good."""
        count = self.settings.count + 1
        settings = replace(self.settings, count=count, **changes)  # type: ignore[arg-type]
        text, place = _packed(settings), self._place(count)
        for at in range(0, self._per_settings * self.page, self.page):
            self.flash.erase(place + at)
        for at in reversed(range(0, len(text), self.page)):
            self.flash.program(place + at, text[at : at + self.page])
        self.settings = settings

    def application(self) -> bytes | None:
        """What would be started, if it is whole."""
        image = self.flash.read(0, self.settings.size)
        whole = bool(image) and zlib.crc32(image) == self.settings.crc
        return image if whole else None

    def finish_copy(self) -> None:
        """Copy a valid image that waits over the old one; begun again if it was interrupted."""
        size = self.settings.waits
        if not size:
            return
        image = self.flash.read(self.room, size)
        for at in range(0, size, self.page):
            self.flash.erase(at)
            self.flash.program(at, image[at : at + self.page])
        self.save(size=size, crc=zlib.crc32(image), waits=0)

    def _place(self, turn: int) -> int:
        return self._at + turn % SETTINGS_PAGES * self._per_settings * self.page


def _packed(settings: Settings) -> bytes:
    text = json.dumps(asdict(settings)).encode()
    return len(text).to_bytes(4, "little") + zlib.crc32(text).to_bytes(4, "little") + text


def _unpacked(data: bytes) -> Settings | None:
    size = int.from_bytes(data[:4], "little")
    text = data[_HEAD : _HEAD + size]
    if len(text) != size or zlib.crc32(text).to_bytes(4, "little") != data[4:_HEAD]:
        return None
    return Settings(**json.loads(text))


def _count(settings: Settings) -> int:
    return settings.count
