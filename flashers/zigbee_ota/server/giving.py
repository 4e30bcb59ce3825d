"""Send blocks: one at a time to who asks for one, several under way to who asks for a page.

A node has one question open at a time.  So a question that comes again while its answer is under way
is not answered twice, and of questions that come faster than answers can go out the newest is kept:
whatever a node sends, what goes back to it is bounded by what the coordinator confirms.
"""

import asyncio
from collections.abc import Coroutine

from flashers.api import Session
from flashers.zigbee_ota.codec import Command, ImageBlockRequest, ImagePageRequest
from flashers.zigbee_ota.codec.words import OTA
from flashers.zigbee_ota.params import OtaParams
from flashers.zigbee_ota.server.counts import Counts
from flashers.zigbee_ota.server.offer import Offer
from flashers.zigbee_ota.server.pacing import Acknowledging, BlockSize, Gaps, Window
from transports.errors import NodeUnreachable
from transports.zcl import Zcl, ZigbeeLink
from transports.zigbee.errors import FrameTooLong

_SINGLE = 2
"""Answers to single questions under way: a node often asks on before its answer is confirmed."""
_SPACED = 2
_AT_ONCE, _SOON = 3, 1.0
"""What was not confirmed is sent so often, if that was known within so many seconds."""
_MANY_GAPS = 0.05
"""Of a page that was given as slowly as it can be: what lost that is no relay that was in a hurry."""
_TOO_SOON = 0.1
"""Seconds after an answer in which the same question is an echo: no node gives up on one so fast."""


