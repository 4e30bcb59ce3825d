"""What happens when, in a network that is simulated: a list in the order of time, and one timer.

A frame on the air has half a dozen events, each some hundred microseconds after the other; a
timer of the loop is late by up to a millisecond, and dear.  So the events have times of their own:
each one happens *at* its time, however late the loop comes to it, and what follows is counted
from there.  Lateness does not add up, and the same dice give the same run.
"""

import asyncio
import heapq
from collections.abc import Callable
from typing import Any

Event = list[Any]
"""Its time, a number that orders equal times, what to call (None: given up), and with what."""


class Agenda:
    """Things to come, in the loop's time, or ``speed`` times as fast."""

    def __init__(self, *, speed: float = 1.0) -> None:
        if speed <= 0:
            raise ValueError("time passes forwards: the speed is above zero")
        self.speed = speed
        self._events: list[Event] = []
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for = 0.0
        self._happening: float | None = None
        self._closed = False

    @property
    def now(self) -> float:
        """The time of what happens right now, else the loop's."""
        if self._happening is not None:
            return self._happening
        return asyncio.get_running_loop().time() * self.speed

    def at(self, when: float, call: Callable[..., object], *args: Any) -> Event:
        """Have something happen at a time; returns what :meth:`forget` takes."""
        self._count += 1
        event: Event = [when, self._count, call, args]
        if self._closed:
            return event
        heapq.heappush(self._events, event)
        if self._happening is None and (self._timer is None or when < self._armed_for):
            self._arm()
        return event

    def later(self, delay: float, call: Callable[..., object], *args: Any) -> Event:
        """Have something happen in so many seconds of this agenda."""
        return self.at(self.now + delay, call, *args)

    def forget(self, event: Event | None) -> None:
        """It shall not happen; allowed after it has."""
        if event is not None:
            event[2] = None

    def close(self) -> None:
        """Nothing happens any more."""
        self._closed = True
        self._events.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        events = self._events
        while events and events[0][2] is None:
            heapq.heappop(events)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if events and not self._closed:
            self._armed_for = events[0][0]
            self._timer = asyncio.get_running_loop().call_at(self._armed_for / self.speed, self._happen)

    def _happen(self) -> None:
        self._timer = None
        # What was armed for is due, also where a division has rounded.
        until = max(asyncio.get_running_loop().time() * self.speed, self._armed_for)
        events = self._events
        try:
            while events and events[0][0] <= until:
                when, _, call, args = heapq.heappop(events)
                if call is not None:
                    self._happening = when
                    call(*args)
        finally:
            self._happening = None
            self._arm()
