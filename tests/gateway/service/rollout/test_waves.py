"""Who may begin: walked for every short history, and for any long one."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashers.api import EvidenceKind, RollbackKind
from gateway.model.outcomes import Origin, Outcome
from gateway.model.records import Record, Result, Rules
from gateway.service.rollout.bearing import Bearing, bearing
from gateway.service.rollout.waves import LEAST_COUNTED, Lane, Plan, lanes, stop

BOOTS = Rules(boot=frozenset({EvidenceKind.VERSION}))
OPEN = Record(id=1, node="n1", profile="p", parts=(), rules=BOOTS)


def ended(outcome: Outcome, code: str = "", record: Record = OPEN, *, touched: bool = True) -> Record:
    return replace(record, touched=touched, result=Result(outcome, code))


GOOD = ended(Outcome.SUCCEEDED)
BAD = ended(Outcome.ROLLED_BACK, "health-failed")
DOUBT = ended(Outcome.ROLLED_BACK, "reverted-by-reset")
AWAY = ended(Outcome.NOT_REACHED, "node-silent", touched=False)
TOUCHED = replace(OPEN, touched=True)


def fleet(*stories: Record) -> list[Record]:
    return [replace(story, id=number, node=f"n{number}") for number, story in enumerate(stories, 1)]


def lane(*stories: Record, plan: Plan = Plan()) -> Lane:  # noqa: B008 - it is frozen
    return lanes(fleet(*stories), plan)["p"]


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (OPEN, Bearing.OPEN),
        (TOUCHED, Bearing.OPEN),
        (GOOD, Bearing.PROOF),
        (ended(Outcome.ALREADY_THERE, touched=False), Bearing.FINE),
        (BAD, Bearing.AGAINST),
        (ended(Outcome.FAILED, "image-rejected"), Bearing.AGAINST),
        (ended(Outcome.FAILED, "link-lost"), Bearing.DOUBT),
        (ended(Outcome.FAILED, "node-refused", touched=False), Bearing.DOUBT),
        (DOUBT, Bearing.DOUBT),
        (ended(Outcome.WOUNDED, "node-silent"), Bearing.AGAINST),
        (ended(Outcome.CHANGED_BY_OTHERS), Bearing.AGAINST),
        (ended(Outcome.FLASHED, "evidence-too-weak"), Bearing.AGAINST),
        (ended(Outcome.FLASHED, record=replace(OPEN, rules=Rules())), Bearing.PROOF),
        (ended(Outcome.FLASHED, record=replace(OPEN, rules=Rules()), touched=False), Bearing.FINE),
        (
            replace(
                OPEN,
                rules=Rules(),
                touched=True,
                result=Result(Outcome.FLASHED, "health-failed", rollback=RollbackKind.REFLASH),
            ),
            Bearing.AGAINST,
        ),
        (ended(Outcome.REFUSED, "no-way-back", touched=False), Bearing.NOTHING),
        (ended(Outcome.CANCELLED), Bearing.NOTHING),
        (ended(Outcome.SUPERSEDED), Bearing.NOTHING),
        (AWAY, Bearing.NOTHING),
    ],
)
def test_only_what_a_node_did_with_the_release_counts_against_it(record: Record, said: Bearing) -> None:
    assert bearing(record) is said


def test_every_outcome_says_something() -> None:
    assert {bearing(ended(outcome)) for outcome in Outcome} <= set(Bearing) - {Bearing.OPEN}


@pytest.mark.parametrize(
    ("stories", "wave", "room"),
    [
        ([OPEN] * 50, 1, 1),
        ([TOUCHED] + [OPEN] * 49, 1, 0),
        ([GOOD] + [OPEN] * 49, 2, 3),
        ([GOOD, TOUCHED, TOUCHED] + [OPEN] * 47, 2, 1),
        ([GOOD, GOOD, TOUCHED, TOUCHED] + [OPEN] * 46, 2, 0),
        ([GOOD] * 4 + [OPEN] * 46, 3, 10),
        ([GOOD] * 9 + [TOUCHED] * 6 + [OPEN] * 35, 3, 4),
        ([AWAY] * 7 + [OPEN] * 43, 1, 1),
        ([ended(Outcome.ALREADY_THERE, touched=False)] * 7 + [OPEN] * 43, 1, 1),
        ([DOUBT] + [OPEN] * 49, 1, 1),
        ([GOOD, BAD, GOOD, GOOD] + [OPEN] * 46, 2, 1),
    ],
)
def test_first_one_then_three_then_ten_at_a_time(stories: list[Record], wave: int, room: int) -> None:
    found = lane(*stories)
    assert (found.wave()[0] + 1, found.room(())) == (wave, room)
    assert stop([found]) is None


@pytest.mark.parametrize(
    ("stories", "code"),
    [
        ([BAD] + [OPEN] * 49, "not-proved"),
        ([DOUBT, DOUBT] + [OPEN] * 48, "nothing-proved"),
        ([DOUBT, GOOD, DOUBT, DOUBT] + [OPEN] * 46, None),
        ([GOOD, BAD] + [OPEN] * 48, None),
        ([GOOD, BAD, BAD] + [OPEN] * 47, "in-a-row"),
        ([GOOD, BAD, AWAY, BAD] + [OPEN] * 46, "in-a-row"),
        ([GOOD, BAD, GOOD, BAD, GOOD] + [OPEN] * 45, "share"),
        ([GOOD, BAD, GOOD, GOOD, GOOD] + [OPEN] * 45, None),
    ],
)
def test_a_rollout_stops_by_itself(stories: list[Record], code: str | None) -> None:
    why = stop([lane(*stories)])
    assert (why.code if why is not None else None) == code
    if why is not None:
        assert why.nodes
        assert why.nodes[0] in why.message


def test_what_was_forgiven_counts_no_longer_and_the_next_one_counts_again() -> None:
    records = fleet(BAD, OPEN, OPEN)
    assert stop(lanes(records, Plan()).values()) is not None
    found = lanes(records, Plan(), forgiven={1})
    assert stop(found.values()) is None
    assert found["p"].room(()) == 1
    assert stop(lanes(fleet(BAD, BAD, OPEN), Plan(), forgiven={1}).values()) is not None


def test_a_recovery_that_goes_well_proves_the_release_and_takes_nothing_back() -> None:
    wounded = ended(Outcome.WOUNDED)
    again = replace(GOOD, id=9, recovers=1, origin=Origin.RECOVERY)
    found = lanes([*fleet(wounded, OPEN), replace(again, node="n1")], Plan())
    assert found["p"].proved == 1
    assert found["p"].standings[0].against


def test_node_types_have_lanes_of_their_own_and_one_stop_for_all() -> None:
    records = [*fleet(GOOD, OPEN), replace(BAD, id=7, node="m1", profile="q")]
    found = lanes([*records, replace(OPEN, id=8, node="m2", profile="q")], Plan())
    assert (found["p"].room(()), found["q"].wave()[0]) == (1 + 2, 0)
    why = stop(found.values())
    assert why is not None
    assert (why.profile, why.nodes) == ("q", ("m1",))


def test_without_waves_nothing_stops() -> None:
    assert stop([lane(*[BAD] * 9, OPEN, plan=Plan(waves=()))]) is None


KINDS = (OPEN, TOUCHED, GOOD, BAD, DOUBT, AWAY)


def test_no_history_of_five_nodes_has_two_nodes_at_risk_before_the_proof() -> None:
    for stories in itertools.product(KINDS, repeat=5):
        found = lane(*stories)
        at_risk = len(found.begun(()))
        if not found.proved:
            assert at_risk + found.room(()) <= max(1, at_risk)
        stopped = stop([found]) is not None
        if not found.proved and BAD in stories:
            assert stopped
        if BAD not in stories and DOUBT not in stories:
            assert not stopped
        # Nobody waits for ever: either somebody is under way, or it is stopped, or the next may begin.
        assert stopped or at_risk or found.room(()) or not found.waiting


plans = st.builds(
    Plan,
    waves=st.lists(st.integers(1, 12), min_size=1, max_size=4).map(tuple),
    stop_in_a_row=st.integers(1, 4),
    stop_share=st.sampled_from((0.05, 0.2, 0.5, 1.0)),
)


@given(plans, st.lists(st.sampled_from((GOOD, BAD, DOUBT, AWAY)), min_size=1, max_size=60), st.randoms())
def test_any_fleet_comes_to_its_end_or_stops_with_no_more_at_risk_than_its_wave(
    plan: Plan, ends: Sequence[Record], random: Random
) -> None:
    """Play a rollout: the pure functions alone say who begins; who ends next is chance."""
    records = fleet(*[OPEN] * len(ends))
    seen_at_risk = 0
    while any(not record.done for record in records):
        found = lanes(records, plan)["p"]
        why = stop([found])
        room = 0 if why is not None else found.room(())
        for index, record in enumerate(records):
            if room and not record.done and not record.touched:
                records[index] = replace(record, touched=True)
                room -= 1
        now = [index for index, record in enumerate(records) if record.touched and not record.done]
        assert len(now) <= max(plan.waves)
        seen_at_risk = max(seen_at_risk, len(now)) if not found.proved else seen_at_risk
        if not now:
            assert why is not None, "nobody is under way, and nobody says why"
            break
        index = random.choice(now)
        end = ends[index]
        records[index] = replace(records[index], result=end.result, touched=end.touched)
    assert seen_at_risk <= plan.waves[0]
    against = sum(bearing(record) is Bearing.AGAINST for record in records)
    proved = sum(bearing(record) is Bearing.PROOF for record in records)
    if proved < plan.waves[0]:
        assert against <= plan.waves[0], "more nodes than the first wave has paid for the release"
    # What was under way when it stopped is brought to its end, and may be as bad.
    most = max(plan.waves)
    counted = against + proved
    assert against <= max(most + plan.stop_in_a_row, plan.stop_share * counted + most + LEAST_COUNTED)
    stopped = stop(lanes(records, plan).values()) is not None
    assert stopped or all(record.done for record in records)
    if Bearing.AGAINST not in map(bearing, ends) and Bearing.DOUBT not in map(bearing, ends):
        assert all(record.done for record in records), "a good release was not brought to everybody"


@given(plans, st.lists(st.sampled_from(KINDS), min_size=1, max_size=30), st.permutations(range(30)))
def test_the_waves_follow_from_the_records_whatever_their_order_on_disk(
    plan: Plan, stories: list[Record], order: list[int]
) -> None:
    records = fleet(*stories)
    shuffled = [records[index] for index in order if index < len(records)]
    one, other = lanes(records, plan)["p"], lanes(shuffled, plan)["p"]
    assert one.standings == other.standings
    assert (one.wave(), one.room(()), stop([one])) == (other.wave(), other.room(()), stop([other]))
