"""Bring one node to one release, or back, and know which of the two happened.

The journal says what we meant to do; the node says what is so.  ``decide`` puts the
two together and is the whole recovery logic: a restart, a retry and a resume are
nothing but another turn of the loop that calls it.  It acts on nothing, remembers
nothing and reads no clock.
"""

from dataclasses import replace
from typing import assert_never

from flashers.api import DowngradeRefused, Role, RollbackKind, Seen
from gateway.attempt import facts
from gateway.attempt.steps import (
    Activate,
    Await,
    CheckHealth,
    Confirm,
    Finish,
    Judge,
    Kind,
    Prepare,
    Probe,
    Restart,
    Revert,
    Step,
    Transfer,
    TurnBack,
    counter_of,
)
from gateway.model.outcomes import CancelReason, Direction, Outcome, Verdict
from gateway.model.records import Observation, Part, Record, Trouble

_ENDED_BY = {
    CancelReason.CANCELLED: Outcome.CANCELLED,
    CancelReason.SUPERSEDED: Outcome.SUPERSEDED,
    CancelReason.DEADLINE: Outcome.NOT_REACHED,  # set only while the node is untouched
}


def decide(record: Record, observed: Observation) -> Step:
    """What comes next, judged by the node rather than by the journal.

    The record must not have ended.  Every path leads, in a bounded number of turns, to
    a :class:`~gateway.attempt.steps.Finish`.
    """
    step = _next(record, observed)
    if record.turns < record.rules.bounds.turns or isinstance(step, Finish | Await | Probe):
        return step
    return _give_up(record, observed)


def _next(record: Record, observed: Observation) -> Step:
    seen = observed.seen
    match seen.role:
        case Role.UNKNOWN:
            return Probe()
        case Role.SILENT | Role.ASLEEP:
            return _unreachable(record, observed)
        case Role.APP | Role.LOADER:
            pass
        case _:
            assert_never(seen.role)
    if not record.prepared:
        return _before_start(record, observed)
    if any(facts.is_third(record, part, seen) for part in record.parts):
        return Finish(Outcome.CHANGED_BY_OTHERS, _CHANGED)
    if record.direction is Direction.BACK:
        return _back(record, observed)
    return _cancelled(record, observed) or _forward(record, observed)


# Before anything was touched


def _before_start(record: Record, observed: Observation) -> Step:
    seen, parts = observed.seen, record.parts
    if record.cancel is not None:
        return Finish(_ENDED_BY[record.cancel])
    if all(facts.runs_want(record, part, seen) and facts.confirmed(part, seen) for part in parts):
        return Finish(Outcome.ALREADY_THERE)
    if not record.rules.boot and all(facts.holds_want(record, part, seen) for part in parts):
        return Finish(Outcome.FLASHED, _BOOT_NOT_PROVABLE)
    if any(facts.on_trial(record, part, seen) and not facts.holds_want(record, part, seen) for part in parts):
        return Finish(Outcome.REFUSED, _ON_TRIAL)
    final = record.error is not None and not record.error.retryable
    if final or _spent(record, Prepare()):
        runs = facts.boot_proved(record, seen)
        return Finish(Outcome.FAILED if runs else Outcome.REFUSED, _lack(record))
    return Prepare()


def _unreachable(record: Record, observed: Observation) -> Step:
    asleep = observed.seen.role is Role.ASLEEP
    why = observed.trouble or _SILENT
    if not record.touched:
        if record.cancel is not None:
            return Finish(_ENDED_BY[record.cancel])
        if observed.trouble is not None and not observed.trouble.retryable:
            return Finish(Outcome.REFUSED, observed.trouble)
        if asleep or observed.silent_for < record.rules.patience:
            return Await()
        return Finish(Outcome.NOT_REACHED, why)
    started = record.activations or record.starts.get(Kind.BACK_ACTIVATE.value)
    if (asleep and not started) or observed.silent_for < record.rules.boot_deadline:
        return Await()
    if record.rules.restartable and record.resets < record.rules.bounds.resets:
        return Restart()
    return Finish(Outcome.WOUNDED, why)


# Towards the target


def _forward(record: Record, observed: Observation) -> Step:
    seen, parts = observed.seen, record.parts
    if Verdict.FAILED in (record.verdict, record.late_verdict):
        step = _turn_back(record, seen, record.verdict_why or _UNHEALTHY)
        return step if isinstance(step, TurnBack) else Finish(Outcome.WOUNDED, _NO_WAY_BACK)
    if all(facts.runs_want(record, part, seen) for part in parts):
        return _prove(record, observed)
    if any(facts.poses(record, part, seen) for part in parts):
        return Judge(Verdict.FAILED, _OTHER_NAME)
    if record.error is not None and not record.error.retryable:
        return _turn_back(record, seen, record.error)
    if record.rules.separate:
        return _through_slots(record, observed)
    return _in_place(record, observed)


