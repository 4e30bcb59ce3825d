"""What a record becomes, case by case; what it was before is what the next look cannot tell."""

from dataclasses import fields, replace
from typing import Any

import pytest

from flashers.api import (
    Firmware,
    Reason,
    Role,
    RollbackKind,
    Seen,
    Stamp,
)
from gateway.attempt import advance
from gateway.attempt.advance import Prepared
from gateway.attempt.steps import (
    Activate,
    Await,
    CheckHealth,
    Confirm,
    Finish,
    Judge,
    Prepare,
    Probe,
    Restart,
    Revert,
    Step,
    Transfer,
    TurnBack,
)
from gateway.model.outcomes import CancelReason, Direction, Origin, Outcome, Phase, Verdict
from gateway.model.records import Record, Result, Trouble
from tests.gateway.attempt.cases import (
    BACK,
    BUSY,
    CANCEL,
    FRESH,
    GOOD,
    NEW,
    NO,
    OLD,
    OTHER,
    PASSED,
    RESENT,
    REVERTED,
    SICK,
    STARTED,
    SWITCHED,
    TOUCHED,
    both,
    dual,
    hears,
    loader,
    look,
    overwrite,
    single,
    swap,
    thrice,
)
from tests.gateway.attempt.world import K, W, target

NOW = Stamp(1_700_000_000_000, synchronised=True)
SENT = Transfer("app")
RESENDS = Transfer("app", back=True)
STARTS = Activate(("app",))
STARTS_AGAIN = Activate(("app",), again=True)
STARTS_OLD = Activate(("app",), back=True)
STARTS_OLD_AGAIN = Activate(("app",), back=True, again=True)
TURNS = TurnBack(SICK)
ENDS = Finish(Outcome.FAILED, NO)

Changes = dict[str, Any]
Case = tuple[str, Record, Step, Changes]


def changed(before: Record, after: Record) -> Changes:
    """The fields that differ."""
    pairs = {item.name: (getattr(before, item.name), getattr(after, item.name)) for item in fields(Record)}
    return {name: new for name, (old, new) in pairs.items() if old != new}


R = RollbackKind
GOES_BACK = {"phase": Phase.ROLLING_BACK, "turns": 1}

# fmt: off
# A case is a line.

