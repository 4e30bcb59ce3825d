"""A recording of an STK500v1 line as a person reads it: one line a command, one an answer.

The protocol has no framing, so a frame downwards counts as commands only if it is
whole commands and nothing else, as every writer of them sends it; an answer is found
by what was asked.  Everything else is the application's console.
"""

import struct
from collections import deque

from flashers.api import Describe, LinkFrame
from flashers.stk500 import codec
from flashers.stk500.params import Stk500Params

_TEXT = 100
_WAITING = 64
"""Commands whose answer did not come, at most; a node that is silent answers none."""

_NAMES = {
    codec.GET_SYNC: "sync",
    codec.SET_PARAMETER: "set parameter",
    codec.GET_PARAMETER: "get parameter",
    codec.SET_DEVICE: "set device",
    codec.SET_DEVICE_EXT: "set extended device",
    codec.ENTER_PROGMODE: "enter programming mode",
    codec.LEAVE_PROGMODE: "leave programming mode",
    codec.CHIP_ERASE: "erase chip",
    codec.LOAD_ADDRESS: "load address",
    codec.UNIVERSAL: "universal",
    codec.PROG_PAGE: "program page",
    codec.READ_PAGE: "read page",
    codec.READ_SIGN: "read signature",
}


def describer(params: Stk500Params) -> Describe:
    """One for each recording: an answer is understood by its command."""
    del params  # the codec is the same for both loaders
    return _Listener().describe


class _Listener:
    def __init__(self) -> None:
        self._asked: deque[codec.Request] = deque(maxlen=_WAITING)
        self._buffer = b""

    def describe(self, frame: LinkFrame) -> tuple[str, ...]:
        return self._down(frame.data) if frame.down else self._up(frame.data)

    def _down(self, data: bytes) -> tuple[str, ...]:
        parser = codec.Requests(blank_after_unknown=False)
        found = parser.receive_data(data)
        requests = [each for each in found if isinstance(each, codec.Request)]
        if parser.pending or len(requests) < len(found):
            return (f"text {_text(data)}",) if _printable(data) else ()
        # A loader that was asked for its attention again has forgotten what it was asked before.
        if any(each.command == codec.GET_SYNC for each in requests):
            self._asked.clear()
            self._buffer = b""
        self._asked.extend(requests)
        return tuple(_command(each) for each in requests)

    def _up(self, data: bytes) -> tuple[str, ...]:
        said: list[str] = []
        self._buffer += data
        while self._buffer:
            start = self._buffer.find(codec.IN_SYNC) if self._asked else -1
            if start:
                own = self._buffer if start < 0 else self._buffer[:start]
                self._buffer = self._buffer[len(own) :]
                said += [f"console {_text(line)}" for line in own.split(b"\n") if _printable(line)]
                continue
            request = self._asked[0]
            size = _answer_size(request)
            if len(self._buffer) < size + 2:
                break
            payload, end = self._buffer[1 : size + 1], self._buffer[size + 1]
            self._buffer = self._buffer[size + 2 :]
            self._asked.popleft()
            said.append(_answer(request, payload, end))
        return tuple(said)


def _command(request: codec.Request) -> str:
    name, arguments = _NAMES[request.command], request.arguments
    match request.command:
        case codec.LOAD_ADDRESS:
            return f"{name} {struct.unpack('<H', arguments)[0] * 2:#06x}"
        case codec.PROG_PAGE | codec.READ_PAGE:
            return f"{name} {codec.block_size(arguments)} bytes of {chr(arguments[2])!r}"
        case _:
            return f"{name} {arguments.hex(' ')}".rstrip()


def _answer(request: codec.Request, payload: bytes, end: int) -> str:
    told = f" {payload.hex(' ')}" if payload else ""
    if request.command == codec.READ_PAGE:
        told = f" {len(payload)} bytes"
    return f"{_NAMES[request.command]}: " + (f"ok{told}" if end == codec.OK else f"{end:#04x} instead of OK")


def _answer_size(request: codec.Request) -> int:
    match request.command:
        case codec.READ_PAGE:
            return codec.block_size(request.arguments)
        case codec.READ_SIGN:
            return 3
        case codec.GET_PARAMETER | codec.UNIVERSAL:
            return 1
        case _:
            return 0


def _printable(data: bytes) -> bool:
    text = data.strip()
    return bool(text) and all(32 <= byte < 127 or byte in b"\r\n\t" for byte in text)


def _text(data: bytes) -> str:
    return repr(data.decode("ascii", "replace").strip())[: _TEXT + 2]
