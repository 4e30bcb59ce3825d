"""TI's Monitor and Test frames, as bytes: FE, length, two command bytes, data, and their XOR.

(Z-Stack Monitor and Test API, 2.1.)  The codec knows no commands.
"""

from collections.abc import Iterator
from enum import IntEnum
from functools import reduce
from operator import xor

START = 0xFE
MAX_DATA = 250


class Kind(IntEnum):
    """The upper three bits of the first command byte."""

    SREQ = 0x20
    """A request that is answered at once."""
    AREQ = 0x40
    """A request without an answer, or an indication."""
    SRSP = 0x60


class System(IntEnum):
    """The lower five bits: subsystems."""

    RPC_ERROR = 0x00
    SYS = 0x01
    AF = 0x04
    ZDO = 0x05
    SAPI = 0x06
    UTIL = 0x07
    APP_CNF = 0x0F


def encode(kind: Kind, system: int, command: int, data: bytes = b"") -> bytes:
    """One frame."""
    body = bytes((len(data), kind | system, command)) + data
    return bytes((START,)) + body + bytes((reduce(xor, body),))


class Decoder:
    """Bytes to frames, however they are cut; what is no frame is passed over."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.spoiled = 0
        """Frames whose sum was wrong."""

    def clear(self) -> None:
        """Forget a frame that was begun."""
        self._buffer.clear()

    def feed(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        """(first command byte, second, data) of every frame that is complete."""
        buffer = self._buffer
        buffer += data
        while True:
            at = buffer.find(START)
            if at < 0:
                buffer.clear()
                return
            del buffer[:at]
            if len(buffer) < 2:
                return
            size = buffer[1]
            if size > MAX_DATA:
                del buffer[0]
                continue
            if len(buffer) < size + 5:
                return
            body = bytes(buffer[1 : size + 4])
            if reduce(xor, body) != buffer[size + 4]:
                self.spoiled += 1
                del buffer[0]
                continue
            del buffer[: size + 5]
            yield body[1], body[2], body[3:]
