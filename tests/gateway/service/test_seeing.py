"""Is anything broken, did we do it, what happened, who ordered it, and what passed on the link."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from flashers.sim import Behaviour
from gateway.control import DeployRequest, Selector
from gateway.service.seeing.seeing import Seeing
from gateway.verbs.seeing import Cause, EventQuery, Level, Overview, UpstreamTrouble
from tests.gateway.cli.commands import can_be_typed
from tests.gateway.service.site import (
    NEW,
    NEWER,
    PRODUCT,
    RELAY,
    SENSOR,
    Bench,
    Piece,
    Running,
    outcomes,
    virtual,
)
from tests.gateway.service.test_identity import asks_who, swap
from transports.errors import TenderError


@pytest.fixture(autouse=True)
def every_command_can_be_typed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever a test is told to type next has to be a command."""
    said: list[str] = []
    real = Seeing.overview

    async def listened(self: Seeing) -> Overview:
        overview = await real(self)
        said.extend(concern.next for concern in overview.concerns)
        return overview

    monkeypatch.setattr(Seeing, "overview", listened)
    yield
    assert all(can_be_typed(command) for command in said)


def codes(overview: Overview, level: Level) -> list[str]:
    return [concern.code for concern in overview.concerns if concern.level is level]


async def _updated(bench: Bench, running: Running, *pieces: Piece, version: str = NEW, **policy: Any) -> None:
    await running.gateway.add_release(bench.release(version, *pieces), asked_by="ann")
    await running.deploy("d", version=version, **policy)
    await running.ended()


@virtual
async def test_a_site_at_rest_says_that_nothing_is_broken(bench: Bench) -> None:
    bench.node("s1")
    async with bench.gateway() as running:
        await _updated(bench, running)
        overview = await running.gateway.seeing.overview()
    assert (overview.level, overview.headline) == (Level.FINE, "Nothing is broken.")
    assert overview.disk.free is not None
    assert overview.config.startswith("sha256:")


@virtual
async def test_a_node_that_fell_silent_while_we_wrote_followed_our_attempt(bench: Bench) -> None:
    node = bench.node("r1", RELAY)
    async with bench.gateway(first_look_s=10_000.0) as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="ann")
        node.cut_power_at(node.operations + 5, off_for=None)
        await running.deploy("d", no_rollback="allow")
        assert outcomes(await running.ended()) == ["wounded"]
        overview = await running.gateway.seeing.overview()
        attempt = (await running.records())[0].id
    assert overview.level is Level.BROKEN
    assert overview.headline.startswith(f"Broken: r1 (it followed our attempt {attempt}).")
    (concern,) = [each for each in overview.concerns if each.code == "wounded"]
    assert (concern.cause, concern.node, concern.next) == (Cause.OURS, "r1", "tender explain r1")
    assert "written" in concern.because or "write" in concern.because


@virtual
async def test_a_node_that_somebody_else_flashed_is_not_our_doing(bench: Bench) -> None:
    bench.node("s1")
    async with bench.gateway() as running:
        await _updated(bench, running)
        bench.node("s1", version=NEWER)
        await running.gateway.probe("s1", allow_restart=True)
        overview = await running.gateway.seeing.overview()
    (concern,) = [each for each in overview.concerns if each.code == "changed-by-others"]
    assert concern.cause is Cause.NOT_OURS
    assert concern.node == "s1"
    assert overview.level is Level.WAITS
    assert overview.headline.startswith("Nothing is broken.  ")


@virtual
async def test_a_release_that_was_taken_back_waits_for_its_owner_in_one_line(bench: Bench) -> None:
    for name in ("s1", "s2"):
        bench.node(name)
    async with bench.gateway() as running:
        await _updated(bench, running, Piece(SENSOR, Behaviour.UNHEALTHY), all_at_once=True)
        assert set(outcomes(await running.records())) == {"rolled-back"}
        overview = await running.gateway.seeing.overview()
    (concern,) = [each for each in overview.concerns if each.code == "rolled-back"]
    assert concern.message.startswith("s1, s2: rolled-back")
    assert concern.next == f"tender attempt show {concern.attempt}"
    assert concern.cause is Cause.OURS


