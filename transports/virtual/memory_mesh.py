"""A Zigbee mesh in memory: nodes, their parents, and the way between them and one coordinator.

The virtual channel has carrier sense, acknowledgements and an airtime for every frame.  Here is
nothing but what a host can notice of a network: frames arrive late and in order, or not at all; an
acknowledged one is repeated, and then given up; a sleepy node gets what waits at its parent when it
asks, and what waits too long is lost; a node may not be there, and so may the coordinator.  The mesh
outlives the hosts at its coordinator, which is what a restart of a gateway is.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from transports.errors import LinkLost
from transports.zcl import Zcl, ZigbeePeer
from transports.zigbee.errors import FrameTooLong, NotDelivered

LATENCY = 0.008
"""Seconds per hop: about what a frame with its acknowledgement takes on a quiet channel."""
LARGEST = 82
"""Bytes of a ZCL frame that a route carries in one piece; a block of 65 bytes is the largest in it."""
PERSISTENCE = 7.68
"""Seconds that a parent keeps a frame (macTransactionPersistenceTime; Zigbee specification, 2.4.3.1)."""
KEPT = 3
"""Frames that a parent keeps for one child."""
ACK_WAIT, ACK_TRIES = 1.6, 4
"""apscAckWaitDuration in seconds; apscMaxFrameRetries, and the first time (Zigbee specification, 2.2.7.1)."""

Arrived = Callable[[str, Zcl | None], None]
"""(node's address, frame): what a host does with it; None is an announce."""


@dataclass(slots=True)
class Counts:
    """Frames between a node and the coordinator, repetitions included."""

    down: int = 0
    up: int = 0
    lost: int = 0
    expired: int = 0


class MemoryMesh:
    """Virtual nodes of one network.

    Args:
        latency: seconds that a frame is under way, for each hop.
        seed: of what is lost.
    """

    def __init__(self, *, latency: float = LATENCY, seed: int = 0) -> None:
        self.latency = latency
        self.random = random.Random(seed)
        self.nodes: dict[str, MemoryNode] = {}
        self.frames = 0
        """How many arrived or were lost, over all nodes and both directions."""
        self.watch: Callable[[int], None] | None = None
        """Called with each frame's number (from 1) before it arrives: whatever a test does to the world."""
        self.drops: set[int] = set()
        """Numbers of frames that do not arrive."""
        self.here = True
        """The coordinator is plugged in."""
        self.host: Arrived | None = None
        """Who is told what arrives at the coordinator."""
        self.joining_until = 0.0

    def add(
        self,
        peer: ZigbeePeer,
        *,
        hops: int = 1,
        loss: float = 0.0,
        largest: int = LARGEST,
        persistence: float = PERSISTENCE,
        joined: bool = True,
    ) -> "MemoryNode":
        """Put a node within reach.

        Args:
            peer: the node.
            hops: radio hops from the coordinator.
            loss: the share of frames that do not arrive, after what each hop repeats by itself.
            largest: bytes of a ZCL frame that its route carries.
            persistence: seconds that its parent keeps a frame for it, while it sleeps.
            joined: it is of the network already; else it joins when that is allowed.
        """
        node = MemoryNode(self, peer, hops=hops, loss=loss, largest=largest, persistence=persistence)
        node.joined = joined
        self.nodes[node.ieee] = node
        peer.attach(node)
        return node

    def passes(self, node: "MemoryNode") -> bool:
        """Count one more frame of this node; whether it arrives."""
        self.frames += 1
        number = self.frames
        if self.watch is not None:
            self.watch(number)
        if number in self.drops or (node.loss and self.random.random() < node.loss):
            node.counts.lost += 1
            return False
        return True


class MemoryNode:
    """One node's place in the mesh; implements :class:`~transports.zcl.ZigbeeRadio`."""

    def __init__(
        self,
        mesh: MemoryMesh,
        peer: ZigbeePeer,
        *,
        hops: int,
        loss: float,
        largest: int,
        persistence: float,
    ) -> None:
        self.mesh = mesh
        self.peer = peer
        self.hops = hops
        self.loss = loss
        self.largest = largest
        self.persistence = persistence
        self.description = peer.description
        self.ieee = self.description.ieee
        self.counts = Counts()
        self.joined = True
        self.in_reach = True
        self.on = False
        """It has booted, and is on the network."""
        self.bindings: set[str] = set()
        """Its binding table, as a link writes it."""
        self._interval: float | None = 1.0
        self._asked_at = 0.0
        self._life = 0
        self._waiting: deque[tuple[float, asyncio.Future[bool], Zcl]] = deque()
        self._poll: asyncio.TimerHandle | None = None
        self._free = {False: 0.0, True: 0.0}

    @property
    def there(self) -> bool:
        """Whether anything can reach it."""
        return self.on and self.in_reach and self.joined

    def set_reach(self, *, reach: bool) -> None:
        """Take it away from the network, or bring it back; it does not notice."""
        self.in_reach = reach
        if not reach:
            self._drop_waiting()

    # The node's side: the contract of a radio

    def send(self, frame: Zcl, *, acknowledged: bool = True) -> None:
        """As in the contract."""
        if self.on and self.joined:
            self._up(frame, ACK_TRIES if acknowledged else 1, self._life)

    def appear(self) -> None:
        """As in the contract; who is not of the network joins it where that is allowed."""
        now = asyncio.get_running_loop().time()
        if not self.joined and now < self.mesh.joining_until:
            self.joined = True
        self.on = True
        self._life += 1
        self._up(None, 1, self._life)

    def vanish(self) -> None:
        """As in the contract."""
        self.on = False
        self._life += 1
        self._drop_waiting()

    def poll(self, interval: float | None) -> None:
        """As in the contract."""
        self._interval = interval
        loop = asyncio.get_running_loop()
        self._asked_at = loop.time()
        if self._poll is not None:
            self._poll.cancel()
            self._poll = None
        self._expect_poll()

    def _up(self, frame: Zcl | None, tries: int, life: int) -> None:
        self._later(False, lambda: self._came(frame, tries, life))

    def _came(self, frame: Zcl | None, tries: int, life: int) -> None:
        mesh = self.mesh
        if life != self._life or not self.there or not mesh.here:
            return
        if frame is not None:
            self.counts.up += 1
        if mesh.passes(self):
            if mesh.host is not None and mesh.here:
                mesh.host(self.ieee, frame)
        elif tries > 1 or frame is None:
            again = self._up if frame is not None else self._announce_again
            loop = asyncio.get_running_loop()
            loop.call_later(ACK_WAIT, again, frame, tries - 1, life)

    def _announce_again(self, frame: Zcl | None, tries: int, life: int) -> None:
        """A broadcast is repeated by every router, so that one is rarely lost altogether."""
        self._up(frame, tries + 1, life)

    # The host's side

    async def give(self, frame: Zcl, *, acknowledged: bool) -> None:
        """Bring a frame to the node.

        Raises:
            NotDelivered, FrameTooLong, LinkLost: it was not brought there.
        """
        size = len(frame.payload) + (3 if frame.manufacturer is None else 5)
        if size > self.largest:
            raise FrameTooLong(f"a frame of {size} bytes for {self.ieee} is more than {self.largest}")
        mesh = self.mesh
        for attempt in range(ACK_TRIES if acknowledged else 1):
            if attempt:
                await asyncio.sleep(ACK_WAIT)
            self.counts.down += 1
            arrived = await (self._indirect(frame) if self.description.sleepy else self._direct(frame))
            if not mesh.here:
                raise LinkLost(f"the coordinator went away as a frame was sent to {self.ieee}")
            if arrived or (not acknowledged and self.hops > 1):
                return  # of what is not acknowledged only the first hop is known
        raise NotDelivered(f"a frame for {self.ieee} was not delivered")

    async def _direct(self, frame: Zcl) -> bool:
        arrived: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._later(True, lambda: self._arrive(frame, arrived))
        return await arrived

    async def _indirect(self, frame: Zcl) -> bool:
        """Into its parent's hands, until it asks."""
        loop = asyncio.get_running_loop()
        arrived: asyncio.Future[bool] = loop.create_future()
        if not self.there or len(self._waiting) >= KEPT:
            return False
        self._waiting.append((loop.time() + self.persistence, arrived, frame))
        self._expect_poll()
        expiry = loop.call_later(self.persistence, self._expire, arrived)
        try:
            return await arrived
        finally:
            expiry.cancel()

    def _arrive(self, frame: Zcl, arrived: "asyncio.Future[bool]") -> None:
        passed = self.there and self.mesh.here and self.mesh.passes(self) and self.there
        if not arrived.done():
            arrived.set_result(passed)
        if passed:
            self.peer.received(frame)

    # What waits at the parent

    def _expect_poll(self) -> None:
        if self._interval is None or not self._waiting or self._poll is not None:
            return
        loop = asyncio.get_running_loop()
        asked = int((loop.time() - self._asked_at) / self._interval)
        self._poll = loop.call_at(self._asked_at + (asked + 1) * self._interval, self._polled)

    def _polled(self) -> None:
        """It asks: everything that waits comes, since each frame says whether there is another."""
        self._poll = None
        while self._waiting and self.there:
            _, arrived, frame = self._waiting.popleft()
            if not arrived.done():
                self._arrive(frame, arrived)
        self._expect_poll()

    def _expire(self, arrived: "asyncio.Future[bool]") -> None:
        self._waiting = deque(each for each in self._waiting if each[1] is not arrived)
        if not arrived.done():
            self.counts.expired += 1
            arrived.set_result(False)

    def _drop_waiting(self) -> None:
        for _, arrived, _ in self._waiting:
            if not arrived.done():
                arrived.set_result(False)
        self._waiting.clear()

    def _later(self, down: bool, what: Callable[[], None]) -> None:
        """After what the way takes, and not before what was sent earlier."""
        loop = asyncio.get_running_loop()
        at = max(loop.time() + self.mesh.latency * self.hops, self._free[down] + 1e-6)
        self._free[down] = at
        loop.call_at(at, what)
