"""The way of a frame through the network: hop by hop, through relays and sleepy nodes' parents.

The network is a tree with the coordinator at its root.  A frame that has two hops to go is sent
twice on the one channel, and the first sender only learns what the first hop did.  A sleepy
node's frames wait at its parent until it asks, for 7.68 s at most.  A broadcast is sent once by
each router, and again where a neighbour is known not to have it.
"""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from transports.virtual.zigbee import timing
from transports.virtual.zigbee.agenda import Event
from transports.virtual.zigbee.channel import Channel, Outcome, Radio, Transmission

Done = Callable[[Outcome], None]
"""Told what the first hop did, as the MAC layer's confirm."""

ROUTER_PLACES = 24
"""Frames that a router holds for others; more are dropped, although acknowledged.  Ours."""
BROADCAST_JITTER = 0.064
"""nwkcMaxBroadcastJitter: a router waits up to so many seconds before it repeats (Zigbee, 3.5.1)."""
TOTAL_WAIT = 1220 * timing.SYMBOL
"""macMaxFrameTotalWaitTime: how long a node that has asked stays awake (802.15.4-2011, 6.4.2)."""


class Taker(Protocol):
    """Who gets what arrives at a radio."""

    def arrived(self, content: object) -> None:
        """A parcel's content, at the end of its way."""
        ...


@dataclass(slots=True, eq=False)
class Parcel:
    """Something on its way along radios; ``at`` is where it is."""

    content: object
    path: tuple[Radio, ...]
    psdu: int
    done: Done | None = None
    at: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Command:
    """A command of the network layer: what it does to whom it reaches."""

    arrived: Callable[[], None]


@dataclass(slots=True, eq=False)
class Poll:
    """A child asks its parent for what it has kept."""

    child: Radio


@dataclass(slots=True, eq=False)
class Flood:
    """A broadcast, and who has it."""

    content: object
    psdu: int
    has: set[Radio] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class _Kept:
    parcel: Parcel
    expiry: Event
    sending: bool = False


