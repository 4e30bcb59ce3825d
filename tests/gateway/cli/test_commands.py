"""Commands say what the gateway knows, and exit by what became of it."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from flashers.api import Reason
from gateway.api.server import ApiServer
from gateway.model.outcomes import EXIT_CODES, Outcome
from gateway.model.views import Explanation
from tests.gateway.api.world import OLD, World
from tests.gateway.cli.conftest import Tender


@pytest.mark.usefixtures("service")
async def test_nodes_are_a_table_for_people_and_json_for_programs(tender: Tender) -> None:
    said = await tender("nodes")
    assert said.code == 0
    heading, *rows = said.lines
    assert heading.split() == ["NODE", "PROFILE", "STATE", "RUNS", "VERIFIED", "ROLLBACK", "ATTEMPT"]
    assert [row.split()[0] for row in rows] == ["attic", "barn", "cellar"]
    assert all("1.0.0" in row and "reflash" in row for row in rows)
    assert len({row.index("demo-relay") for row in rows} | {heading.index("PROFILE")}) == 1
    listed = (await tender("nodes", "--json")).json
    assert [node["name"] for node in listed] == ["attic", "barn", "cellar"]


async def test_nodes_can_be_chosen_by_state(tender: Tender, world: World, service: ApiServer) -> None:
    world.node_views["barn"] = replace(world.node_views["barn"], state="wounded")
    assert [row.split()[0] for row in (await tender("nodes", "--state", "wounded")).lines[1:]] == ["barn"]
    assert "No node is" in (await tender("nodes", "--profile", "other")).out


@pytest.mark.usefixtures("service")
async def test_one_node_is_shown_in_full(tender: Tender) -> None:
    said = await tender("node", "show", "attic")
    assert "1.0.0" in said.out
    assert "uart:/dev/attic" in said.out
    assert "room=a" in said.out
    assert (await tender("node", "show", "attic", "--json")).json["name"] == "attic"


@pytest.mark.usefixtures("service")
async def test_a_name_that_nobody_has_is_told_with_a_remedy(tender: Tender) -> None:
    said = await tender("node", "show", "attik")
    assert said.code == 2
    assert said.out == ""
    first, second = said.err.splitlines()
    assert first.startswith("tender: node-unknown: ")
    assert "tender nodes" in second
    said = await tender("node", "show", "attik", "--json")
    assert said.json["error"]["code"] == "node-unknown"


@pytest.mark.usefixtures("service")
async def test_a_costly_look_is_only_taken_if_it_is_allowed(tender: Tender) -> None:
    refused = await tender("probe", "attic")
    assert (refused.code, "--allow-restart" in refused.err) == (2, True)
    assert (await tender("probe", "attic", "--allow-restart")).code == 0


@pytest.mark.usefixtures("service")
async def test_explain_tells_every_gate_with_its_way_out(
    tender: Tender, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def waits(node: str) -> Explanation:
        gate = Reason("link-busy", "uart:/dev/x is held for barn.", "It is given back soon.")
        return Explanation(world.node_views[node], "It waits for its link.", (gate,))

    monkeypatch.setattr(world, "explain", waits)
    said = await tender("explain", "attic")
    assert said.lines[0] == "It waits for its link."
    assert "uart:/dev/x is held for barn. (link-busy)" in said.out
    assert "It is given back soon." in said.out


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("outcome", list(Outcome))
async def test_waiting_ends_with_the_exit_code_of_the_outcome(
    tender: Tender, world: World, outcome: Outcome
) -> None:
    world.ends["barn"] = outcome
    said = await tender("deploy", "sensor", "2.0.0", "--all", "--wait")
    assert said.code == EXIT_CODES[outcome]
    assert [row.split()[1] for row in said.lines[1:4]] == ["attic", "barn", "cellar"]
    assert str(outcome) in said.lines[2]
    if outcome is not Outcome.SUCCEEDED:
        assert "barn: health-failed: the console line did not come\n  Look at" in said.out


async def test_waiting_ends_with_the_worst_of_all(tender: Tender, world: World, service: ApiServer) -> None:
    world.ends = {"attic": Outcome.FLASHED, "barn": Outcome.ROLLED_BACK}
    said = await tender("deploy", "sensor", "2.0.0", "--profile", "demo-relay", "--wait", "--json")
    assert said.code == EXIT_CODES[Outcome.ROLLED_BACK]
    assert {attempt["node"]: attempt["outcome"] for attempt in said.json} == {
        "attic": "flashed",
        "barn": "rolled-back",
        "cellar": "succeeded",
    }


async def test_proved_bytes_can_be_accepted(tender: Tender, world: World, service: ApiServer) -> None:
    world.ends = {"attic": Outcome.FLASHED}
    deploy = ("deploy", "sensor", "2.0.0", "--node", "attic", "--wait")
    assert (await tender(*deploy)).code == 3
    assert (await tender(*deploy, "--accept", "readback")).code == 0


async def test_waiting_outlives_a_restart_of_the_service(
    tender: Tender, world: World, service: ApiServer
) -> None:
    world.hold.clear()
    waiting = asyncio.ensure_future(tender("deploy", "sensor", "2.0.0", "--all", "--wait"))
    async with asyncio.timeout(20):
        await world.watched.wait()
        await service.stop()
        world.hold.set()
        await world.ended.wait()
        await service.start()
        said = await waiting
    assert said.code == 0
    assert said.out.count("succeeded") == 3


async def test_what_was_asked_reaches_the_gateway(tender: Tender, world: World, service: ApiServer) -> None:
    said = await tender("deploy", "sensor", "2.0.0", "--label", "room=b", "--id", "night", "--json")
    assert said.json["nodes"] == ["barn"]
    assert said.json["id"] == "night"
    again = await tender("deploy", "sensor", "2.0.0", "--label", "room=b", "--id", "night", "--json")
    assert again.json["id"] == "night"
    assert len(world.deployment_views) == 1
    assert "night" in (await tender("deployments")).out


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("deploy", "sensor", "2.0.0"), "usage"),
        (("deploy", "sensor", "2.0.0", "--label", "room"), "usage"),
        (("deploy", "sensor", "9.9.9", "--all"), "release-unknown"),
        (("deploy", "sensor", "2.0.0", "--node", "nobody"), "nothing-selected"),
        (("deploy", "sensor", "2.0.0", "--all", "--max-in-parallel", "0"), "message-malformed"),
        (("rollback", "attic"), "no-known-good"),
        (("attempt", "show", "99"), "attempt-unknown"),
        (("attempt", "show", "x"), "usage"),
        (("cancel", "nothing"), "attempt-unknown"),
        (("release", "add", "/no/such/file"), "usage"),
        (("nodes", "--colour"), "usage"),
    ],
)
async def test_what_cannot_be_is_said_with_a_code(
    tender: Tender, arguments: tuple[str, ...], code: str
) -> None:
    said = await tender(*arguments)
    assert said.code == 2
    assert said.err.startswith(f"tender: {code}: ")
    assert len(said.err.splitlines()) > 1


async def test_attempts_are_listed_shown_and_ended(tender: Tender, world: World, service: ApiServer) -> None:
    world.hold.clear()
    await tender("deploy", "sensor", "2.0.0", "--all", "--id", "d")
    listed = await tender("attempts", "--open")
    assert [row.split()[0] for row in listed.lines[1:]] == ["3", "2", "1"]
    assert (await tender("cancel", "2", "--json")).json[0]["outcome"] == "cancelled"
    ended = await tender("cancel", "d")
    assert ended.out.count("cancelled") == 2
    shown = await tender("attempt", "show", "2")
    assert "health-failed: the console line did not come" in shown.out
    assert "tender attempt show 2 --trace" in shown.out
    traced = (await tender("attempt", "2", "--trace")).lines
    assert [line.split()[1:] for line in traced[1:]] == [[">", "sync"], ["<", "14", "10"], ["=", "dtr=1"]]
    assert (await tender("attempt", "show", "2", "--json")).json["record"]["id"] == 2
    assert len((await tender("attempts", "--node", "barn")).lines) == 2
    assert len((await tender("attempts", "--limit", "1")).lines) == 2
    world.hold.set()


async def test_rollback_is_an_attempt_that_can_be_waited_for(
    tender: Tender, world: World, service: ApiServer
) -> None:
    world.node_views["attic"] = replace(world.node_views["attic"], known_good={"app": OLD})
    waiting = asyncio.ensure_future(tender("rollback", "attic", "--wait"))
    async with asyncio.timeout(20):
        await world.watched.wait()
        await world.cancel("1", asked_by="test")
        said = await waiting
    assert said.code == EXIT_CODES[Outcome.CANCELLED]
    assert said.lines[1].split()[:3] == ["1", "attic", "cancelled"]


async def test_watch_tells_what_happens_until_the_service_stops(
    tender: Tender, world: World, service: ApiServer
) -> None:
    watching = asyncio.ensure_future(tender("watch"))
    async with asyncio.timeout(20):
        await world.watched.wait()
        world.tell("attempt.done", node="attic", attempt=7, outcome="succeeded")
        world.tell("gateway.stopping")
        await service.stop()
        said = await watching
    assert said.code == 1
    assert "service-lost" in said.err
    first, second = said.lines
    assert first.split()[1:] == ["attic", "#7", "attempt.done", "succeeded"]
    assert second.split()[1:] == ["gw-1", "gateway.stopping"]


async def test_releases_are_added_and_listed(
    tender: Tender, world: World, service: ApiServer, tmp_path: Path
) -> None:
    file = tmp_path / "x.tender"
    file.write_bytes(b"release pump 4.0.0")
    added = await tender("release", "add", str(file))
    assert "pump" in added.out
    assert "4.0.0" in (await tender("release", "list")).out
    assert len((await tender("release", "list", "--json")).json) == 2
    said = await tender("baseline", "add", str(file), "--profile", "demo-relay", "--version", "1", "--json")
    assert said.json["product"] == "baseline-demo-relay-app"
    file.write_bytes(b"anything")
    assert (await tender("release", "add", str(file))).err.startswith("tender: release-file-bad: ")


@pytest.mark.usefixtures("service")
async def test_status_is_the_gateway_at_a_glance(tender: Tender) -> None:
    said = await tender("status")
    assert "signed releases only" in said.out
    assert "3, 0 attempts open" in said.out
    assert said.lines[0] == "Nothing is broken."
    assert (await tender("status", "--json")).json["gateway"] == "gw-1"


async def test_without_a_service_every_command_says_so(tender: Tender, tmp_path: Path) -> None:
    for command in (("nodes",), ("watch",), ("status", "--json"), ("deploy", "a", "1", "--all", "--wait")):
        said = await tender(*command, "--socket", str(tmp_path / "none"))
        assert said.code == 10
        assert said.err.startswith("tender: service-not-running: ")
        assert "tender serve" in said.err
