"""Bytes that have arrived and that nobody has read yet: the receiving half of every link.

Ports, sockets and memory differ in how bytes come, not in what happens then: one
reader takes all there is, a cancelled reader loses nothing, a lost link first
hands over what it had received, and the store is bounded, by asking the medium
to stop reading (its own flow control then holds the sender back).
"""

import asyncio
from collections.abc import Callable

from transports.errors import LinkLost

UNREAD_LIMIT = 256 * 1024
"""Unread bytes at which the medium is asked to stop: two seconds of a 1 Mbit/s line."""


def _nothing() -> None:
    pass


class Inbox:
    """Unread bytes, at most one reader, and the reason why no more will come.

    Args:
        pause: called when the limit is reached; the medium stops reading.
        resume: called when everything was taken after a pause.
        limit: unread bytes at which to pause.
    """

    __slots__ = ("_chunks", "_lost", "_paused", "_reader", "limit", "pause", "resume", "unread")

    def __init__(
        self,
        *,
        pause: Callable[[], None] = _nothing,
        resume: Callable[[], None] = _nothing,
        limit: int = UNREAD_LIMIT,
    ) -> None:
        self.limit = limit
        self.pause = pause
        self.resume = resume
        self.unread = 0
        self._chunks: list[bytes] = []
        self._lost: str | None = None
        self._paused = False
        self._reader: asyncio.Future[None] | None = None

    @property
    def lost(self) -> bool:
        """No more bytes will come."""
        return self._lost is not None

    def feed(self, data: bytes) -> None:
        """Bytes have come; at least one."""
        self._chunks.append(data)
        self.unread += len(data)
        if self.unread >= self.limit and not self._paused:
            self._paused = True
            self.pause()
        self._wake()

    def fail(self, why: str) -> None:
        """The link is gone; only the first reason is kept."""
        if self._lost is None:
            self._lost = why
            self._wake()

    def check(self) -> None:
        """Raise what a write has to raise.

        Raises:
            LinkLost: the link is gone.
        """
        if self._lost is not None:
            raise LinkLost(self._lost)

    async def take(self) -> bytes:
        """All there is, waiting for the first byte; cancelling loses none.

        Raises:
            LinkLost: the link is gone and everything that came before was taken.
        """
        while not self._chunks:
            self.check()
            if self._reader is not None:
                raise RuntimeError("a link has one reader at a time")
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        return self.drain()

    def drain(self) -> bytes:
        """All there is, without waiting."""
        chunks = self._chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self._chunks = []
        self.unread = 0
        if self._paused:
            self._paused = False
            if self._lost is None:
                self.resume()
        return data

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
