"""The application support layer of a stack: acknowledgements end to end, repeats, duplicates.

An acknowledged frame costs a second frame that comes all the way back.  If that does not come in
1.6 s the frame is sent again, three times at most; the far end knows it by its counter, says
that it has it, and does not hand it out twice.
"""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from transports.virtual.zigbee import timing
from transports.virtual.zigbee.agenda import Event
from transports.virtual.zigbee.channel import Outcome, Radio
from transports.virtual.zigbee.mesh import Done, Mesh

REMEMBERED = 32
"""Frames of a sender that are known again; far fewer than the 256 after which its counter repeats."""

COUNTERS = 256


class Kind(StrEnum):
    """What an APS frame is."""

    DATA = "data"
    ACK = "ack"


@dataclass(slots=True, eq=False)
class Aps:
    """One frame of the application support layer."""

    source: "ApsLayer"
    target: "ApsLayer | None"
    """None is everybody."""
    from_endpoint: int
    to_endpoint: int
    cluster: int
    profile: int
    counter: int
    data: bytes = b""
    kind: Kind = Kind.DATA
    acknowledged: bool = False
    relays: int = 0
    """Relays that it passes, for its link quality."""


class Above(Protocol):
    """Who is handed what arrives."""

    def taken(self, frame: Aps) -> None:
        """A frame, once."""
        ...


@dataclass(slots=True, eq=False)
class _Pending:
    frame: Aps
    done: Done | None
    tries: int = 1
    timer: Event | None = None


class ApsLayer:
    """The sending and receiving of one stack.

    ``sleepy`` senders ask their parent for the acknowledgement while they wait.
    """

    def __init__(self, mesh: Mesh, name: str, above: Above, *, router: bool, sleepy: bool) -> None:
        self.mesh = mesh
        self.name = name
        self.nwk = 0xFFFE
        self.radio: Radio = mesh.radio(name, self, router=router, sleepy=sleepy)
        self.sleepy = sleepy
        self.resent = 0
        """Frames sent again because no acknowledgement came."""
        self.duplicates = 0
        self._above = above
        self._agenda = mesh.agenda
        self._counter = 0
        self._pending: dict[int, _Pending] = {}
        self._had: dict[ApsLayer, deque[tuple[int, float]]] = {}
        self._asking: Event | None = None

    def way(self, target: "ApsLayer") -> tuple[Radio, ...]:
        """The radios from here to another one: up or down the tree, or to a parent's other child."""
        mine, theirs = self.mesh.up(self.radio), self.mesh.up(target.radio)
        while len(mine) > 1 and len(theirs) > 1 and mine[-2] is theirs[-2]:
            mine, theirs = mine[:-1], theirs[:-1]
        return mine + theirs[-2::-1]

    def send(
        self,
        target: "ApsLayer",
        data: bytes,
        *,
        cluster: int,
        profile: int,
        from_endpoint: int,
        to_endpoint: int,
        acknowledged: bool,
        done: Done | None = None,
    ) -> None:
        """Send to one other stack; ``done`` is told how it ended, exactly once."""
        frame = Aps(
            self, target, from_endpoint, to_endpoint, cluster, profile, self._next(), data,
            acknowledged=acknowledged,
        )  # fmt: skip
        if not acknowledged:
            self._carry(frame, done)
            return
        stale = self._pending.pop(frame.counter, None)
        if stale is not None:
            self._end(stale, Outcome.NO_APS_ACK)
        pending = _Pending(frame, done)
        self._pending[frame.counter] = pending
        self._try(pending)

    def broadcast(
        self, data: bytes, *, cluster: int, profile: int, from_endpoint: int, to_endpoint: int
    ) -> None:
        """Send to everybody whose receiver is on."""
        frame = Aps(self, None, from_endpoint, to_endpoint, cluster, profile, self._next(), data)
        self.mesh.flood(frame, self.radio, timing.OVERHEAD + len(data))

    def stop(self) -> None:
        """The stack restarts: nothing is waited for, nothing is remembered."""
        for pending in tuple(self._pending.values()):
            self._end(pending, Outcome.OFF)
        self._had.clear()
        self._agenda.forget(self._asking)
        self._asking = None

    def arrived(self, content: object) -> None:
        """A frame came in over the air."""
        assert isinstance(content, Aps)  # noqa: S101 - nothing else is sent to a stack
        if content.kind is Kind.ACK:
            pending = self._pending.get(content.counter)
            if pending is not None and pending.frame.target is content.source:
                self._end(pending, Outcome.DELIVERED)
            return
        if content.acknowledged:
            answer = Aps(
                self, content.source, content.to_endpoint, content.from_endpoint, content.cluster,
                content.profile, content.counter, kind=Kind.ACK,
            )  # fmt: skip
            self._carry(answer, None)
        if self._is_new(content):
            self._above.taken(content)
        else:
            self.duplicates += 1

    def _next(self) -> int:
        self._counter = (self._counter + 1) % COUNTERS
        return self._counter

    def _carry(self, frame: Aps, done: Done | None) -> None:
        assert frame.target is not None  # noqa: S101 - broadcasts take another way
        path = self.way(frame.target)
        frame.relays = len(path) - 2
        # Only a concentrator, which is the coordinator, writes the route into its frames.
        route = timing.route_cost(len(path) - 1) if len(self.mesh.up(self.radio)) == 1 else 0
        psdu = timing.OVERHEAD + route + len(frame.data)
        if psdu > timing.MAX_PSDU:
            if done is not None:
                self._agenda.later(timing.PROCESSING, done, Outcome.TOO_LONG)
            return
        self.mesh.carry(frame, path, psdu, done)

    def _try(self, pending: _Pending) -> None:
        def first_hop(outcome: Outcome) -> None:
            if self._pending.get(pending.frame.counter) is not pending:
                return
            if outcome is Outcome.DELIVERED:
                wait = timing.APS_WAIT_SLEEPY if self.sleepy else timing.APS_WAIT
                pending.timer = self._agenda.later(wait, self._again, pending)
                if self.sleepy and self._asking is None:
                    self._asking = self._agenda.later(timing.FAST_POLL, self._ask)
            else:
                self._end(pending, outcome)

        self._carry(pending.frame, first_hop)

    def _ask(self) -> None:
        """A sleepy sender fetches what its parent has for it, while it waits."""
        self._asking = None
        if self._pending and self.radio.on:
            self.mesh.ask(self.radio)
            self._asking = self._agenda.later(timing.FAST_POLL, self._ask)

    def _again(self, pending: _Pending) -> None:
        if pending.tries > timing.APS_RETRIES:
            self._end(pending, Outcome.NO_APS_ACK)
            return
        pending.tries += 1
        self.resent += 1
        self._try(pending)

    def _end(self, pending: _Pending, outcome: Outcome) -> None:
        self._pending.pop(pending.frame.counter, None)
        self._agenda.forget(pending.timer)
        if pending.done is not None:
            pending.done(outcome)

    def _is_new(self, frame: Aps) -> bool:
        had = self._had.setdefault(frame.source, deque(maxlen=REMEMBERED))
        now = self._agenda.now
        if any(counter == frame.counter and now - when < timing.DUPLICATES_FOR for counter, when in had):
            return False
        had.append((frame.counter, now))
        return True
