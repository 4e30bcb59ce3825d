"""A UART behind an RFC 2217 server: bytes, speed, framing and the modem lines over one TCP connection.

The settings go out together and their answers are awaited together, so opening
costs two round trips.  Two commands are not waited for, since well-known servers
never answer them: the masks of line state and modem state.  Modem lines are part
of the stream, hence in order with the bytes.
"""

import asyncio
from typing import assert_never

from transports.errors import LinesUnsupported, LinkError, LinkLost
from transports.inbox import Inbox
from transports.links import LinkSpec
from transports.uart.comport import (
    ANSWER,
    PARITY_NUMBER,
    PURGE_BOTH,
    Command,
    Control,
    baud_bytes,
    group_of,
    say,
)
from transports.uart.settings import BUS_OPTIONS, Settings
from transports.uart.tcp import TcpChannel, connect
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

REPLY_TIMEOUT = 3.0
"""Seconds for the server's answer to a setting, and to the negotiation."""

Key = tuple[int, frozenset[int]]
"""What an answer is known by: its command, and for SET-CONTROL the line that it is about."""


class Rfc2217Refused(LinkError):
    """The server does not offer, or does not answer, what RFC 2217 promises."""

    code = "rfc2217-refused"
    remedy = "Check that an RFC 2217 server listens there; for a raw socket write socket://HOST:PORT."
    retryable = False


async def open_rfc2217(spec: LinkSpec) -> "Rfc2217Link":
    """Connect, agree on RFC 2217, set the port, and raise DTR and RTS as a local open does.

    Raises:
        BadLink: an option is unknown, or the target is not HOST:PORT.
        LinkNotFound, LinkError: it cannot be reached.
        Rfc2217Refused: what listens there speaks something else, or refuses a setting.
    """
    settings = Settings.of(spec, also=BUS_OPTIONS)
    link = Rfc2217Link(spec)
    await link.connect()
    try:
        await link.agree()
        await link.configure(settings)
    except BaseException:
        await link.aclose()
        raise
    return link


