"""Telnet as RFC 2217 needs it: bytes to events and back, without any I/O.

RFC 854 (commands, IAC doubling), RFC 855 (options, subnegotiation), RFC 856
(binary).  What is data here is data there, byte for byte: both ends agree on
binary transmission, so carriage returns need no care.
"""

from dataclasses import dataclass
from enum import IntEnum

IAC = 255
"""RFC 854: interpret as command."""
IAC_BYTE = bytes((IAC,))

SUBNEGOTIATION_LIMIT = 512
"""Bytes of one subnegotiation; those of RFC 2217 have at most five, but a signature may be a line."""


class Verb(IntEnum):
    """RFC 854: what one end proposes or answers about an option."""

    WILL = 251
    WONT = 252
    DO = 253
    DONT = 254


SB, SE = 250, 240
"""RFC 854: subnegotiation begins and ends."""

BINARY, SUPPRESS_GO_AHEAD, COM_PORT = 0, 3, 44
"""Options: RFC 856, RFC 858, RFC 2217."""


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes of the line."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Negotiation:
    """A proposal or an answer about an option."""

    verb: Verb
    option: int


@dataclass(frozen=True, slots=True)
class Subnegotiation:
    """What an option says, unescaped."""

    option: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Broken:
    """The stream is no Telnet from here on; nothing comes after this."""

    why: str


Event = Data | Negotiation | Subnegotiation | Broken


def escape(data: bytes) -> bytes:
    """Data as it goes on the wire."""
    return data.replace(IAC_BYTE, IAC_BYTE * 2)


def encode(event: Data | Negotiation | Subnegotiation) -> bytes:
    """An event as it goes on the wire."""
    match event:
        case Data(data):
            return escape(data)
        case Negotiation(verb, option):
            return bytes((IAC, verb, option))
        case Subnegotiation(option, payload):
            return bytes((IAC, SB, option)) + escape(payload) + bytes((IAC, SE))


class TelnetDecoder:
    """Takes bytes in any pieces and gives the same events; commands without an option are skipped."""

    def __init__(self) -> None:
        self._rest = b""
        self._broken = False

    def receive_data(self, data: bytes) -> list[Event]:
        """The events that are complete now; never raises."""
        if self._broken:
            return []
        data = self._rest + data
        events: list[Event] = []
        clear = bytearray()
        at = 0
        while (mark := data.find(IAC_BYTE, at)) >= 0:
            clear += data[at:mark]
            at = mark
            event, end = _command(data, mark)
            if end == mark:  # not complete yet
                break
            at = end
            if isinstance(event, Data):
                clear += event.data
            elif event is not None:
                _flush(events, clear)
                events.append(event)
            if isinstance(event, Broken):
                self._broken = True
                at = len(data)
                break
        else:
            clear += data[at:]
            at = len(data)
        _flush(events, clear)
        self._rest = data[at:]
        return events


def _flush(events: list[Event], clear: bytearray) -> None:
    if clear:
        events.append(Data(bytes(clear)))
        clear.clear()


def _command(data: bytes, mark: int) -> tuple[Event | None, int]:
    """The command at an IAC and where it ends; ``mark`` itself if it is not complete."""
    if mark + 1 >= len(data):
        return None, mark
    command = data[mark + 1]
    if command == IAC:
        return Data(IAC_BYTE), mark + 2
    if command == SB:
        return _subnegotiation(data, mark)
    if Verb.WILL <= command <= Verb.DONT:
        if mark + 2 >= len(data):
            return None, mark
        return Negotiation(Verb(command), data[mark + 2]), mark + 3
    return None, mark + 2


def _subnegotiation(data: bytes, mark: int) -> tuple[Event | None, int]:
    payload = bytearray()
    at = mark + 2
    while True:
        end = data.find(IAC_BYTE, at)
        payload += data[at : len(data) if end < 0 else end]
        if len(payload) > SUBNEGOTIATION_LIMIT:
            return Broken(f"a subnegotiation is longer than {SUBNEGOTIATION_LIMIT} bytes"), len(data)
        if end < 0 or end + 1 >= len(data):
            return None, mark
        if data[end + 1] == SE:
            if not payload:
                return Broken("a subnegotiation names no option"), end + 2
            return Subnegotiation(payload[0], bytes(payload[1:])), end + 2
        if data[end + 1] != IAC:
            return Broken(f"command {data[end + 1]} inside a subnegotiation"), end + 2
        payload.append(IAC)
        at = end + 2


class Negotiator:
    """Which options hold, on our side and on theirs; answers so that no two ends talk for ever (RFC 1143)."""

    def __init__(self, options: frozenset[int]) -> None:
        self._options = options
        self.ours: set[int] = set()
        self.theirs: set[int] = set()
        self._asked_ours: set[int] = set()
        self._asked_theirs: set[int] = set()

    def propose(self) -> bytes:
        """Offer every option for our side and ask for it on theirs."""
        self._asked_ours |= self._options
        self._asked_theirs |= self._options
        return b"".join(
            encode(Negotiation(verb, option))
            for option in sorted(self._options)
            for verb in (Verb.WILL, Verb.DO)
        )

    def answer(self, heard: Negotiation) -> bytes:
        """Take what the peer says, and what to answer: often nothing."""
        option = heard.option
        match heard.verb:
            case Verb.DO:
                return self._agree(option, self.ours, self._asked_ours, Verb.WILL, Verb.WONT)
            case Verb.WILL:
                return self._agree(option, self.theirs, self._asked_theirs, Verb.DO, Verb.DONT)
            case Verb.DONT:
                return self._give_up(option, self.ours, self._asked_ours, Verb.WONT)
            case Verb.WONT:
                return self._give_up(option, self.theirs, self._asked_theirs, Verb.DONT)

    def pending(self, option: int) -> bool:
        """The peer has yet to answer about this option."""
        return option in self._asked_ours or option in self._asked_theirs

    def _agree(self, option: int, on: set[int], asked: set[int], yes: Verb, no: Verb) -> bytes:
        if option not in self._options:
            return encode(Negotiation(no, option))
        answered = option in on or option in asked
        on.add(option)
        asked.discard(option)
        return b"" if answered else encode(Negotiation(yes, option))

    def _give_up(self, option: int, on: set[int], asked: set[int], no: Verb) -> bytes:
        was_on = option in on
        on.discard(option)
        asked.discard(option)
        return encode(Negotiation(no, option)) if was_on else b""
