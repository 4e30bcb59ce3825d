"""What a node may be asked to bear, whatever the clock says."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashers.api import Stamp
from gateway.config.rollout import BudgetTable
from gateway.journal import Database, Journal
from gateway.journal.rollout import Began
from gateway.service.rollout.age import Age
from gateway.service.rollout.budget import WINDOW_S, Budgets
from tests.gateway.service.rollout.test_rollout import gate, ready
from tests.gateway.service.site import NEW, NEWER, RELAY, Bench, Running, outcomes, virtual
from transports.virtual.clock import run_virtual

DAY_S = 86_400.0


def budgets(age: Callable[[], float], **allowed: float) -> Budgets:
    return Budgets(BudgetTable.model_validate(allowed), age)


@pytest.mark.parametrize(
    ("allowed", "began", "word"),
    [
        ({"attempts": 2}, [(0, 1, 1.0), (DAY_S, 1, 1.0)], "2 of 2 attempts"),
        ({"erases": 5}, [(0, 4, 1.0), (DAY_S, 1, 1.0)], "5 of 5 erases"),
        ({"air_seconds": 60.0}, [(0, 1, 50.0), (DAY_S, 1, 11.0)], "61 of 60 seconds of air"),
    ],
)
def test_a_node_that_had_its_share_waits_and_is_told_until_when(
    allowed: dict[str, float], began: list[tuple[float, int, float]], word: str
) -> None:
    age = 2 * DAY_S
    found = budgets(lambda: age, **allowed)
    for number, (at, erases, seconds) in enumerate(began):
        assert found.reason("n") is None
        found.add(Began(number, "n", at, erases, seconds))
    reason = found.reason("n")
    assert reason is not None
    assert (reason.code, word in reason.message) == ("exhausted", True)
    assert "28 d" in reason.message
    assert found.view("n").free_in_s == 28 * DAY_S
    assert found.reason("another") is None
    age = WINDOW_S + 1
    assert found.reason("n") is None
    assert len(found._began["n"]) == 1, "what no longer counts is kept"


@given(
    st.lists(
        st.tuples(st.floats(0, 2 * DAY_S), st.integers(0, 5), st.floats(0, 500)), min_size=1, max_size=60
    )
)
def test_no_window_of_thirty_days_has_more_than_the_budget_and_nobody_waits_for_ever(
    asked: list[tuple[float, int, float]],
) -> None:
    age = 0.0
    found = budgets(lambda: age, attempts=5, erases=9, air_seconds=900.0)
    begun: list[tuple[float, int, float]] = []
    for number, (pause, erases, seconds) in enumerate(asked):
        age += pause
        free = found.view("n").free_in_s or 0.0
        assert free <= WINDOW_S + 1
        if free:
            age += free + 0.001
            assert not found.view("n").free_in_s, "it was told when it is free, and is not"
        found.add(Began(number, "n", age, erases, seconds))
        begun.append((age, erases, seconds))
        window = [each for each in begun if each[0] >= age - WINDOW_S]
        assert len(window) <= 5
        # The last one may overdraw what was left: what it will cost is not known before.
        assert sum(each[1] for each in window[:-1]) < 9
        assert sum(each[2] for each in window[:-1]) < 900


def test_the_age_goes_on_after_a_restart_and_no_clock_makes_it_jump() -> None:
    async def main() -> None:
        stamp = Stamp(1_790_000_000_000, synchronised=True)
        journal = Journal(Database(":memory:", threaded=False), "gw", lambda: stamp)
        await journal.open()

        async def restarted() -> Age:
            age = Age(journal, lambda: stamp)
            await age.load()
            return age

        age = await restarted()
        await asyncio.sleep(1000)
        assert age() == pytest.approx(1000)
        await age.keep()
        for moved_s, synchronised, lived in (
            (3600, True, 4600),  # an hour without us, and the clock is right
            (-99 * DAY_S, True, 4600),  # set back: nothing is lost
            (999 * DAY_S, False, 4600),  # far ahead, and nobody vouches for it: nothing is won
            (10, True, 4600),  # it can be believed again, and could not when it was written down
            (10, True, 4610),
        ):
            stamp = Stamp(stamp.unix_ms + int(moved_s * 1000), synchronised=synchronised)
            age = await restarted()
            assert age() == pytest.approx(lived), moved_s
            await age.keep()
        await journal.close()

    run_virtual(main())


async def _deployed(running: Running, name: str, version: str, **policy: Any) -> None:
    await running.deploy(name, version=version, **policy)
    await running.until(lambda: len([e for e in running.told("deployment.done") if e.deployment == name]))


@virtual
async def test_a_node_that_had_its_attempts_waits_over_restarts_until_it_is_free(bench: Bench) -> None:
    bench.node("r1", RELAY)
    bench.settings["rollout"] = {"budget": {"attempts": 2}}
    async with bench.gateway() as running:
        await ready(running, bench)
        await running.gateway.add_release(bench.release(NEWER), asked_by="test")
        await _deployed(running, "a", NEW)
        assert (await running.gateway.rollout.budget("r1")).erases == 1
        await _deployed(running, "b", NEWER)
    async with bench.gateway() as running:
        await running.deploy("c")
        await asyncio.sleep(600)
        code, message = await gate(running, "r1")
        assert (code, "2 of 2 attempts" in message) == ("exhausted", True)
        view = await running.gateway.rollout.deployment("c")
        assert view.rollout.gates == {"exhausted": 1}
        site, age = running.gateway.site, running.gateway.turns.age()
        await site.journal.save_age(age + WINDOW_S, site.clock())  # a month goes by, under a right clock
    async with bench.gateway() as running:
        assert outcomes(await running.ended())[-1] == "succeeded"


@virtual
async def test_who_says_so_goes_beyond_the_budget_and_an_operators_rollback_does_not_ask(
    bench: Bench,
) -> None:
    bench.node("r1", RELAY)
    bench.settings["rollout"] = {"budget": {"erases": 1}}
    async with bench.gateway() as running:
        await ready(running, bench)
        await running.gateway.add_release(bench.release(NEWER), asked_by="test")
        await _deployed(running, "a", NEW)
        await running.deploy("b", version=NEWER)
        await asyncio.sleep(60)
        assert (await gate(running, "r1"))[0] == "exhausted"
        await _deployed(running, "c", NEWER, beyond_budget=True)
        await running.gateway.rollback("r1", asked_by="ann")
        records = await running.ended()
        assert outcomes(records) == ["succeeded", "superseded", "succeeded", "succeeded"]
        assert [record.beyond_budget for record in records] == [False, False, True, False]
        assert (await running.gateway.rollout.deployment("c")).rollout.beyond_budget


@virtual
async def test_an_exhausted_node_leaves_its_place_in_the_wave_to_the_next(bench: Bench) -> None:
    for name in ("r1", "r2"):
        bench.node(name, RELAY)
    bench.settings["rollout"] = {"budget": {"attempts": 1}}
    async with bench.gateway() as running:
        await ready(running, bench)
        await running.gateway.add_release(bench.release(NEWER), asked_by="test")
        await running.deploy("a", "r1")
        await running.ended()
        await running.deploy("b", version=NEWER)
        await running.until(lambda: len(running.told("attempt.done")) == 2)
        assert running.told("attempt.done")[-1].node == "r2"
        assert (await gate(running, "r1"))[0] == "exhausted"