def _prove(record: Record, observed: Observation) -> Step:
    """The target runs: is it well, and does it stay?"""
    seen = observed.seen
    if record.verdict is Verdict.OPEN:
        check = CheckHealth()
        return check if not _spent(record, check) else _judge_bad(record, seen, _NO_VERDICT)
    for part in record.parts:
        if not facts.confirmed(part, seen):
            confirm = Confirm(part.component.id)
            return confirm if not _spent(record, confirm) else _turn_back(record, seen, _lack(record))
    if record.late_verdict is Verdict.OPEN and record.rules.soak_after > 0:
        late = CheckHealth(late=True)
        return late if not _spent(record, late) else _judge_bad(record, seen, _NO_VERDICT)
    return Finish(Outcome.SUCCEEDED)


def _in_place(record: Record, observed: Observation) -> Step:
    """One slot: the bytes are the firmware."""
    seen = observed.seen
    for part in record.parts:
        if not facts.holds_want(record, part, seen):
            transfer = Transfer(part.component.id)
            return transfer if not _spent(record, transfer) else _turn_back(record, seen, _lack(record))
    if not record.rules.boot:
        return Finish(Outcome.FLASHED, _BOOT_NOT_PROVABLE)
    activate = Activate(_ids(record.parts))
    started = record.activations + record.resets  # a restart of ours starts the firmware, too
    if started < record.rules.bounds.activations and not _spent(record, activate):
        return activate
    if all(facts.names_want(part, seen) for part in record.parts):
        return Finish(Outcome.FLASHED, _EVIDENCE_TOO_WEAK)
    return _judge_bad(record, seen, _DID_NOT_BOOT)


def _through_slots(record: Record, observed: Observation) -> Step:
    """Two slots: transferred, then started once, then kept or taken back."""
    seen = observed.seen
    open_parts = [part for part in record.parts if not facts.runs_want(record, part, seen)]
    # Where one component cannot go back the others have to follow it, whatever that takes.
    stranded = any(facts.is_stranded(record, part, seen) for part in record.parts)
    if all(facts.holds_want(record, part, seen) for part in open_parts) and seen.role is Role.APP:
        if all(facts.confirmed(part, seen) for part in open_parts):
            return Finish(Outcome.FLASHED, _EVIDENCE_TOO_WEAK)
        return _turn_back(record, seen, _EVIDENCE_TOO_WEAK)
    if any(facts.on_trial(record, part, seen) for part in record.parts) and not _spent(record, Revert()):
        # Not all of it is ours, or not all was started: the reset that comes next takes it back anyway.
        return Revert()
    for part in open_parts:
        if facts.holds_want(record, part, seen) or facts.staged(record, part, seen):
            continue
        if record.rules.keeps_staged and record.activations and not record.tried and not stranded:
            # It was there when it was activated, and now the slot is empty.
            return TurnBack(_WENT_SILENT if record.resets else _REJECTED)
        if _was_taken_back(record) and not stranded:
            return TurnBack(_why_empty(record))
        transfer = Transfer(part.component.id)
        return transfer if not _spent(record, transfer) else _turn_back(record, seen, _lack(record))
    activate = Activate(_ids(open_parts))
    under_way = record.activations and all(
        facts.armed(record, part, seen) or facts.holds_want(record, part, seen) for part in open_parts
    )
    if _was_taken_back(record, lies_there=True) and not under_way and not stranded:
        judged = record.rules.trial_boot or _came_back_old(record)
        return TurnBack(_why_gone(record) if judged else _lack(record))
    if _spent(record, activate):
        return _turn_back(record, seen, _lack(record))
    return replace(activate, again=bool(under_way))


def _was_taken_back(record: Record, *, lies_there: bool = False) -> bool:
    """Whether a target that was started, and is not running, had its chance.

    ``lies_there``: the node still waits with it.  Where a loader leaves nothing of what it takes back,
    that one was not started yet: its power failed first, or it did not hear the word.
    """
    if record.activations >= record.rules.bounds.activations:
        return True
    # One that fell silent when it was started hung; one that was seen running was interrupted.
    untried = lies_there and not record.rules.keeps_staged
    if _came_back_old(record) and not record.tried and not untried:
        return True
    started_here = record.starts.get(Kind.ACTIVATE.value, 0) > 0
    fell_silent = record.resets > 0 or (record.recovers is not None and not started_here)
    return record.rules.trial_boot and record.activations > 0 and not record.tried and fell_silent


def _came_back_old(record: Record) -> bool:
    """Whether the loader of a node that was started, and runs something else, has taken the target back."""
    return record.rules.reverts and record.activated


