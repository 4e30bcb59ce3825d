"""Values of the control point to messages, and back.

Each value of a GATT characteristic is a whole message, so nothing is kept between two of
them.  What cannot be read is None, never an error: it came from outside.
"""

import struct
from dataclasses import dataclass

from flashers.nordic_dfu.legacy.words import Kind, Op, Result, Step

_SIZES = struct.Struct("<III")
_RECEIPT = struct.Struct("<BI")


@dataclass(frozen=True, slots=True)
class Command:
    """What is asked of a loader; ``argument`` is whatever follows the operation."""

    op: Op
    argument: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """How an operation ended; ``value`` is what it gave beside that."""

    op: int
    result: int
    value: bytes = b""

    @property
    def said(self) -> str:
        """The result as a word."""
        if self.result in set(Result):
            return Result(self.result).name.lower().replace("_", " ")
        return f"result {self.result}"


@dataclass(frozen=True, slots=True)
class Receipt:
    """So many bytes of the image the loader has taken since it began."""

    received: int


@dataclass(frozen=True, slots=True)
class Sizes:
    """The three sizes that follow a start, in bytes."""

    softdevice: int
    bootloader: int
    application: int

    @property
    def total(self) -> int:
        """Bytes that will come."""
        return self.softdevice + self.bootloader + self.application


def start(kind: Kind) -> bytes:
    """Begin; the sizes have to follow as a packet."""
    return bytes((Op.START, kind))


def sizes(application: int, *, softdevice: int = 0, bootloader: int = 0) -> bytes:
    """The packet after a start."""
    return _SIZES.pack(softdevice, bootloader, application)


def init(step: Step) -> bytes:
    """Announce the init packet, or say that it is complete."""
    return bytes((Op.INIT, step))


def receipts(every: int) -> bytes:
    """Ask for a receipt after each so many packets of the image."""
    return struct.pack("<BH", Op.RECEIPTS, every)


def plain(op: Op) -> bytes:
    """An operation without an argument."""
    return bytes((op,))


def response(op: int, result: Result, value: bytes = b"") -> bytes:
    """What a loader answers."""
    return bytes((Op.RESPONSE, op, result)) + value


def receipt(received: int) -> bytes:
    """What a loader says after so many packets."""
    return _RECEIPT.pack(Op.RECEIPT, received)


def read_sizes(data: bytes) -> Sizes | None:
    """The packet after a start, if it is one."""
    return Sizes(*_SIZES.unpack(data)) if len(data) == _SIZES.size else None


def read_command(data: bytes) -> Command | None:
    """What was written to the control point; None where no loader knows it."""
    if not data or data[0] not in set(Op) or data[0] >= Op.RESPONSE:
        return None
    return Command(Op(data[0]), bytes(data[1:]))


def read_answer(data: bytes) -> Response | Receipt | None:
    """What a control point notified."""
    if len(data) >= 3 and data[0] == Op.RESPONSE:
        return Response(data[1], data[2], bytes(data[3:]))
    if len(data) == _RECEIPT.size and data[0] == Op.RECEIPT:
        return Receipt(_RECEIPT.unpack(data)[1])
    return None