class Giver:
    """Gives blocks of what is offered to one node."""

    def __init__(
        self, session: Session, link: ZigbeeLink, params: OtaParams, counts: Counts, *, sleepy: bool
    ) -> None:
        self._session = session
        self._link = link
        self._counts = counts
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flying: set[int] = set()
        self._landed = asyncio.Event()
        self._pending: tuple[Zcl, ImageBlockRequest, Offer] | None = None
        self._last: tuple[int, float] | None = None
        """Offset of the last single block, and when its answer was confirmed."""
        self._page: asyncio.Task[None] | None = None
        self._page_at = (-1, -1)
        self._gaps = 0
        """What of the last page was asked for again."""
        self.size = BlockSize(params.block_max, min(params.block_min, params.block_max))
        # Its parent keeps one frame for a node that sleeps between its polls, and drops the others.
        self.window = Window(1) if sleepy else Window()
        self.acknowledging = Acknowledging()
        self.gaps = Gaps()
        self.failed: asyncio.Future[None] = self._loop.create_future()
        """What ends everything: the coordinator is gone, or there is a bug."""

    # Single blocks

    def block(self, frame: Zcl, ask: ImageBlockRequest, offer: Offer) -> None:
        """Answer a question for one block that is in what is offered."""
        if ask.offset in self._flying:
            self._counts.duplicates += 1
            return
        if self._last is not None and self._last[0] == ask.offset:
            since = self._loop.time() - self._last[1]
            if since < _TOO_SOON:
                self._counts.duplicates += 1
                return
            self._counts.repeated += 1
            self.acknowledging.repeated(since)
        elif self._is_gap(ask.offset):
            self._counts.gaps += 1
            self._gaps += 1
            self.gaps.missing()
        else:
            self.acknowledging.answered()
        if len(self._flying) >= _SINGLE and not self._paging:
            self._counts.dropped += self._pending is not None
            self._pending = (frame, ask, offer)
            return
        self._give_single(frame, ask, offer)

    def _is_gap(self, offset: int) -> bool:
        """Whether this was in the page that was given last."""
        return self._page_at[0] <= offset < self._page_at[1] and not self._paging

    def _give_single(self, frame: Zcl, ask: ImageBlockRequest, offer: Offer) -> None:
        self._flying.add(ask.offset)
        self._run(self._single(frame, ask, offer))

    async def _single(self, frame: Zcl, ask: ImageBlockRequest, offer: Offer) -> None:
        most = min(ask.size, offer.size - ask.offset)
        try:
            # What a page lacks was lost on a route that loses, and is asked for one by one.
            sure = self.acknowledging.wanted or self._is_gap(ask.offset)
            if await self._send(frame, offer, ask.file.version, ask.offset, most, sure=sure):
                self._last = (ask.offset, self._loop.time())
        finally:
            self._land(ask.offset)

    # Pages

    def page(self, frame: Zcl, ask: ImagePageRequest, offer: Offer) -> None:
        """Answer a question for a page; a new one ends the one before, which the node has given up."""
        end = min(ask.offset + ask.page, offer.size)
        before, until = self._page_at
        if (ask.offset, end) == (before, until) and self._paging:
            self._counts.duplicates += 1
            return
        if before <= ask.offset < until:
            # It asks for all of the page again, or for all that comes after the first gap in it.
            self._counts.repeated += 1
            missing = -(-(until - ask.offset) // min(ask.size, self.size.limit))
            self.gaps.missing(missing)
            self._gaps += missing
        if before >= 0:
            self.window.page_over(self._gaps)
            self._gaps = 0
        if self._page is not None:
            self._page.cancel()
        self._page_at = (ask.offset, end)
        self._counts.pages += 1
        self._page = self._run(self._blocks_of(frame, ask, offer, end))

    @property
    def _paging(self) -> bool:
        return self._page is not None and not self._page.done()

    async def _blocks_of(self, frame: Zcl, ask: ImagePageRequest, offer: Offer, end: int) -> None:
        offset, spacing = ask.offset, ask.spacing / 1000
        self.gaps.sent(-(-(end - offset) // min(ask.size, self.size.limit)))
        while offset < end:
            most = min(self.window.limit, _SPACED) if spacing else self.window.limit
            while len(self._flying) >= most:
                self._landed.clear()
                await self._landed.wait()
            started = self._loop.time()
            size = min(ask.size, self.size.limit)
            if offset not in self._flying:
                self._flying.add(offset)
                self._run(self._of_page(frame, ask, offer, offset, min(size, end - offset), end))
            offset += size
            wait = max(spacing, self.window.latency + self.window.pause if self.window.pause else 0.0)
            if wait:
                await asyncio.sleep(max(0.0, started + wait - self._loop.time()))
        while self._flying:
            self._landed.clear()
            await self._landed.wait()

    async def _of_page(
        self, frame: Zcl, ask: ImagePageRequest, offer: Offer, offset: int, most: int, until: int
    ) -> None:
        end, at = offset + most, offset
        try:
            while at < end:  # more than once only where the route turns out to carry less
                # The last one tells the node that the page is over; without it, it waits for more.
                sure = offset + most >= until or (self.window.slowest and self.gaps.share > _MANY_GAPS)
                sent = await self._send(frame, offer, ask.file.version, at, end - at, sure=sure)
                if not sent:
                    return
                at += sent
        finally:
            self._land(offset)

    # Both

    async def _send(
        self, frame: Zcl, offer: Offer, version: int, offset: int, most: int, *, sure: bool
    ) -> int:
        """Send one block; how many bytes were confirmed, 0 where none were."""
        tries = _AT_ONCE
        while True:
            size = min(most, self.size.limit)
            answer = Zcl(
                OTA,
                Command.IMAGE_BLOCK_RESPONSE,
                offer.block(version, offset, size),
                frame.endpoint,
                frame.tsn,
                to_client=True,
                profile=frame.profile,
            )
            flying, began = len(self._flying), self._loop.time()
            try:
                took = await self._link.send(answer, acknowledged=sure)
            except FrameTooLong:
                if self.size.too_long(size):
                    self._session.note(f"{size} bytes do not fit; blocks of {self.size.limit} from now on")
                    continue
                raise
            except NodeUnreachable:
                self._session.sent(size)
                self._counts.lost += 1
                self.window.failed()
                tries -= 1
                if tries and self._loop.time() - began < _SOON:
                    continue  # the next hop did not take it; the node's own time-out would cost seconds
                self.size.lost()
                return 0
            self._session.sent(size)
            self._counts.blocks += 1
            self._counts.bytes += size
            self.window.confirmed(took, flying, sure=sure)
            self.size.arrived()
            return size

    def _land(self, offset: int) -> None:
        self._flying.discard(offset)
        self._landed.set()
        pending, self._pending = self._pending, None
        if pending is not None and pending[1].offset not in self._flying:
            self._give_single(*pending)

    def _run(self, work: Coroutine[object, object, None]) -> "asyncio.Task[None]":
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and not self.failed.done():
            self.failed.set_exception(error)

    async def aclose(self) -> None:
        """Give nothing more; nothing is left running."""
        self._pending = None
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if not self.failed.done():
            self.failed.cancel()
        elif not self.failed.cancelled():
            self.failed.exception()
