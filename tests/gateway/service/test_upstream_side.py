"""The service's other side: what upstream wants, what it is told, and what it is never told twice."""

import asyncio

from flashers.api import uart_node
from gateway.control import DeployRequest, Selector
from tests.gateway.service.site import (
    NEW,
    NEWER,
    PRODUCT,
    SENSOR,
    Bench,
    outcomes,
    runs,
    virtual,
)


def wanted(name: str, version: str = NEW, *nodes: str) -> DeployRequest:
    """A deployment as upstream asks for it."""
    select = Selector(nodes=nodes) if nodes else Selector(all=True)
    return DeployRequest(name, PRODUCT, version, select, asked_by="upstream")


@virtual
async def test_what_is_wanted_is_done_once_however_often_it_is_said(bench: Bench) -> None:
    bench.node("s1")
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        assert (await running.gateway.status()).desired_revision is None
        for _ in range(3):
            await running.gateway.desired(4, (wanted("d"),))
        assert outcomes(await running.ended()) == ["succeeded"]
        await running.gateway.desired(5, (wanted("d"),))
        assert len(await running.ended()) == 1
        assert (await running.gateway.status()).desired_revision == 5


@virtual
async def test_an_older_revision_changes_nothing(bench: Bench) -> None:
    bench.node("s1")
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.gateway.desired(4, ())
        await running.gateway.desired(3, (wanted("d"),))
        await asyncio.sleep(5)
        assert await running.records() == []


@virtual
async def test_one_request_that_cannot_be_taken_keeps_no_other_from_it(bench: Bench) -> None:
    bench.node("s1")
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        requests = (wanted("bad", "9.9.9"), wanted("good"), wanted("none", NEW, "nobody"))
        for _ in range(2):
            await running.gateway.desired(1, requests)
        assert outcomes(await running.ended()) == ["succeeded"]
        refused = {event.deployment: event.data["code"] for event in running.told("deployment.refused")}
        assert refused == {"bad": "release-unknown", "none": "nothing-selected"}
        assert len(running.told("deployment.refused")) == 2, "the same revision is refused once"


@virtual
async def test_what_is_no_longer_wanted_is_cancelled_and_what_a_person_asked_for_is_not(
    bench: Bench,
) -> None:
    for name in ("s1", "s2", "s3"):
        bench.node(name)
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.gateway.desired(1, (wanted("a", NEW, "s1"), wanted("b", NEW, "s2")))
        await running.deploy("mine", "s3")
        await running.gateway.desired(2, (wanted("b", NEW, "s2"),))
        records = {record.deployment: record for record in await running.ended()}
        assert outcomes([records[name] for name in ("a", "b", "mine")]) == [
            "cancelled",
            "succeeded",
            "succeeded",
        ]


@virtual
async def test_events_come_in_order_and_stay_until_upstream_has_them(bench: Bench) -> None:
    bench.node("s1")
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy()
        await running.ended()
        outbox = running.gateway.outbox
        events = await outbox.unsent(1000)
        assert [event.id.sequence for event in events] == list(range(1, len(events) + 1))
        phases = [event.data["phase"] for event in events if event.kind == "attempt.phase"]
        assert phases == [
            "queued",
            "preparing",
            "transferring",
            "activating",
            "proving",
            "soaking",
            "confirming",
        ]
        assert [event.kind for event in events[-2:]] == ["attempt.done", "deployment.done"]
        await outbox.acknowledged([event.id.sequence for event in events[:4]])
        assert (await running.gateway.status()).outbox_depth == len(events) - 4
    async with bench.gateway() as running:
        left = await running.gateway.outbox.unsent(1000)
        assert [event.id.sequence for event in left[: len(events) - 4]] == [
            event.id.sequence for event in events[4:]
        ]


@virtual
async def test_the_state_that_is_published_is_the_newest(bench: Bench) -> None:
    bench.node("s1")
    async with bench.gateway() as running:
        outbox = running.gateway.outbox
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        ((first, revision),) = await outbox.stale_states(10)
        assert (first.name, first.state) == ("s1", "unknown")
        await running.deploy()
        await running.ended()
        await outbox.state_published("s1", revision)
        ((last, newer),) = await outbox.stale_states(10)
        assert newer > revision
        assert last.last_outcome == "succeeded"
        assert last.components[0].firmware is not None
        assert last.components[0].firmware.version is not None
        assert last.components[0].firmware.version.startswith(NEW)
        await outbox.state_published("s1", newer)
        assert await outbox.stale_states(10) == []
        await outbox.all_states_stale()
        assert len(await outbox.stale_states(10)) == 1


@virtual
async def test_progress_is_told_as_the_latest_and_never_stored(bench: Bench) -> None:
    bench.node("s1")
    bench.lines.lines["s1"] = type(bench.lines.lines["s1"])(uart_node(bench.nodes["s1"]), baud=9600)
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy()
        await running.ended()
        progress = running.gateway.outbox.take_progress()
        assert [(item.node, item.done == item.total) for item in progress] == [("s1", True)]
        assert running.gateway.outbox.take_progress() == []


@virtual
async def test_explain_says_in_one_sentence_why_and_what_comes_next(bench: Bench) -> None:
    bench.node("s1")
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.gateway.add_release(bench.release(NEWER), asked_by="test")
        assert "ever deployed to s1" in (await running.gateway.explain("s1")).summary
        await running.deploy("a")
        await running.in_phase("s1", "transferring")
        number = await running.under_way("s1")
        assert (await running.gateway.explain("s1")).summary.startswith(f"Attempt {number} is ")
        await running.ended()
        summary = (await running.gateway.explain("s1")).summary
        assert "succeeded" in summary
        assert "nobody" in summary
        bench.nodes["s1"].power_off()
        await running.deploy("b", version=NEWER)
        await running.ended()
        summary = (await running.gateway.explain("s1")).summary
        assert "not-reached" in summary
        assert "does not answer" in summary
        assert not runs(bench, "s1", SENSOR, NEWER)
