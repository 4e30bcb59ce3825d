"""One connection on the air: two queues that are emptied event by event.

What is handed to a controller is taken at once, as BlueZ takes it, however slow the
air is: nothing here pushes back.  A side that disconnects throws away what it had not
sent yet, as real controllers do; what its host believed to be sent is lost.
"""

import asyncio
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from transports.virtual.air.timing import Timing


@dataclass(slots=True)
class _Parcel:
    """Something on its way to the other side, in so many packets."""

    packets: int
    size: int
    deliver: Callable[[], None]


@dataclass(slots=True)
class Counters:
    """What passed, for tests and benches."""

    packets: int = 0
    resent: int = 0
    events: int = 0
    air_seconds: float = 0.0


@dataclass(slots=True)
class Channel:
    """Both directions of a connection between ``ends``; an end is any hashable name.

    ``lost`` is called once when nothing got through for the supervision time-out although
    something was to be sent; real radios send empty packets for that, and so an idle
    connection out of reach ends as well, through :meth:`watch`.
    """

    ends: tuple[object, object]
    timing: Timing
    dice: random.Random
    reaches: Callable[[], bool]
    lost: Callable[[], None]
    counters: Counters = field(default_factory=Counters)
    _queues: dict[object, deque[_Parcel]] = field(default_factory=dict)
    _event: asyncio.TimerHandle | None = None
    _silence: asyncio.TimerHandle | None = None
    _began: float = 0.0
    _closed: bool = False

    def __post_init__(self) -> None:
        self._queues = {end: deque() for end in self.ends}
        self._began = asyncio.get_running_loop().time()

    def send(self, sender: object, size: int, deliver: Callable[[], None]) -> None:
        """Queue a PDU of ``size`` bytes; ``deliver`` is called when the other side has all of it."""
        if self._closed:
            return
        self._queues[sender].append(_Parcel(self.timing.packets_for(size), size, deliver))
        self._arrange()

    def hang_up(self, sender: object, deliver: Callable[[], None]) -> None:
        """Say goodbye instead of everything that ``sender`` still had to send."""
        self._queues[sender].clear()
        self.send(sender, 1, deliver)

    def waiting(self, sender: object) -> int:
        """Packets that a side has not sent yet."""
        return sum(parcel.packets for parcel in self._queues[sender])

    def watch(self) -> None:
        """Distances changed: begin or end the wait for a side that is out of reach."""
        if self._closed:
            return
        if self.reaches():
            if self._silence is not None:
                self._silence.cancel()
                self._silence = None
            self._arrange()
        elif self._silence is None:
            loop = asyncio.get_running_loop()
            self._silence = loop.call_later(self.timing.supervision, self._supervision_over)

    def close(self) -> None:
        """Nothing passes any more."""
        self._closed = True
        for handle in (self._event, self._silence):
            if handle is not None:
                handle.cancel()
        self._event = self._silence = None
        for queue in self._queues.values():
            queue.clear()

    def _arrange(self) -> None:
        if self._event is not None or self._closed or not any(self._queues.values()):
            return
        loop = asyncio.get_running_loop()
        passed = (loop.time() - self._began) / self.timing.interval
        next_event = self._began + (math.floor(passed + 1e-6) + 1) * self.timing.interval
        self._event = loop.call_at(next_event, self._happen)

    def _happen(self) -> None:
        self._event = None
        if self._closed:
            return
        if not self.reaches():
            self.watch()
            return
        self.counters.events += 1
        arrived: list[Callable[[], None]] = []
        for queue in self._queues.values():
            arrived += self._one_way(queue)
        # Only now: what they answer belongs to the next event.
        for deliver in arrived:
            deliver()
        self._arrange()

    def _one_way(self, queue: deque[_Parcel]) -> list[Callable[[], None]]:
        arrived = []
        for _ in range(self.timing.packets):
            if not queue:
                break
            parcel = queue[0]
            self.counters.packets += 1
            self.counters.air_seconds += self.timing.air_time(min(parcel.size, self.timing.octets))
            if self.timing.loss and self.dice.random() < self.timing.loss:
                self.counters.resent += 1
                continue
            parcel.packets -= 1
            if not parcel.packets:
                queue.popleft()
                arrived.append(parcel.deliver)
        return arrived

    def _supervision_over(self) -> None:
        self._silence = None
        if not self._closed and not self.reaches():
            self.close()
            self.lost()