@virtual
async def test_every_attempt_says_who_ordered_it_and_under_which_configuration(bench: Bench) -> None:
    bench.node("s1")
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="ann")
        request = DeployRequest("d", PRODUCT, NEW, Selector(all=True), asked_by="upstream")
        await running.gateway.desired(7, (request,))
        (record,) = await running.ended()
        overview = await running.gateway.seeing.overview()
        (view,) = await running.gateway.attempts()
        (done,) = running.told("attempt.done")
    assert record.provenance.revision == 7
    assert record.provenance.config == overview.config
    assert record.provenance.tender == overview.status.version
    assert (view.revision, view.config, view.asked_by) == (7, overview.config, "upstream")
    assert (done.data["revision"], done.data["config"]) == (7, overview.config)


@virtual
async def test_a_changed_configuration_is_told_at_the_start_without_its_secrets(bench: Bench) -> None:
    bench.node("s1")
    mqtt = {"url": "mqtt://broker", "username": "gw", "password": "first-secret"}
    bench.settings["upstream"] = {"mqtt": mqtt}
    async with bench.gateway() as running:
        assert running.told("config.changed") == []
        first = (await running.gateway.seeing.overview()).config
    bench.settings["upstream"] = {"mqtt": {**mqtt, "password": "other-secret"}}
    async with bench.gateway() as running:
        assert running.told("config.changed") == []
        assert (await running.gateway.seeing.overview()).config == first
    bench.settings["stop_budget"] = 30.0
    async with bench.gateway() as running:
        (event,) = running.told("config.changed")
    assert event.data["changed"] == [{"key": "stop_budget", "before": 60.0, "after": 30.0}]
    assert event.data["before"] == first
    assert "secret" not in str(event.data)


@virtual
async def test_events_outlive_their_sending_and_say_who_asked(bench: Bench) -> None:
    bench.node("s1")
    bench.node("s2")
    async with bench.gateway() as running:
        await _updated(bench, running)
        await running.gateway.site.journal.nothing_listens()
    async with bench.gateway() as running:
        seeing = running.gateway.seeing
        page = await seeing.events(EventQuery(node="s1", kind="attempt.done"))
        (done,) = page.events
        assert done.data["outcome"] == "succeeded"
        assert page.asked_by == {done.attempt: "test"}
        everything = (await seeing.events(EventQuery())).events
        assert [event.id.sequence for event in everything] == list(range(1, len(everything) + 1))
        newest = await seeing.events(EventQuery(limit=3, newest=True))
        assert newest.events == everything[-3:]
        assert newest.more
        later = await seeing.events(EventQuery(after=everything[-2].id.sequence))
        assert later.events == everything[-1:]
        late = await seeing.events(EventQuery(since_ms=everything[-1].at.unix_ms + 1000))
        assert late.events == ()


@virtual
async def test_the_link_of_an_attempt_is_read_while_it_is_under_way_and_after_it_failed(bench: Bench) -> None:
    bench.node("s1")
    bench.node("r1", RELAY)
    async with bench.gateway() as running:
        broken = (Piece(SENSOR, Behaviour.UNHEALTHY), Piece(RELAY, Behaviour.UNHEALTHY))
        await running.gateway.add_release(bench.release(NEW, *broken), asked_by="ann")
        await running.deploy("d", no_rollback="allow")
        await running.in_phase("s1", "transferring")
        await asyncio.sleep(0.2)
        live = await running.gateway.seeing.trace_of("s1")
        assert live.live
        assert live.decoded
        more = await running.gateway.seeing.trace(live.attempt, after=live.lines[-2].number)
        assert more.lines[0] == live.lines[-1]
        await running.ended()
        sensor = await running.gateway.seeing.trace_of("s1")
        relay = await running.gateway.seeing.trace_of("r1")
    assert not sensor.live
    assert sensor.lines[0].at == 0.0
    said = "\n".join(text for line in sensor.lines for text in line.said)
    assert "read answer image/state" in said
    assert "rc=0" in said
    loader = "\n".join(text for line in relay.lines for text in line.said)
    for words in ("sync: ok", "program page 128 bytes of 'F'", "read page: ok 128 bytes"):
        assert words in loader