def _why_empty(record: Record) -> Trouble:
    """It was started, the old firmware runs, and nothing of it is left in the other slot."""
    if _came_back_old(record):
        return _why_gone(record)
    return _REVERTED_BY_RESET if record.tried or record.rules.keeps_staged else _DID_NOT_START


def _why_gone(record: Record) -> Trouble:
    if record.tried:
        return _REVERTED_BY_RESET
    return _WENT_SILENT if record.resets else _DID_NOT_STAY


def _turn_back(record: Record, seen: Seen, why: Trouble) -> Step:
    """Go back, unless there is no way: then the target stays what a recovery tries for."""
    stranded = any(facts.is_stranded(record, part, seen) for part in record.parts)
    return Finish(Outcome.WOUNDED, why) if stranded else TurnBack(why)


def _judge_bad(record: Record, seen: Seen, why: Trouble) -> Step:
    """Hold it against the target that nothing good was heard of it; without a way back that helps nobody."""
    stranded = any(facts.is_stranded(record, part, seen) for part in record.parts)
    return Finish(Outcome.WOUNDED, why) if stranded else Judge(Verdict.FAILED, why)


def _lack(record: Record) -> Trouble:
    """Why a step was begun in vain: its last error, or that it changed nothing."""
    return record.error or _NO_PROGRESS


# The way back


def _cancelled(record: Record, observed: Observation) -> Step | None:
    """Leave early, if that is still possible; None goes on."""
    seen = observed.seen
    if record.cancel is None or record.verdict is Verdict.PASSED:
        return None
    at_rest = all(facts.at_rest(record, part, seen) for part in record.parts)
    if at_rest or not record.touched:
        return Finish(_ENDED_BY[record.cancel])
    if record.rollback is RollbackKind.NONE:
        return None
    return TurnBack(_CANCEL_ASKED)


def _back(record: Record, observed: Observation) -> Step:
    seen, parts = observed.seen, record.parts
    if any(facts.armed(record, part, seen) for part in parts):
        # It cannot be withdrawn: let it boot, so that it can be taken back.
        boot = Activate(_ids(parts), back=True, again=True)
        return boot if not _spent(record, boot) else Finish(Outcome.WOUNDED, _NO_WAY_BACK)
    away = [
        part
        for part in parts
        if not facts.holds_back(record, part, seen) or facts.on_trial(record, part, seen)
    ]
    return _take_back(record, away, observed) if away else _back_there(record, observed)


def _take_back(record: Record, away: list[Part], observed: Observation) -> Step:
    """Some components are not yet on what they had before."""
    seen = observed.seen
    if any(facts.on_trial(record, part, seen) for part in away) and not _spent(record, Revert()):
        return Revert()
    for part in away:
        if facts.back_waits(record, part, seen):
            continue
        transfer = Transfer(part.component.id, back=True)
        refused = record.error is not None and record.error.code == DowngradeRefused.code
        if part.known_good is not None and not refused and not _spent(record, transfer):
            return transfer
        on_target = facts.holds_want(record, part, seen)
        if refused:
            return Finish(Outcome.WOUNDED, record.error)
        return Finish(Outcome.WOUNDED, _NO_WAY_BACK if on_target else _HALF_WRITTEN)
    # All of them at once: a reset for the second would take back the first.
    activate = Activate(_ids(away), back=True)
    return activate if not _spent(record, activate) else Finish(Outcome.WOUNDED, _NO_WAY_BACK)


def _back_there(record: Record, observed: Observation) -> Step:
    """Everything lies where it lay before; does it run, and does it stay?"""
    seen, parts = observed.seen, record.parts
    if not all(facts.runs_back(record, part, seen) for part in parts):
        if not record.rules.boot:
            return _ended_back(record, seen)
        restart = Activate(_ids(parts), back=True, again=True)
        if record.rules.startable and not _spent(record, restart):
            return restart
        if seen.role is Role.APP and all(facts.confirmed(part, seen) for part in parts):
            return Finish(Outcome.FLASHED, _EVIDENCE_TOO_WEAK, record.back_kind)
        return Finish(Outcome.WOUNDED, _DID_NOT_BOOT)
    for part in parts:
        if not facts.confirmed(part, seen):
            confirm = Confirm(part.component.id, back=True)
            if _spent(record, confirm):
                return Finish(Outcome.WOUNDED, _lack(record))
            return confirm
    return _ended_back(record, seen)


