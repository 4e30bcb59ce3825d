"""STK500 version 1 as AVR bootloaders speak it: bytes to messages and back, no I/O.

Source of the numbers: Atmel application note AVR061 "STK500 Communication Protocol"
(rev. B, 04/03), its section 3 (commands and answers) and its ``command.h``.  Lengths of
blocks are big endian, addresses little endian and in words.  There is no checksum and
no sequence number: what was written has to be read back.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from flashers.api import ProtocolError

IN_SYNC = 0x14
OK = 0x10
END = 0x20
"""Sync_CRC_EOP: a blank ends every request."""

GET_SYNC = 0x30
SET_PARAMETER = 0x40
GET_PARAMETER = 0x41
SET_DEVICE = 0x42
SET_DEVICE_EXT = 0x45
ENTER_PROGMODE = 0x50
LEAVE_PROGMODE = 0x51
CHIP_ERASE = 0x52
LOAD_ADDRESS = 0x55
UNIVERSAL = 0x56
PROG_PAGE = 0x64
READ_PAGE = 0x74
READ_SIGN = 0x75

SW_MAJOR, SW_MINOR = 0x81, 0x82
"""Parameters: the version of the loader."""

FLASH = 0x46
"""The memory type ``F`` of a block; ``E`` would be the EEPROM."""

MAX_BLOCK = 256
"""Bytes in a block that either loader takes: Optiboot counts in eight bits, ATmegaBOOT has that buffer."""

_REFUSALS = {0x11: "FAILED", 0x12: "UNKNOWN", 0x13: "NODEVICE", 0x15: "NOSYNC"}

_ARGUMENTS = {
    SET_PARAMETER: 2,
    GET_PARAMETER: 1,
    SET_DEVICE: 20,
    SET_DEVICE_EXT: 5,
    LOAD_ADDRESS: 2,
    UNIVERSAL: 4,
    PROG_PAGE: 3,
    READ_PAGE: 3,
}
"""Bytes after the command, for those that have any; a block's data comes on top."""


KNOWN = frozenset(_ARGUMENTS) | {
    *(GET_SYNC, ENTER_PROGMODE, LEAVE_PROGMODE, CHIP_ERASE, READ_SIGN),
}


@dataclass(frozen=True, slots=True)
class Request:
    """A command with its arguments; ``answer`` is how many bytes the reply carries."""

    command: int
    arguments: bytes = b""
    answer: int = 0

    def encode(self) -> bytes:
        """The bytes on the line."""
        return bytes([self.command]) + self.arguments + bytes([END])


SYNC = Request(GET_SYNC)
ENTER = Request(ENTER_PROGMODE)
LEAVE = Request(LEAVE_PROGMODE)
SIGNATURE = Request(READ_SIGN, answer=3)
NOTHING = Request(UNIVERSAL, bytes(4), answer=1)
"""An SPI instruction of zeros, passed through to nobody."""


def get_parameter(parameter: int) -> Request:
    """Ask for one byte about the loader."""
    return Request(GET_PARAMETER, bytes([parameter]), answer=1)


def load_address(address: int) -> Request:
    """Set the byte address (even, below 128 KiB) of the next block."""
    return Request(LOAD_ADDRESS, struct.pack("<H", address // 2))


def prog_page(data: bytes) -> Request:
    """Write a page of flash at the address that was set."""
    return Request(PROG_PAGE, struct.pack(">HB", len(data), FLASH) + data)


def read_page(size: int) -> Request:
    """Read a block of flash from the address that was set."""
    return Request(READ_PAGE, struct.pack(">HB", size, FLASH), answer=size)


def reply(payload: bytes = b"") -> bytes:
    """What a loader answers."""
    return bytes([IN_SYNC]) + payload + bytes([OK])


class Replies:
    """Collects the answers to requests that were sent in one go."""

    def __init__(self, requests: Iterable[Request]) -> None:
        self.payloads: list[bytes] = []
        self._sizes = [request.answer for request in requests]
        self._buffer = bytearray()

    @property
    def complete(self) -> bool:
        """Every answer is there."""
        return len(self.payloads) == len(self._sizes)

    @property
    def rest(self) -> bytes:
        """What came after the last answer."""
        return bytes(self._buffer) if self.complete else b""

    def receive_data(self, data: bytes) -> None:
        """Take bytes in whatever pieces they come.

        Raises:
            ProtocolError: they are not an answer to what was asked.
        """
        self._buffer += data
        while not self.complete and self._buffer:
            if self._buffer[0] != IN_SYNC:
                name = _REFUSALS.get(self._buffer[0], f"{self._buffer[0]:#04x}")
                raise ProtocolError(f"the loader answered {name} instead of INSYNC")
            end = 1 + self._sizes[len(self.payloads)]
            if len(self._buffer) <= end:
                return
            if self._buffer[end] != OK:
                name = _REFUSALS.get(self._buffer[end], f"{self._buffer[end]:#04x}")
                raise ProtocolError(f"the loader answered {name} instead of OK")
            self.payloads.append(bytes(self._buffer[1:end]))
            del self._buffer[: end + 1]


@dataclass(frozen=True, slots=True)
class LostSync:
    """The blank that ends a request was another byte; ``request`` is what it would have been."""

    request: Request


class Requests:
    """Collects requests, as a loader does: byte by byte, without ever looking back.

    A command that it does not know is taken for one without arguments (Optiboot), or
    is skipped at once (``blank_after_unknown=False``, ATmegaBOOT).
    """

    def __init__(self, *, blank_after_unknown: bool = True) -> None:
        self._buffer = bytearray()
        self._blank_after_unknown = blank_after_unknown

    @property
    def pending(self) -> bytes:
        """The beginning of a request that is not complete."""
        return bytes(self._buffer)

    def receive_data(self, data: bytes) -> list[Request | LostSync]:
        """Take bytes in whatever pieces they come."""
        self._buffer += data
        found: list[Request | LostSync] = []
        while self._buffer:
            if self._buffer[0] not in KNOWN and not self._blank_after_unknown:
                found.append(LostSync(Request(self._buffer.pop(0))))
                continue
            size = self._size()
            if size is None or len(self._buffer) <= size:
                break
            request = Request(self._buffer[0], bytes(self._buffer[1:size]))
            found.append(request if self._buffer[size] == END else LostSync(request))
            del self._buffer[: size + 1]
        return found

    def _size(self) -> int | None:
        """Length of the first request without its blank, or None while that is not known."""
        size = 1 + _ARGUMENTS.get(self._buffer[0], 0)
        if self._buffer[0] != PROG_PAGE:
            return size
        return None if len(self._buffer) < size else size + block_size(bytes(self._buffer[1:size]))


def block_size(header: bytes) -> int:
    """The length that a block's header tells, as Optiboot takes it: in eight bits, 0 being 256."""
    size: int = struct.unpack_from(">H", header)[0]
    return (size - 1) % MAX_BLOCK + 1
