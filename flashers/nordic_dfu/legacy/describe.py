"""A recording of a legacy transfer as a person reads it: a line a command, a line an answer.

A frame does not say to which characteristic it went, so it is understood by what was asked
last.  Packets of an image are told with the next receipt or answer, by their number only.
"""

from flashers.api import Describe, LinkFrame
from flashers.api.errors import BadImage
from flashers.nordic_dfu.legacy import codec
from flashers.nordic_dfu.legacy.codec import Receipt, Response
from flashers.nordic_dfu.legacy.words import INIT_BYTES, Kind, Op, Step
from flashers.nordic_dfu.package.legacy_init import read_init
from flashers.nordic_dfu.params import NordicParams

_TEXT = 64
_COMMAND_BYTES = 3
"""The longest command."""


def describer(params: NordicParams) -> Describe:
    """One for each recording."""
    del params
    return _Listener().describe


class _Listener:
    def __init__(self) -> None:
        self._asked: Op | None = None
        self._init = b""
        self._packets = 0
        self._bytes = 0

    def describe(self, frame: LinkFrame) -> tuple[str, ...]:
        return self._down(frame.data) if frame.down else self._up(frame.data)

    def _down(self, data: bytes) -> tuple[str, ...]:
        command = codec.read_command(data) if len(data) <= _COMMAND_BYTES else None
        if command is not None:
            self._asked = command.op
            return (*self._sent(), _command(command), *self._init_said(command))
        match self._asked:
            case Op.START if (sizes := codec.read_sizes(data)) is not None:
                return (_sizes(sizes),)
            case Op.INIT:
                self._init = (self._init + data)[: 2 * INIT_BYTES]
            case Op.RECEIVE:
                self._packets, self._bytes = self._packets + 1, self._bytes + len(data)
            case _:
                pass
        return ()

    def _init_said(self, command: codec.Command) -> tuple[str, ...]:
        if command.op is not Op.INIT:
            return ()
        init, self._init = self._init, b""
        if command.argument != bytes((Step.COMPLETE,)) or not init:
            return ()
        return (_init(init),)

    def _sent(self) -> tuple[str, ...]:
        if not self._packets:
            return ()
        said = f"image <{self._bytes} bytes> in {self._packets} packets"
        self._packets = self._bytes = 0
        return (said,)

    def _up(self, data: bytes) -> tuple[str, ...]:
        match codec.read_answer(data):
            case Receipt(received=received):
                return (*self._sent(), f"receipt {received}")
            case Response() as said:
                return (*self._sent(), _answer(said))
            case None if len(data) > 2 and data.isascii() and data.decode().isprintable():
                return (f"reads {data.decode()[:_TEXT]!r}",)
            case None:
                return ()


def _command(command: codec.Command) -> str:
    name = _name(command.op)
    match command.op:
        case Op.START if command.argument:
            return f"{name} {_kinds(command.argument[0])}"
        case Op.INIT if command.argument:
            return f"{name} {'complete' if command.argument[0] == Step.COMPLETE else 'begin'}"
        case Op.RECEIPTS:
            return f"{name} every {int.from_bytes(command.argument, 'little')} packets"
        case _:
            return name


def _kinds(bits: int) -> str:
    named = [str(each.name).lower() for each in Kind if bits & each]
    return "+".join(named) or f"type {bits}"


def _answer(said: Response) -> str:
    value = f" {int.from_bytes(said.value, 'little')}" if said.value else ""
    return f"{_name(said.op)}: {said.said}{value}"


def _name(op: int) -> str:
    return Op(op).name.lower().replace("_", " ") if op in set(Op) else f"operation {op}"


def _sizes(said: codec.Sizes) -> str:
    return f"sizes softdevice={said.softdevice} bootloader={said.bootloader} application={said.application}"


def _init(data: bytes) -> str:
    try:
        said = read_init(data)
    except BadImage:
        return f"init packet of {len(data)} bytes"
    softdevices = ",".join(f"{each:#06x}" for each in said.softdevices)
    head = f"init packet type={said.device_type} revision={said.device_revision}"
    return f"{head} version={said.application_version} softdevices={softdevices}"