IT_BEGINS: list[Case] = [
    ("preparing", swap(FRESH), Prepare(), {"phase": Phase.PREPARING, "turns": 1, "starts": {"prepare": 1}}),
    ("sending", swap(), SENT,
     {"phase": Phase.TRANSFERRING, "turns": 1, "starts": {"transfer:app": 1}, "touched": True}),
    ("sending once more", swap(TOUCHED, starts={"transfer:app": 1}, mark=7), SENT,
     {"phase": Phase.TRANSFERRING, "turns": 1, "starts": {"transfer:app": 2}}),
    ("sending another component", dual(TOUCHED, starts={"transfer:app": 1}, mark=7), Transfer("net"),
     {"phase": Phase.TRANSFERRING, "turns": 1, "starts": {"transfer:app": 1, "transfer:net": 1}, "mark": 0}),
    ("starting", swap(TOUCHED), STARTS,
     {"phase": Phase.ACTIVATING, "turns": 1, "starts": {"activate": 1}, "activations": 1}),
    ("starting what was armed by others", swap(), STARTS,
     {"phase": Phase.ACTIVATING, "turns": 1, "starts": {"activate": 1}, "activations": 1, "touched": True}),
    ("starting after a restart", swap(STARTED, resets=1), STARTS,
     {"phase": Phase.ACTIVATING, "turns": 1, "starts": {"activate": 2}, "activations": 2, "resets": 0}),
    ("starting what is armed", swap(STARTED, resets=1), STARTS_AGAIN,
     {"phase": Phase.ACTIVATING, "turns": 1, "starts": {"activate": 2}}),
    ("checking", swap(TOUCHED), CheckHealth(),
     {"phase": Phase.PROVING, "turns": 1, "starts": {"health": 1}}),
    ("checking late", swap(PASSED), CheckHealth(late=True),
     {"phase": Phase.SOAKING, "turns": 1, "starts": {"late-health": 1}}),
    ("keeping", swap(PASSED), Confirm("app"),
     {"phase": Phase.CONFIRMING, "turns": 1, "starts": {"confirm:app": 1}}),
    ("keeping what others started", swap(verdict=Verdict.PASSED), Confirm("app"),
     {"phase": Phase.CONFIRMING, "turns": 1, "starts": {"confirm:app": 1}, "touched": True}),
    ("sending the old one", overwrite(BACK), RESENDS,
     {**GOES_BACK, "starts": {"back-transfer:app": 1}, "back_kind": R.REFLASH}),
    ("restoring what was read", single(BACK, rollback=R.RESTORE), RESENDS,
     {**GOES_BACK, "starts": {"back-transfer:app": 1}, "back_kind": R.RESTORE}),
    ("starting the old one", swap(BACK), STARTS_OLD,
     {**GOES_BACK, "starts": {"back-activate": 1}, "back_kind": R.SLOT_SWITCH}),
    ("starting the old one after a revert", swap(BACK, REVERTED), STARTS_OLD,
     {**GOES_BACK, "starts": {"back-activate": 1}, "back_kind": R.SLOT_SWITCH}),
    ("starting what was sent again", overwrite(BACK, RESENT), STARTS_OLD,
     {**GOES_BACK, "starts": {"back-activate": 1}}),
    ("starting what was restored", single(BACK, back_kind=R.RESTORE), STARTS_OLD,
     {**GOES_BACK, "starts": {"back-activate": 1}}),
    ("restarting the old one", single(BACK), STARTS_OLD_AGAIN,
     {**GOES_BACK, "starts": {"back-activate": 1}}),
    ("keeping the old one", swap(BACK, SWITCHED), Confirm("app", back=True),
     {**GOES_BACK, "starts": {"back-confirm:app": 1}}),
    ("reverting", swap(BACK), Revert(),
     {**GOES_BACK, "starts": {"revert": 1}, "back_kind": R.BOOTLOADER}),
    ("reverting what others started", swap(direction=Direction.BACK), Revert(),
     {**GOES_BACK, "starts": {"revert": 1}, "back_kind": R.BOOTLOADER,
      "touched": True}),
    ("making room", swap(STARTED), Revert(),
     {"phase": Phase.ACTIVATING, "turns": 1, "starts": {"activate": 1, "revert": 1},
      "back_kind": R.BOOTLOADER}),
    ("restarting", swap(STARTED, phase=Phase.PROVING), Restart(), {"turns": 1, "resets": 1}),
    ("judging", swap(phase=Phase.PROVING), Judge(Verdict.FAILED, SICK), {"turns": 1}),
    ("turning back", swap(), TURNS, {**GOES_BACK}),
    ("looking", swap(), Probe(), {"turns": 1}),
    ("waiting", swap(), Await(), {"turns": 1}),
]

IT_SUCCEEDS: list[Case] = [
    ("sending", swap(TOUCHED, starts={"transfer:app": 2}, mark=9, error=BUSY), SENT, {"error": None}),
    ("starting", swap(STARTED, error=NO), STARTS, {"error": None, "activated": True}),
    ("starting the old one", swap(BACK, error=NO), STARTS_OLD, {"error": None}),
    ("keeping", swap(PASSED, error=BUSY), Confirm("app"), {"error": None}),
    ("restarting", swap(STARTED, error=BUSY, resets=1), Restart(), {}),
    ("judging", swap(STARTED, error=BUSY), Judge(Verdict.FAILED, SICK),
     {"verdict": Verdict.FAILED, "verdict_why": SICK}),
    ("judging what had passed", swap(PASSED), Judge(Verdict.FAILED, SICK),
     {"late_verdict": Verdict.FAILED, "verdict_why": SICK}),
    ("turning back", swap(STARTED, error=BUSY, mark=9), TURNS,
     {"direction": Direction.BACK, "turned": SICK, "error": None, "mark": 0}),
]
# fmt: on


