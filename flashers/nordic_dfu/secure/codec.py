"""Values of the control points to messages, and back.

Each value of a characteristic is a whole message.  What cannot be read is None and never
an error: it came from outside.
"""

import struct
import zlib
from dataclasses import dataclass

from flashers.nordic_dfu.secure.words import Door, DoorResult, Extended, Object, Op, Result

_CREATE = struct.Struct("<BBI")
_RECEIPTS = struct.Struct("<BH")
_PLACE = struct.Struct("<II")
_SELECTED = struct.Struct("<III")


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a loader; ``object`` and ``value`` where the operation has them."""

    op: Op
    object: int = 0
    value: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """How far an object has come: bytes since the beginning of all of its kind, and their CRC-32."""

    offset: int
    crc: int


@dataclass(frozen=True, slots=True)
class Response:
    """How an operation ended, and what it gave."""

    op: int
    result: int
    extended: int | None = None
    place: Place | None = None
    largest: int | None = None

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.result == Result.SUCCESS

    @property
    def said(self) -> str:
        """The result as words."""
        if self.extended is not None:
            known = self.extended in set(Extended)
            return _words(Extended(self.extended)) if known else f"extended error {self.extended}"
        return _words(Result(self.result)) if self.result in set(Result) else f"result {self.result}"


@dataclass(frozen=True, slots=True)
class DoorAnswer:
    """How an operation of the application's door ended."""

    op: int
    result: int

    @property
    def said(self) -> str:
        """The result as words."""
        known = self.result in set(DoorResult)
        return _words(DoorResult(self.result)) if known else f"result {self.result}"


def crc32(data: bytes, before: int = 0) -> int:
    """The CRC-32 that loaders compute (the one of zip files), continued from ``before``."""
    return zlib.crc32(data, before)


def create(kind: Object, size: int) -> bytes:
    """Begin an object of so many bytes; a command object begins everything anew."""
    return _CREATE.pack(Op.CREATE, kind, size)


def receipts(every: int) -> bytes:
    """Ask for a receipt after each so many packets; 0 for never."""
    return _RECEIPTS.pack(Op.RECEIPTS, every)


def select(kind: Object) -> bytes:
    """Ask how far objects of this kind have come."""
    return bytes((Op.SELECT, kind))


def plain(op: Op) -> bytes:
    """An operation without an argument."""
    return bytes((op,))


def enter() -> bytes:
    """Ask an application to restart in its loader."""
    return bytes((Door.ENTER,))


def set_name(name: str) -> bytes:
    """Give the loader the name that it will call out, once."""
    text = name.encode()
    return bytes((Door.SET_NAME, len(text))) + text


def read_request(data: bytes) -> Request | None:
    """What was written to a loader's control point."""
    if not data or data[0] not in set(Op) or data[0] == Op.RESPONSE:
        return None
    op = Op(data[0])
    match op:
        case Op.CREATE if len(data) == _CREATE.size:
            return Request(op, *_CREATE.unpack(data)[1:])
        case Op.RECEIPTS if len(data) == _RECEIPTS.size:
            return Request(op, value=_RECEIPTS.unpack(data)[1])
        case Op.SELECT if len(data) == 2:
            return Request(op, data[1])
        case Op.CRC | Op.EXECUTE | Op.ABORT if len(data) == 1:
            return Request(op)
    return None


def response(
    op: int,
    result: Result = Result.SUCCESS,
    *,
    extended: Extended | None = None,
    place: Place | None = None,
    largest: int | None = None,
) -> bytes:
    """What a loader answers."""
    head = bytes((Op.RESPONSE, op, result))
    if extended is not None:
        return head + bytes((extended,))
    if place is None:
        return head
    if largest is None:
        return head + _PLACE.pack(place.offset, place.crc)
    return head + _SELECTED.pack(largest, place.offset, place.crc)


def read_response(data: bytes) -> Response | None:
    """What a loader's control point notified."""
    if len(data) < 3 or data[0] != Op.RESPONSE:
        return None
    op, result, rest = data[1], data[2], data[3:]
    if result == Result.EXTENDED:
        return Response(op, result, rest[0]) if len(rest) == 1 else None
    if result != Result.SUCCESS:
        return Response(op, result)
    match op:
        case Op.SELECT:
            if len(rest) != _SELECTED.size:
                return None
            largest, offset, crc = _SELECTED.unpack(rest)
            return Response(op, result, place=Place(offset, crc), largest=largest)
        case Op.CRC:
            return Response(op, result, place=Place(*_PLACE.unpack(rest))) if len(rest) == 8 else None
        case _:
            return Response(op, result)


def read_door(data: bytes) -> DoorAnswer | None:
    """What an application's door indicated."""
    return DoorAnswer(data[1], data[2]) if len(data) == 3 and data[0] == Door.RESPONSE else None


def _words(word: Result | Extended | DoorResult) -> str:
    return word.name.lower().replace("_", " ")