@virtual
async def test_the_journal_is_checked_beside_the_work(bench: Bench) -> None:
    bench.node("s1")
    async with bench.gateway() as running:
        await _updated(bench, running)
        check = await running.gateway.seeing.check_journal()
    assert check.findings == ("ok",)
    assert check.rows["attempts"] == 1
    assert check.schema >= 7


@virtual
async def test_the_upstreams_trouble_is_shown_with_since_when(bench: Bench) -> None:
    async with bench.gateway() as running:
        since = running.gateway.site.clock()
        trouble = UpstreamTrouble("upstream-error", "nobody answers", "Check the broker.", since)
        running.gateway.seeing.trouble = lambda: trouble
        overview = await running.gateway.seeing.overview()
    assert overview.trouble == trouble
    assert "upstream-error" in codes(overview, Level.BROKEN)


@virtual
async def test_a_node_that_answers_no_more_was_proved_after_our_attempt(bench: Bench) -> None:
    node = bench.node("s1")
    async with bench.gateway() as running:
        await _updated(bench, running)
        node.power_off()
        with pytest.raises(TenderError):
            await running.gateway.probe("s1", allow_restart=True)
        overview = await running.gateway.seeing.overview()
    (concern,) = [each for each in overview.concerns if each.level is Level.BROKEN]
    assert concern.cause is Cause.NOT_OURS
    assert "it answered when attempt 1 (deployment d, asked by test) ended succeeded" in concern.because
    assert overview.headline.startswith("Broken: s1 (not our doing).")


@virtual
async def test_many_broken_things_are_counted_by_whether_we_did_them(bench: Bench) -> None:
    names = [f"r{number}" for number in range(5)]
    nodes = {name: bench.node(name, RELAY) for name in names}
    async with bench.gateway(first_look_s=10_000.0) as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="ann")
        for node in nodes.values():
            node.cut_power_at(node.operations + 5, off_for=None)
        await running.deploy("d", no_rollback="allow", all_at_once=True)
        await running.ended()
        overview = await running.gateway.seeing.overview()
    assert overview.headline.startswith("Broken: 5 things.  5 followed something that we did.")
    assert {concern.node for concern in overview.concerns if concern.code == "wounded"} == set(names)


@virtual
async def test_a_pause_waits_for_a_person_who_is_told_the_command(bench: Bench) -> None:
    bench.node("s1")
    async with bench.gateway() as running:
        await running.gateway.rollout.pause(None, asked_by="ann", why="the harvest")
        overview = await running.gateway.seeing.overview()
    (concern,) = [each for each in overview.concerns if each.code == "paused"]
    assert concern.message == "Everything is paused by ann: the harvest."
    assert concern.next == "tender resume --all"
    assert overview.level is Level.WAITS


@virtual
async def test_swapped_nodes_are_not_our_doing_and_wait_for_a_person(bench: Bench) -> None:
    asks_who(bench)
    for name in ("n1", "n2"):
        bench.node(name, options={"hw-id": f"hw-{name}"})
    async with bench.gateway() as running:
        for name in ("n1", "n2"):
            await running.gateway.probe(name, allow_restart=True)
        swap(bench, "n1", "n2")
        with pytest.raises(TenderError):
            await running.gateway.probe("n1", allow_restart=True)
        overview = await running.gateway.seeing.overview()
    (concern,) = [each for each in overview.concerns if each.code == "identity-changed"]
    assert (concern.node, concern.cause, concern.next) == ("n1", Cause.NOT_OURS, "tender explain n1")
    assert overview.level is Level.WAITS