@pytest.mark.parametrize(
    ("before", "step", "changes"), [pytest.param(*case[1:], id=case[0]) for case in IT_BEGINS]
)
def test_what_is_on_disk_before_a_step_says_that_it_may_have_happened(
    before: Record, step: Step, changes: Changes
) -> None:
    assert changed(before, advance.begin(before, step)) == changes


@pytest.mark.parametrize(
    ("before", "step", "changes"), [pytest.param(*case[1:], id=case[0]) for case in IT_SUCCEEDS]
)
def test_what_a_step_did_is_for_the_next_look_to_say(before: Record, step: Step, changes: Changes) -> None:
    assert changed(before, advance.succeed(before, step)) == changes


@pytest.mark.parametrize(
    ("mark", "changes"),
    [
        (0, {"error": BUSY}),
        (5, {"error": BUSY}),
        (6, {"error": BUSY, "mark": 6, "starts": {"transfer:app": 1, "prepare": 2}}),
    ],
)
def test_only_headway_makes_a_failure_the_first_one_again(mark: int, changes: Changes) -> None:
    before = swap(TOUCHED, starts={"transfer:app": 3, "prepare": 2}, mark=5)
    assert changed(before, advance.fail(before, SENT, BUSY, mark=mark)) == changes


def test_a_failure_without_headway_is_only_an_error() -> None:
    before = swap(TOUCHED, starts={"transfer:app": 3})
    assert changed(before, advance.fail(before, SENT, BUSY)) == {"error": BUSY}


def test_the_last_error_is_the_one_that_counts() -> None:
    assert advance.fail(swap(error=BUSY), SENT, NO).error == NO


def test_headway_is_noted_while_it_is_made() -> None:
    before = swap(TOUCHED, starts={"transfer:app": 3}, mark=5)
    assert changed(before, advance.headway(before, SENT, 6)) == {"mark": 6, "starts": {"transfer:app": 1}}
    assert advance.headway(before, SENT, 5) is before
    assert advance.headway(before, TURNS, 6) is before


def test_preparing_pins_what_the_node_runs_and_the_way_back() -> None:
    before = swap(FRESH, error=BUSY, before=None)
    found = Prepared(RollbackKind.REFLASH, rollback_seen=True, known_good=(("app", target(K)),))
    after = advance.prepared(before, look(OLD, NEW), found)
    (part,) = before.parts
    assert changed(before, after) == {
        "prepared": True,
        "rollback": RollbackKind.REFLASH,
        "rollback_seen": True,
        "error": None,
        "parts": (replace(part, before=OLD, known_good=target(K)),),
    }


@pytest.mark.parametrize(
    ("record", "seen", "had"),
    [
        pytest.param(swap(FRESH), look(NEW), NEW, id="it runs the target for good"),
        pytest.param(swap(FRESH), look(NEW, OLD, confirmed=False), OLD, id="somebody tries the target on it"),
        pytest.param(swap(FRESH), look(NEW, confirmed=False), None, id="and nothing waits beside it"),
        pytest.param(swap(FRESH), look(OTHER, OLD, confirmed=False), OTHER, id="it tries something else"),
        pytest.param(overwrite(FRESH), look(NEW, OLD, confirmed=False), NEW, id="here nothing is on trial"),
        pytest.param(single(FRESH), loader(None), None, id="it is empty"),
        pytest.param(single(FRESH), loader(OLD, bootable=False), None, id="it is known not to run"),
        pytest.param(single(FRESH), Seen(Role.LOADER), None, id="it shows nothing"),
    ],
)
def test_what_a_node_had_before_is_what_it_runs_for_good(
    record: Record, seen: Seen, had: Firmware | None
) -> None:
    (part,) = advance.prepared(replace(record, prepared=False), seen, Prepared(RollbackKind.NONE)).parts
    assert part.before == had
    assert part.known_good == record.parts[0].known_good


