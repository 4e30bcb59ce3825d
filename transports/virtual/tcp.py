"""Serve a virtual node on a TCP port, one client at a time.

A second client is turned away at once: two programs on one UART would only spoil
each other's work, and a real port has one holder as well.
"""

import asyncio
from types import TracebackType
from typing import Self

from transports.links import UartPeer
from transports.uart.tcp import TcpChannel
from transports.virtual.faults import FaultPlan
from transports.virtual.wire import TAKEN_LIMIT, Line

UNREAD_LIMIT = 64 * 1024
"""Bytes kept for a client that does not read, beyond what the kernel keeps; more are overrun."""


class TcpHost:
    """A TCP server whose one client talks to the node; connecting is opening the port.

    Args:
        peer: the node.
        host: the address to listen on.
        port: 0 takes a free one; see :attr:`port` after the start.
        latency: seconds that a byte is under way, each way.
        baud: bits per second with ten bits a byte; None is as fast as TCP.
        faults: what goes wrong (see :mod:`transports.virtual.faults`); ``cut-link`` resets the connection.
    """

    scheme = "socket"

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
        self.host = host
        self.port = port
        self.opens = 0
        self.refused = 0
        self.lost_unread = 0
        self.line = Line(peer, to_host=self._to_host, cut=self.cut, latency=latency, baud=baud, faults=faults)
        self._server: asyncio.Server | None = None
        self._client: TcpChannel | None = None
        self._resting: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """The link's name for a client on this machine."""
        return f"{self.scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def story(self) -> list[str]:
        """What the faults have done so far."""
        return self.line.story.lines

    async def start(self) -> Self:
        """Listen; a port that was taken at the first start is taken again at the next."""
        self._server = await asyncio.get_running_loop().create_server(self._channel, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def aclose(self) -> None:
        """Stop listening, and cut the client off."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def cut(self) -> None:
        """Reset the client's connection, and lose what was under way; it may connect again."""
        self.line.clear()
        client = self._client
        if client is not None:
            self._closed(client)
            client.abort("cut")

    def _channel(self) -> TcpChannel:
        """A channel for a connection that has just come; only the first one gets the node."""

        def received(data: bytes) -> None:
            if self._client is channel:
                self._from_client(channel, data)

        channel = TcpChannel(received, lambda _: self._closed(channel), self._opened)
        return channel

    def _opened(self, channel: TcpChannel) -> None:
        if self._client is not None:
            self.refused += 1
            channel.abort("the port is taken")
            return
        self._client = channel
        self.opens += 1
        self.line.set_lines(dtr=True, rts=True)

    def _closed(self, channel: TcpChannel) -> None:
        if self._client is not channel:
            return
        self._client = None
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None
        self.line.set_lines(dtr=False, rts=False)

    def _from_client(self, channel: TcpChannel, data: bytes) -> None:
        """Bytes of the connection; a protocol in between overrides this."""
        self._to_node(channel, data)

    def _encoded(self, data: bytes) -> bytes:
        """Bytes of the node as the connection carries them; likewise."""
        return data

    def _to_node(self, channel: TcpChannel, data: bytes) -> None:
        self.line.down.send(data)
        if self.line.down.backlog > TAKEN_LIMIT and self._resting is None:
            channel.pause()
            self._resting = asyncio.get_running_loop().create_task(self._rest(channel))

    async def _rest(self, channel: TcpChannel) -> None:
        """Leave bytes in the kernel while the line is full, so that the client is held back."""
        await self.line.down.room()
        self._resting = None
        channel.resume()

    def _to_host(self, data: bytes) -> None:
        if self._client is None:
            return
        if self._client.unsent > UNREAD_LIMIT:
            self.lost_unread += len(data)
            return
        self._client.put(self._encoded(data))
