"""How a node gets into the network, and back into it after it was without power.

Getting in takes that joining is permitted: the node asks to be let in, is given an address and
the network's key, and announces itself.  A node that was in already says so again and announces
itself; a router does without the question.  What is lost on the way is asked for again, ever
more rarely.  The exchange is shorter here than on a real network (no beacons, no exchange of
link keys): nothing above can tell.
"""

import random
from collections.abc import Callable
from functools import partial
from typing import Protocol

from transports.virtual.zigbee import timing
from transports.virtual.zigbee.agenda import Agenda, Event
from transports.virtual.zigbee.aps import ApsLayer
from transports.virtual.zigbee.mesh import Command, Mesh

ANSWER_WITHIN = 1.5
"""Seconds after which a node asks again; ours."""
AT_MOST = 60.0
"""Seconds between two attempts of a node that is not answered; ours."""
SEARCH = 1.5
"""Seconds within which a searching node finds out that joining is permitted; ours."""
ASK_PSDU = timing.OVERHEAD
KEY_PSDU = timing.OVERHEAD + 38
"""A transport key command: 1 + 1 + 16 + 1 + 8 + 8 and its own integrity code (Zigbee, 4.4.9.1)."""


class Door(Protocol):
    """The coordinator, as who lets nodes in."""

    aps: ApsLayer

    @property
    def running(self) -> bool:
        """The network is there."""
        ...

    @property
    def permits(self) -> bool:
        """Nodes may join."""
        ...

    @property
    def key(self) -> bytes | None:
        """The network's key."""
        ...

    def accepts(self, node: "Joiner") -> bool:
        """Whether a stranger and this network have a key in common."""
        ...

    def admit(self, node: "Joiner", *, fresh: bool) -> int:
        """Take a node in, or back; returns its short address."""
        ...


class Joiner(Protocol):
    """A node, as who wants in."""

    aps: ApsLayer
    joined: bool
    key: bytes | None
    install_key: bytes | None
    powered: bool

    @property
    def ieee(self) -> str:
        """Its address."""
        ...

    @property
    def routes(self) -> bool:
        """It is a router."""
        ...

    def settle(self, nwk: int, key: bytes | None) -> None:
        """It is in."""
        ...

    def announce(self) -> None:
        """It tells everybody."""
        ...


class Joining:
    """Who is on the way in."""

    def __init__(self, mesh: Mesh, dice: random.Random, door: Door) -> None:
        self._mesh = mesh
        self._agenda: Agenda = mesh.agenda
        self._dice = dice
        self._door = door
        self._searching: dict[str, Joiner] = {}
        self._timers: dict[str, Event] = {}

    def appeared(self, node: Joiner) -> None:
        """A node has its radio on."""
        self._searching.pop(node.ieee, None)
        if node.joined and node.routes:
            self._in(timing.BROADCAST_GAP / 10, node, node.announce)
        elif node.joined:
            self._attempt(node, ANSWER_WITHIN)
        else:
            self._searching[node.ieee] = node
            if self._door.permits:
                self.opened()

    def vanished(self, node: Joiner) -> None:
        """A node has no power any more."""
        self._searching.pop(node.ieee, None)
        self._agenda.forget(self._timers.pop(node.ieee, None))

    def opened(self) -> None:
        """Joining is permitted from now on."""
        for node in self._searching.values():
            if node.ieee not in self._timers:
                wait = (0.1 + 0.9 * self._dice.random()) * SEARCH
                self._in(wait, node, partial(self._attempt, node, ANSWER_WITHIN))

    def _in(self, delay: float, node: Joiner, action: Callable[[], None]) -> None:
        def due() -> None:
            self._timers.pop(node.ieee, None)
            action()

        self._agenda.forget(self._timers.get(node.ieee))
        self._timers[node.ieee] = self._agenda.later(delay, due)

    def _attempt(self, node: Joiner, wait: float) -> None:
        if not node.powered or (not node.joined and not self._door.permits):
            return
        asked = Command(lambda: self._asked(node))
        self._mesh.carry(asked, self._mesh.up(node.aps.radio), ASK_PSDU)
        if node.aps.sleepy:
            for number in range(1, int(wait / timing.FAST_POLL)):
                self._agenda.later(number * timing.FAST_POLL, self._fetch, node)
        self._in(wait, node, partial(self._attempt, node, min(2 * wait, AT_MOST)))

    def _fetch(self, node: Joiner) -> None:
        if node.powered and self._mesh.waiting(node.aps.radio):
            self._mesh.ask(node.aps.radio)

    def _asked(self, node: Joiner) -> None:
        """The question reached the coordinator."""
        door = self._door
        stranger = not node.joined or (node.key is not None and node.key != door.key)
        if not door.running or (stranger and not (door.permits and door.accepts(node))):
            return
        nwk = door.admit(node, fresh=stranger)
        # Who was in already keeps the key that it has, or goes on trusting whatever network there is.
        key = door.key if stranger else node.key
        answered = Command(lambda: self._answered(node, nwk, key))
        down = self._mesh.up(node.aps.radio)[::-1]
        self._mesh.carry(answered, down, KEY_PSDU if stranger else ASK_PSDU)

    def _answered(self, node: Joiner, nwk: int, key: bytes | None) -> None:
        if not node.powered:
            return
        self._searching.pop(node.ieee, None)
        node.settle(nwk, key)
        self._in(timing.BROADCAST_GAP / 10, node, node.announce)
