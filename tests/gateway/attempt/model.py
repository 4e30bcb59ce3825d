"""Nodes as far as an attempt can tell them apart: finite, frozen, and made without any of our code.

A :class:`Chip` says how a node type starts its firmware, a :class:`Trait` what the new
image is like; a :class:`Node` is what lies in its flash and which life it leads.  Every
act gives the *path* of states that the node passes through, so that the power can be
cut, or the gateway killed, at each of them.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Bytes(StrEnum):
    """What can lie in a slot."""

    NONE = "nothing"
    HALF = "half"
    BEFORE = "before"
    WANT = "want"
    KNOWN_GOOD = "known-good"
    THIRD = "third"


WHOLE = frozenset({Bytes.BEFORE, Bytes.WANT, Bytes.KNOWN_GOOD, Bytes.THIRD})


class Life(StrEnum):
    """What the node does."""

    RUNS = "runs"
    LOADER = "loader"
    HUNG = "hung"


class Trait(StrEnum):
    """What the new image is like."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    """Runs and fails its health check."""
    FADES = "fades"
    """Passes its first health check, and fails the later one."""
    STOPS = "stops"
    """Runs, and falls silent while its health is checked."""
    CRASHES = "crashes"
    """Resets the node at boot, again and again."""
    HANGS = "hangs"
    """Is silent from its boot on."""
    REJECTED = "rejected"
    """The loader does not start it."""
    EARLY = "early"
    """Confirms itself at boot, and fails its health check."""
    LIES = "lies"
    """Gives itself out for the old firmware."""
    POSES = "poses"
    """Gives itself out for something that nobody knows."""
    MUTE = "mute"
    """Runs, without the evidence of it that the profile asks for."""


class Place(NamedTuple):
    """One component's flash."""

    active: Bytes
    standby: Bytes = Bytes.NONE
    pending: bool = False
    confirmed: bool = True


class Node(NamedTuple):
    """One node: a place for each component, and its life."""

    places: tuple[Place, ...]
    life: Life = Life.RUNS


class Answer(StrEnum):
    """How an act ended for whoever asked for it."""

    DONE = "done"
    REFUSED = "refused"
    LOST = "lost"
    """It cannot be said, or may be tried again."""


class Act(NamedTuple):
    """What an act led the node through, itself first."""

    path: tuple[Node, ...]
    answer: Answer = Answer.DONE


