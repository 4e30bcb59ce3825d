"""The commands of every cluster that a node and its server need: read, write, report, default response.

Values come with their type, and only types of a known length are read (ZCL revision 8, 2.6.2); of an
unknown one the length is unknown too, so nothing after it could be believed.
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flashers.zigbee_ota.codec.errors import BadCommand
from flashers.zigbee_ota.codec.parts import u16, unpack
from flashers.zigbee_ota.codec.words import Status
from transports.zcl import AttributeValue

BOOL, BITMAP8, U8, U16, U24, U32, U48 = 0x10, 0x18, 0x20, 0x21, 0x22, 0x23, 0x25
I8, I16, I32, ENUM8, ENUM16, FLOAT = 0x28, 0x29, 0x2B, 0x30, 0x31, 0x39
OCTETS, TEXT, EUI64 = 0x41, 0x42, 0xF0

_UNSIGNED = {
    **{0x08 + each: each + 1 for each in range(8)},  # data
    **{0x18 + each: each + 1 for each in range(8)},  # bitmaps
    **{0x20 + each: each + 1 for each in range(8)},  # unsigned
    BOOL: 1,
    ENUM8: 1,
    ENUM16: 2,
    0xE0: 4,  # time of day
    0xE1: 4,  # date
    0xE2: 4,  # UTC
    0xE8: 2,  # cluster
    0xE9: 2,  # attribute
    0xEA: 4,  # BACnet object
    EUI64: 8,
}
_SIGNED = {0x28 + each: each + 1 for each in range(8)}
_FLOATS = {0x39: struct.Struct("<f"), 0x3A: struct.Struct("<d")}
_SHORT = frozenset({OCTETS, TEXT})
_NOTHING = 0xFF
"""The length of a text that is not there (2.6.2.12)."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute with its type."""

    id: int
    type: int
    value: AttributeValue


@dataclass(frozen=True, slots=True)
class Reporting:
    """What is to be reported: at the earliest and at the latest after so many seconds (2.5.7)."""

    id: int
    type: int
    least: int
    most: int
    change: int = 0


def encode_value(kind: int, value: AttributeValue) -> bytes:
    """A value of this type.

    Raises:
        ValueError: it does not fit, or the type is none of those above.
    """
    try:
        if kind in _UNSIGNED:
            return int(value).to_bytes(_UNSIGNED[kind], "little")
        if kind in _SIGNED:
            return int(value).to_bytes(_SIGNED[kind], "little", signed=True)
        if kind in _FLOATS:
            return _FLOATS[kind].pack(value)
        if kind in _SHORT:
            text = value.encode() if isinstance(value, str) else bytes(value)  # type: ignore[arg-type]
            return bytes((len(text),)) + text
    except (OverflowError, TypeError, struct.error) as error:
        raise ValueError(f"{value!r} is no value of type 0x{kind:02x}") from error
    raise ValueError(f"type 0x{kind:02x} is not written here")


def decode_value(kind: int, data: bytes, at: int) -> tuple[AttributeValue, int]:
    """A value of this type from there, and where it ends.

    Raises:
        BadCommand: it is cut off, or of a type whose length is not known.
    """
    if kind in _UNSIGNED:
        end = _within(data, at + _UNSIGNED[kind])
        number = int.from_bytes(data[at:end], "little")
        return (bool(number) if kind == BOOL else number), end
    if kind in _SIGNED:
        end = _within(data, at + _SIGNED[kind])
        return int.from_bytes(data[at:end], "little", signed=True), end
    if kind in _FLOATS:
        return float(unpack(_FLOATS[kind], data, at)[0]), at + _FLOATS[kind].size
    if kind in _SHORT:
        length = data[_within(data, at + 1) - 1]
        end = _within(data, at + 1 + (0 if length == _NOTHING else length))
        text = data[at + 1 : end]
        return (text if kind == OCTETS else text.decode("utf-8", "replace")), end
    raise BadCommand(f"a value of type 0x{kind:02x} cannot be read")


def _within(data: bytes, end: int) -> int:
    if end > len(data):
        raise BadCommand(f"a value ends at {end}, and its command has {len(data)} bytes")
    return end


def encode_read(attributes: Iterable[int]) -> bytes:
    """Read attributes (2.5.1)."""
    return b"".join(struct.pack("<H", each) for each in attributes)


def decode_read(data: bytes) -> tuple[int, ...]:
    """The same, read.  Raises BadCommand."""
    return tuple(u16(data, at) for at in range(0, len(data), 2))


def encode_read_response(found: Mapping[int, Attribute | Status]) -> bytes:
    """Values, and why others are not there (2.5.2)."""
    parts = []
    for number, what in found.items():
        if isinstance(what, Attribute):
            parts.append(struct.pack("<HBB", number, Status.SUCCESS, what.type))
            parts.append(encode_value(what.type, what.value))
        else:
            parts.append(struct.pack("<HB", number, what))
    return b"".join(parts)


