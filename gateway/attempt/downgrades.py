"""Whether a node takes an older image: what is learned of it, and what follows from that.

A node that asks for its firmware itself compares numbers, and may refuse one that is lower.
Offered under a higher number the same bytes are taken by many and refused by some, and which
of the two it is depends on the firmware that runs while they are offered.  So it is learned,
by node type, model and that firmware's version, and is known before the next update.
"""

from collections.abc import Iterable, Iterator, Mapping

from flashers.api import DowngradeRefused, Firmware, FirmwareImage, Reason, RollbackKind, Seen
from flashers.api.versions import version_key
from gateway.attempt import facts
from gateway.attempt.ports import WaysBack
from gateway.model.outcomes import Direction, Outcome
from gateway.model.records import Part, Record, Target

_TAKEN = (Outcome.SUCCEEDED, Outcome.FLASHED, Outcome.ROLLED_BACK)


def is_older(one: str | None, other: str | None) -> bool:
    """Whether the first version is known to be lower than the second."""
    first, second = version_key(one or ""), version_key(other or "")
    return first is not None and second is not None and first < second


def older_taken(record: Record) -> Iterator[Firmware]:
    """What ran, by component, while an older image was offered that this ended attempt brought there.

    Only an end that says where the node is counts: that it loaded an image does not show that it
    took it.
    """
    result = record.result
    if result is None or result.outcome not in _TAKEN or not record.touched:
        return
    back = record.direction is Direction.BACK
    if back and record.back_kind is not RollbackKind.REFLASH:
        return
    for part in record.parts:
        came_to = part.known_good if back else part.want
        ran = part.want.firmware if back and record.tried else part.before
        if came_to is None or ran is None or (back and not record.tried):
            continue
        if is_older(came_to.firmware.version, ran.version):
            yield ran


async def refusals(
    record: Record, part: Part, image: FirmwareImage, seen: Seen, ways_back: WaysBack
) -> list[Reason]:
    """Why a target that is older than what runs is refused: such a node is known not to take it."""
    running = facts.firmware(facts.active(part, seen))
    if running is None or running.version is None or record.rules.no_rollback == "allow":
        return []
    if not is_older(image.firmware.version, running.version):
        return []
    if await ways_back.took_older(record.profile, _model(seen), running.version) is not False:
        return []
    return [_refused(record, seen, f"on {running.version} it did not take an older image before")]


async def learned_of(
    record: Record,
    seen: Seen,
    images: Mapping[str, FirmwareImage],
    known_goods: Mapping[str, Target],
    ways_back: WaysBack,
) -> bool | None:
    """Whether such nodes, with the target on them, took what this one would be taken back to.

    None: there is nothing older to be taken back to, or nobody has tried.
    """
    found: bool | None = None
    for name, image in images.items():
        version = image.firmware.version
        if version is None or not is_older(known_goods[name].firmware.version, version):
            continue
        took = await ways_back.took_older(record.profile, _model(seen), version)
        if took is False:
            return False
        found = took if found is None else found
    return found


def goes_down(images: Mapping[str, FirmwareImage], known_goods: Mapping[str, Target]) -> bool:
    """Whether the way back leads to something older."""
    return any(
        is_older(known_goods[name].firmware.version, image.firmware.version) for name, image in images.items()
    )


def no_way_back_to_older(record: Record, seen: Seen, images: Iterable[FirmwareImage]) -> Reason:
    """The target would be the end of the road: with it such a node is known to take nothing older."""
    versions = ", ".join(image.firmware.version or "?" for image in images)
    return _refused(record, seen, f"with {versions} on it such a node did not take an older image before")


def _refused(record: Record, seen: Seen, what: str) -> Reason:
    model = f" ({_model(seen)})" if _model(seen) else ""
    return Reason(
        DowngradeRefused.code,
        f"{record.profile}{model}: {what}.",
        "Deploy with --no-rollback allow to have it tried all the same, or release the old content under a "
        "newer version.",
    )


def _model(seen: Seen) -> str:
    return str(seen.facts.get("model", ""))
