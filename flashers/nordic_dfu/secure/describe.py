"""A recording of a secure update as a person reads it: one line a request or answer.

Nothing here decides; it reads what passed, from wherever the recording begins.  Of an
image's bytes only the number is told, in one line for each run of packets.
"""

from flashers.api import Describe, LinkFrame
from flashers.nordic_dfu.params import NordicParams
from flashers.nordic_dfu.secure import codec
from flashers.nordic_dfu.secure.codec import Request, Response
from flashers.nordic_dfu.secure.words import Door, Object, Op

_SHORT = 8
"""Bytes; what is longer and no request is a packet."""


def describer(params: NordicParams) -> Describe:
    """One for each recording."""
    del params
    return _Listener().describe


class _Listener:
    def __init__(self) -> None:
        self._packets = self._bytes = 0

    def describe(self, frame: LinkFrame) -> tuple[str, ...]:
        said = _down(frame.data) if frame.down else _up(frame.data)
        if frame.down and said is None:
            self._packets += 1
            self._bytes += len(frame.data)
            return ()
        lines = []
        if self._packets:
            lines.append(f"{self._packets} packets <{self._bytes} bytes>")
            self._packets = self._bytes = 0
        return (*lines, said) if said is not None else tuple(lines)


def _down(data: bytes) -> str | None:
    if len(data) > _SHORT and data[:1] != bytes((Door.SET_NAME,)):
        return None
    request = codec.read_request(data)
    if request is not None:
        return _request(request)
    if data == codec.enter():
        return "enter the loader"
    if len(data) > 2 and data[0] == Door.SET_NAME and data[1] == len(data) - 2:
        return f"name the loader {data[2:].decode('ascii', 'replace')!r}"
    return None


def _request(request: Request) -> str:
    kind = Object(request.object).name.lower() if request.object in set(Object) else "object"
    match request.op:
        case Op.CREATE:
            return f"create {kind} of {request.value} bytes"
        case Op.SELECT:
            return f"select {kind}"
        case Op.RECEIPTS:
            return f"receipts every {request.value} packets"
        case op:
            return op.name.lower()


def _up(data: bytes) -> str | None:
    answer = codec.read_response(data)
    if answer is not None:
        return _answer(answer)
    door = codec.read_door(data)
    return f"door: operation {door.op}: {door.said}" if door is not None else None


def _answer(answer: Response) -> str:
    op = Op(answer.op).name.lower() if answer.op in set(Op) else f"operation {answer.op}"
    where = "" if answer.place is None else f" at {answer.place.offset}, crc {answer.place.crc:08x}"
    return f"{op}: {answer.said}{where}"