@dataclass(frozen=True, slots=True)
class Chip:
    """How a node type stores and starts its firmware."""

    components: int = 1
    slots: int = 2
    trial: bool = False
    """An image that was not confirmed is taken back at the next reset."""
    overwrites: bool = False
    """Starting the standby image destroys the active one."""
    highest: bool = False
    """The highest version is started, and no other can be chosen."""
    erases: bool = False
    """A trial image that was taken back, or was never meant to start, is erased."""
    forgets: bool = False
    """Once an image is confirmed the old one is gone."""
    probe_restarts: bool = False
    """Looking at it restarts it, and its loader answers whatever its firmware does."""
    pulls: bool = False
    """It asks for its image; its loader takes a bad one back, and nothing staged outlives a restart."""
    loader_catches: bool = False
    """A restart of a node that hangs ends in its loader."""

    def boot(self, node: Node, trait: Trait) -> Node:
        """Whatever ends in a reset: the power came back, or somebody restarted it."""
        if self.slots == 1:
            return self._boot_only_slot(node, trait)
        places = tuple(
            self._start(place, trait, last=i == len(node.places) - 1) for i, place in enumerate(node.places)
        )
        targets = [place for place in places if place.active is Bytes.WANT]
        if targets and trait is Trait.CRASHES:
            if all(place.confirmed for place in targets):
                return Node(places, Life.HUNG)
            return self.boot(Node(places), trait)
        if targets and trait is Trait.EARLY:
            places = tuple(place._replace(confirmed=True) for place in places)
        hangs = bool(targets) and trait is Trait.HANGS
        return Node(places, Life.HUNG if hangs else Life.RUNS)

    def _boot_only_slot(self, node: Node, trait: Trait) -> Node:
        (place,) = node.places
        if place.active not in WHOLE or (place.active is Bytes.WANT and trait is Trait.REJECTED):
            return Node(node.places, Life.LOADER)
        if place.active is Bytes.WANT and trait in (Trait.CRASHES, Trait.HANGS):
            return Node(node.places, Life.LOADER if self.probe_restarts else Life.HUNG)
        return Node(node.places, Life.RUNS)

    def _start(self, place: Place, trait: Trait, *, last: bool) -> Place:
        """What the loader of a node with two slots does with one of its components."""
        if self.pulls:
            bad = place.standby is Bytes.WANT and trait in (Trait.REJECTED, Trait.CRASHES, Trait.HANGS)
            starts = place.pending and place.standby in WHOLE and not bad
            return Place(place.standby if starts else place.active)
        if place.pending and place.standby in WHOLE:
            if place.standby is Bytes.WANT and trait is Trait.REJECTED and last:
                return place._replace(standby=Bytes.NONE, pending=False)
            if self.overwrites:
                return Place(place.standby)
            return Place(place.standby, place.active, confirmed=not self.trial)
        if not place.confirmed and place.standby in WHOLE:
            return Place(place.standby, Bytes.NONE if self.erases else place.active)
        if self.erases and place.standby in (Bytes.WANT, Bytes.KNOWN_GOOD, Bytes.HALF):
            return place._replace(standby=Bytes.NONE)
        return place

    def transfer(self, node: Node, index: int, image: Bytes) -> Act:
        """Bytes arrive where images are put."""
        place = node.places[index]
        if self.slots == 1:
            half, whole = Place(Bytes.HALF), Place(image)
            return Act((node, _with(node, index, half, Life.LOADER), _with(node, index, whole, Life.LOADER)))
        if place.pending or not place.confirmed:
            return Act((node,), Answer.REFUSED)
        pending = self.highest and not self.trial and image is Bytes.WANT and place.active is not Bytes.WANT
        half, whole = place._replace(standby=Bytes.HALF), place._replace(standby=image, pending=pending)
        return Act((node, _with(node, index, half), _with(node, index, whole)))

    def activate(self, node: Node, goals: dict[int, frozenset[Bytes]], trait: Trait) -> Act:
        """Have the standby images started, or restart a node that is to run what it runs from."""
        path = [node]
        for index, wanted in goals.items():
            place = path[-1].places[index]
            if self.slots == 1 or place.pending or place.active in wanted:
                continue
            downgrade = self.highest and place.active is Bytes.WANT
            if place.standby not in wanted or downgrade:
                # One that pulls does not say no: it has nothing to start any more, and asks anew.
                return Act(tuple(path), Answer.LOST if self.pulls else Answer.REFUSED)
            path.append(_with(path[-1], index, place._replace(pending=True)))
        return Act((*path, self.boot(path[-1], trait)))

    def confirm(self, node: Node, index: int, image: Bytes) -> Act:
        """Keep what runs, if it is that image."""
        place = node.places[index]
        if place.active is not image:
            return Act((node,), Answer.LOST)
        kept = place._replace(confirmed=True, standby=Bytes.NONE if self.forgets else place.standby)
        return Act((node, _with(node, index, kept)))

    def restart(self, node: Node, trait: Trait) -> Act:
        """The host resets it."""
        if self.loader_catches and node.life is Life.HUNG:
            return Act((node, Node(node.places, Life.LOADER)))
        return Act((node, self.boot(node, trait)))


def third_image(node: Node, index: int, *, running: bool) -> Node:
    """Somebody else flashed the node behind our back."""
    place = node.places[index]
    if running:
        return _with(node, index, place._replace(active=Bytes.THIRD, confirmed=True), Life.RUNS)
    return _with(node, index, place._replace(standby=Bytes.THIRD, pending=False))


def _with(node: Node, index: int, place: Place, life: Life | None = None) -> Node:
    places = (*node.places[:index], place, *node.places[index + 1 :])
    return Node(places, life or node.life)
