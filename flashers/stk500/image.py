"""A firmware file for an AVR part: parsed, checked, and cut into pages as a loader writes them."""

from collections.abc import Iterator
from dataclasses import dataclass

from flashers.api import Component, Digest, Firmware, FirmwareImage, Segment
from flashers.images import (
    ImageForOtherHardware,
    NoResetVector,
    WrongFormat,
    compile_stamp,
    extents_digest,
    merged,
    parse_ihex,
    parse_raw,
    read_stamp,
    write_ihex,
)
from flashers.stk500.params import Stk500Params

IHEX, RAW = "ihex", "raw"
FORMATS = frozenset({IHEX, RAW})

BACKUP_FORMAT = IHEX
"""What a backup is read with."""

_NOTHING = b"\xff"
"""An erased byte."""


def parse(data: bytes, format: str, component: Component, params: Stk500Params) -> FirmwareImage:  # noqa: A002
    """Understand a file for the application area of the profile's part.

    Raises:
        BadImage: it is none, or not for this part; see ``flashers.images.errors``.
    """
    match format:
        case "ihex":
            segments = parse_ihex(data, params.area)
        case "raw":
            segments = parse_raw(data, params.area)
        case _:
            raise WrongFormat(f"{format!r} is no format for an AVR; there are {', '.join(sorted(FORMATS))}")
    if segments[0].address != 0 or is_blank(segments[0].data):
        raise NoResetVector
    stamp = read_stamp(segments, compile_stamp(params.stamp)) if params.stamp else {}
    hardware = stamp.get("hardware")
    if params.hardware and hardware and hardware != params.hardware:
        raise ImageForOtherHardware(f"the image says {hardware!r}, the profile {params.hardware!r}")
    return FirmwareImage(
        format=format,
        artifact=Digest.sha256(data),
        firmware=Firmware(extents_digest(segments), stamp.get("version")),
        segments=segments,
        component=component,
        facts={"hardware": hardware} if hardware else {},
    )


def format_of(data: bytes) -> str:
    """Which of the two a file is, where nobody says."""
    return IHEX if data.lstrip()[:1] == b":" else RAW


def backup_of(flash: bytes, page_size: int) -> bytes:
    """A file of a whole application area: without the erased pages at its end, but one page at least."""
    used = len(flash.rstrip(_NOTHING))
    end = max(page_size, -(-used // page_size) * page_size)
    return write_ihex([Segment(0, flash[:end])])


def is_blank(beginning: bytes | bytearray) -> bool:
    """Whether no instruction is at the reset vector, given the memory from address 0."""
    return bytes(beginning[:2]).ljust(2, _NOTHING) == _NOTHING * 2


@dataclass(frozen=True, slots=True)
class Page:
    """A page as it is written, and which of its bytes the image speaks of (ranges within the page)."""

    address: int
    data: bytes
    spans: tuple[range, ...]

    def holds(self, flash: bytes) -> bool:
        """Whether what was read at this address has every byte that the image gives."""
        return all(flash[span.start : span.stop] == self.data[span.start : span.stop] for span in self.spans)

    @property
    def size(self) -> int:
        """Bytes of the image in this page."""
        return sum(map(len, self.spans))


def pages(image: FirmwareImage, page_size: int) -> tuple[Page, ...]:
    """The pages to write, ascending; bytes that the image leaves open are those of an erased flash."""
    filled: dict[int, tuple[bytearray, list[range]]] = {}
    for address, piece in _by_page(merged(image.segments), page_size):
        start = address % page_size
        data, spans = filled.setdefault(address - start, (bytearray(_NOTHING * page_size), []))
        data[start : start + len(piece)] = piece
        spans.append(range(start, start + len(piece)))
    return tuple(Page(address, bytes(data), tuple(spans)) for address, (data, spans) in filled.items())


def _by_page(segments: tuple[Segment, ...], page_size: int) -> Iterator[tuple[int, bytes]]:
    for segment in segments:
        at = segment.address
        while at < segment.end:
            upto = min((at // page_size + 1) * page_size, segment.end)
            yield at, segment.data[at - segment.address : upto - segment.address]
            at = upto
