"""What survives in a virtual node: its banks, and the loader's settings beside them.

Settings are in two pages that are written in turns, so that a loss of power leaves one of
them whole.  What the loader does at its start follows from them alone: a copy that was
begun goes on, as often as it takes.

The second bank begins where the application ends (``nrf_dfu_utils.c``), so how much room it
has depends on that; where the application is gone, everything that comes is put at its place.

Source: nRF5 SDK 17.1.0, ``nrf_bootloader_fw_activation.c`` (the copy), ``nrf_dfu_settings.c``
(backup page), ``nrf_dfu_utils.c`` (places).
"""

import json
import zlib
from dataclasses import asdict, dataclass, replace

from flashers.sim import SimFlash

_HEAD = 8
SETTINGS_PAGES = 2
_SETTINGS = 4096
"""Bytes of settings that are kept: an init packet as text, and some numbers."""
_STEP = 8
"""Pages of a copy after which its headway is written down (``NRF_BL_FW_COPY_PROGRESS_STORE_STEP``)."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The loader's memory; ``size`` and ``crc`` are of the application in the first bank, 0 for none.

    ``waits`` is the size of a valid image at ``source``, of which ``copied`` bytes are in the first
    bank.  ``init`` is the init packet that was taken, ``offset`` and ``image_crc`` how far its image
    came, if that is kept.
    """

    count: int = 0
    size: int = 0
    crc: int = 0
    version: int = 0
    waits: int = 0
    source: int = 0
    copied: int = 0
    init: str = ""
    offset: int = 0
    image_crc: int = 0


class Store:
    """Banks and settings on one simulated flash; ``room`` is what one bank has if both are alike."""

    def __init__(self, page: int, pages: int, *, two: bool) -> None:
        self.page = page
        self.room = page * pages
        self._two = two
        self._per_settings = -(-_SETTINGS // page)
        self._at = self.room * (2 if two else 1)
        self.flash = SimFlash(self._at + SETTINGS_PAGES * self._per_settings * page, page)
        self.settings = Settings()

    @property
    def beside(self) -> int:
        """Where an image comes to lie if it leaves the application alone."""
        return -(-self.settings.size // self.page) * self.page if self._two else 0

    def place_for(self, size: int, *, spares: bool) -> int | None:
        """Where an image of this size is put (``nrf_dfu_cache_prepare``); None where it has no room."""
        if self.beside + size <= self._at:
            return self.beside
        if (spares and self.settings.size) or size > self._at:
            return None
        return 0

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
        """Put a valid image that waits in its place; an interrupted copy goes on where it was written down.

        A step is never longer than the way from one place to the other, so it spoils nothing that it
        has to read again.
        """
        settings = self.settings
        size, source = settings.waits, settings.source
        if not size:
            return
        step = min(_STEP * self.page, source)
        while source and self.settings.copied < size:
            began = self.settings.copied
            for at in range(began, min(began + step, size), self.page):
                image = self.flash.read(source + at, min(self.page, size - at))
                self.flash.erase(at)
                self.flash.program(at, image)
            self.save(copied=min(began + step, size))
        image = self.flash.read(0, size)
        self.save(size=size, crc=zlib.crc32(image), waits=0, source=0, copied=0)

    def waiting(self) -> bytes | None:
        """The valid image that waits for its place, from wherever its parts are."""
        settings = self.settings
        if not settings.waits:
            return None
        done = settings.copied if settings.source else settings.waits
        return self.flash.read(0, done) + self.flash.read(settings.source + done, settings.waits - done)

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
