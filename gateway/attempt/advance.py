"""What a record becomes when a step begins, ends, or fails.

Together with ``decide`` this is all of an attempt that is stored: pure functions from
one record to the next, so that everything an attempt can go through can be walked
without a node, a clock or a disk.
"""

from dataclasses import dataclass, replace

from flashers.api import Digest, Evidence, Firmware, Reason, Role, RollbackKind, Seen, Stamp
from gateway.attempt import facts
from gateway.attempt.steps import (
    Activate,
    CheckHealth,
    Confirm,
    Finish,
    Judge,
    Prepare,
    Restart,
    Revert,
    Step,
    Transfer,
    TurnBack,
    counter_of,
    phase_of,
)
from gateway.model.outcomes import CancelReason, Direction, Origin, Outcome, Phase, Verdict
from gateway.model.records import Part, Record, Result, Target, Trouble


@dataclass(frozen=True, slots=True)
class Prepared:
    """What preparation found out: the way back, by component, and its kind."""

    rollback: RollbackKind
    rollback_seen: bool = False
    rollback_refused: bool = False
    known_good: tuple[tuple[str, Target], ...] = ()


def begin(record: Record, step: Step) -> Record:
    """The record as it must be on disk before the step acts on the node."""
    record = replace(record, phase=phase_of(step, record), turns=record.turns + 1)
    counter = counter_of(step)
    if counter is not None:
        begun = record.starts.get(counter, 0)
        mark = record.mark if begun else 0  # another image's headway is not this one's
        record = replace(record, starts={**record.starts, counter: begun + 1}, mark=mark)
    if isinstance(step, Transfer | Activate | Confirm | Revert):
        record = replace(record, touched=True, staged=False)
    match step:
        case Transfer(back=True):
            way = RollbackKind.RESTORE if record.rollback is RollbackKind.RESTORE else RollbackKind.REFLASH
            record = replace(record, back_kind=way)
        case Activate(back=False, again=False):
            # Whoever falls silent after this start may be restarted once more.
            record = replace(record, activations=record.activations + 1, activated=False, resets=0)
        case Activate(back=True, again=False) if record.back_kind in _WITHOUT_BYTES:
            record = replace(record, back_kind=RollbackKind.SLOT_SWITCH)
        case Revert():
            record = replace(record, back_kind=RollbackKind.BOOTLOADER)
        case Restart():
            record = replace(record, resets=record.resets + 1)
        case _:
            pass
    return record


def stage(record: Record) -> Record:
    """Everything is there, and it is not to be started yet: no turn, no start is counted for that."""
    return replace(record, staged=True, phase=Phase.WAITING)


def succeed(record: Record, step: Step) -> Record:
    """The step did what it should; what the node became is for the next look to say.

    Its starts stay counted: a transfer that is acknowledged again and again, and never
    found in the node, is no headway.
    """
    if counter_of(step) is not None:
        record = replace(record, error=None)
    match step:
        case Activate(back=False):
            return replace(record, activated=True)
        case Judge(verdict=verdict, why=why):
            return judge(record, verdict, why)
        case TurnBack(why=why):
            return turn_back(record, why)
        case _:
            return record


def fail(record: Record, step: Step, trouble: Trouble, *, mark: int = 0) -> Record:
    """The step raised.  Headway since the last failure makes it a fresh start."""
    return replace(headway(record, step, mark), error=trouble)


def headway(record: Record, step: Step, mark: int) -> Record:
    """The transfer has come noticeably further: what follows is not the same start again."""
    counter = counter_of(step)
    if counter is None or mark <= record.mark:
        return record
    return replace(record, starts={**record.starts, counter: 1}, mark=mark)


def prepared(record: Record, seen: Seen, found: Prepared) -> Record:
    """Preparation passed: what the node runs for good is what it had before."""
    known_good = dict(found.known_good)

    def filled(part: Part) -> Part:
        before = facts.firmware(facts.active(part, seen))
        if facts.holds_want(record, part, seen) and facts.on_trial(record, part, seen):
            # Somebody started it before us: what it had before waits in the other slot.
            before = facts.firmware(facts.standby(part, seen))
        target = known_good.get(part.component.id, part.known_good)
        if target is not None and target.private:
            # It was read from the node just now: that is what it had, whatever it says of itself.
            before = replace(before or Firmware(), identity=target.firmware.identity)
        return replace(part, before=before, known_good=target)

    return replace(
        succeed(record, Prepare()),
        prepared=True,
        parts=tuple(filled(part) for part in record.parts),
        rollback=found.rollback,
        rollback_seen=found.rollback_seen,
        rollback_refused=found.rollback_refused,
        model=str(seen.facts.get("model", "")),
    )