def decode_read_response(data: bytes) -> Mapping[int, AttributeValue]:
    """The values that are there.  Raises BadCommand."""
    values: dict[int, AttributeValue] = {}
    at = 0
    while at < len(data):
        number, status = unpack(_RECORD, data, at)
        at += _RECORD.size
        if status == Status.SUCCESS:
            kind = data[_within(data, at + 1) - 1]
            values[number], at = decode_value(kind, data, at + 1)
    return values


_RECORD = struct.Struct("<HB")


def encode_attributes(attributes: Iterable[Attribute]) -> bytes:
    """Report attributes (2.5.11), or write them (2.5.3): the two are alike."""
    return b"".join(
        _RECORD.pack(each.id, each.type) + encode_value(each.type, each.value) for each in attributes
    )


def decode_attributes(data: bytes) -> tuple[Attribute, ...]:
    """The same, read.  Raises BadCommand."""
    found = []
    at = 0
    while at < len(data):
        number, kind = unpack(_RECORD, data, at)
        value, at = decode_value(kind, data, at + _RECORD.size)
        found.append(Attribute(number, kind, value))
    return tuple(found)


def encode_default(command: int, status: int) -> bytes:
    """Default response (2.5.12)."""
    return bytes((command, status))


def decode_default(data: bytes) -> tuple[int, int]:
    """The command that is answered, and its status.  Raises BadCommand."""
    command, status = unpack(_DEFAULT, data)
    return command, status


_DEFAULT = struct.Struct("<BB")
_REPORTING = struct.Struct("<BHBHH")


def _is_analog(kind: int) -> bool:
    """Whether a change of it has a size (2.6.2, table 2-11)."""
    return 0x20 <= kind <= 0x2F or 0x38 <= kind <= 0x3A or 0xE0 <= kind <= 0xE2


def encode_reporting(wanted: Iterable[Reporting]) -> bytes:
    """Configure reporting, as whoever wants the reports (2.5.7, direction 0)."""
    parts = []
    for each in wanted:
        parts.append(_REPORTING.pack(0, each.id, each.type, each.least, each.most))
        if _is_analog(each.type):
            parts.append(encode_value(each.type, each.change))
    return b"".join(parts)


def decode_reporting(data: bytes) -> tuple[Reporting, ...]:
    """The same, read; records of the other direction are left out.  Raises BadCommand."""
    found = []
    at = 0
    while at < len(data):
        if data[at]:
            unpack(_OTHER_WAY, data, at)
            at += _OTHER_WAY.size
            continue
        _, number, kind, least, most = unpack(_REPORTING, data, at)
        at += _REPORTING.size
        change: AttributeValue = 0
        if _is_analog(kind):
            change, at = decode_value(kind, data, at)
        found.append(Reporting(number, kind, least, most, int(change)))
    return tuple(found)


_OTHER_WAY = struct.Struct("<BHH")


def encode_read_reporting(attributes: Iterable[int]) -> bytes:
    """Ask what of these is reported (2.5.9)."""
    return b"".join(_ASKED.pack(0, each) for each in attributes)


def decode_read_reporting(data: bytes) -> tuple[int, ...]:
    """The same, read; those of the other direction are left out.  Raises BadCommand."""
    records = [unpack(_ASKED, data, at) for at in range(0, len(data), _ASKED.size)]
    return tuple(number for direction, number in records if not direction)


def encode_reporting_read(found: Mapping[int, Reporting | Status]) -> bytes:
    """What is reported, or why not, by attribute (2.5.10)."""
    parts = []
    for number, each in found.items():
        if isinstance(each, Status):
            parts.append(bytes((each,)) + _ASKED.pack(0, number))
        else:
            parts.append(bytes((Status.SUCCESS,)) + encode_reporting([each]))
    return b"".join(parts)


def decode_reporting_read(data: bytes) -> dict[int, Reporting | None]:
    """The same, read; None is not reported.  Raises BadCommand."""
    found: dict[int, Reporting | None] = {}
    at = 0
    while at < len(data):
        status, direction, number = unpack(_FOUND, data, at)
        if status or direction:
            found[number] = None
            at += _FOUND.size + (_TIMEOUT if not status else 0)
            continue
        _, number, kind, least, most = unpack(_REPORTING, data, at + 1)
        at += 1 + _REPORTING.size
        change: AttributeValue = 0
        if _is_analog(kind):
            change, at = decode_value(kind, data, at)
        found[number] = Reporting(number, kind, least, most, int(change))
    return found


_ASKED = struct.Struct("<BH")
_FOUND = struct.Struct("<BBH")
_TIMEOUT = 2
"""Of the other direction a record has a time-out, and nothing else."""