def _ended_back(record: Record, seen: Seen) -> Finish:
    """The node is back; say whether there was anything to take back."""
    kind = record.back_kind
    takes_back = record.rules.trial_boot or record.rules.reverts
    if kind is RollbackKind.NONE and record.tried and takes_back:
        # It was started, and is gone without our doing: that was the loader.
        kind = RollbackKind.BOOTLOADER
    if record.cancel is not None and record.verdict is not Verdict.FAILED:
        return Finish(_ENDED_BY[record.cancel], record.turned, kind)
    if kind is RollbackKind.NONE and all(facts.holds_before(record, part, seen) for part in record.parts):
        return Finish(Outcome.FAILED, record.turned)
    return Finish(Outcome.ROLLED_BACK if record.rules.boot else Outcome.FLASHED, record.turned, kind)


def _give_up(record: Record, observed: Observation) -> Step:
    """Too many turns: end with what is true now."""
    seen, parts = observed.seen, record.parts
    if not record.touched:
        proved = facts.boot_proved(record, seen)
        return Finish(Outcome.FAILED if proved else Outcome.REFUSED, _NO_PROGRESS)
    if all(facts.at_rest(record, part, seen) for part in parts):
        return _ended_back(replace(record, turned=record.turned or _NO_PROGRESS), seen)
    return Finish(Outcome.WOUNDED, _NO_PROGRESS)


def _spent(record: Record, step: Step) -> bool:
    """Whether a step was begun as often as it may be without headway."""
    return record.starts.get(counter_of(step) or "", 0) >= record.rules.bounds.starts


def _ids(parts: list[Part] | tuple[Part, ...]) -> tuple[str, ...]:
    return tuple(part.component.id for part in parts)


_SILENT = Trouble(
    "node-silent",
    "The node does not answer.",
    "Check its power and its cable; Tender goes on by itself as soon as it answers.",
)
_NO_PROGRESS = Trouble(
    "no-progress",
    "The same step was begun several times without any progress.",
    "Look at the attempt's trace; the link or the node's flash may be failing.",
)
_OTHER_NAME = Trouble(
    "names-another-image",
    "The target was started, and what runs on trial since then calls itself something else.",
    "Look at how the firmware reports its own image; the node is taken back.",
)
_UNHEALTHY = Trouble("health-failed", "The target runs, and fails its health check.", "Mend the firmware.")
_NO_VERDICT = Trouble(
    "no-verdict",
    "The health check could not be finished.",
    "Look at the attempt's trace; a health hook may be crashing.",
)
_DID_NOT_BOOT = Trouble(
    "did-not-boot",
    "The bytes are in flash, and the firmware does not report that it runs.",
    "Check that the firmware prints the profile's boot line; then look at the firmware.",
)
_WENT_SILENT = Trouble(
    "went-silent",
    "The target was started, and the node fell silent until a restart took it back.",
    "The firmware probably hangs; try it on a bench.",
)
_DID_NOT_STAY = Trouble(
    "did-not-stay",
    "The target was started and the loader took it back before it could be seen running.",
    "The firmware probably crashes at boot; try it on a bench.",
)
_DID_NOT_START = Trouble(
    "did-not-start",
    "The node took the target, was told to start it, and came back with what it had before.",
    "If its loader takes bad images back by itself say so in the profile; else try the firmware on a bench.",
)
_REVERTED_BY_RESET = Trouble(
    "reverted-by-reset",
    "The target ran well until a reset took it back before it was confirmed.",
    "Deploy again; if it persists look for what resets the node.",
)
_REJECTED = Trouble(
    "image-rejected",
    "The node's loader refused the image and erased it.",
    "Sign the image with the key that this loader was built with.",
)
_NO_WAY_BACK = Trouble(
    "no-way-back",
    "The node is on firmware that it cannot be taken off.",
    "Deploy a firmware that works, or restore the node on a bench.",
)
_HALF_WRITTEN = Trouble(
    "half-written",
    "The node has no firmware that runs, and there is nothing to go back to.",
    "Give Tender a known-good (`tender baseline add`) or another release for this node.",
)
_CHANGED = Trouble(
    "changed-by-others",
    "The node runs something that is neither the target nor what it had before.",
    "Find out who flashed it; then deploy again.",
)
_ON_TRIAL = Trouble(
    "on-trial",
    "The node is trying out an image that somebody else gave it.",
    "Confirm that image, or restart the node so that its loader takes it back; then deploy again.",
)
_CANCEL_ASKED = Trouble("cancelled", "The attempt was asked to end.", "")
_BOOT_NOT_PROVABLE = Trouble(
    "boot-not-provable",
    "The bytes are proved to be there; such a node has no way to say that they run.",
    "Say in the profile how it tells what it runs, or accept the bytes with `--accept readback`.",
)
_EVIDENCE_TOO_WEAK = Trouble(
    "evidence-too-weak",
    "The node names the target, by weaker evidence than its profile asks for.",
    "Ask for evidence in the profile that such a node can give.",
)
