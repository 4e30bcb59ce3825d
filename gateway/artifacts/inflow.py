"""The bytes of an answer, read on while earlier ones are written to the disk.

An HTTP client forgets what it has read and not yet handed over when the connection
breaks.  On a line that breaks often that would be paid for again and again; so
somebody always stands at its door.
"""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import aiohttp

MOST = 256 << 10
"""Bytes that may wait for the disk; more stay with the sender."""


class Inflow:
    """Reads until the body ends or breaks off; :meth:`close` ends it earlier."""

    def __init__(self, content: "aiohttp.StreamReader") -> None:
        self._content = content
        self._waiting = bytearray()
        self._news = asyncio.Event()
        self._taken = asyncio.Event()
        self._trouble: Exception | None = None
        self._ended = False
        self._reader = asyncio.create_task(self._read(), name="inflow")

    async def _read(self) -> None:
        import aiohttp

        try:
            while chunk := await self._content.readany():
                self._waiting += chunk
                self._news.set()
                while len(self._waiting) >= MOST:
                    self._taken.clear()
                    await self._taken.wait()
        except (aiohttp.ClientError, OSError) as error:
            self._trouble = error
        finally:
            self._ended = True
            self._news.set()

    async def take(self, least: int) -> bytes:
        """Everything that waits, once it is at least so much; less at the end, and then nothing.

        Raises:
            aiohttp.ClientError, OSError: it broke off; everything before was given out.
        """
        while len(self._waiting) < least and not self._ended:
            self._news.clear()
            await self._news.wait()
        data = self.rest()
        if not data and self._trouble is not None:
            raise self._trouble
        return data

    def rest(self) -> bytes:
        """Whatever waits at this moment."""
        data = bytes(self._waiting)
        self._waiting.clear()
        self._taken.set()
        return data

    async def close(self) -> int:
        """Read no more; the number of bytes that came and that nobody has taken."""
        self._reader.cancel()
        with suppress(asyncio.CancelledError):
            await self._reader
        return len(self._waiting)
