"""Intel HEX, read by intelhex, with the checks that it leaves out.

intelhex 2.3 takes a file without an end for a whole one, ignores what follows the
end, accepts an empty file, and keeps every byte in a dictionary however many there
are.  So the records are counted here first, and nothing is built of a file that
could not fit the part.  Format: Intel, "Hexadecimal Object File Format
Specification", revision A, 1988.
"""

from collections.abc import Iterable, Iterator
from io import StringIO

from intelhex import AddressOverlapError, IntelHex, IntelHexError

from flashers.api import ImageTooLarge, Segment
from flashers.images.area import Area
from flashers.images.errors import HexMalformed, HexNoEnd, ImageEmpty, ImageOverlap

DATA, END, EXTENDED_LINEAR = 0x00, 0x01, 0x04

MAX_TEXT_PER_BYTE = 16
"""A record of one data byte takes 13 characters and its line's end; more text than that is no image."""

MAX_TEXT_BESIDE = 64 * 1024
"""Characters for whatever holds no data: address records, blank lines."""

RECORD_BYTES = 16
"""Data bytes in a record that we write, as avr-objcopy does."""


def parse_ihex(data: bytes, area: Area) -> tuple[Segment, ...]:
    """The pieces of an Intel HEX file, merged and by address; start addresses are ignored.

    Raises:
        HexMalformed: a record is broken.
        HexNoEnd: the one end-of-file record is not where the file ends.
        ImageEmpty: there are no data bytes.
        ImageTooLarge: there are more data bytes (or more text) than the part could hold.
        ImageOverlap: an address is given twice.
        OutsidePart: bytes lie where the part has no memory.
        IntoBootSection: bytes lie in the loader's share.
    """
    if len(data) > area.size * MAX_TEXT_PER_BYTE + MAX_TEXT_BESIDE:
        raise ImageTooLarge(f"{len(data)} characters are more than any image of {area.part} has")
    records = _records(data)
    size = _count(records)
    if not size:
        raise ImageEmpty("the file has no data records")
    area.check_size(size)
    memory = IntelHex()
    try:
        memory.loadhex(StringIO("\n".join(records)))
    except AddressOverlapError as error:
        raise ImageOverlap(str(error)) from error
    except IntelHexError as error:
        raise HexMalformed(str(error)) from error
    segments = tuple(Segment(start, memory.tobinstr(start, end - 1)) for start, end in memory.segments())
    area.check(segments)
    return segments


def _records(data: bytes) -> list[str]:
    """The file's lines, blank ones left in so that their numbers stay right."""
    try:
        return [line.strip() for line in data.decode("ascii").split("\n")]
    except UnicodeDecodeError as error:
        raise HexMalformed(f"byte {error.start} is no text") from error


def _count(records: list[str]) -> int:
    """The number of data bytes that the records announce; checks where the end is."""
    size, end = 0, 0
    for number, record in enumerate(records, 1):
        if not record:
            continue
        if end:
            raise HexNoEnd(f"line {number}: the end-of-file record is already in line {end}")
        try:
            if record[0] != ":":
                raise ValueError
            length, kind = int(record[1:3], 16), int(record[7:9], 16)
        except ValueError:
            raise HexMalformed(f"line {number} is no record") from None
        if kind == DATA:
            size += length
        elif kind == END:
            end = number
    if not end:
        # An empty file is rather empty than without an end.
        raise (
            HexNoEnd("there is no end-of-file record") if any(records) else ImageEmpty("the file is empty")
        )
    return size


def write_ihex(segments: Iterable[Segment]) -> bytes:
    """An Intel HEX file of these segments, with linear addresses where 16 bits do not reach."""
    upper = 0
    lines: list[str] = []
    for address, piece in _pieces(segments):
        if address >> 16 != upper:
            upper = address >> 16
            lines.append(_record(EXTENDED_LINEAR, 0, upper.to_bytes(2, "big")))
        lines.append(_record(DATA, address & 0xFFFF, piece))
    lines.append(_record(END, 0, b""))
    return "".join(lines).encode()


def _pieces(segments: Iterable[Segment]) -> Iterator[tuple[int, bytes]]:
    """Pieces that begin at a multiple of the record's size where they can, so none crosses 64 KiB."""
    for segment in segments:
        at = segment.address
        while at < segment.end:
            upto = min(at - at % RECORD_BYTES + RECORD_BYTES, segment.end)
            yield at, segment.data[at - segment.address : upto - segment.address]
            at = upto


def _record(kind: int, address: int, data: bytes) -> str:
    body = bytes([len(data)]) + address.to_bytes(2, "big") + bytes([kind]) + data
    return f":{(body + bytes([-sum(body) & 0xFF])).hex().upper()}\n"
