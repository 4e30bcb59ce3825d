"""Everything that can be said against an update before the node is touched.

Rules that need no node are asked when an attempt is made; here are those that need
to know what the node runs: does the target follow it, and is there a way back.
"""

from dataclasses import dataclass

from flashers.api import (
    Backup,
    ComponentKind,
    Firmware,
    FirmwareImage,
    Flasher,
    Preflight,
    Reason,
    RollbackKind,
    Seen,
)
from flashers.api.versions import version_key
from gateway.attempt import facts
from gateway.attempt.advance import Prepared
from gateway.attempt.downgrades import goes_down, learned_of, no_way_back_to_older, refusals
from gateway.attempt.ports import Artifacts, NodeType, WaysBack
from gateway.model.records import Part, Record, Target
from transports.errors import TenderError


@dataclass(frozen=True, slots=True)
class Refused:
    """A rule said no; every reason is given."""

    reasons: tuple[Reason, ...]


async def prepare(
    record: Record,
    seen: Seen,
    flasher: Flasher,
    node_type: NodeType,
    artifacts: Artifacts,
    ways_back: WaysBack,
) -> Prepared | Refused:
    """Check every rule and find the way back.

    Raises:
        TenderError: a check could not be made, such as a link that was lost.
    """
    reasons: list[Reason] = []
    images: dict[str, FirmwareImage] = {}
    for part in record.parts:
        image = await artifacts.image(part.want, part.component)
        images[part.component.id] = image
        reasons += _follows(part, seen)
        if node_type.declaration.may_refuse_older:
            reasons += await refusals(record, part, image, seen, ways_back)
        reasons += await flasher.preflight(Preflight(image, seen))
    if reasons:
        return Refused(tuple(reasons))
    found = await _way_back(record, seen, flasher, node_type, artifacts, ways_back, images)
    if found.rollback is RollbackKind.NONE and not _may_lack_a_way_back(record):
        if found.rollback_refused:
            return Refused((no_way_back_to_older(record, seen, images.values()),))
        stuck = record.rules.stays_hung and RollbackKind.BOOTLOADER in _kinds(node_type)
        return Refused((_NO_WAY_BACK, _STAYS_HUNG) if stuck else (_NO_WAY_BACK,))
    return found


def _follows(part: Part, seen: Seen) -> list[Reason]:
    oldest, slot = part.want.follows, facts.active(part, seen)
    running = slot.firmware.version if slot is not None and slot.firmware else None
    if oldest is None or running is None:
        return []
    have, need = version_key(running), version_key(oldest)
    if have is None or need is None or have >= need:
        return []
    return [
        Reason(
            "too-old-to-follow",
            f"The node runs {running}, and {part.want.version} can only follow {oldest} or newer.",
            f"Deploy a release between them first; {oldest} is the oldest that will do.",
        )
    ]


async def _way_back(
    record: Record,
    seen: Seen,
    flasher: Flasher,
    node_type: NodeType,
    artifacts: Artifacts,
    ways_back: WaysBack,
    images: dict[str, FirmwareImage],
) -> Prepared:
    """The best kind that really holds for this node and this image."""
    kinds = _kinds(node_type)
    if record.rules.stays_hung:
        # The loader takes an image back at a reset, and none comes to a node that hangs.
        kinds -= {RollbackKind.BOOTLOADER}
    known_goods: dict[str, Target] = {}
    for part in record.parts:
        target = part.known_good or await _known_good(record, part, seen, ways_back)
        if target is not None and await _usable(part, target, images[part.component.id], artifacts):
            known_goods[part.component.id] = target
    intact = all((slot := facts.active(part, seen)) is not None and slot.bootable for part in record.parts)
    chosen = RollbackKind.NONE
    if RollbackKind.BOOTLOADER in kinds and node_type.declaration.trial_boot and seen.slots:
        chosen = RollbackKind.BOOTLOADER
    elif RollbackKind.REFLASH in kinds and len(known_goods) == len(record.parts):
        chosen = RollbackKind.REFLASH
    elif RollbackKind.RESTORE in kinds and intact and record.rules.no_rollback != "allow":
        for part in record.parts:
            if part.component.kind is ComponentKind.FIRMWARE and part.component.id not in known_goods:
                known_goods[part.component.id] = await _read_back(part, seen, flasher, artifacts)
        chosen = RollbackKind.RESTORE
    elif RollbackKind.SLOT_SWITCH in kinds and node_type.declaration.trial_boot:
        chosen = RollbackKind.SLOT_SWITCH
    if not all(_data_can_return(part, known_goods.get(part.component.id)) for part in record.parts):
        chosen = RollbackKind.NONE
    worked = chosen is not RollbackKind.NONE and await ways_back.worked(record.profile, chosen.value)
    if chosen is RollbackKind.REFLASH and node_type.declaration.may_refuse_older:
        learned = await learned_of(record, seen, images, known_goods, ways_back)
        if learned is False:
            return Prepared(RollbackKind.NONE, rollback_refused=True)
        worked = bool(learned) or (worked and not goes_down(images, known_goods))
    return Prepared(chosen, worked, known_good=tuple(known_goods.items()))


def _kinds(node_type: NodeType) -> frozenset[RollbackKind]:
    """What such nodes can do, as far as the profile lets them."""
    declared, allowed = node_type.declaration.rollback, node_type.profile.rollback
    return declared if allowed is None else declared & set(allowed)


def _may_lack_a_way_back(record: Record) -> bool:
    """Whether it may go without; with ``canary-only`` its wave said when, and without waves nobody did."""
    match record.rules.no_rollback:
        case "allow":
            return True
        case "canary-only":
            return not record.all_at_once
        case _:
            return False


async def _known_good(record: Record, part: Part, seen: Seen, ways_back: WaysBack) -> Target | None:
    slot = facts.active(part, seen)
    running = slot.firmware if slot is not None else None
    return await ways_back.known_good(record.node, record.profile, part.component.id, running)


async def _usable(part: Part, target: Target, want: FirmwareImage, artifacts: Artifacts) -> bool:
    """Whether a known-good is there, sound, and would be taken after the target ran."""
    if target.artifact == part.want.artifact:
        return False
    try:
        image = await artifacts.image(target, part.component)
    except TenderError:
        if part.known_good is not None:  # somebody named this very one
            raise
        return False
    counter = int(want.facts.get("security_counter", 0))
    return int(image.facts.get("security_counter", 0)) >= counter


def _data_can_return(part: Part, known_good: Target | None) -> bool:
    """Whether older firmware can live with the data that the target leaves behind."""
    wanted = part.want.data_format
    before = known_good.data_format if known_good is not None else None
    return wanted is None or before is None or wanted == before or before in part.want.returns_to


async def _read_back(part: Part, seen: Seen, flasher: Flasher, artifacts: Artifacts) -> Target:
    slot = facts.active(part, seen)
    before: Firmware | None = slot.firmware if slot is not None and slot.firmware else None
    data = await flasher.backup(Backup(part.component))
    return await artifacts.keep_backup(data, part.component, before)


_NO_WAY_BACK = Reason(
    "no-way-back",
    "This node could not be taken back to what it runs now.",
    "Give a known-good (`--known-good IMAGE`, `tender baseline add`), or allow it by policy.",
)
_STAYS_HUNG = Reason(
    "stays-hung",
    "Its loader takes an image back at the next reset, and nothing resets a node that hangs.",
    "Say what does (`reset_by` in the profile), or give it a ladder with a step that cuts its power.",
)
