"""Pausing, resuming and recalling as somebody types it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from flashers.sim import Behaviour
from gateway.api.server import ApiServer
from gateway.model.outcomes import Outcome
from tests.gateway.api.world import World
from tests.gateway.cli.conftest import Tender
from tests.gateway.service.rollout.test_rollout import ready
from tests.gateway.service.site import NEW, PRODUCT, RELAY, Bench, Piece, Running


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("scope", [("--all",), ("d",)])
async def test_a_pause_says_who_is_still_finished_and_how_it_ends(
    tender: Tender, world: World, scope: tuple[str, ...]
) -> None:
    world.hold.clear()
    await tender("deploy", "sensor", "2.0.0", "--all", "--id", "d")
    said = await tender("pause", *scope, "--why", "storm")
    assert said.code == 0
    assert "paused by" in said.lines[0]
    assert said.lines[0].endswith(": storm.")
    assert "1 touched, and brought to their end: attic." in said.out
    assert (await tender("pause", *scope, "--json")).json["paused"]["why"] == "storm"
    said = await tender("resume", *scope)
    assert said.code == 0
    assert ("goes on" in said.lines[0]) or ("is over" in said.lines[0])
    world.hold.set()


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("pause",), "usage"),
        (("pause", "--all", "d"), "usage"),
        (("pause", "nothing"), "deployment-unknown"),
        (("deployment", "show", "nothing"), "deployment-unknown"),
        (("deploy", "sensor", "2.0.0", "--all", "--waves", "one"), "usage"),
        (("deploy", "sensor", "2.0.0", "--all", "--waves", "0"), "message-malformed"),
        (("deploy", "sensor", "2.0.0", "--all", "--no-rollback", "maybe"), "usage"),
        (("deploy", "sensor", "2.0.0", "--all", "--activate", "tonight"), "message-malformed"),
        (("deployment", "activate", "nothing"), "deployment-unknown"),
    ],
)
async def test_what_cannot_be_paused_or_deployed_is_said(
    tender: Tender, arguments: tuple[str, ...], code: str
) -> None:
    said = await tender(*arguments)
    assert (said.code, said.err.split(": ")[1]) == (2, code)


@pytest.mark.usefixtures("service")
async def test_a_release_is_held_let_go_and_recalled(tender: Tender) -> None:
    assert "is held by" in (await tender("release", "hold", "sensor:2.0.0", "--why", "smells")).out
    assert "not held" in (await tender("release", "unhold", "sensor:2.0.0")).out
    said = await tender("release", "recall", "sensor:2.0.0", "--back")
    assert "2 nodes run it: attic, barn." in said.out
    assert "1 are taken back: attic." in said.out
    assert "1 have nothing to go back to: barn." in said.out
    assert (await tender("release", "recall", "sensor:2.0.0", "--json")).json["mark"]["mark"] == "recalled"


@pytest.mark.usefixtures("service")
async def test_a_budget_is_told_with_its_figures(tender: Tender) -> None:
    said = await tender("budget", "attic")
    assert "30 of 30 within 30 days" in said.out
    assert "in 2.0 h" in said.out


@asynccontextmanager
async def real_service(bench: Bench, socket_path: Path) -> AsyncIterator[Running]:
    async with bench.gateway() as running:
        server = ApiServer(running.gateway, socket_path, spool=bench.folder / "spool")
        await server.start()
        try:
            yield running
        finally:
            await server.stop()


async def test_waiting_for_a_bad_release_ends_when_the_rollout_stops_and_the_rest_is_told(
    tender: Tender, socket_path: Path, tmp_path: Path
) -> None:
    bench = Bench(tmp_path)
    for name in ("r1", "r2", "r3"):
        bench.node(name, RELAY)
    async with real_service(bench, socket_path) as running:
        await ready(running, bench, Piece(RELAY, Behaviour.UNHEALTHY))
        said = await tender("deploy", PRODUCT, NEW, "--all", "--id", "d", "--wait")
        assert said.code == 4
        assert said.out.count(Outcome.ROLLED_BACK) == 1
        assert "d stopped by itself: r1 did not succeed" in said.err
        shown = await tender("deployment", "show", "d")
        assert "1 of 3" in shown.out
        assert "2 rollout-stopped" in shown.out
        assert "`tender resume d` goes on all the same." in shown.out
        view = (await tender("deployment", "show", "d", "--json")).json
        assert (view["state"], view["rollout"]["waves"][0]["not_successes"]) == ("stopped", ["r1"])
        assert "stopped" in (await tender("deployments")).out
        explained = await tender("explain", "r3")
        assert "rollout-stopped" in explained.out
        assert (await tender("cancel", "d")).out.count("cancelled") == 2


async def test_what_is_staged_is_shown_with_its_figure_and_started_on_request(
    tender: Tender, socket_path: Path, tmp_path: Path
) -> None:
    bench = Bench(tmp_path)
    for name in ("s1", "s2"):
        bench.node(name)
    async with real_service(bench, socket_path) as running:
        await ready(running, bench)
        said = await tender(
            "deploy", PRODUCT, NEW, "--all", "--id", "d", "--activate", "held", "--all-at-once"
        )
        assert said.code == 0
        await running.until(lambda: all(record.staged for record in running.gateway.supervisor.records()))
        await running.until(lambda: not running.gateway.turns.busy)
        shown = await tender("deployment", "show", "d")
        assert "Staged on 2 of 2 nodes; starts when somebody says so." in shown.out
        assert "s1, s2" in shown.out
        assert "tender deployment activate d" in (await tender("explain", "s1")).out
        assert "s1, s2 waited to be started" in (await tender("deployment", "activate", "d")).out
        records = await running.ended()
        assert [record.result.outcome for record in records if record.result] == [Outcome.SUCCEEDED] * 2
