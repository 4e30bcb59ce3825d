"""Listen in on a link: record its frames and read its console, while somebody else speaks over it.

The tap is itself a link, so a flasher does not know that it is there.  A boot line
must not be lost because it came while the flasher was not reading, nor stolen from
it: bytes that a console wait had to read itself are handed to the next reader.
"""

import asyncio
import re
from collections import deque

from transports.console import Console
from transports.links import ByteLink
from transports.recorder import FlightRecorder, FrameKind

KEPT_FOR_READER = 256 * 1024
"""Bytes read by console waits and kept for a reader who may never come; the oldest go first."""


class TappedLink:
    """Any link, recorded; a :class:`~transports.links.ByteLink` itself.

    Args:
        link: what is tapped; closing the tap closes it.
        recorder: keeps the frames.
        console: keeps the lines.
    """

    def __init__(
        self, link: ByteLink, *, recorder: FlightRecorder | None = None, console: Console | None = None
    ) -> None:
        self.link = link
        self.recorder = recorder if recorder is not None else FlightRecorder()
        self.console = console if console is not None else Console()
        self.lost_kept = 0
        self._loop = asyncio.get_running_loop()
        self._kept: deque[bytes] = deque()
        self._kept_size = 0
        self._pulling = False
        self._waiters: set[asyncio.Future[None]] = set()

    async def read(self) -> bytes:
        """As in the contract; first what a console wait has read for us."""
        while not self._kept:
            if not self._pulling:
                return await self._pull()
            await self._something()
        return self._take_kept()

    async def write(self, data: bytes) -> None:
        """As in the contract."""
        self.recorder.record(self._loop.time(), FrameKind.DOWN, data)
        await self.link.write(data)

    def discard_input(self) -> bytes:
        """As in the contract; what is dropped is recorded and read for lines all the same."""
        fresh = self.link.discard_input()
        if fresh:
            self._received(fresh)
        return self._take_kept() + fresh

    async def set_lines(self, *, dtr: bool | None = None, rts: bool | None = None) -> None:
        """As in the contract."""
        said = [f"{name}={value:d}" for name, value in (("dtr", dtr), ("rts", rts)) if value is not None]
        self.recorder.note(self._loop.time(), " ".join(said))
        await self.link.set_lines(dtr=dtr, rts=rts)

    async def set_baud(self, baud: int) -> None:
        """As in the contract."""
        self.recorder.note(self._loop.time(), f"baud={baud}")
        await self.link.set_baud(baud)

    async def aclose(self) -> None:
        """As in the contract."""
        self.recorder.note(self._loop.time(), "closed")
        await self.link.aclose()

    async def wait_for(
        self,
        pattern: re.Pattern[str],
        *,
        since: int = 0,
        timeout: float | None = None,
        consume: bool = False,
        unfinished: bool = False,
    ) -> str:
        """Wait until a console line matches, reading the link while nobody else does.

        Args:
            pattern: searched in each line.
            since: a mark of the console; lines before it do not count.
            timeout: seconds; None waits as long as the link lives.
            consume: bytes that we read are ours, instead of being kept for the next reader.
            unfinished: let a line count that has no end yet, such as a prompt.

        Returns:
            The whole line.

        Raises:
            TimeoutError: no such line came in time.
            LinkLost: the link went away before.
        """
        async with asyncio.timeout(timeout):
            while True:
                found = self.console.find(pattern, since, unfinished=unfinished)
                if found is not None:
                    return found
                if self._pulling:
                    await self._something()
                else:
                    data = await self._pull()
                    if not consume:
                        self._keep(data)

    async def _pull(self) -> bytes:
        """Read the link itself; only one at a time does."""
        self._pulling = True
        try:
            data = await self.link.read()
            self._received(data)
            return data
        finally:
            self._pulling = False
            self._wake()

    def _received(self, data: bytes) -> None:
        self.recorder.record(self._loop.time(), FrameKind.UP, data)
        self.console.feed(data)

    def _keep(self, data: bytes) -> None:
        self._kept.append(data)
        self._kept_size += len(data)
        while self._kept_size > KEPT_FOR_READER and len(self._kept) > 1:
            gone = len(self._kept.popleft())
            self._kept_size -= gone
            self.lost_kept += gone
        self._wake()

    def _take_kept(self) -> bytes:
        data = b"".join(self._kept)
        self._kept.clear()
        self._kept_size = 0
        return data

    async def _something(self) -> None:
        """Wait until bytes came, or the one who pulled stopped pulling."""
        waiter = self._loop.create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
