"""A TCP connection that carries a UART: what socket:// and rfc2217:// and their virtual servers share.

It returns from a write when the kernel has taken the bytes, stops reading when
asked to, and says once why it ended.
"""

import asyncio
import socket
from collections.abc import Callable

from transports.errors import BadLink, LinkError, LinkLost, LinkNotFound
from transports.links import LinkSpec

CONNECT_TIMEOUT = 10.0
"""Seconds for name look-up and connection together."""

SEND_SIZE = 64 * 1024

KEEPALIVE = ((socket.TCP_KEEPIDLE, 5), (socket.TCP_KEEPINTVL, 2), (socket.TCP_KEEPCNT, 3))
"""A peer without power is noticed after about eleven seconds, not after two hours."""


class TcpChannel(asyncio.Protocol):
    """One connection.

    Args:
        received: takes bytes as they come.
        lost: told once why the connection ended.
        made: told when it begins.
    """

    def __init__(
        self,
        received: Callable[[bytes], None],
        lost: Callable[[str], None],
        made: Callable[["TcpChannel"], None],
    ) -> None:
        self._received = received
        self._lost = lost
        self._made = made
        self._transport: asyncio.Transport | None = None
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._room: asyncio.Future[None] | None = None
        self._why = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - TCP gives no other
        self._transport = transport
        transport.set_write_buffer_limits(high=0)
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEPALIVE:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
        self._made(self)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self._received(data)

    def connection_lost(self, error: Exception | None) -> None:
        """Called by asyncio."""
        self._why = self._why or ("closed by the peer" if error is None else str(error).lower())
        self.resume_writing()
        if not self._ended.done():
            self._ended.set_result(None)
        self._lost(self._why)

    def pause_writing(self) -> None:
        """Called by asyncio."""
        self._room = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """Called by asyncio."""
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._room = None

    @property
    def unsent(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def put(self, data: bytes) -> None:
        """Send, without waiting."""
        if self._transport is not None and not self._ended.done():
            self._transport.write(data)

    async def send(self, data: bytes) -> None:
        """Send, and return when the kernel has taken it all.

        Raises:
            LinkLost: the connection ended.
        """
        for start in range(0, len(data), SEND_SIZE):  # asyncio would keep a copy of all of it
            self.put(data[start : start + SEND_SIZE])
            while self._room is not None:
                await asyncio.shield(self._room)
            if self._ended.done():
                raise LinkLost(self._why)

    def pause(self) -> None:
        """Read no more; TCP then holds the peer back."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def abort(self, why: str) -> None:
        """End the connection at once; what was not sent is lost."""
        self._why = self._why or why
        if self._transport is not None:
            self._transport.abort()

    async def aclose(self, why: str) -> None:
        """End the connection after what was written has gone out, but do not wait long for that."""
        self._why = self._why or why
        if self._transport is None:
            return
        self._transport.close()
        try:
            async with asyncio.timeout(1.0):
                await asyncio.shield(self._ended)
        except TimeoutError:
            self._transport.abort()


async def connect(
    spec: LinkSpec,
    received: Callable[[bytes], None],
    lost: Callable[[str], None],
    made: Callable[[TcpChannel], None],
) -> None:
    """Connect to the host and port that a link names; ``made`` is called before any byte is received.

    Raises:
        BadLink: it names none.
        LinkNotFound: nobody listens there, or the name is unknown.
        LinkError: the network refuses.
    """
    host, port = host_and_port(spec)
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            await asyncio.get_running_loop().create_connection(
                lambda: TcpChannel(received, lost, made), host, port
            )
    except TimeoutError as why:
        raise LinkNotFound(f"{spec.channel} does not answer") from why
    except (socket.gaierror, ConnectionRefusedError) as why:
        raise LinkNotFound(f"{spec.channel}: {why.strerror or why}") from why
    except OSError as why:
        raise LinkError(f"{spec.channel}: {why}") from why


def host_and_port(spec: LinkSpec) -> tuple[str, int]:
    """``host:port`` or ``[v6]:port``.

    Raises:
        BadLink: it is neither.
    """
    host, colon, port = spec.target.rstrip("/").rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (
        colon and host and port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536
    ):
        raise BadLink(f"{spec}: {spec.target!r} is not HOST:PORT")
    return host, int(port)