class Rfc2217Link:
    """A connected RFC 2217 port; a :class:`~transports.links.ByteLink`."""

    def __init__(self, spec: LinkSpec, *, reply_timeout: float = REPLY_TIMEOUT) -> None:
        self._spec = spec
        self._reply_timeout = reply_timeout
        self._inbox = Inbox()
        self._decoder = TelnetDecoder()
        self._options = Negotiator(frozenset({BINARY, SUPPRESS_GO_AHEAD, COM_PORT}))
        self._agreed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._answers: dict[Key, asyncio.Future[bytes]] = {}
        self._may_send = asyncio.Event()
        self._may_send.set()
        self._channel: TcpChannel | None = None

    async def connect(self) -> None:
        """Open the connection."""
        await connect(self._spec, self._received, self._lost, self._made)

    def _made(self, channel: TcpChannel) -> None:
        self._channel = channel
        self._inbox.pause, self._inbox.resume = channel.pause, channel.resume

    async def agree(self) -> None:
        """Come to terms about the option; either side may have offered it.

        Raises:
            Rfc2217Refused: the peer refuses, or says nothing.
        """
        self._put(self._options.propose())
        try:
            async with asyncio.timeout(self._reply_timeout):
                agreed = await self._agreed
        except TimeoutError as why:
            raise Rfc2217Refused(
                f"{self._spec.channel} did not agree on RFC 2217 within {self._reply_timeout:g} s"
            ) from why
        self._inbox.check()
        if not agreed:
            raise Rfc2217Refused(f"{self._spec.channel} refuses RFC 2217")

    async def configure(self, settings: Settings) -> None:
        """Set speed and framing, then raise both lines.

        Raises:
            Rfc2217Refused: a setting is refused or not answered.
        """
        self._put(encode(say(Command.PURGE_DATA, bytes((PURGE_BOTH,)))))
        for unanswered in (Command.SET_LINESTATE_MASK, Command.SET_MODEMSTATE_MASK):
            self._put(encode(say(unanswered, b"\x00")))
        flow = Control.HARDWARE_FLOW if settings.rtscts else Control.NO_FLOW
        await self._ask(
            (Command.SET_BAUDRATE, baud_bytes(settings.baud)),
            (Command.SET_DATASIZE, bytes((settings.bits,))),
            (Command.SET_PARITY, bytes((PARITY_NUMBER[settings.parity],))),
            (Command.SET_STOPSIZE, bytes((settings.stop,))),
            (Command.SET_CONTROL, bytes((flow,))),
            (Command.SET_CONTROL, bytes((Control.DTR_ON,))),
            (Command.SET_CONTROL, bytes((Control.RTS_ON,))),
        )

    async def read(self) -> bytes:
        """As in the contract."""
        return await self._inbox.take()

    async def write(self, data: bytes) -> None:
        """As in the contract; waits while the server has asked us to stop."""
        self._inbox.check()
        await self._may_send.wait()
        self._inbox.check()
        await self._connected().send(escape(data))

    def discard_input(self) -> bytes:
        """As in the contract; what the server still holds comes later."""
        return self._inbox.drain()

    async def set_lines(self, *, dtr: bool | None = None, rts: bool | None = None) -> None:
        """As in the contract; returns when the server has answered."""
        self._inbox.check()
        wanted: list[int] = []
        if dtr is not None:
            wanted.append(Control.DTR_ON if dtr else Control.DTR_OFF)
        if rts is not None:
            wanted.append(Control.RTS_ON if rts else Control.RTS_OFF)
        try:
            await self._ask(*((Command.SET_CONTROL, bytes((value,))) for value in wanted))
        except Rfc2217Refused as why:
            raise LinesUnsupported(f"{self._spec.channel} does not drive its lines: {why}") from why

    async def set_baud(self, baud: int) -> None:
        """As in the contract.

        Raises:
            Rfc2217Refused: the server cannot.
        """
        self._inbox.check()
        await self._ask((Command.SET_BAUDRATE, baud_bytes(baud)))

    async def aclose(self) -> None:
        """As in the contract."""
        self._lost("closed by us")
        if self._channel is not None:
            await self._channel.aclose("closed by us")

    async def _ask(self, *commands: tuple[Command, bytes]) -> None:
        """Send settings and wait until each is answered with the value that was asked for."""
        loop = asyncio.get_running_loop()
        pending = [(command, payload, loop.create_future()) for command, payload in commands]
        for command, payload, answer in pending:
            self._answers[_key(command, payload)] = answer
            self._put(encode(say(command, payload)))
        try:
            async with asyncio.timeout(self._reply_timeout):
                for command, payload, answer in pending:
                    got = await answer
                    if got != payload:
                        raise Rfc2217Refused(
                            f"{self._spec.channel} answers {command.name} {payload.hex()} with {got.hex()}"
                        )
        except TimeoutError as why:
            silent = [
                command.name for command, _, answer in pending if not answer.done() or answer.cancelled()
            ]
            raise Rfc2217Refused(f"{self._spec.channel} does not answer {', '.join(silent)}") from why
        finally:
            for command, payload, answer in pending:
                if self._answers.get(_key(command, payload)) is answer:
                    del self._answers[_key(command, payload)]
                if answer.done() and not answer.cancelled():
                    answer.exception()  # looked at, whoever waits for it or not

    def _received(self, data: bytes) -> None:
        for event in self._decoder.receive_data(data):
            match event:
                case Data(clear):
                    self._inbox.feed(clear)
                case Negotiation():
                    self._put(self._options.answer(event))
                    self._see_agreement(event)
                case Subnegotiation(option, payload):
                    if option == COM_PORT and payload:
                        self._heard(payload[0], payload[1:])
                case Broken(why):
                    self._lost(why)
                    self._connected().abort(why)
                case _:
                    assert_never(event)

    def _see_agreement(self, heard: Negotiation) -> None:
        if heard.option != COM_PORT or self._agreed.done():
            return
        if COM_PORT in self._options.ours | self._options.theirs:
            self._agreed.set_result(True)
        elif not self._options.pending(COM_PORT):
            self._agreed.set_result(False)

    def _heard(self, command: int, payload: bytes) -> None:
        if command == Command.FLOWCONTROL_SUSPEND + ANSWER:
            self._may_send.clear()
        elif command == Command.FLOWCONTROL_RESUME + ANSWER:
            self._may_send.set()
        else:
            answer = self._answers.get(_key(command - ANSWER, payload))
            if answer is not None and not answer.done():
                answer.set_result(payload)

    def _lost(self, why: str) -> None:
        self._inbox.fail(f"{self._spec.channel} is lost: {why}")
        self._may_send.set()
        if not self._agreed.done():
            self._agreed.set_result(False)
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(LinkLost(f"{self._spec.channel} is lost: {why}"))

    def _put(self, data: bytes) -> None:
        if data:
            self._connected().put(data)

    def _connected(self) -> TcpChannel:
        if self._channel is None:
            raise LinkLost("not connected")
        return self._channel


def _key(command: int, payload: bytes) -> Key:
    if command == Command.SET_CONTROL and payload:
        return command, group_of(payload[0])
    return command, frozenset()
