"""`tender recover`, `power` and `identify`, typed against a real gateway with virtual nodes."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.api.server import ApiServer
from tests.gateway.cli.conftest import Tender
from tests.gateway.service.rescues import Relays, deaf
from tests.gateway.service.site import Bench, Running


@pytest.fixture
async def bench(tmp_path: Path) -> Bench:
    """Two sensors on one relay, one of them without an answer to anything."""
    bench = Bench(tmp_path / "bench")
    quick = bench.profiles / "sensor.toml"
    quick.write_text(quick.read_text().replace("boot_deadline = 5.0", "boot_deadline = 1.0"))
    relays = Relays(bench)
    bench.node("th-1", options={"boot-time": "0.05"})
    bench.node("th-2", options={"silent": "true"})
    step = relays.step("shared", off_for=0.3, wait=0.2, pause=0.1)
    for name in ("th-1", "th-2"):
        bench.tables[name]["ladder"] = [{"kind": "dtr", "wait": 0.1, "pause": 0.1}, step]
    relays.feeds("shared", "th-1", "th-2")
    return bench


@pytest.fixture
async def running(bench: Bench, socket_path: Path, tmp_path: Path) -> AsyncIterator[Running]:
    """The service, as it is asked."""
    async with bench.gateway(first_look_s=0.1) as running:
        server = ApiServer(running.gateway, socket_path, spool=tmp_path / "spool")
        await server.start()
        yield running
        await server.stop()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> None:
    """Where the bench is."""
    (tmp_path / "bench").mkdir()


async def test_who_else_loses_power_has_to_be_agreed_to(tender: Tender, running: Running) -> None:
    said = await tender("power", "th-1", "cycle")
    assert (said.code, said.out) == (2, "")
    assert said.err.splitlines() == [
        "tender: others-hit: relay also cuts the power of th-2",
        "Add --yes-all if they may be hit, too.",
    ]
    said = await tender("power", "th-1", "cycle", "--yes-all")
    assert said.code == 0
    assert said.lines[0].startswith("th-1 lost its power, and has it again (relay, 0.")
    assert said.lines[1:] == ["Hit, too: th-2.", "`tender probe th-1` tells whether it answers."]
    said = await tender("power", "th-1", "reset", "--json")
    assert (said.code, said.json["name"], said.json["result"]) == (0, "dtr", "done")


async def test_what_was_tried_is_told_with_its_times_and_ends(tender: Tender, running: Running) -> None:
    said = await tender("recover", "th-1")
    assert said.code == 0
    assert "Nothing has to be done." in said.out
    assert "Nothing was done to it from outside yet." in said.out
    async with asyncio.timeout(60):
        said = await tender("recover", "th-2", "--now")
    assert said.code == 8
    facts = dict(
        line.split(None, 1) for line in said.lines if line.startswith(("recoverable", "why", "next"))
    )
    assert facts["recoverable"].strip() == "site-visit"
    assert "all 2 steps" in facts["why"]
    assert "as soon as it answers" in facts["next"]
    rows = [line.split()[0] for line in said.lines if " silent " in line]
    assert rows == ["relay", "dtr"]
    found = (await tender("recover", "th-2", "--json")).json
    assert [(step["name"], step["result"]) for step in found["steps"]] == [
        ("relay", "silent"),
        ("dtr", "silent"),
    ]
    assert all(step["at"] for step in found["steps"])
    assert [(rung["name"], rung["tried"], rung["left_today"]) for rung in found["ladder"]] == [
        ("dtr", True, 5),
        ("relay", True, 5),
    ]
    explained = await tender("explain", "th-2")
    assert "site-visit" in explained.out


async def test_a_node_that_comes_back_is_told_step_by_step(
    tender: Tender, running: Running, bench: Bench
) -> None:
    deaf(bench.nodes["th-1"])
    said = await tender("recover", "th-1", "--now")
    assert said.code == 0
    assert said.lines[:2] == ["dtr: silent", "relay: answered"]


async def test_a_node_without_a_way_to_show_itself_says_so(tender: Tender, running: Running) -> None:
    said = await tender("identify", "th-1")
    assert said.code == 2
    assert said.err.startswith("tender: not-supported: th-1 has no way to show itself")
    assert "[identify]" in said.err


async def test_a_step_that_is_not_there_is_no_guess(tender: Tender, running: Running) -> None:
    said = await tender("power", "th-1", "cycle", "--step", "poe")
    assert said.code == 2
    assert "it has dtr, relay" in said.err
    assert (await tender("recover", "th-9")).code == 2
