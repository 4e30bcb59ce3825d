"""What is shown of a Zigbee network and its nodes, typed against a real gateway over a network in memory."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.api.server import ApiServer
from tests.gateway.cli.conftest import Tender
from tests.gateway.service.site import DOOR, LAMP, NEW, Piece
from tests.gateway.service.test_zigbee import ready
from tests.gateway.service.zigbeesite import ZigbeeBench, ZigbeeRunning


@pytest.fixture
async def bench(tmp_path: Path) -> ZigbeeBench:
    """A lamp, and a door contact that sleeps for ever: it announced itself before anybody listened."""
    (tmp_path / "bench").mkdir()
    bench = ZigbeeBench(tmp_path / "bench")
    bench.on_network("lamp", LAMP)
    bench.on_network("door", DOOR, options={"deep": "", "check-in": "0", "asks-every": "0"})
    bench.reach("door", reach=False)
    return bench


@pytest.fixture
async def running(bench: ZigbeeBench, socket_path: Path, tmp_path: Path) -> AsyncIterator[ZigbeeRunning]:
    """The service, as it is asked."""
    async with bench.gateway() as running:
        server = ApiServer(running.gateway, socket_path, spool=tmp_path / "spool")
        await server.start()
        yield running
        await server.stop()


async def test_a_network_is_shown_with_its_coordinator_and_who_sleeps(
    tender: Tender, running: ZigbeeRunning
) -> None:
    assert (await tender("probe", "lamp")).code == 0
    said = await tender("links")
    heading, line, *_ = said.lines
    assert heading.split()[:2] == ["LINK", "PORT"]
    assert line.split()[:2] == ["zigbee:hall", "up"]
    said = await tender("links", "door")
    facts = dict(line.split(maxsplit=1) for line in said.lines[:12] if " " in line.strip())
    assert facts["network"] == "up"
    assert facts["sleepy"] == "door"
    assert facts["joined"] == "2 nodes; for others it is closed"
    assert facts["channel"] == "15, PAN 0x1a62"
    shown = (await tender("links", "--json")).json[0]["network"]
    assert [(node["name"], node["sleepy"]) for node in shown["nodes"]] == [("door", True), ("lamp", False)]


async def test_one_that_sleeps_is_not_looked_at_and_what_to_do_is_said(
    tender: Tender, running: ZigbeeRunning
) -> None:
    said = await tender("probe", "door")
    assert said.code != 0
    assert said.err.startswith("tender: node-asleep: door sleeps, and was never heard.")
    assert "Press its button" in said.err
    await ready(running.bench, running, Piece(DOOR))
    await running.deploy("d", "door", version=NEW, no_rollback="allow")
    await running.until(lambda: running.waits_for("door") == ["zigbee-not-heard"], within=20.0)
    said = await tender("explain", "door")
    assert said.lines[0].startswith("Attempt 1 waits: door sleeps, and was never heard.")
    assert "Press its button" in said.out


async def test_a_coordinator_that_is_gone_is_said_once_and_nobody_is_blamed(
    tender: Tender, running: ZigbeeRunning, bench: ZigbeeBench
) -> None:
    assert bench.network is not None
    bench.network.unplug()
    said = await tender("status")
    assert said.out.count("the coordinator is not there") == 1
    said = await tender("links")
    assert said.lines[1].split()[1] == "DOWN"
    said = await tender("probe", "lamp")
    assert said.err.startswith("tender: zigbee-coordinator-lost: The Zigbee network hall is down")
