"""A UART behind a plain TCP socket: ser2net in raw mode, an adapter on Ethernet, a virtual node.

There are no modem lines and no speed: what sits behind the socket is set there.
"""

from transports.errors import LinesUnsupported, LinkLost
from transports.inbox import Inbox
from transports.links import LinkSpec
from transports.uart.settings import BUS_OPTIONS, Settings
from transports.uart.tcp import TcpChannel, connect


async def open_socket(spec: LinkSpec) -> "SocketLink":
    """Connect.

    Serial options are read, so that a profile can give them for any link, and have no effect.

    Raises:
        BadLink: an option is unknown, or the target is not HOST:PORT.
        LinkNotFound, LinkError: it cannot be reached.
    """
    Settings.of(spec, also=BUS_OPTIONS)
    link = SocketLink(spec)
    await link.connect()
    return link


class SocketLink:
    """A connected socket; a :class:`~transports.links.ByteLink`."""

    def __init__(self, spec: LinkSpec) -> None:
        self._spec = spec
        self._inbox = Inbox()
        self._channel: TcpChannel | None = None

    async def connect(self) -> None:
        """Open the connection."""
        await connect(self._spec, self._inbox.feed, self._lost, self._made)

    def _made(self, channel: TcpChannel) -> None:
        self._channel = channel
        self._inbox.pause, self._inbox.resume = channel.pause, channel.resume

    def _lost(self, why: str) -> None:
        self._inbox.fail(f"{self._spec.channel} is lost: {why}")

    async def read(self) -> bytes:
        """As in the contract."""
        return await self._inbox.take()

    async def write(self, data: bytes) -> None:
        """As in the contract."""
        self._inbox.check()
        if self._channel is None:
            raise LinkLost("not connected")
        await self._channel.send(data)

    def discard_input(self) -> bytes:
        """As in the contract."""
        return self._inbox.drain()

    async def set_lines(self, *, dtr: bool | None = None, rts: bool | None = None) -> None:
        """As in the contract: a socket has none."""
        self._inbox.check()
        raise LinesUnsupported(f"{self._spec.channel} is a plain socket and has no modem lines")

    async def set_baud(self, baud: int) -> None:
        """As in the contract: without effect."""
        self._inbox.check()

    async def aclose(self) -> None:
        """As in the contract."""
        self._lost("closed by us")
        if self._channel is not None:
            await self._channel.aclose("closed by us")
