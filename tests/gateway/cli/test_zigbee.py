"""``tender zigbee``, against a real gateway with a Zigbee network in memory."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.api.server import ApiServer
from tests.gateway.cli.conftest import Tender
from tests.gateway.service.site import LAMP
from tests.gateway.service.zigbeesite import HALL, ZigbeeBench, ZigbeeRunning

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
async def bench(tmp_path: Path) -> ZigbeeBench:
    """One node that is looked after, one that only joined, one that may still join."""
    folder = tmp_path / "site"
    folder.mkdir()
    bench = ZigbeeBench(folder)
    bench.on_network("l1")
    bench.on_network("l2")
    bench.on_network("l3", joined=False)
    del bench.tables["l2"], bench.tables["l3"]
    return bench


@pytest.fixture
async def running(bench: ZigbeeBench, socket_path: Path, tmp_path: Path) -> AsyncIterator[ZigbeeRunning]:
    """The service, and its local API."""
    async with bench.gateway() as running:
        server = ApiServer(running.gateway, socket_path, spool=tmp_path / "spool")
        await server.start()
        await running.until(lambda: running.gateway.site.zigbee.away(HALL) is None, within=20)
        try:
            yield running
        finally:
            await server.stop()


async def test_a_network_is_listed_and_who_joined_is_taken_in_by_the_command_that_is_shown(
    tender: Tender, bench: ZigbeeBench, running: ZigbeeRunning
) -> None:
    said = await tender("zigbee", "networks")
    assert said.code == 0, said.err
    assert said.lines[1].split()[:3] == [HALL, "up", "znp"]
    (network,) = (await tender("zigbee", "networks", "--json")).json
    assert (network["nodes"], network["ours"], network["at_once"]) == (2, 1, 4)

    said = await tender("zigbee", "nodes", HALL)
    l2 = bench.places["l2"].ieee
    (line,) = (line for line in said.lines if line.startswith(HALL) and l2 in line)
    assert " - " in line
    (command,) = (line for line in said.lines if f"--profile {LAMP} " in line and l2 in line)
    taken = await tender(*command.replace("'", "").split()[1:])
    assert taken.code == 0, taken.err
    nodes = (await tender("zigbee", "nodes", "--json")).json
    assert all(each["node"] for each in nodes)


async def test_nodes_join_only_while_they_may(
    tender: Tender, bench: ZigbeeBench, running: ZigbeeRunning
) -> None:
    l3 = bench.places["l3"]
    said = await tender("zigbee", "permit", HALL, "--for", "30s")
    assert said.code == 0, said.err
    assert "30 s" in said.out
    l3.appear()
    await running.until(lambda: l3.ieee in running.gateway.site.networks.made[HALL].nodes(), within=20)
    said = await tender("zigbee", "permit", HALL, "--end")
    assert said.code == 0, said.err
    (network,) = (await tender("zigbee", "networks", "--json")).json
    assert network["joining_s"] == 0
    assert [event.data["seconds"] for event in running.told("zigbee.permit")] == [30, 0]
    refused = await tender("zigbee", "permit", HALL, "--for", "300s")
    assert refused.code == 2
    removed = await tender("zigbee", "remove", HALL, l3.ieee)
    assert removed.code == 0, removed.err
    assert l3.ieee not in running.gateway.site.networks.made[HALL].nodes()


async def test_a_frame_of_ones_own_is_answered_and_one_of_the_ota_cluster_refused(
    tender: Tender, bench: ZigbeeBench, running: ZigbeeRunning
) -> None:
    l1 = bench.places["l1"].ieee
    # Read attributes: ZCL version (0x0000) of the Basic cluster.
    read = ("--general", "--cluster", "0", "--command", "0", "--payload", "0000")
    said = await tender("zigbee", "zcl", HALL, l1, *read, "--json")
    assert said.code == 0, said.err
    assert said.json["command"] == 1
    assert said.json["payload"].startswith("0000" + "00")
    refused = await tender("zigbee", "zcl", HALL, l1, "--cluster", "0x19", "--command", "0")
    assert refused.code != 0
    assert "zigbee-cluster-ours" in refused.err
    bad = await tender("zigbee", "zcl", HALL, l1, "--cluster", "0", "--command", "0", "--payload", "xyz")
    assert "zigbee-bad-payload" in bad.err


async def test_what_is_not_there_is_said_to_be_not_there(
    tender: Tender, bench: ZigbeeBench, running: ZigbeeRunning
) -> None:
    for command in (("permit", "attic"), ("nodes", "attic"), ("backup", "list", "attic")):
        said = await tender("zigbee", *command)
        assert said.code != 0
        assert "network-unknown" in said.err
    said = await tender("zigbee", "backup", "list", HALL)
    assert "network-not-restorable" in said.err
    said = await tender("zigbee", "interview", HALL, "00:00:00:00:00:00:00:01")
    assert said.code != 0
    assert "zigbee" in said.err or "unreachable" in said.err
