"""How SMP messages travel: as lines on a console, or as values of a GATT characteristic.

Everything above is the same for both.  What differs is said here: how a message is cut, how
large one may be that any server takes, and what of a node's buffer the framing needs.
"""

import asyncio
from typing import Protocol

from flashers.api import NodeSilent, NotSupported, Session
from flashers.mcuboot_smp.codec import ConsoleDecoder, Message, encode_lines, max_packet
from flashers.mcuboot_smp.codec.stream import PacketDecoder
from flashers.mcuboot_smp.params import SmpParams
from transports.errors import NodeUnreachable
from transports.gatt import GattLink
from transports.links import Medium

SERVICE = "8d53dc1d-1db7-4cd3-868b-8a527460aa84"
"""The SMP service, and below its one characteristic (Zephyr, "SMP over Bluetooth LE")."""
CHARACTERISTIC = "da2e7828-fbce-4e01-ae9e-261174997c48"

CONSOLE_FRAMING = 4
"""Bytes of a node's buffer that the console's length and checksum take."""
SMALL_LINES = 2
"""Lines of a message that every server takes, whatever its buffers."""


class Wire(Protocol):
    """The way to one node."""

    framing: int
    """Bytes of a node's buffer that are not the message's."""
    reconnects: bool
    """A lost link is no more than silence: the node is simply connected to again.

    As long as it lives, though, nothing on it is lost: only a server without a buffer drops anything.
    """

    @property
    def packet(self) -> int | None:
        """Bytes of a message that travel as one, if there is such a measure: best are multiples of it."""
        ...

    @property
    def small(self) -> int:
        """The longest message that every server takes, header included."""
        ...

    async def send(self, packet: bytes) -> None:
        """Send a message.  Raises LinkError."""
        ...

    async def receive(self) -> list[Message]:
        """Wait for something, and give the messages that it completes, maybe none.  Raises LinkError."""
        ...

    async def renew(self) -> None:
        """Forget what had begun, on both sides, as far as the medium has a way to say so."""
        ...


class ConsoleWire:
    """A UART that also carries a console."""

    framing = CONSOLE_FRAMING
    reconnects = False
    packet = None

    def __init__(self, session: Session, params: SmpParams) -> None:
        self._session = session
        self._line_length = params.line_length
        self._decoder = ConsoleDecoder()

    @property
    def small(self) -> int:
        """As in the contract."""
        return max_packet(SMALL_LINES, self._line_length)

    async def send(self, packet: bytes) -> None:
        """As in the contract."""
        link = await self._session.open()
        await link.write(encode_lines(packet, self._line_length))

    async def receive(self) -> list[Message]:
        """As in the contract."""
        link = await self._session.open()
        return self._decoder.receive_data(await link.read())

    async def renew(self) -> None:
        """A console has no other state than its lines, which begin by themselves."""


class GattWire:
    """The SMP service of a node behind a radio."""

    framing = 0
    reconnects = True

    def __init__(self, session: Session) -> None:
        self._session = session
        self._decoder = PacketDecoder()
        self._link: GattLink | None = None
        self._room = 20
        self._sending = asyncio.Lock()

    @property
    def packet(self) -> int | None:
        """One write: a message of one byte more takes another one, and its turn on the air."""
        return self._room

    @property
    def small(self) -> int:
        """One write: a server may be built without putting several together."""
        return self._room

    async def send(self, packet: bytes) -> None:
        """As in the contract; pieces of one message are never mixed with those of another."""
        async with self._sending:
            link = await self._connected()
            for start in range(0, len(packet), self._room):
                await link.write(CHARACTERISTIC, packet[start : start + self._room], response=False)

    async def receive(self) -> list[Message]:
        """As in the contract."""
        link = await self._connected()
        _, value = await link.heard()
        return self._decoder.receive_data(value)

    async def renew(self) -> None:
        """Hang up: a server that lost a part of a message waits for the rest of it until then."""
        if self._link is not None:
            await self._link.aclose()

    async def _connected(self) -> GattLink:
        link = await self._connection()
        if link is not self._link:
            if not link.has(CHARACTERISTIC):
                # Of a table that is read while a node starts, or by a busy system, some may be lacking.
                await link.aclose()
                link = await self._connection()
            if not link.has(CHARACTERISTIC):
                raise NotSupported("the node has no SMP service")
            self._decoder.forget()
            self._room = link.room(CHARACTERISTIC)
            await link.subscribe(CHARACTERISTIC)
            self._link = link
        return link

    async def _connection(self) -> GattLink:
        try:
            return await self._session.connect()
        except NodeUnreachable as gone:
            raise NodeSilent(gone.message) from gone  # on a radio that is what silence is


def wire_of(session: Session, params: SmpParams) -> Wire:
    """The one that leads to this node."""
    return GattWire(session) if session.medium is Medium.BLE else ConsoleWire(session, params)
