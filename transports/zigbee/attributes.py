"""Reading attributes: the request's payload, and the answer's into plain values.

Types and their lengths are those of ZCL revision 8, 2.6.2 (table 2-10); the records of a Read
Attributes Response those of 2.5.2.  What cannot be read ends the answer: the records before it
stand, and the ones after it are as if the node had not sent them.
"""

import struct
from collections.abc import Mapping, Sequence

from transports.zcl import AttributeValue

READ, READ_RESPONSE = 0x00, 0x01
WRITE_RESPONSE, CONFIGURE_RESPONSE, READ_REPORTING_RESPONSE, REPORT = 0x04, 0x07, 0x09, 0x0A
DEFAULT_RESPONSE = 0x0B
"""Commands of the whole profile (ZCL revision 8, table 2-3)."""

_BOOLEAN = 0x10
_SINGLE, _DOUBLE = 0x39, 0x3A
_STRINGS = {0x41: "<B", 0x42: "<B", 0x43: "<H", 0x44: "<H"}
"""Octet and character strings, short and long, with how their length is written."""
_CHARACTERS = (0x42, 0x44)
_UNSIGNED = {
    **{0x08 + n: n + 1 for n in range(8)},  # data
    **{0x18 + n: n + 1 for n in range(8)},  # bitmaps
    **{0x20 + n: n + 1 for n in range(8)},  # unsigned integers
    0x30: 1, 0x31: 2,  # enumerations
    0xE0: 4, 0xE1: 4, 0xE2: 4,  # time of day, date, UTC time
    0xE8: 2, 0xE9: 2, 0xEA: 4,  # cluster, attribute, BACnet object
    0xF0: 8,  # IEEE address
}  # fmt: skip
_SIGNED = {0x28 + n: n + 1 for n in range(8)}
_KEY = 0xF1


def asked(attributes: Sequence[int]) -> bytes:
    """The payload of a Read Attributes command."""
    return struct.pack(f"<{len(attributes)}H", *attributes)


def answered(payload: bytes) -> tuple[Mapping[int, AttributeValue], frozenset[int]]:
    """What a Read Attributes Response says: values by attribute, and those that the node does not have."""
    values: dict[int, AttributeValue] = {}
    absent: set[int] = set()
    at = 0
    while at + 3 <= len(payload):
        attribute, status = struct.unpack_from("<HB", payload, at)
        at += 3
        if status:
            absent.add(attribute)
            continue
        try:
            value, at = _value(payload[at], payload, at + 1)
        except (IndexError, struct.error, ValueError):
            break
        if value is None:
            absent.add(attribute)
        else:
            values[attribute] = value
    return values, frozenset(absent)


def _value(kind: int, data: bytes, at: int) -> tuple[AttributeValue | None, int]:
    """One value and where the next record begins; None for the type's own "invalid"."""
    if kind == _BOOLEAN:
        return (None if data[at] == 0xFF else bool(data[at])), at + 1
    if kind in _UNSIGNED or kind in _SIGNED:
        size = _UNSIGNED.get(kind) or _SIGNED[kind]
        end = at + size
        if end > len(data):
            raise ValueError("cut off")
        return int.from_bytes(data[at:end], "little", signed=kind in _SIGNED), end
    if kind == _SINGLE:
        return struct.unpack_from("<f", data, at)[0], at + 4
    if kind == _DOUBLE:
        return struct.unpack_from("<d", data, at)[0], at + 8
    if kind in _STRINGS:
        form = _STRINGS[kind]
        (length,) = struct.unpack_from(form, data, at)
        at += struct.calcsize(form)
        if length == (0xFF if form == "<B" else 0xFFFF):
            return None, at
        end = at + length
        if end > len(data):
            raise ValueError("cut off")
        text = data[at:end]
        return (text.split(b"\0")[0].decode("utf-8", "replace") if kind in _CHARACTERS else text), end
    if kind == _KEY:
        if at + 16 > len(data):
            raise ValueError("cut off")
        return data[at : at + 16], at + 16
    raise ValueError(f"no type that is read here: {kind:#04x}")