def found_begun(record: Record, parts: tuple[Part, ...]) -> Record:
    """The node was found inside its window, opened by a life of ours that this record knows nothing of.

    ``parts`` have their known-goods filled in, as far as there are any: what it had before is gone.
    """
    known = all(part.known_good is not None for part in parts)
    return replace(
        record,
        parts=parts,
        prepared=True,
        touched=True,
        rollback=RollbackKind.REFLASH if known else RollbackKind.NONE,
    )


def noticed(record: Record, seen: Seen) -> Record:
    """Keep what an observation says for good: that the target was started."""
    if record.tried or not record.activations or not record.rules.separate:
        return record
    started = seen.role is Role.APP and any(facts.holds_want(record, part, seen) for part in record.parts)
    return replace(record, tried=True) if started else record


def judge(record: Record, verdict: Verdict, why: Trouble | None = None) -> Record:
    """Store a verdict; a late one is kept apart, since the target was already confirmed."""
    if record.verdict is Verdict.PASSED:
        return replace(record, late_verdict=verdict, verdict_why=why)
    return replace(record, verdict=verdict, verdict_why=why)


def checked(record: Record, step: CheckHealth, verdict: Verdict, why: Trouble | None) -> Record:
    """A health check ended with a verdict; it is known in which of the two soaks."""
    record = succeed(record, step)
    if step.late:
        return replace(record, late_verdict=verdict, verdict_why=why)
    return replace(record, verdict=verdict, verdict_why=why)


def turn_back(record: Record, why: Trouble) -> Record:
    """From here on the node goes back; a target that the loader took back was tried."""
    tried = record.tried or why.code in ("did-not-stay", "reverted-by-reset", "went-silent")
    return replace(
        record, direction=Direction.BACK, staged=False, turned=why, tried=tried, error=None, mark=0
    )


def ask_cancel(record: Record, reason: CancelReason, by: str) -> Record:
    """Somebody wants the attempt to end; the first one is kept.

    A deadline is for nodes that were not begun: it does not stop one that was written.
    """
    late = reason is CancelReason.DEADLINE and record.touched
    if record.cancel is not None or record.done or late:
        return record
    return replace(record, cancel=reason, cancel_by=by)


def finish(
    record: Record, step: Finish, seen: Seen, *, reasons: tuple[Reason, ...] = (), at: Stamp | None = None
) -> Record:
    """The end, with what the node was last seen to run.

    ``after`` of a node that was not seen is None: unknown, not empty.
    """
    why = step.why or Trouble("", "")
    after: dict[str, Firmware | None] = {}
    for part in record.parts:
        slot = facts.active(part, seen)
        after[part.component.id] = slot.firmware if slot is not None and slot.firmware else None
    evidence: tuple[Evidence, ...] = seen.evidence
    result = Result(
        outcome=step.outcome,
        code=why.code,
        message=why.message,
        remedy=why.remedy,
        rollback=step.rollback,
        after=after,
        evidence=evidence,
        reasons=reasons,
        at=at,
    )
    return replace(record, phase=phase_of(step, record), result=result, evidence=evidence, ended=at)


def refuse(record: Record, reasons: tuple[Reason, ...], seen: Seen, *, at: Stamp | None = None) -> Record:
    """A rule said no, and the node is untouched."""
    first = reasons[0]
    step = Finish(Outcome.REFUSED, Trouble(first.code, first.message, first.remedy))
    return finish(record, step, seen, reasons=reasons, at=at)


def recovery_of(record: Record, new_id: int) -> Record:
    """The attempt that brings a wounded node back: the same intent, with fresh bounds.

    Activations are kept where there are two slots, so that a target which never stays is
    not started for ever (with one slot a start that was lost costs nothing), and so are
    health checks without a verdict.  That somebody asked for the end is kept, too.
    """
    checks = {counter_of(CheckHealth()), counter_of(CheckHealth(late=True))}
    if record.result is not None and record.result.code == "no-verdict":
        checks = set()  # it ended for them, with no way back: all that is left is to ask again
    return replace(
        record,
        id=new_id,
        origin=Origin.RECOVERY,
        phase=Phase.QUEUED,
        recovers=record.id,
        starts={name: count for name, count in record.starts.items() if name in checks},
        turns=0,
        resets=0,
        mark=0,
        staged=False,
        error=None,
        activations=record.activations if record.rules.separate else 0,
        bytes_sent=0,
        erases=0,
        seconds=0.0,
        evidence=(),
        started=None,
        ended=None,
        result=None,
    )


def pins(record: Record) -> frozenset[Digest]:
    """The artifacts that must stay in the store for this attempt."""
    wanted = {part.want.artifact for part in record.parts}
    return frozenset(wanted | {part.known_good.artifact for part in record.parts if part.known_good})


_WITHOUT_BYTES = (RollbackKind.NONE, RollbackKind.BOOTLOADER)
