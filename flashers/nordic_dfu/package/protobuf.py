"""As much of the protobuf wire format as init packets need: numbers, and bytes with a length.

A library would bring megabytes for three messages of ten fields.  This reader is stricter
than most: a field that may be there once is there once, so that no loader can understand
the bytes in another way than we do.

Source: Protocol Buffers, "Encoding".
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_VARINT, _BYTES = 0, 2
_MOST_VARINT = 10
_32 = 1 << 32


class BadMessage(ValueError):
    """These bytes are no message of this shape."""


@dataclass(frozen=True, slots=True)
class Message:
    """The fields of a message: for each number its values in order, numbers or bytes."""

    fields: dict[int, list[int | bytes]]

    @classmethod
    def read(cls, data: bytes) -> "Message":
        """Understand a message.  Raises BadMessage."""
        fields: dict[int, list[int | bytes]] = {}
        for number, value in _fields(data):
            fields.setdefault(number, []).append(value)
        return cls(fields)

    def only(self, known: Sequence[int]) -> "Message":
        """The same, if it has no other fields.  Raises BadMessage."""
        other = sorted(set(self.fields) - set(known))
        if other:
            raise BadMessage(f"field {other[0]} is unknown")
        return self

    def number(self, field: int) -> int | None:
        """A number of 32 bits, or None.  Raises BadMessage."""
        value = self._single(field)
        if isinstance(value, bytes) or (value is not None and value >= _32):
            raise BadMessage(f"field {field} is no number of 32 bits")
        return value

    def data(self, field: int) -> bytes | None:
        """Bytes, or None.  Raises BadMessage."""
        value = self._single(field)
        if isinstance(value, int):
            raise BadMessage(f"field {field} is a number")
        return value

    def numbers(self, field: int) -> tuple[int, ...]:
        """A repeated number, packed or not.  Raises BadMessage."""
        found: list[int] = []
        for value in self.fields.get(field, []):
            if isinstance(value, int):
                found.append(value)
                continue
            at = 0
            while at < len(value):
                number, at = _varint(value, at)
                found.append(number)
        if any(number >= _32 for number in found):
            raise BadMessage(f"field {field} has a number of more than 32 bits")
        return tuple(found)

    def _single(self, field: int) -> int | bytes | None:
        values = self.fields.get(field, [])
        if len(values) > 1:
            raise BadMessage(f"field {field} is there {len(values)} times")
        return values[0] if values else None


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        value, at = _varint(data, at)
        match key & 7:
            case 0:
                yield key >> 3, value
            case 2:
                if at + value > len(data):
                    raise BadMessage("a field is longer than the message")
                yield key >> 3, bytes(data[at : at + value])
                at += value
            case kind:
                raise BadMessage(f"field {key >> 3} has the unexpected wire type {kind}")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    result = 0
    for place in range(_MOST_VARINT):
        if at + place >= len(data):
            raise BadMessage("the message ends within a number")
        byte = data[at + place]
        result |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return result, at + place + 1
    raise BadMessage("a number is too long")


def varint(value: int) -> bytes:
    """A number as the wire has it."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def field(number: int, value: int | bytes) -> bytes:
    """A field as the wire has it."""
    if isinstance(value, int):
        return varint(number << 3 | _VARINT) + varint(value)
    return varint(number << 3 | _BYTES) + varint(len(value)) + value