class Mesh:
    """Who is behind whom, and what is on its way."""

    def __init__(self, channel: Channel, dice: random.Random) -> None:
        self.channel = channel
        self.agenda = channel.agenda
        self._dice = dice
        self._parents: dict[Radio, Radio] = {}
        self._takers: dict[Radio, Taker] = {}
        self._routers: set[Radio] = set()
        self._asleep: set[Radio] = set()
        self._kept: dict[Radio, deque[_Kept]] = {}
        self.dropped = 0
        """Frames that a router had no place for."""

    def radio(self, name: str, taker: Taker | None, *, router: bool, sleepy: bool = False) -> Radio:
        """A radio of this network; without a taker it only relays."""
        radio = self.channel.radio(name, self._received)
        if taker is not None:
            self._takers[radio] = taker
        if router:
            self._routers.add(radio)
        if sleepy:
            self._asleep.add(radio)
            self._kept[radio] = deque()
            radio.listening = False
        return radio

    def put_behind(self, radio: Radio, parent: Radio) -> None:
        """Give a radio its place in the tree."""
        self._parents[radio] = parent

    def parent(self, radio: Radio) -> Radio:
        """Through whom a radio speaks."""
        return self._parents[radio]

    def up(self, radio: Radio) -> tuple[Radio, ...]:
        """The way from a radio to the coordinator, both included."""
        way = [radio]
        while (parent := self._parents.get(way[-1])) is not None:
            way.append(parent)
        return tuple(way)

    def waiting(self, child: Radio) -> int:
        """Frames that a sleepy node's parent keeps for it."""
        return len(self._kept.get(child, ()))

    def carry(self, content: object, path: tuple[Radio, ...], psdu: int, done: Done | None = None) -> None:
        """Bring something along a way; ``done`` is told of the first hop."""
        self._forward(Parcel(content, path, psdu, done))

    def flood(self, content: object, origin: Radio, psdu: int) -> None:
        """Broadcast something."""
        flood = Flood(content, psdu, {origin})
        self._repeat(origin, flood, timing.BROADCASTS)

    def ask(self, child: Radio, done: Done | None = None) -> None:
        """A sleepy node asks its parent for what it has kept."""
        poll = Transmission(child, self._parents[child], timing.POLL_PSDU, Poll(child), done)
        self.channel.send(poll)

    def forget(self, radio: Radio) -> None:
        """Throw away what is kept for a node."""
        for kept in tuple(self._kept.get(radio, ())):
            self.agenda.forget(kept.expiry)
            self._give_up(radio, kept)

    def _forward(self, parcel: Parcel) -> None:
        sender, receiver = parcel.path[parcel.at], parcel.path[parcel.at + 1]
        if receiver in self._asleep:
            self._keep(parcel, receiver)
        elif parcel.at and len(sender.queue) >= ROUTER_PLACES:
            self.dropped += 1
        else:
            done = parcel.done if parcel.at == 0 else None
            self.channel.send(Transmission(sender, receiver, parcel.psdu, parcel, done))

    def _received(self, radio: Radio, frame: Transmission) -> None:
        content = frame.content
        if isinstance(content, Parcel):
            content.at += 1
            if content.at + 1 < len(content.path):
                self._forward(content)
            elif isinstance(content.content, Command):
                content.content.arrived()
            else:
                self._takers[radio].arrived(content.content)
        elif isinstance(content, Poll):
            self._polled(content.child)
        elif isinstance(content, Flood):
            self._flooded(radio, content)

    def _keep(self, parcel: Parcel, child: Radio) -> None:
        places = self._kept[child]
        if len(places) >= timing.INDIRECT_PLACES:
            if parcel.at == 0 and parcel.done is not None:
                parcel.done(Outcome.OVERFLOW)
            return
        kept = _Kept(parcel, [])
        kept.expiry = self.agenda.later(timing.PERSISTENCE, self._expired, child, kept)
        places.append(kept)

    def _expired(self, child: Radio, kept: _Kept) -> None:
        if not kept.sending:
            self._give_up(child, kept)
        else:
            kept.expiry = self.agenda.later(TOTAL_WAIT, self._expired, child, kept)

    def _give_up(self, child: Radio, kept: _Kept) -> None:
        if kept in self._kept[child]:
            self._kept[child].remove(kept)
            if kept.parcel.at == 0 and kept.parcel.done is not None:
                kept.parcel.done(Outcome.EXPIRED)

    def _polled(self, child: Radio) -> None:
        """The acknowledgement of the poll says whether something is there; then the node stays awake."""
        places = self._kept[child]
        if not places or any(kept.sending for kept in places):
            return
        kept = places[0]
        kept.sending = True
        child.listening = True
        dozes = self.agenda.later(TOTAL_WAIT, self._doze, child)
        parcel = kept.parcel

        def done(outcome: Outcome) -> None:
            kept.sending = False
            self.agenda.forget(dozes)
            self._doze(child)
            if outcome is Outcome.DELIVERED and kept in places:
                places.remove(kept)
                self.agenda.forget(kept.expiry)
                if len(parcel.path) == 2 and parcel.done is not None:
                    parcel.done(outcome)
                if places and child.on:
                    self.ask(child)  # the frame had its pending bit set

        self.channel.send(Transmission(parcel.path[-2], child, parcel.psdu, parcel, done))

    def _doze(self, child: Radio) -> None:
        """A node that has asked waits no longer, also where the channel was too busy for its parent."""
        child.listening = False

    def _repeat(self, radio: Radio, flood: Flood, left: int) -> None:
        audience = tuple(other for other in self._neighbours(radio) if other not in flood.has and other.on)
        if not audience or not radio.on:
            return

        def done(outcome: Outcome) -> None:
            if left > 1:
                self.agenda.later(timing.BROADCAST_GAP, self._repeat, radio, flood, left - 1)

        self.channel.send(Transmission(radio, None, flood.psdu, flood, done, audience))

    def _flooded(self, radio: Radio, flood: Flood) -> None:
        if radio in flood.has:
            return
        flood.has.add(radio)
        taker = self._takers.get(radio)
        if taker is not None:
            taker.arrived(flood.content)
        if radio in self._routers:
            wait = self._dice.random() * BROADCAST_JITTER
            self.agenda.later(wait, self._repeat, radio, flood, timing.BROADCASTS)

    def _neighbours(self, radio: Radio) -> list[Radio]:
        """Its parent and its children, the sleepy ones left out: they do not hear broadcasts."""
        found = [child for child, parent in self._parents.items() if parent is radio]
        if (above := self._parents.get(radio)) is not None:
            found.append(above)
        return [other for other in found if other not in self._asleep]
