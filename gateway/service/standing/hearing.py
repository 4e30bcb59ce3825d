"""What was heard of each node's own data: how much, when last, and how often.

Kept by the minute and for an hour, so that a chatty fleet costs no more memory than a
quiet one.  A gap in the listening (the broker was away) begins the count of how
often anew: a speed that includes it would be too low.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from flashers.api import Stamp
from gateway.verbs.standing import DataView

_WINDOW_MIN = 60
_LEAST_S = 60.0
"""How often is said after listening for this long, and not before."""


@dataclass(slots=True)
class _Ear:
    """One node's."""

    since: float
    total: int = 0
    last_at: float | None = None
    last: Stamp | None = None
    minutes: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=_WINDOW_MIN + 1))

    def add(self, now: float, count: int, at: Stamp) -> None:
        minute = int(now // 60)
        if self.minutes and self.minutes[-1][0] == minute:
            self.minutes[-1] = (minute, self.minutes[-1][1] + count)
        else:
            self.minutes.append((minute, count))
        self.total, self.last_at, self.last = self.total + count, now, at

    def per_second(self, now: float) -> float | None:
        oldest = int(now // 60) - _WINDOW_MIN + 1
        since = max(self.since, oldest * 60.0)
        if now - since < _LEAST_S:
            return None
        return sum(count for minute, count in self.minutes if minute >= oldest) / (now - since)


class Ears:
    """Of all nodes; implements :class:`gateway.attempt.hearing.Hearing`."""

    def __init__(self, clock: Callable[[], Stamp]) -> None:
        self._clock = clock
        self._ears: dict[str, _Ear] = {}
        self._waiting: set[asyncio.Event] = set()
        self._subscribed: dict[str, str] = {}
        self.before: dict[str, float] = {}
        """Messages a second as an earlier run of the service knew them."""

    def known(self) -> dict[str, float]:
        """How often each node is heard, of which that is known by now."""
        found = {node: self._ears[node].per_second(self._now()) for node in self._ears}
        return {node: often for node, often in found.items() if often is not None}

    def listening(self, nodes: list[str], trouble: str = "") -> None:
        """A subscription for these nodes began, or (with its ``trouble``) is not there now."""
        for node in nodes:
            if self._subscribed.get(node) != trouble and not trouble:
                ear = self._ears.setdefault(node, _Ear(self._now()))
                ear.since = self._now()
                ear.minutes.clear()
            self._subscribed[node] = trouble

    def heard(self, node: str, count: int = 1) -> None:
        """Messages of this node came just now."""
        ear = self._ears.get(node)
        if ear is None:
            # The first report is where the counting of how often begins.
            ear = self._ears[node] = _Ear(self._now())
            ear.add(self._now(), count, self._clock())
            ear.minutes.clear()
        else:
            ear.add(self._now(), count, self._clock())
        for waiting in self._waiting:
            waiting.set()

    def total(self, node: str) -> int:
        """Messages since the service began to listen."""
        return self._ears[node].total if node in self._ears else 0

    def last_at(self, node: str) -> float | None:
        """When the last one was heard, in the loop's time."""
        return self._ears[node].last_at if node in self._ears else None

    def per_second(self, node: str) -> float | None:
        """How often it is heard, now or as an earlier run knew it; None while that is not known."""
        now = self._ears[node].per_second(self._now()) if node in self._ears else None
        return self.before.get(node) if now is None else now

    def deaf(self, node: str) -> str:
        """Why nothing can be heard of it now; empty if something could."""
        return self._subscribed.get(node, "")

    async def news(self) -> None:
        """Wait until something is heard."""
        waiting = asyncio.Event()
        self._waiting.add(waiting)
        try:
            await waiting.wait()
        finally:
            self._waiting.discard(waiting)

    def view(self, node: str) -> DataView:
        """For people."""
        often, ear = self.per_second(node), self._ears.get(node)
        per_minute = None if often is None else round(often * 60, 3)
        return DataView(node, self.total(node), ear.last if ear is not None else None, per_minute)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
