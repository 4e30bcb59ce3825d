"""What a node's answer establishes: pure, so that every case is a line of a test.

Nothing is invented.  A known-good is what a node was just seen to run, where the same
bytes are in a signed release or were a known-good before; everything else is unknown,
with the reason.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from flashers.api import Component, Firmware, Of, Reason, Role, Seen
from gateway.model.records import Rules, Target
from gateway.service.rebuilding.remembered import Remembered


@dataclass(frozen=True, slots=True)
class Known:
    """What was known of a node before it was asked."""

    known_good: Mapping[str, Target] = field(default_factory=dict)
    last: Seen | None = None
    """The last observation in the journal."""
    remembered: Remembered | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of it now."""

    runs: Mapping[str, str] = field(default_factory=dict)
    known_good: Mapping[str, str] = field(default_factory=dict)
    """By component: ``kept``, ``established``, ``unknown``."""
    established: Mapping[str, Target] = field(default_factory=dict)
    reasons: tuple[Reason, ...] = ()
    bare: bool = False
    """It ran before, by its own word or in the middle of being written, and runs nothing now."""
    way_on: Mapping[str, Target] = field(default_factory=dict)
    """Where a bare node can be brought to, by component."""


def judge(
    seen: Seen,
    rules: Rules,
    components: Sequence[Component],
    candidates: Mapping[str, Sequence[Target]],
    known: Known,
) -> Finding:
    """What this answer says of the node; ``candidates`` are of signed releases, by component."""
    bare = _bare(seen, rules, components, known)
    runs: dict[str, str] = {}
    words: dict[str, str] = {}
    established: dict[str, Target] = {}
    way_on: dict[str, Target] = {}
    reasons: list[Reason] = []
    for component in components:
        name, kept = component.id, known.known_good.get(component.id)
        slot = seen.active(component.image)
        firmware = slot.firmware if slot is not None and slot.bootable else None
        if firmware:
            runs[name] = str(firmware.identity or firmware.version)
        match = next((each for each in candidates.get(name, ()) if _same(each, firmware)), None)
        settled = slot is not None and slot.confirmed and _proved(seen, rules)
        if kept is not None:
            words[name] = "kept"  # what was proved here counts for more than what runs by somebody's doing
        elif match is not None and settled:
            words[name], established[name] = "established", match
        else:
            words[name] = "unknown"
            reasons.append(_why_unknown(name, firmware, bare=bare, matched=match is not None))
        if bare:
            wanted = known.remembered.known_good.get(name) if known.remembered is not None else None
            on = kept or next((each for each in candidates.get(name, ()) if _same(each, wanted)), None)
            if on is not None:
                way_on[name] = on
    return Finding(runs, words, established, tuple(reasons), bare, way_on)


def outdated(
    seen: Seen, rules: Rules, components: Sequence[Component], wants: Mapping[str, Firmware], known: Known
) -> bool:
    """Whether somebody brought the node to something else since the journal last saw it.

    An attempt from before that would take it back to what was wanted then.
    """
    if known.last is None or not _proved(seen, rules):
        return False
    for component in components:
        slot, before = seen.active(component.image), known.last.active(component.image)
        now = slot.firmware if slot is not None else None
        then = before.firmware if before is not None else None
        want = wants.get(component.id)
        if not now or not then or want is None or now.same(want):
            continue
        if not now.same(then):
            return True
    return False


def _bare(seen: Seen, rules: Rules, components: Sequence[Component], known: Known) -> bool:
    """Whether it runs nothing, though it did: what never spoke may be well all the same."""
    if seen.role is not Role.LOADER or not rules.boot:
        return False
    slots = [seen.active(component.image) for component in components]
    if any(slot is not None and slot.bootable and slot.firmware for slot in slots):
        return False
    ran = known.last is not None and known.last.role is Role.APP and known.last.proves(Of.BOOT, rules.boot)
    told = known.remembered is not None and (known.remembered.proved or known.remembered.unsettled)
    return ran or told


def _same(target: Target, firmware: Firmware | None) -> bool:
    """By digest alone: a version can be printed by half of an image, and by another build."""
    if firmware is None or firmware.identity is None:
        return False
    return target.firmware.identity == firmware.identity


def _proved(seen: Seen, rules: Rules) -> bool:
    """Whether what it holds runs; on nodes that cannot prove a boot, whether the bytes are proved."""
    if not rules.boot:
        return seen.proves(Of.TRANSFER, rules.transfer)
    return seen.role is Role.APP and seen.proves(Of.BOOT, rules.boot)


def _why_unknown(component: str, firmware: Firmware | None, *, bare: bool, matched: bool) -> Reason:
    if bare:
        return Reason("runs-nothing", f"{component}: the node answers, and runs no firmware.", _DEPLOY)
    if matched:
        text = f"{component}: its bytes are of a signed release, but it was not seen to run them for good."
        return Reason("not-proved", text, "It becomes known when an attempt ends well.")
    if not firmware or firmware.identity is None:
        text = f"{component}: what it runs has no digest that could be compared, and is in no release here."
    else:
        text = f"{component}: {firmware.identity} is in no signed release here."
    return Reason("not-in-a-release", text, _ADD)


_ADD = (
    "Add that release (`tender release add`, `rebuild.releases`), or vouch for it with `tender baseline add`."
)
_DEPLOY = "Deploy a release to it with `--no-rollback allow`: there is nothing to lose."
