"""One kind of node under one kind of deployment, and what it shows of itself.

The border between the model and the product: what the model's node shows, as the
product's ``Seen``, and the record that an attempt on it starts with.
"""

from dataclasses import dataclass, replace
from functools import cache

from flashers.api import (
    Component,
    Digest,
    Evidence,
    EvidenceKind,
    Firmware,
    Of,
    Role,
    RollbackKind,
    Seen,
    Slot,
)
from gateway.attempt.advance import Prepared
from gateway.model.records import Part, Record, Rules, Target
from tests.gateway.attempt.model import WHOLE, Bytes, Chip, Life, Node, Place, Trait

B, W, K, T = Bytes.BEFORE, Bytes.WANT, Bytes.KNOWN_GOOD, Bytes.THIRD

HASH = frozenset({EvidenceKind.REPORTED_HASH})
READ = frozenset({EvidenceKind.READBACK})
LINE = frozenset({EvidenceKind.ANNOUNCE})
NAME = frozenset({EvidenceKind.VERSION})


@dataclass(frozen=True, slots=True)
class World:
    """One kind of node under one kind of deployment."""

    name: str
    chip: Chip
    rollback: RollbackKind
    rules: Rules
    known_good: Bytes | None = None
    starts: tuple[Node, ...] = (Node((Place(B),)),)
    traits: tuple[Trait, ...] = tuple(Trait)

    def record(self) -> Record:
        """An attempt that has not begun."""
        parts = tuple(Part(Component(f"c{i}", image=i), target(W)) for i in range(self.chip.components))
        return Record(id=1, node="n", profile="p", parts=parts, rules=self.rules)

    def prepared(self, node: Node) -> Prepared:
        """What its preparation finds; what is to be restored is what is there."""
        ways = []
        for index, place in enumerate(node.places):
            way = place.active if self.rollback is RollbackKind.RESTORE else self.known_good
            if way is not None:
                ways.append((f"c{index}", target(way)))
        return Prepared(self.rollback, known_good=tuple(ways))

    def claims(self, held: Bytes, trait: Trait, *, runs: bool) -> Bytes:
        """What a node says that it holds; only what runs can lie, and not to somebody who reads the flash."""
        if held is W and trait is Trait.REJECTED and self.chip.slots == 1:
            return Bytes.HALF  # nothing that can run
        if held is not W or not runs or self.lies_about_version or self.rules.transfer == READ:
            return held
        return {Trait.LIES: B, Trait.POSES: T}.get(trait, held)

    @property
    def lies_about_version(self) -> bool:
        """Whether what lies is the version that is to prove the boot, while the digest is right."""
        return self.rules.boot == NAME and self.rules.transfer != NAME

    def begins(self, trait: Trait) -> list[Node]:
        """The nodes that an attempt can find: an image that does not start, or lies, is not there yet."""
        never = trait in (Trait.REJECTED, Trait.CRASHES, Trait.HANGS, Trait.LIES, Trait.POSES)
        return [node for node in self.starts if not (never and any(p.active is W for p in node.places))]

    def proves(self, node: Node, trait: Trait) -> bool:
        """Whether the node gives the evidence of its boot that its rules ask for."""
        silent = trait is Trait.MUTE or (trait is Trait.LIES and self.lies_about_version)
        mute = silent and any(place.active is W for place in node.places)
        return node.life is Life.RUNS and bool(self.rules.boot) and not mute


def target(held: Bytes) -> Target:
    """The artifact of such bytes."""
    return Target(Digest.sha256(f"file {held}".encode()), named(held, by_version=False), 100, "raw")


@cache
def named(held: Bytes, *, by_version: bool) -> Firmware:
    """How such bytes are named."""
    version = f"{list(Bytes).index(held)}.0"
    return Firmware(None if by_version else Digest.sha256(held.encode()), version)


def bytes_of(firmware: Firmware | None) -> Bytes | None:
    """The bytes that are named so."""
    return None if firmware is None or firmware.version is None else list(Bytes)[int(firmware.version[:-2])]


def goals_back(part: Part) -> frozenset[Bytes]:
    """What a component may be taken back to."""
    known_good = part.known_good.firmware if part.known_good else None
    goals = (bytes_of(part.before), bytes_of(known_good))
    return frozenset(goal for goal in goals if goal is not None)


SILENT = Seen(Role.SILENT)
"""The one look at nothing; as every look it is one object, by which the walk knows it again."""


@cache
def shown(world: World, node: Node, trait: Trait) -> Seen:
    """What a look at the node gives."""
    if world.chip.probe_restarts:
        node = world.chip.boot(node, trait)
    if node.life is Life.HUNG:
        return SILENT
    slots: list[Slot] = []
    for image, place in enumerate(node.places):
        slots.append(
            _slot(
                world,
                image,
                0,
                place.active,
                trait,
                active=True,
                confirmed=place.confirmed,
                runs=node.life is Life.RUNS,
            )
        )
        if place.standby is not Bytes.NONE:
            slots.append(_slot(world, image, 1, place.standby, trait, pending=place.pending))
    runs = node.life is Life.RUNS and (bool(world.rules.boot) or not world.chip.probe_restarts)
    evidence = [Evidence(Of.TRANSFER, kind) for kind in world.rules.transfer]
    mute = trait is Trait.MUTE and any(place.active is W for place in node.places)
    if node.life is Life.RUNS and not mute:
        evidence += [Evidence(Of.BOOT, kind) for kind in world.rules.boot]
    return Seen(Role.APP if runs else Role.LOADER, tuple(slots), tuple(evidence))


def _slot(
    world: World,
    image: int,
    slot: int,
    held: Bytes,
    trait: Trait,
    *,
    active: bool = False,
    confirmed: bool = False,
    pending: bool = False,
    runs: bool = False,
) -> Slot:
    by_version = not (world.rules.boot | world.rules.transfer) - NAME
    firmware = named(world.claims(held, trait, runs=runs), by_version=by_version) if held in WHOLE else None
    if firmware is not None and held is W and trait is Trait.LIES and world.lies_about_version:
        firmware = replace(firmware, version=named(B, by_version=False).version)
    refused = world.chip.slots == 1 and held is W and trait is Trait.REJECTED
    bootable = held in WHOLE and not refused
    return Slot(image, slot, firmware, active, confirmed, pending, bootable)
