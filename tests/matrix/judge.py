"""Is what was said true of the node, was nothing unsafe done, and did it come to an end?"""

from collections.abc import Collection
from itertools import pairwise

from flashers.api import Digest, Firmware, RollbackKind, Truth
from flashers.sim import Behaviour
from flashers.stk500.virtual import VirtualStk500
from flashers.zigbee_ota.virtual.node import VirtualZigbeeNode
from gateway.model.outcomes import Outcome, Verdict
from gateway.model.records import Record, Target
from tests.matrix.world import Ended, World


class Wrong(AssertionError):
    """A run ended as it must not; the message says which, and how."""


def judge(world: World, ended: Ended, ends: Collection[Outcome]) -> None:
    """Look at a run from every side.

    Args:
        world: as the run left it.
        ended: what came of it.
        ends: the outcomes that are right for the last attempt.

    Raises:
        Wrong: something is.
    """
    found = [*world.guard.broken, *_untrue(world, ended), *_ill_told(ended)]
    if ended.outcomes[-1] not in ends and not used_up(world, ended) and not world.guard.unasked:
        found.append(f"it may end as {', '.join(sorted(ends))}")
    if found:
        last = ended.last.result
        code = last.code if last is not None else ""
        raise Wrong(
            f"{world.case} {world.fate}: {'; '.join(found)} "
            f"[{' '.join(ended.outcomes)} {code} {said(world, ended.settled)}]"
        )


def used_up(world: World, ended: Ended) -> bool:
    """Whether a good image was given up as the record's bounds demand.

    A start that was journalled and lost is one of those that an attempt may have, and a
    single fault never costs more than one.  One that ended with a node which stayed
    silent for long, and was found on its old image, counts as tried: that is how an
    image which hangs looks.  What it ends as then has to be true all the same.
    """
    last = ended.last
    if last.result is None or last.result.outcome not in {Outcome.ROLLED_BACK, Outcome.FAILED}:
        return False
    if last.result.code == "did-not-stay" and Outcome.WOUNDED in ended.outcomes:
        return True
    sent = max((count for name, count in last.starts.items() if name.startswith("transfer")), default=0)
    bent = "bent" in world.case.options  # one transfer is lost to that alone
    if sent >= last.rules.bounds.starts and world.fate.faults + bent >= last.rules.bounds.starts:
        return True
    starts = last.rules.bounds.activations
    return last.activations >= starts and world.fate.faults >= starts


def said(world: World, truth: Truth) -> str:
    """The node's truth, for people."""
    names = {mark(target): "old" for target in world.old.values()}
    names |= {mark(target): "new" for target in world.want.values()}
    runs = ",".join(names.get(digest, "third") for digest in truth.running.values()) or "nothing"
    traits = [name for name in ("confirmed", "bootable", "powered") if getattr(truth, name)]
    return f"runs {runs} {' '.join(traits)}"


def mark(target: Target) -> Digest:
    """By what a node's truth names a firmware: its identity, or its file where it has none."""
    return target.firmware.identity or target.artifact


def _untrue(world: World, ended: Ended) -> list[str]:
    """What the last attempt claims and the node does not bear out."""
    found: list[str] = []
    result = ended.last.result
    if result is None:
        return ["there is no result"]
    match result.outcome:
        case Outcome.SUCCEEDED | Outcome.ALREADY_THERE:
            found += _runs(world, ended, want=True)
            if result.outcome is Outcome.SUCCEEDED and ended.last.verdict is not Verdict.PASSED:
                found.append("it succeeded without a passed verdict")
        case Outcome.ROLLED_BACK | Outcome.FAILED | Outcome.CANCELLED | Outcome.SUPERSEDED:
            found += _runs(world, ended, want=False)
            if world.fate.asks and _asked_in_time(world, ended) and world.node.operations:
                found.append("it was touched after somebody had asked for the end")
        case Outcome.FLASHED:
            # An attempt that went back and could not prove the boot says so by its kind of rollback.
            back = result.rollback is not RollbackKind.NONE
            if not _holds(world, want=not back):
                found.append("its flash holds something else")
        case Outcome.REFUSED | Outcome.NOT_REACHED:
            if world.node.operations or ended.last.bytes_sent:
                found.append("it was touched")
        case Outcome.WOUNDED:
            pass  # it says of itself that nothing is proved
        case Outcome.CHANGED_BY_OTHERS:
            if Behaviour.LIES not in world.case.behaviours:
                found.append("nobody else was there")
    return found


def _asked_in_time(world: World, ended: Ended) -> bool:
    """Whether the end was asked for before the node was touched."""
    records = [entry for _, entry in world.guard.diary if isinstance(entry, Record)]
    return any(record.cancel is not None and not record.touched for record in records)


def _runs(world: World, ended: Ended, *, want: bool) -> list[str]:
    """Whether the node runs this, still does after restarts, and was said to."""
    targets = world.want if want else world.old
    expected = {each.image: mark(targets[each.id]) for each in world.family.components}
    found: list[str] = []
    for when, truth in (("", ended.settled), (" after two more restarts", ended.restarted)):
        if truth.running != expected:
            found.append(f"it runs something else{when}")
    if not ended.settled.confirmed:
        found.append("it would not stay")
    after = ended.last.result.after if ended.last.result is not None else {}
    named = {name: _named(world, firmware, want=want) for name, firmware in after.items()}
    if not ended.last.touched:
        named = {name: digest for name, digest in named.items() if digest is not None}  # nobody has asked yet
    if not named.items() <= {each.id: expected[each.image] for each in world.family.components}.items():
        found.append("the report names something else")
    if ended.last.touched and len(named) != len(expected):
        found.append("the report is silent on a component")
    return found


def _named(world: World, firmware: Firmware | None, *, want: bool) -> Digest | None:
    """By what the report names a firmware; a node that only tells a version is taken at that word."""
    if firmware is None or firmware.identity is not None:
        return firmware.identity if firmware is not None else None
    targets = (world.want if want else world.old).values()
    told = [mark(each) for each in targets if each.firmware.same(firmware)]
    return told[0] if told else None


def _holds(world: World, *, want: bool) -> bool:
    node = world.node
    image = world.files[world.family.components[0].id][want]
    if isinstance(node, VirtualZigbeeNode):
        return node.truth().running.get(0) == Digest.sha256(image)
    return isinstance(node, VirtualStk500) and node.flash.read(0, len(image)) == image


def _ill_told(ended: Ended) -> list[str]:
    """Each attempt is told in order, ends once, and nothing of it comes after that."""
    found: list[str] = []
    numbers = [event.id.sequence for event in ended.events]
    if numbers != list(range(1, len(numbers) + 1)):
        found.append(f"the events are numbered {numbers}")
    for record in ended.records:
        found += _ill_told_of(record, ended)
    return found


def _ill_told_of(record: Record, ended: Ended) -> list[str]:
    mine = [event for event in ended.events if event.attempt == record.id]
    done = [event for event in mine if event.kind == "attempt.done"]
    if len(done) != 1:
        return [f"attempt {record.id} was told to end {len(done)} times"]
    found: list[str] = []
    if mine[-1] is not done[0]:
        found.append(f"of attempt {record.id} something was told after its end")
    if record.result is None or done[0].data["outcome"] != record.result.outcome.value:
        found.append(f"attempt {record.id} was told to end otherwise")
    phases = [event.data["phase"] for event in mine if event.kind == "attempt.phase"]
    if any(one == other for one, other in pairwise(phases)):
        found.append(f"attempt {record.id} was told to enter the same phase twice: {phases}")
    return found
