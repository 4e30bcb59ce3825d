"""What is kept of a node beside its attempts: who it is, where it is, and what people said of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import ConfigDict

from flashers.api import Firmware, Identity, Seen, Stamp
from flashers.api.plain import PLAIN
from gateway.model.outcomes import Outcome
from gateway.model.records import Record


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node was found: by its socket in the machine, and by the link that led there.

    A link that is configured anew leads elsewhere on purpose; the same link that leads
    to another socket does not.
    """

    where: str
    link: str
    at: Stamp | None = None


@dataclass(frozen=True, slots=True)
class Stranger:
    """Another node answered here than the one that is known, or the place is another."""

    found: Identity
    known: Identity
    at: Stamp | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A node runs what nobody here brought to it; firmware by image number, as text."""

    __pydantic_config__: ClassVar[ConfigDict] = PLAIN

    before: Mapping[str, Firmware] = field(default_factory=dict)
    after: Mapping[str, Firmware] = field(default_factory=dict)
    at: Stamp | None = None


@dataclass(frozen=True, slots=True)
class Adopted:
    """A node that is in no file: what it is, where it is, and who said so."""

    profile: str
    link: str
    labels: Mapping[str, str] = field(default_factory=dict)
    by: str = ""
    at: Stamp | None = None


@dataclass(frozen=True, slots=True)
class Relabelled:
    """Changes of a node's labels, on top of its table; None takes a label away."""

    labels: Mapping[str, str | None] = field(default_factory=dict)
    by: str = ""
    at: Stamp | None = None


@dataclass(frozen=True, slots=True)
class Renamed:
    """The name that a node had before."""

    old: str
    by: str = ""
    at: Stamp | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """All of this for one name; ``generation`` counts the boards that had it."""

    generation: int = 1
    identity: Identity | None = None
    identity_at: Stamp | None = None
    place: Place | None = None
    stranger: Stranger | None = None
    changed: Change | None = None
    adopted: Adopted | None = None
    labels: Relabelled | None = None
    renamed: Renamed | None = None


def running(seen: Seen) -> dict[str, Firmware]:
    """What a node was seen to run, by image number."""
    return {
        str(slot.image): slot.firmware
        for slot in seen.slots
        if slot.active and slot.firmware is not None and slot.firmware
    }


def differs(before: Mapping[str, Firmware], after: Mapping[str, Firmware]) -> bool:
    """Whether any component is known to run something else; what cannot be compared is no difference."""
    return any(_other(before[image], firmware) for image, firmware in after.items() if image in before)


def _other(before: Firmware, after: Firmware) -> bool:
    if before.identity is not None and after.identity is not None:
        return before.identity != after.identity
    by_version = before.version is not None and after.version is not None
    return by_version and not before.same(after)


def change_after(record: Record, change: Change | None) -> Change | None:
    """What an ended attempt leaves of a change by others: a proved target or way back settles it."""
    result = record.result
    if result is None:
        return change
    after = _by_image(record, result.after)
    match result.outcome:
        case Outcome.CHANGED_BY_OTHERS:
            before = _by_image(record, {part.component.id: part.before for part in record.parts})
            return Change(before, after, record.ended)
        case Outcome.SUCCEEDED | Outcome.ALREADY_THERE | Outcome.FLASHED:
            return None
        case Outcome.ROLLED_BACK if change is not None and differs(change.after, after):
            return None
        case _:
            return change


def _by_image(record: Record, firmware: Mapping[str, Firmware | None]) -> dict[str, Firmware]:
    numbers = {part.component.id: str(part.component.image) for part in record.parts}
    return {numbers[name]: each for name, each in firmware.items() if each and name in numbers}
