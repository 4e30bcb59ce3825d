"""One line between a host and a virtual node: two directions with latency, a bit rate and faults.

Every virtual medium has one of these between its own end (memory, a PTY, a
socket) and the node, so that a fault or a slow line is the same thing on all.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial

from transports.links import UartPeer
from transports.virtual.faults import Direction, FaultPlan
from transports.virtual.injector import Injector, Story

BITS_PER_BYTE = 10
"""8N1 on the wire: a start bit, eight data bits, a stop bit."""

PIECE_SECONDS = 0.010
"""A paced line hands over what it carries in this time at once: a timer a byte would be slow."""

TAKEN_LIMIT = 4096
"""Bytes that a line takes before it makes the sender wait, as a tty's output buffer."""


class Wire:
    """One direction: bytes go in, and come out later, fewer or bent."""

    def __init__(
        self,
        deliver: Callable[[bytes], None],
        cut: Callable[[], None],
        injector: Injector,
        *,
        latency: float,
        baud: int | None,
    ) -> None:
        self._deliver = deliver
        self._cut = cut
        self._injector = injector
        self._latency = latency
        self.baud = baud
        self.backlog = 0
        self.carried = 0
        self._busy_until = 0.0
        self._last_due = 0.0
        self._queue: deque[tuple[float, bytes | Callable[[], None]]] = deque()
        self._timer: asyncio.Handle | None = None
        self._room: asyncio.Future[None] | None = None

    def send(self, data: bytes) -> None:
        """Put bytes on the line; each call is one chunk."""
        if not data:
            return
        for part in self._injector.pass_on(data):
            self._queue_up(part.data, part.delay, cut=part.cut)
        self._arm()

    def _queue_up(self, data: bytes, delay: float, *, cut: bool) -> None:
        now = asyncio.get_running_loop().time()
        ready = max(now, self._busy_until) + delay
        rate = self.baud / BITS_PER_BYTE if self.baud else 0.0
        size = max(1, int(rate * PIECE_SECONDS)) if rate else max(1, len(data))
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            ready += len(piece) / rate if rate else 0.0
            self._put(ready, piece)
        if cut:
            self._put(ready, self._cut)
        self._busy_until = ready if rate or delay else self._busy_until

    def _put(self, ready: float, what: bytes | Callable[[], None]) -> None:
        self._last_due = max(self._last_due, ready + self._latency)
        self._queue.append((self._last_due, what))
        if isinstance(what, bytes):
            self.backlog += len(what)

    def after(self, action: Callable[[], None]) -> None:
        """Do something once all that is on the line has arrived; at once, if nothing is."""
        if self._queue:
            self._queue.append((self._last_due, action))
        else:
            action()

    def _arm(self) -> None:
        if self._timer is not None or not self._queue:
            return
        loop = asyncio.get_running_loop()
        due = self._queue[0][0]
        self._timer = loop.call_soon(self._due) if due <= loop.time() else loop.call_at(due, self._due)

    def _due(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        try:
            for _ in range(len(self._queue)):
                if not self._queue or self._queue[0][0] > now:
                    break
                _, what = self._queue.popleft()
                if isinstance(what, bytes):
                    self.backlog -= len(what)
                    self.carried += len(what)
                    self._deliver(what)
                else:
                    what()
        finally:  # a node that raises has a bug, which the loop reports; the line still works
            self._make_room()
            self._arm()

    def _make_room(self) -> None:
        if self._room is not None and self.backlog <= TAKEN_LIMIT:
            if not self._room.done():
                self._room.set_result(None)
            self._room = None

    async def room(self) -> None:
        """Return when the line has taken what it was given, but for a small buffer."""
        while self.backlog > TAKEN_LIMIT:
            if self._room is None:
                self._room = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._room)

    def clear(self) -> None:
        """Lose what is on the line."""
        self._queue.clear()
        self.backlog = 0
        self._busy_until = self._last_due = 0.0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._make_room()


class Line:
    """Both directions between a node and whatever end the host has.

    Args:
        peer: the node.
        to_host: takes bytes that arrive at the host.
        cut: called when a fault cuts the link.
        latency: seconds that a byte is under way, each way.
        baud: bits per second with ten bits a byte; None is as fast as memory.
        faults: a plan, or its text.
    """

    def __init__(
        self,
        peer: UartPeer,
        *,
        to_host: Callable[[bytes], None],
        cut: Callable[[], None],
        latency: float = 0.0,
        baud: int | None = None,
        faults: FaultPlan | str = "",
    ) -> None:
        plan = FaultPlan.parse(faults) if isinstance(faults, str) else faults
        self.peer = peer
        self.story = Story()
        down, up = (Injector(plan, way, self.story) for way in (Direction.DOWN, Direction.UP))
        self.down = Wire(peer.receive, cut, down, latency=latency, baud=baud)
        self.up = Wire(to_host, cut, up, latency=latency, baud=baud)
        self._state = (False, False)
        peer.attach(self.up.send)

    @property
    def lines(self) -> tuple[bool, bool]:
        """DTR and RTS as the host has set them."""
        return self._state

    def set_lines(self, *, dtr: bool | None = None, rts: bool | None = None) -> None:
        """Drive the modem lines; the node sees changes only, and after the bytes sent before."""
        state = (self._state[0] if dtr is None else dtr, self._state[1] if rts is None else rts)
        if state != self._state:
            self._state = state
            self.down.after(partial(self.peer.lines, dtr=state[0], rts=state[1]))

    def set_baud(self, baud: int | None) -> None:
        """Carry what is sent from now on at this speed."""
        self.down.baud = self.up.baud = baud

    def clear(self) -> None:
        """Lose what is under way, in both directions."""
        self.down.clear()
        self.up.clear()
