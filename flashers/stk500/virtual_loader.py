"""A loader over a simulated flash: requests in, answers out, as the two real ones behave.

Behaviour from their sources in Debian's arduino-core-avr 1.8.4: ``optiboot.c`` (4.4)
and ``ATmegaBOOT_168.c``.  Neither has a chip erase, neither checks what it is sent,
and each has its own way of giving up.
"""

from collections.abc import Callable

from flashers.sim import SimFlash
from flashers.stk500 import codec
from flashers.stk500.codec import LostSync, Request
from flashers.stk500.parts import Loader, Part

MAX_ERRORS = 5
"""Requests that ATmegaBOOT does not understand before it starts the application."""

HEADER = 4
"""Bytes of PROG_PAGE before its data."""

_PARAMETERS = {
    Loader.OPTIBOOT: ({codec.SW_MAJOR: 4, codec.SW_MINOR: 4}, 3),
    Loader.ATMEGABOOT: ({0x80: 2, codec.SW_MAJOR: 1, codec.SW_MINOR: 16, 0x98: 3}, 0),
}
"""What GET_PARAMETER answers, and what it answers for all others."""


class SimLoader:
    """One run of the loader, from a reset until it gives up or is told to.

    ``on_page`` bends a page before it is programmed; ``leave`` is called when the loader
    is done.  A power cut in the flash passes through as it is.
    """

    def __init__(
        self,
        kind: Loader,
        part: Part,
        flash: SimFlash,
        *,
        signature: bytes,
        on_page: Callable[[int, bytes], bytes],
        leave: Callable[[], None],
    ) -> None:
        self._kind = kind
        self._part = part
        self._flash = flash
        self._signature = signature
        self._on_page = on_page
        self._leave = leave
        self._requests = codec.Requests(blank_after_unknown=kind is Loader.OPTIBOOT)
        self._address = 0
        self._errors = 0
        self._over = False

    def receive(self, data: bytes) -> bytes:
        """Take bytes from the host and return what is answered."""
        answers = bytearray()
        for message in self._requests.receive_data(data):
            if self._over:
                break
            answers += self._lost(message.request) if isinstance(message, LostSync) else self._do(message)
        return bytes(answers)

    def give_up(self) -> None:
        """Nobody has spoken for too long."""
        pending = self._requests.pending
        if pending[:1] == bytes([codec.PROG_PAGE]) and len(pending) >= HEADER:
            self._begin_page()
        self._end()

    def _lost(self, request: Request) -> bytes:
        """Optiboot spins until its watchdog bites; ATmegaBOOT counts."""
        self._errors += 1
        if self._kind is Loader.OPTIBOOT:
            if request.command == codec.PROG_PAGE:
                self._begin_page()
            self._end()
        elif self._errors >= MAX_ERRORS:
            self._end()
        return b""

    def _end(self) -> None:
        self._over = True
        self._leave()

    def _do(self, request: Request) -> bytes:
        arguments = request.arguments
        match request.command:
            case codec.READ_SIGN:
                return codec.reply(self._signature)
            case codec.GET_PARAMETER:
                known, other = _PARAMETERS[self._kind]
                return codec.reply(bytes([known.get(arguments[0], other)]))
            case codec.UNIVERSAL:
                return codec.reply(self._universal(arguments))
            case codec.LOAD_ADDRESS:
                self._address = int.from_bytes(arguments, "little") * 2
            case codec.PROG_PAGE:
                if self._kind is Loader.OPTIBOOT or arguments[2] == codec.FLASH:
                    self._program(arguments[3:])
            case codec.READ_PAGE:
                return codec.reply(self._read(codec.block_size(arguments)))
            case codec.LEAVE_PROGMODE:
                if self._kind is Loader.OPTIBOOT:
                    self._end()
            case _:
                pass
        return codec.reply()

    def _universal(self, instruction: bytes) -> bytes:
        if self._kind is Loader.ATMEGABOOT and instruction[0] == 0x30:
            return self._signature[min(instruction[2], 2) :][:1]
        return b"\0"

    def _program(self, data: bytes) -> None:
        size = self._part.page_size
        start = self._address - self._address % size
        if start + size <= len(self._flash):  # beyond lies the loader, which its lock bits protect
            self._flash.erase(start)
            self._flash.program(start, self._on_page(start, data[:size].ljust(size, b"\xff")))
        if self._kind is Loader.ATMEGABOOT:
            self._address *= 2  # its address register is turned from words into bytes in place

    def _begin_page(self) -> None:
        """Optiboot erases as soon as it knows that a page will come; then none came."""
        start = self._address - self._address % self._part.page_size
        if self._kind is Loader.OPTIBOOT and start < len(self._flash):
            self._flash.erase(start)

    def _read(self, size: int) -> bytes:
        start = self._address
        self._address += size
        if self._kind is Loader.ATMEGABOOT:
            self._address *= 2
        return self._flash.read(start, size).ljust(size, b"\xff")
