"""A recording of SMP as a person reads it: one line a message, and on a console the node's own words between.

Nothing here answers or decides; it reads what passed, from wherever the recording
begins.  Of an image's bytes only the number is told.
"""

from collections.abc import Mapping

from flashers.api import Describe, LinkFrame
from flashers.mcuboot_smp.codec import ConsoleDecoder, Group, ImageCommand, Message, Op, OsCommand, said_no
from flashers.mcuboot_smp.codec.console import FIRST, NEXT
from flashers.mcuboot_smp.codec.messages import HEADER
from flashers.mcuboot_smp.codec.stream import PacketDecoder
from flashers.mcuboot_smp.params import SmpParams

_MAP = 0xA0
"""Major type 5 in the first byte (RFC 8949, 3.1)."""
_LAST_GROUP, _LARGEST = 1024, 16 * 1024
_TEXT = 100
"""Characters that are told of a text or of a console's line."""
_ITEMS = 8
_HASHES = frozenset({"hash", "sha"})
_OPS = {Op.READ: "read", Op.READ_ANSWER: "read answer", Op.WRITE: "write", Op.WRITE_ANSWER: "write answer"}
_GROUPS: dict[int, tuple[str, type[OsCommand] | type[ImageCommand]]] = {
    Group.OS: ("os", OsCommand),
    Group.IMAGE: ("image", ImageCommand),
}


def describer(params: SmpParams) -> Describe:
    """One for each recording: messages are cut over several frames."""
    del params  # the codec is the same for every node
    return _Listener().describe


class _Listener:
    def __init__(self) -> None:
        self._decoders = {True: ConsoleDecoder(), False: ConsoleDecoder()}
        self._values: dict[bool, PacketDecoder] | None = None
        self._unfinished = b""

    def describe(self, frame: LinkFrame) -> tuple[str, ...]:
        if self._values is None and _begins_a_packet(frame.data):
            self._values = {True: PacketDecoder(), False: PacketDecoder()}  # values over GATT, no console
        if self._values is not None:
            if _begins_a_packet(frame.data):
                self._values[frame.down].forget()  # what was not finished was lost with its connection
            return tuple(_line(message) for message in self._values[frame.down].receive_data(frame.data))
        said = [_line(message) for message in self._decoders[frame.down].receive_data(frame.data)]
        return (*said, *(() if frame.down else self._console(frame.data)))

    def _console(self, data: bytes) -> list[str]:
        """The lines of the node's console that are no part of a message."""
        lines = (self._unfinished + data).split(b"\n")
        self._unfinished = lines.pop()[-1024:]
        return [f"console {_text(line)}" for line in lines if line.strip() and not _is_ours(line)]


def _begins_a_packet(data: bytes) -> bool:
    """Whether a value begins with a whole SMP header and a CBOR map, as no console's text does."""
    if len(data) <= HEADER.size:
        return False
    first, flags, length, group, _, _ = HEADER.unpack_from(data)
    known = first & 7 in set(Op) and first >> 3 <= 1 and not flags and group <= _LAST_GROUP
    return bool(known and 0 < length <= _LARGEST and data[HEADER.size] & 0xE0 == _MAP)


def _is_ours(line: bytes) -> bool:
    return FIRST in line or NEXT in line


def _text(line: bytes) -> str:
    return repr(line.decode("ascii", "replace").strip())[: _TEXT + 2]


def _line(message: Message) -> str:
    group = _GROUPS.get(message.group)
    name, command = f"group {message.group}", str(message.command)
    if group is not None:
        name = group[0]
        if message.command in set(group[1]):
            command = group[1](message.command).name.lower()
    parts = [_OPS.get(Op(message.op), "") if message.op in set(Op) else f"op {message.op}"]
    parts += [f"{name}/{command}", f"seq={message.sequence}"]
    refusal = said_no(message.body)
    parts += [_field(key, value) for key, value in message.body.items() if key not in {"rc", "err"}]
    if message.op in (Op.READ_ANSWER, Op.WRITE_ANSWER):
        parts.append("rc=0" if refusal is None else f"rc={refusal.number}: {refusal}")
    return " ".join(parts)


def _field(key: str, value: object) -> str:
    return f"{key[:_TEXT]}={_value(key, value)}"


def _value(key: str, value: object, depth: int = 0) -> str:
    match value:
        case bytes():
            return f"{value.hex()[:12]}…" if key in _HASHES else f"<{len(value)} bytes>"
        case str():
            return repr(value[:_TEXT])
        case list() if depth < 2:
            return "[" + ", ".join(_value("", each, depth + 1) for each in value[:_ITEMS]) + "]"
        case Mapping() if depth < 2:
            pairs = list(value.items())[: 2 * _ITEMS]
            # Of a slot's flags those that are set are all that one wants to read.
            told = (
                k if v is True else f"{k}={_value(str(k), v, depth + 1)}" for k, v in pairs if v is not False
            )
            return "{" + " ".join(map(str, told)) + "}"
        case bool() | int() | float() | None:
            return str(value).lower()
        case _:
            return "…"
