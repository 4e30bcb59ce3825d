"""The health check that asks what a node is there for: is its own data heard again?"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.model.records import Record
from gateway.profiles.model import DataSeenCheck, Profile
from gateway.service.standing.topics import data_topic
from gateway.upstream.listening import Filters
from tests.gateway.service.site import NEW, OLD, PROFILES, SENSOR, Bench, Running, outcomes, runs, virtual

CHECK = '[[health]]\nkind = "data-seen"\nwithin = 60.0\nleast_rate = 0.5\n'


def with_check(bench: Bench, check: str = CHECK) -> None:
    (bench.profiles / f"{SENSOR}.toml").write_text(
        PROFILES[SENSOR].replace("[params]\n", f"{check}[params]\n")
    )


@asynccontextmanager
async def reporting(running: Running, every: dict[str, float]) -> AsyncIterator[None]:
    """The site's own software: it hears a message so often, by the version that the node runs."""

    async def report() -> None:
        while True:
            version = next(name for name in every if runs_version(running, name))
            await asyncio.sleep(every[version])
            if version == next(name for name in every if runs_version(running, name)):
                await running.gateway.standing.heard("sensor", count=1)

    task = asyncio.create_task(report())
    try:
        yield
    finally:
        task.cancel()


def runs_version(running: Running, version: str) -> bool:
    bench: Bench = running.bench  # type: ignore[attr-defined]
    return runs(bench, "sensor", SENSOR, version) or version == OLD


async def updated(bench: Bench, running: Running, every: dict[str, float], *, listen: float) -> Record:
    running.bench = bench  # type: ignore[attr-defined]
    await running.gateway.add_release(bench.release(NEW), asked_by="test")
    async with reporting(running, every):
        await asyncio.sleep(listen)
        await running.deploy(all_at_once=True)
        return (await running.ended())[-1]


@virtual
async def test_a_node_whose_data_comes_as_before_is_well(bench: Bench) -> None:
    with_check(bench)
    bench.node("sensor", SENSOR)
    async with bench.gateway() as running:
        record = await updated(bench, running, {NEW: 10.0, OLD: 10.0}, listen=600)
        assert outcomes([record]) == ["succeeded"]
        assert record.data_rate == pytest.approx(0.1, rel=0.05)
        (said,) = record.judged_by
        assert "3 messages; 3 are 50% of the 6 a minute before the update" in said


@virtual
async def test_a_node_whose_data_comes_too_seldom_is_taken_back(bench: Bench) -> None:
    with_check(bench)
    bench.node("sensor", SENSOR)
    async with bench.gateway() as running:
        record = await updated(bench, running, {NEW: 30.0, OLD: 10.0}, listen=600)
        assert outcomes([record]) == ["rolled-back"]
        assert record.verdict_why is not None
        assert record.verdict_why.message.startswith("data-seen: ")
        assert "of 3 messages within 60 s" in record.verdict_why.message
        assert runs(bench, "sensor", SENSOR, OLD)


@virtual
async def test_a_node_that_answers_every_probe_and_measures_nothing_is_taken_back(bench: Bench) -> None:
    with_check(bench)
    bench.node("sensor", SENSOR)
    async with bench.gateway() as running:
        record = await updated(bench, running, {NEW: 10_000.0, OLD: 10.0}, listen=600)
        assert outcomes([record]) == ["rolled-back"]
        assert record.verdict_why is not None
        assert "nothing within 60 s" in record.verdict_why.message


@virtual
async def test_where_the_rate_before_is_not_known_one_message_is_enough(
    bench: Bench,
) -> None:
    with_check(bench)
    bench.node("sensor", SENSOR)
    async with bench.gateway() as running:
        record = await updated(bench, running, {NEW: 50.0, OLD: 5.0}, listen=20)
        assert outcomes([record]) == ["succeeded"]
        assert record.data_rate is None
        (said,) = record.judged_by
        assert "not known, so that it comes is all that counts" in said


@virtual
async def test_a_node_that_falls_silent_while_it_soaks_is_taken_back(bench: Bench) -> None:
    with_check(bench)
    bench.node("sensor", SENSOR)
    async with bench.gateway() as running:
        running.bench = bench  # type: ignore[attr-defined]
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy(all_at_once=True, soak=300.0)
        await running.until(lambda: runs(bench, "sensor", SENSOR, NEW))
        await asyncio.sleep(5)
        await running.gateway.standing.heard("sensor", count=1)
        record = (await running.ended())[-1]
        assert outcomes([record]) == ["rolled-back"]
        assert record.verdict_why is not None
        assert "it came, and then nothing for 60 s" in record.verdict_why.message


@virtual
async def test_a_restart_of_the_gateway_keeps_what_is_asked_of_the_node(bench: Bench) -> None:
    with_check(bench)
    bench.node("sensor", SENSOR)
    async with bench.gateway(killed=True) as running:
        running.bench = bench  # type: ignore[attr-defined]
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        async with reporting(running, {OLD: 10.0}):
            await asyncio.sleep(900)
        await running.deploy(all_at_once=True, soak=30.0)
        await running.until(lambda: runs(bench, "sensor", SENSOR, NEW))
    async with bench.gateway() as running:
        running.bench = bench  # type: ignore[attr-defined]
        async with reporting(running, {NEW: 15.0, OLD: 15.0}):
            record = (await running.ended())[-1]
        assert outcomes([record]) == ["succeeded"]
        assert record.data_rate == pytest.approx(0.1, rel=0.05), (
            "measured before the update, by another process"
        )
        assert "3 are 50% of the" in record.judged_by[0]


def test_a_topic_is_made_of_the_nodes_name_and_labels() -> None:
    profile = Profile.model_validate(
        {
            "name": "x",
            "flasher": "y",
            "format": "raw",
            "health": [{"kind": "data-seen", "topic": "site/{label:room}/{node}/#"}],
        }
    )
    assert data_topic(profile, "th-1", {"room": "cellar"}) == ("site/cellar/th-1/#", "")
    assert data_topic(profile, "th-1", {}) == ("", "the label 'room' has no text that a topic can have")
    assert data_topic(profile, "th-1", {"room": "+"})[0] == ""


@pytest.mark.parametrize("topic", ["a/#/b", "a/b#", "a/{nod}", "a+/b", "{"])
def test_a_topic_that_could_never_be_heard_is_refused(topic: str) -> None:
    with pytest.raises(ValueError, match=r"topic|alone"):
        DataSeenCheck.model_validate({"kind": "data-seen", "topic": topic})


def test_a_message_belongs_to_the_nodes_whose_filter_it_meets() -> None:
    known = Filters({"a": "s/a/#", "b": "s/b/+/t", "every": "s/+/x", "exact": "s/c", "all": "#"})
    assert sorted(known.nodes("s/a")) == ["a", "all"]
    assert sorted(known.nodes("s/a/y")) == ["a", "all"]
    assert sorted(known.nodes("s/b/1/t")) == ["all", "b"]
    assert sorted(known.nodes("s/b/1/2/t")) == ["all"]
    assert sorted(known.nodes("s/b/x")) == ["all", "every"]
    assert sorted(known.nodes("s/c")) == ["all", "exact"]
    assert sorted(known.nodes("s/cc")) == ["all"]
