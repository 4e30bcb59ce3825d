"""Serve a virtual node behind RFC 2217: the one medium besides memory with real modem lines.

Each connection negotiates anew; connecting raises both lines, as opening the port
would at a server that opens it then.  Settings are acknowledged as asked for, since
a virtual UART can be set to anything; a paced line follows the speed.
"""

from typing import assert_never

from transports.links import UartPeer
from transports.uart.comport import ANSWER, Command, Control, baud_bytes, say
from transports.uart.tcp import TcpChannel
from transports.uart.telnet import (
    BINARY,
    COM_PORT,
    SUPPRESS_GO_AHEAD,
    Broken,
    Data,
    Negotiation,
    Negotiator,
    Subnegotiation,
    TelnetDecoder,
    encode,
    escape,
)
from transports.virtual.faults import FaultPlan
from transports.virtual.tcp import TcpHost

SIGNATURE = b"Tender virtual UART"

_SIZES = {
    Command.SET_BAUDRATE: 4,
    Command.SET_DATASIZE: 1,
    Command.SET_PARITY: 1,
    Command.SET_STOPSIZE: 1,
    Command.SET_CONTROL: 1,
    Command.SET_LINESTATE_MASK: 1,
    Command.SET_MODEMSTATE_MASK: 1,
    Command.PURGE_DATA: 1,
}
"""Bytes that follow each command (RFC 2217, section 3); others are not answered."""

_STANDING = {
    Command.SET_DATASIZE: b"\x08",
    Command.SET_PARITY: b"\x01",
    Command.SET_STOPSIZE: b"\x01",
}
"""What holds before anybody set it: 8N1; the value 0 asks for it."""


class Rfc2217Host(TcpHost):
    """An RFC 2217 server for one node and one client at a time; the arguments are those of TcpHost."""

    scheme = "rfc2217"

    def __init__(
        self,
        peer: UartPeer,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        latency: float = 0.0,
        baud: int | None = None,
        faults: FaultPlan | str = "",
    ) -> None:
        super().__init__(peer, host=host, port=port, latency=latency, baud=baud, faults=faults)
        self._paced = baud is not None
        self.client_baud = baud or 115_200
        self._standing = dict(_STANDING)
        self._flow = int(Control.NO_FLOW)
        self._begin()

    def _begin(self) -> None:
        self._decoder = TelnetDecoder()
        self._options = Negotiator(frozenset({BINARY, SUPPRESS_GO_AHEAD, COM_PORT}))

    def _opened(self, channel: TcpChannel) -> None:
        super()._opened(channel)
        if self._client is channel:
            self._begin()
            channel.put(self._options.propose())

    def _encoded(self, data: bytes) -> bytes:
        return escape(data)

    def _from_client(self, channel: TcpChannel, data: bytes) -> None:
        for event in self._decoder.receive_data(data):
            match event:
                case Data(clear):
                    self._to_node(channel, clear)
                case Negotiation():
                    channel.put(self._options.answer(event))
                case Subnegotiation(option, payload):
                    if option == COM_PORT and payload:
                        self._command(channel, payload[0], payload[1:])
                case Broken(why):
                    channel.abort(why)
                case _:
                    assert_never(event)

    def _command(self, channel: TcpChannel, number: int, value: bytes) -> None:
        if number == Command.SIGNATURE:
            if not value:
                channel.put(encode(say(Command.SIGNATURE + ANSWER, SIGNATURE)))
            return
        if number not in _SIZES or len(value) != _SIZES[Command(number)]:
            return
        command = Command(number)
        channel.put(encode(say(command + ANSWER, self._set(command, value))))
        if command is Command.SET_MODEMSTATE_MASK:
            channel.put(encode(say(Command.NOTIFY_MODEMSTATE + ANSWER, b"\x00")))

    def _set(self, command: Command, value: bytes) -> bytes:
        """Set, and give the value that now holds."""
        match command:
            case Command.SET_BAUDRATE:
                self.client_baud = int.from_bytes(value, "big") or self.client_baud
                if self._paced:
                    self.line.set_baud(self.client_baud)
                return baud_bytes(self.client_baud)
            case Command.SET_CONTROL:
                return bytes((self._control(value[0]),))
            case Command.SET_DATASIZE | Command.SET_PARITY | Command.SET_STOPSIZE:
                if value != b"\x00":
                    self._standing[command] = value
                return self._standing[command]
            case _:
                return value

    def _control(self, value: int) -> int:
        match value:
            case Control.DTR_ON | Control.DTR_OFF:
                self.line.set_lines(dtr=value == Control.DTR_ON)
            case Control.RTS_ON | Control.RTS_OFF:
                self.line.set_lines(rts=value == Control.RTS_ON)
            case Control.ASK_DTR:
                return Control.DTR_ON if self.line.lines[0] else Control.DTR_OFF
            case Control.ASK_RTS:
                return Control.RTS_ON if self.line.lines[1] else Control.RTS_OFF
            case Control.NO_FLOW | Control.XON_XOFF | Control.HARDWARE_FLOW:
                self._flow = value
            case 0:  # asks for the flow control
                return self._flow
            case _:
                pass
        return value
