"""What is said to a node besides blocks: a few answers at a time, each once.

Who does not hear one asks again.
"""

import asyncio
from collections.abc import Coroutine

from flashers.zigbee_ota.codec import Answer, Status, answer
from flashers.zigbee_ota.server.counts import Counts
from flashers.zigbee_ota.server.saying import declined
from transports.errors import NodeUnreachable
from transports.zcl import Zcl, ZigbeeLink

_AT_ONCE = 4
"""Answers that may be under way to a node: what is not answered is asked again."""


class Answers:
    """Says things to one node."""

    def __init__(self, link: ZigbeeLink, counts: Counts) -> None:
        self._link = link
        self._counts = counts
        self._tasks: set[asyncio.Task[None]] = set()
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """What ends everything: the coordinator is gone, or there is a bug."""

    async def say(self, asked: Zcl, what: Answer) -> None:
        """Answer, and see that it arrives."""
        await self._send(answer(asked, what), acknowledged=True)

    def refuse(self, asked: Zcl, status: Status) -> None:
        """The default response, with which questions are declined that have no answer of their own."""
        self.tell(declined(asked, status))

    def tell(self, frame: Zcl) -> None:
        """Send it whenever there is time."""
        self.run(self._send(frame, acknowledged=False))

    def run(self, work: Coroutine[object, object, None]) -> None:
        """Do what a question asks for; of a flood of them the most are dropped."""
        if len(self._tasks) >= _AT_ONCE:
            work.close()
            self._counts.dropped += 1
            return
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def _send(self, frame: Zcl, *, acknowledged: bool) -> None:
        try:
            await self._link.send(frame, acknowledged=acknowledged)
        except NodeUnreachable:
            self._counts.lost += 1

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not self.failed.done():
            self.failed.set_exception(error)

    async def aclose(self) -> None:
        """Nothing is left running."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if not self.failed.done():
            self.failed.cancel()
        elif not self.failed.cancelled():
            self.failed.exception()