def test_a_way_back_was_not_seen_to_work_unless_somebody_says_so() -> None:
    assert not advance.prepared(swap(FRESH), look(OLD), Prepared(RollbackKind.BOOTLOADER)).rollback_seen


def test_what_was_read_from_the_node_is_what_it_had() -> None:
    backup = replace(target(K), private=True)
    found = Prepared(RollbackKind.RESTORE, known_good=(("app", backup),))
    nameless = advance.prepared(single(FRESH), hears(Firmware(version="1")), found).parts[0]
    assert nameless.before == Firmware(GOOD.identity, "1")
    empty = advance.prepared(single(FRESH), loader(None), found).parts[0]
    assert empty.before == Firmware(GOOD.identity)
    public = Prepared(RollbackKind.REFLASH, known_good=(("app", target(K)),))
    assert advance.prepared(single(FRESH), hears(OLD), public).parts[0].before == OLD


@pytest.mark.parametrize(
    ("record", "seen", "tried"),
    [
        pytest.param(swap(STARTED), look(NEW, OLD, confirmed=False), True, id="it was seen"),
        pytest.param(swap(STARTED), look(NEW, OLD, kinds=frozenset()), True, id="without proof"),
        pytest.param(swap(STARTED), look(OLD, NEW), False, id="it was not"),
        pytest.param(swap(STARTED), loader(NEW), False, id="the loader had it"),
        pytest.param(swap(TOUCHED), look(NEW), False, id="it was not we who started it"),
        pytest.param(single(STARTED), hears(NEW), False, id="with one slot that means nothing"),
        pytest.param(dual(STARTED), both(look(OLD), look(NEW)), True, id="one of two was seen"),
        pytest.param(swap(STARTED, tried=True), look(OLD, NEW), True, id="once is for good"),
    ],
)
def test_a_target_that_was_seen_running_was_tried(record: Record, seen: Seen, tried: bool) -> None:
    after = advance.noticed(record, seen)
    assert after.tried is tried
    assert replace(after, tried=record.tried) == record


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(("verdict", "why"), [(Verdict.PASSED, None), (Verdict.FAILED, SICK)])
def test_a_check_stores_its_verdict_in_its_own_place(
    late: bool, verdict: Verdict, why: Trouble | None
) -> None:
    before = swap(STARTED, error=BUSY)
    place = "late_verdict" if late else "verdict"
    reason = {"verdict_why": why} if why else {}
    after = advance.checked(before, CheckHealth(late=late), verdict, why)
    assert changed(before, after) == {place: verdict, "error": None, **reason}


@pytest.mark.parametrize("code", ["did-not-stay", "reverted-by-reset", "went-silent"])
def test_what_the_loader_took_back_was_tried(code: str) -> None:
    assert advance.turn_back(swap(STARTED), Trouble(code, "")).tried
    assert not advance.turn_back(swap(STARTED), SICK).tried
    assert advance.turn_back(swap(STARTED, tried=True), SICK).tried


def test_the_first_who_asks_for_the_end_is_heard() -> None:
    once = advance.ask_cancel(swap(), CancelReason.SUPERSEDED, "a deployment")
    assert changed(swap(), once) == {"cancel": CancelReason.SUPERSEDED, "cancel_by": "a deployment"}
    assert advance.ask_cancel(once, CancelReason.CANCELLED, "somebody") is once


def test_a_deadline_is_for_nodes_that_were_not_begun() -> None:
    written = swap(TOUCHED)
    assert advance.ask_cancel(written, CancelReason.DEADLINE, "the clock") is written
    assert advance.ask_cancel(written, CancelReason.CANCELLED, "x").cancel is CancelReason.CANCELLED
    assert advance.ask_cancel(swap(), CancelReason.DEADLINE, "the clock").cancel is CancelReason.DEADLINE


