"""A way to the broker that can be cut, shut or frozen, at any byte."""

import asyncio
import socket
import struct
from types import TracebackType
from typing import Self

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""socket(7), SO_LINGER with a time of zero: close sends a reset and drops what is queued."""


class Gate:
    """Forwards what comes to ``port`` to the broker's."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self.connections = 0
        self.upward = 0
        """Bytes that went from the gateway to the broker."""
        self._target = target
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._budget: int | None = None
        self._open = True
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        """Where the gateway finds its broker."""
        return f"mqtt://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Reset every connection."""
        for pair in list(self._pairs):
            for writer in pair:
                sock = writer.get_extra_info("socket")
                if sock.fileno() >= 0:  # else it is closed already
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                writer.transport.abort()
        self._pairs.clear()

    def cut_after(self, upward: int) -> None:
        """Cut when so many bytes more went to the broker, be it within a message."""
        self._budget = upward

    def shut(self) -> None:
        """Cut, and let nobody through."""
        self._open = False
        self.cut()

    def unshut(self) -> None:
        """Let them through again."""
        self._open = True

    def freeze(self) -> None:
        """Deliver nothing more, and say nothing about it: the other side has vanished."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Deliver again."""
        self._flowing.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._open:
            writer.transport.abort()
            return
        self.connections += 1
        try:
            down_reader, down_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._pairs.add((writer, down_writer))
        for source, sink, upward in ((reader, down_writer, True), (down_reader, writer, False)):
            task = asyncio.create_task(self._pump(source, sink, upward=upward))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, upward: bool) -> None:
        try:
            while data := await source.read(4096):
                await self._flowing.wait()
                if upward and self._budget is not None:
                    data, self._budget = data[: self._budget], self._budget - len(data)
                sink.write(data)
                await sink.drain()
                if upward:
                    self.upward += len(data)
                if self._budget is not None and self._budget <= 0:
                    self._budget = None
                    self.cut()
                    return
        except OSError:
            pass
        finally:
            sink.close()
