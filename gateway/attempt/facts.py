"""What an observation means for a record: the questions that ``decide`` asks.

Each is a small predicate over (record, seen), so that ``decide`` itself can be read
as sentences.
"""

from flashers.api import EvidenceKind, Firmware, Of, Role, RollbackKind, Seen, Slot
from flashers.api.versions import same_version
from gateway.model.records import Part, Record

_IDENTIFYING = frozenset({EvidenceKind.COMPUTED_HASH, EvidenceKind.READBACK, EvidenceKind.REPORTED_HASH})


def by_identity(record: Record) -> bool:
    """Whether firmware on such nodes is told apart by digest rather than by version.

    Where a digest can be had a version is not enough: a half-written flash can print
    the version of either image.
    """
    return bool((record.rules.transfer | record.rules.boot) & _IDENTIFYING)


def same(record: Record, one: Firmware | None, other: Firmware | None) -> bool:
    """Whether two firmwares are one, by what counts on such nodes."""
    if one is None or other is None:
        return False
    if by_identity(record):
        return one.identity is not None and one.identity == other.identity
    return one.same(other)


def is_want(record: Record, part: Part, firmware: Firmware | None) -> bool:
    """Whether this is the target."""
    return same(record, part.want.firmware, firmware)


def is_back(record: Record, part: Part, firmware: Firmware | None) -> bool:
    """Whether this is where the way back leads: what it had before, or the known-good."""
    known_good = part.known_good.firmware if part.known_good else None
    return same(record, part.before, firmware) or same(record, known_good, firmware)


def active(part: Part, seen: Seen) -> Slot | None:
    """The slot that the component runs from."""
    return seen.active(part.component.image)


def standby(part: Part, seen: Seen) -> Slot | None:
    """The component's other slot."""
    return seen.standby(part.component.image)


def firmware(slot: Slot | None) -> Firmware | None:
    """What a slot holds, if it is known to be able to run."""
    return slot.firmware if slot is not None and slot.bootable else None


def boot_proved(record: Record, seen: Seen) -> bool:
    """Whether the node runs its active firmware, by evidence that counts."""
    return seen.role is Role.APP and seen.proves(Of.BOOT, record.rules.boot)


def holds_want(record: Record, part: Part, seen: Seen) -> bool:
    """Whether the target lies where the node boots from."""
    return is_want(record, part, firmware(active(part, seen)))


def holds_back(record: Record, part: Part, seen: Seen) -> bool:
    """Whether the old firmware or the known-good lies where the node boots from."""
    return is_back(record, part, firmware(active(part, seen)))


def holds_before(record: Record, part: Part, seen: Seen) -> bool:
    """Whether what it had before lies where the node boots from."""
    return same(record, part.before, firmware(active(part, seen)))


def runs_want(record: Record, part: Part, seen: Seen) -> bool:
    """Whether the node runs the target, proved."""
    return (
        boot_proved(record, seen)
        and holds_want(record, part, seen)
        and _says_so(record, part.want.firmware, part, seen)
    )


def runs_back(record: Record, part: Part, seen: Seen) -> bool:
    """Whether the node runs what it had before or the known-good, proved."""
    if not boot_proved(record, seen) or not holds_back(record, part, seen):
        return False
    known_good = part.known_good.firmware if part.known_good else None
    return any(
        old is not None
        and same(record, old, firmware(active(part, seen)))
        and _says_so(record, old, part, seen)
        for old in (part.before, known_good)
    )


def _says_so(record: Record, expected: Firmware, part: Part, seen: Seen) -> bool:
    """Whether a node whose only word is a version says the right one.

    The bytes may be right, and what runs may still be something else.
    """
    if seen.proves(Of.BOOT, record.rules.boot - {EvidenceKind.VERSION}):
        return True
    found = firmware(active(part, seen))
    if found is None or found.version is None or expected.version is None:
        return True
    return same_version(found.version, expected.version)


def names_want(part: Part, seen: Seen) -> bool:
    """Whether the application calls itself by the target's version, which proves nothing here.

    So it does where what it was before has that version too; that is no failure to boot.
    """
    said, expected = seen.facts.get("version"), part.want.firmware.version
    if seen.role is not Role.APP or not isinstance(said, str) or not said or expected is None:
        return False
    return confirmed(part, seen) and same_version(said, expected)


def confirmed(part: Part, seen: Seen) -> bool:
    """Whether what runs would still run after a reset."""
    slot = active(part, seen)
    return slot is not None and slot.confirmed


def on_trial(record: Record, part: Part, seen: Seen) -> bool:
    """Whether the node runs what is none of its past, and takes it back at its next reset.

    The old firmware was there for good: what gives itself out for it, and is not confirmed,
    is something else, unless we started it again and it left its slot for that.
    """
    if not record.rules.trial_boot or seen.role is not Role.APP or firmware(active(part, seen)) is None:
        return False
    if confirmed(part, seen):
        return False
    ours_again = record.back_kind not in (RollbackKind.NONE, RollbackKind.BOOTLOADER)
    left_its_slot = ours_again and not back_waits(record, part, seen)
    return not (left_its_slot and holds_back(record, part, seen))


def is_stranded(record: Record, part: Part, seen: Seen) -> bool:
    """Whether it is not where it was before, or will not stay there, and nothing leads back."""
    if on_trial(record, part, seen):
        return False
    if holds_back(record, part, seen) and not armed(record, part, seen):
        return False
    if record.rollback is RollbackKind.NONE:
        return True
    leads_back = holds_back(record, part, seen) or back_waits(record, part, seen)
    return not leads_back and part.known_good is None


def at_rest(record: Record, part: Part, seen: Seen) -> bool:
    """Whether the node is on what it had before or the known-good, and would stay there."""
    there = runs_back(record, part, seen) or (not record.rules.boot and holds_back(record, part, seen))
    return there and confirmed(part, seen) and not armed(record, part, seen)


def staged(record: Record, part: Part, seen: Seen) -> bool:
    """Whether the target lies in the other slot, ready to be activated."""
    return is_want(record, part, firmware(standby(part, seen)))


def armed(record: Record, part: Part, seen: Seen) -> bool:
    """Whether the node's next reset starts something that is none of its past: the target, as a rule."""
    slot = standby(part, seen)
    waits = firmware(slot)
    return slot is not None and slot.pending and waits is not None and not is_back(record, part, waits)


def back_waits(record: Record, part: Part, seen: Seen) -> bool:
    """Whether the old firmware still lies in another slot that the node can be started from."""
    return record.rules.separate and is_back(record, part, firmware(standby(part, seen)))


def poses(record: Record, part: Part, seen: Seen) -> bool:
    """Whether what we started runs on trial under a name that is not the target's.

    Nobody else can have put it there: the old firmware still waits in the other slot.
    """
    if not record.activations or not on_trial(record, part, seen):
        return False
    return not holds_want(record, part, seen) and back_waits(record, part, seen)


def is_third(record: Record, part: Part, seen: Seen) -> bool:
    """Whether the node runs something that neither we nor its past explain."""
    found = firmware(active(part, seen))
    if not found or not boot_proved(record, seen) or part.before is None:
        return False
    if by_identity(record) and found.identity is None:
        # Nothing tells it apart: after our own writing it may be half of ours.
        return not record.touched and part.before.identity is not None
    if poses(record, part, seen):
        return False
    return not (is_want(record, part, found) or is_back(record, part, found))