def test_an_end_tells_what_the_node_was_last_seen_to_run() -> None:
    before = dual(STARTED, phase=Phase.PROVING)
    seen = both(look(OLD), look(None))
    why = Finish(Outcome.ROLLED_BACK, NO, RollbackKind.BOOTLOADER)
    reasons = (Reason("node-refused", "no"),)
    after = advance.finish(before, why, seen, reasons=reasons, at=NOW)
    result = Result(
        Outcome.ROLLED_BACK,
        NO.code,
        NO.message,
        NO.remedy,
        RollbackKind.BOOTLOADER,
        {"app": OLD, "net": None},
        seen.evidence,
        reasons,
        NOW,
    )
    assert changed(before, after) == {
        "phase": Phase.DONE,
        "result": result,
        "evidence": seen.evidence,
        "ended": NOW,
    }
    assert after.done
    assert not before.done


def test_what_was_not_seen_is_unknown_and_not_empty() -> None:
    result = advance.finish(swap(), Finish(Outcome.SUCCEEDED), Seen(Role.SILENT)).result
    assert result == Result(Outcome.SUCCEEDED, after={"app": None})


def test_an_ended_attempt_cannot_be_cancelled() -> None:
    ended = advance.finish(swap(), ENDS, look(OLD))
    assert advance.ask_cancel(ended, CancelReason.CANCELLED, "x") is ended


def test_a_refusal_gives_every_reason_and_leads_with_the_first() -> None:
    reasons = (Reason("too-old-to-follow", "a", "b"), Reason("no-way-back", "c"))
    after = advance.refuse(swap(FRESH), reasons, look(OLD), at=NOW)
    assert after.result is not None
    found = after.result
    assert (found.outcome, found.code, found.message, found.remedy) == (
        Outcome.REFUSED,
        "too-old-to-follow",
        "a",
        "b",
    )
    assert (found.reasons, found.at, found.after) == (reasons, NOW, {"app": OLD})


WOUNDED = advance.finish(
    swap(
        STARTED,
        CANCEL,
        cancel_by="somebody",
        phase=Phase.PROVING,
        turns=7,
        resets=1,
        mark=9,
        error=BUSY,
        bytes_sent=100,
        seconds=5.0,
        started=NOW,
        created=NOW,
        deployment="d",
        tried=True,
        starts={"activate": 1, "health": 2, "late-health": 1, "transfer:app": 3},
    ),
    Finish(Outcome.WOUNDED, BUSY),
    look(OLD),
    at=NOW,
)


def test_a_recovery_means_the_same_with_fresh_bounds() -> None:
    assert changed(WOUNDED, advance.recovery_of(WOUNDED, 2)) == {
        "id": 2,
        "origin": Origin.RECOVERY,
        "recovers": 1,
        "phase": Phase.QUEUED,
        "starts": {"health": 2, "late-health": 1},
        "turns": 0,
        "resets": 0,
        "mark": 0,
        "error": None,
        "bytes_sent": 0,
        "seconds": 0.0,
        "evidence": (),
        "started": None,
        "ended": None,
        "result": None,
    }


def test_a_recovery_of_a_node_with_one_slot_may_start_the_target_again() -> None:
    one_slot = advance.finish(single(STARTED), Finish(Outcome.WOUNDED, BUSY), look(OLD))
    assert advance.recovery_of(one_slot, 2).activations == 0
    assert advance.recovery_of(WOUNDED, 2).activations == 1


def test_a_recovery_asks_again_where_nothing_but_asking_is_left() -> None:
    lost = replace(WOUNDED, result=replace(WOUNDED.result or Result(Outcome.WOUNDED), code="no-verdict"))
    assert advance.recovery_of(lost, 2).starts == {}
    assert advance.recovery_of(swap(thrice("health")), 2).starts == {"health": 3}


def test_target_and_known_good_of_every_component_are_pinned() -> None:
    assert advance.pins(overwrite()) == {target(W).artifact, target(K).artifact}
    assert advance.pins(swap()) == {target(W).artifact}
