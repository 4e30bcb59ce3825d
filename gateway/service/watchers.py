"""Everybody who looks on: each has a queue of their own, and a slow one loses progress, never events."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from gateway.control import Progress
from gateway.model.views import Event

_KEPT = 10_000
"""Events that wait for one reader; one that is slower than that is let go."""


class Watchers:
    """Those who watch now."""

    def __init__(self) -> None:
        self._queues: set[_Queue] = set()

    def tell(self, item: Event | Progress) -> None:
        """Something happened."""
        for queue in list(self._queues):
            queue.put(item)

    async def watch(self) -> AsyncIterator[Event | Progress]:
        """Everything from now on."""
        queue = _Queue()
        self._queues.add(queue)
        try:
            while not queue.overrun:
                for item in await queue.take():
                    yield item
        finally:
            self._queues.discard(queue)


class _Queue:
    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._progress: dict[str, Progress] = {}
        self._some = asyncio.Event()
        self.overrun = False

    def put(self, item: Event | Progress) -> None:
        if isinstance(item, Event):
            self._events.append(item)
            self.overrun = self.overrun or len(self._events) > _KEPT
        else:
            self._progress[item.node] = item
        self._some.set()

    async def take(self) -> list[Event | Progress]:
        await self._some.wait()
        self._some.clear()
        taken: list[Event | Progress] = [*self._events, *self._progress.values()]
        self._events.clear()
        self._progress.clear()
        return taken
