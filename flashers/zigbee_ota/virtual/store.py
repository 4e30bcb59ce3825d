"""What survives in a virtual Zigbee node: two places for a file, and settings beside them.

The running file lies in the active slot, as it came, header and all.  What is downloaded goes to the
other one a page at a time; how far it came is read off the flash itself, so that no power cut can make
a record of it lie: pages are blank before, and the last one that is not blank is taken anew.  Settings
are in two pages written in turns, of which one is always whole.
"""

import json
import zlib
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from flashers.sim import SimApp, SimFlash, read_app
from flashers.zigbee_ota.codec import BadCommand, File
from flashers.zigbee_ota.codec.header import Header, elements
from flashers.zigbee_ota.codec.words import Tag

_HEAD = 8
_SETTINGS = 2048


@dataclass(frozen=True, slots=True)
class Settings:
    """A node's memory of itself.

    ``told`` is the version that it tells of itself, where that is not its header's; ``download`` what
    it was taking (manufacturer, image type, version, size); ``staged`` that all of it is there and was
    found good; ``pending`` that the loader is to start it.  ``trial`` is the slot to go back to.
    ``reporting`` are the reports that were asked for: cluster, attribute, least and most seconds.
    """

    count: int = 0
    active: int = 0
    told: int | None = None
    download: tuple[int, int, int, int] | None = None
    staged: bool = False
    pending: bool = False
    trial: int | None = None
    reporting: tuple[tuple[int, int, int, int], ...] | None = ()


@dataclass(frozen=True, slots=True)
class Contents:
    """What a slot holds: a file, and the application in it, None if that would not run."""

    header: Header
    whole: bytes = field(repr=False)
    app: SimApp | None


class Store:
    """Slots and settings on one simulated flash."""

    def __init__(self, page: int, pages: int, *, external: bool) -> None:
        self.page = page
        self.room = page * pages
        self.external = external
        self._per_settings = -(-_SETTINGS // page)
        self._at = 2 * self.room
        self.flash = SimFlash(self._at + 2 * self._per_settings * page, page)
        self.settings = Settings()
        self._buffer = bytearray()
        self._written = 0

    @property
    def standby(self) -> int:
        """Where what comes is put."""
        return 1 if self.external else 1 - self.settings.active

    def preload(self, data: bytes) -> None:
        """Put a file there, as a programmer on the bench would."""
        self.flash.preload(0, data)
        self.settings = Settings(1)
        self.flash.preload(self._place(1), _packed(self.settings))

    def load(self) -> None:
        """Read the settings, after a start; what was in RAM is gone."""
        found = [_unpacked(self.flash.read(self._place(turn), _SETTINGS)) for turn in (0, 1)]
        self.settings = max((each for each in found if each), key=lambda each: each.count, default=Settings())
        self._buffer.clear()
        self._written = self._found() if self.settings.download else 0

    def save(self, **changes: Any) -> None:
        """Change settings, for good."""
        settings = replace(self.settings, count=self.settings.count + 1, **changes)
        text, place = _packed(settings), self._place(settings.count)
        for at in range(0, self._per_settings * self.page, self.page):
            self.flash.erase(place + at)
        for at in reversed(range(0, len(text), self.page)):
            self.flash.program(place + at, text[at : at + self.page])
        self.settings = settings

    def contents(self, slot: int) -> Contents | None:
        """The file in a slot, if a header is there that fits into it."""
        begin = slot * self.room
        try:
            header = Header.decode(self.flash.read(begin, min(self.room, 128)))
        except BadCommand:
            return None
        if header.total > self.room or header.length > header.total:
            return None
        whole = self.flash.read(begin, header.total)
        return Contents(header, whole, read_app(_application(header, whole)))

    # What comes

    @property
    def offset(self) -> int:
        """How much of the download is there, what waits in RAM for its page included."""
        return self._written + len(self._buffer)

    @property
    def download(self) -> tuple[File, int] | None:
        """What is being taken, and its size."""
        found = self.settings.download
        return None if found is None else (File(*found[:3]), found[3])

    def begin(self, file: File, size: int) -> None:
        """Make room for a file; what was there is given up first."""
        if self.settings.download is not None or self.settings.staged:
            self.discard()
        begin = self.standby * self.room
        for at in range(0, size, self.page):
            self.flash.erase(begin + at)
        self.save(download=(file.manufacturer, file.image_type, file.version, size))
        self._written = 0

    def append(self, data: bytes) -> None:
        """The next bytes; whole pages go to the flash."""
        self._buffer += data
        while len(self._buffer) >= self.page:
            self._write(self.page)

    def flush(self) -> None:
        """The last page, however short."""
        if self._buffer:
            self._write(len(self._buffer))

    def begun(self, size: int) -> bytes:
        """The first bytes of what has come, at most so many."""
        there = self.flash.read(self.standby * self.room, min(size, self._written))
        return there + bytes(self._buffer[: size - len(there)])

    def discard(self) -> None:
        """Give up what was taken."""
        self._buffer.clear()
        self._written = 0
        self.save(download=None, staged=False)

    def copy_over(self) -> None:
        """Put what is staged over what runs, a page at a time; begun again if it was interrupted."""
        header = self.contents(1)
        size = 0 if header is None else header.header.total
        for at in range(0, size, self.page):
            self.flash.erase(at)
            self.flash.program(at, self.flash.read(self.room + at, min(self.page, size - at)))

    def bend(self) -> None:
        """Flip a bit in the middle of what was taken."""
        middle = self.standby * self.room + self.offset // 2
        self.flash.data[middle] ^= 0x04

    def _write(self, count: int) -> None:
        at = self.standby * self.room + self._written
        self.flash.program(at, bytes(self._buffer[:count]))
        del self._buffer[:count]
        self._written += count

    def _found(self) -> int:
        """How far the download came: up to the last page in which anything is, which is taken anew."""
        download = self.settings.download
        size = 0 if download is None else download[3]
        begin, blank = self.standby * self.room, b"\xff" * self.page
        last = -1
        for number in range(-(-size // self.page)):
            if self.flash.read(begin + number * self.page, self.page) != blank:
                last = number
        if self.settings.staged:
            return size
        if last < 0:
            return 0
        self.flash.erase(begin + last * self.page)
        return last * self.page

    def _place(self, turn: int) -> int:
        return self._at + turn % 2 * self._per_settings * self.page


def _application(header: Header, whole: bytes) -> bytes:
    """The upgrade image of a file; without elements, whatever is behind the header."""
    try:
        for tag, begin, end in elements(whole, header.length):
            if tag == Tag.UPGRADE_IMAGE:
                return whole[begin:end]
    except BadCommand:
        pass
    return whole[header.length :]


def _packed(settings: Settings) -> bytes:
    text = json.dumps(asdict(settings), separators=(",", ":")).encode()
    return len(text).to_bytes(4, "little") + zlib.crc32(text).to_bytes(4, "little") + text


def _unpacked(data: bytes) -> Settings | None:
    size = int.from_bytes(data[:4], "little")
    text = data[_HEAD : _HEAD + size]
    if len(text) != size or zlib.crc32(text).to_bytes(4, "little") != data[4:_HEAD]:
        return None
    fields = json.loads(text)
    for name in ("download", "reporting"):
        if fields[name] is not None:
            fields[name] = tuple(tuple(each) if isinstance(each, list) else each for each in fields[name])
    return Settings(**fields)
