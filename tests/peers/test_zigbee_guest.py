"""A real zigbee2mqtt owns the coordinator: it brings the image, and the gateway proves what the node runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from flashers.api import Digest, VirtualSetup
from flashers.zigbee_ota import PLUGIN
from flashers.zigbee_ota.virtual.node import VirtualZigbeeNode
from tests.gateway.service.site import LAMP, NEW, OLD, Bench, Piece, Running, firmware, outcomes
from tests.gateway.service.zigbeesite import profile_text
from tests.peers.mosquitto import Broker
from tests.peers.zigbee2mqtt import Zigbee2Mqtt
from tests.peers.zigbee_site import IEEE, ZigbeeSite, zigbee_site

pytestmark = [pytest.mark.peer, pytest.mark.slow, pytest.mark.timeout(300)]
__all__ = ["zigbee_site"]

UPSTAIRS = "upstairs"
WITHIN_S = 150.0


def runs(node: VirtualZigbeeNode, version: str) -> bool:
    """Whether it really runs this firmware, whatever anybody says."""
    return node.truth().running == {0: Digest.sha256(firmware(LAMP, version))}


def joined(site: ZigbeeSite, **traits: str) -> VirtualZigbeeNode:
    """A lamp in range, which joins as soon as it may."""
    options = {"slot-pages": "4", **{name.replace("_", "-"): value for name, value in traits.items()}}
    setup = VirtualSetup(PLUGIN.params(), flash={"app": firmware(LAMP, OLD)}, options=options)
    node = VirtualZigbeeNode(setup)
    site.network.add(node.zigbee("lamp", IEEE), joined=False)
    return node


@asynccontextmanager
async def guest(site: ZigbeeSite, folder: Path) -> AsyncIterator[tuple[Running, Bench, Zigbee2Mqtt]]:
    """A gateway that is zigbee2mqtt's guest, and knows the node that joined there."""
    place = folder / "site"
    place.mkdir()
    bench = Bench(place)
    (bench.profiles / f"{LAMP}.toml").write_text(profile_text(LAMP, params='owner = "zigbee2mqtt"'))
    bench.tables["lamp"] = {"profile": LAMP, "link": f"zigbee:{UPSTAIRS}#{IEEE}", "labels": {}}
    with Broker(folder / "broker") as broker:
        bench.settings["guests"] = {UPSTAIRS: {"mqtt": {"url": broker.url}}}
        async with Zigbee2Mqtt(folder / "z2m", broker, site.path) as host:
            await host.permit()
            await host.joined(IEEE)
            async with bench.gateway() as running:
                reach = running.gateway.site.zigbee
                await running.until(lambda: reach.away(UPSTAIRS) is None, within=30)
                yield running, bench, host


async def deployed(running: Running, bench: Bench) -> Any:
    """The end of the only attempt."""
    await running.gateway.add_release(bench.release(NEW, Piece(LAMP)), asked_by="test")
    await running.deploy(no_rollback="allow")
    (record,) = await running.ended(within=WITHIN_S)
    return record


async def test_it_brings_our_image_and_our_own_read_proves_it(
    zigbee_site: ZigbeeSite, tmp_path: Path
) -> None:
    node = joined(zigbee_site)
    async with guest(zigbee_site, tmp_path) as (running, bench, host):
        (listed,) = await running.gateway.zigbee.joined()
        assert (listed.node, listed.ota, listed.model) == ("lamp", True, "virtual-node")
        record = await deployed(running, bench)
        assert outcomes([record]) == ["succeeded"], record.result
        assert runs(node, NEW)
        states = [update["state"] for update in host.update_states(IEEE)]
        assert "updating" in states
        assert record.bytes_sent > 0


async def test_what_it_calls_updated_and_boots_back_did_not_succeed(
    zigbee_site: ZigbeeSite, tmp_path: Path
) -> None:
    node = joined(zigbee_site, boots_back="")
    async with guest(zigbee_site, tmp_path) as (running, bench, host):
        record = await deployed(running, bench)
        assert runs(node, OLD)
        assert outcomes([record]) != ["succeeded"]
        assert record.result is not None
        assert record.result.outcome.value in {"failed", "rolled-back"}, record.result
        assert host.update_states(IEEE)[-1]["state"] == "idle", "it believes that all is well"


async def test_a_host_that_goes_away_is_waited_for(zigbee_site: ZigbeeSite, tmp_path: Path) -> None:
    node = joined(zigbee_site)
    async with guest(zigbee_site, tmp_path) as (running, bench, host):
        await host.kill()
        reach = running.gateway.site.zigbee
        await running.until(lambda: reach.away(UPSTAIRS) is not None, within=60)
        away = reach.away(UPSTAIRS)
        assert away is not None
        assert "zigbee2mqtt" in away.message
        await running.gateway.add_release(bench.release(NEW, Piece(LAMP)), asked_by="test")
        await running.deploy(no_rollback="allow")
        await running.until(lambda: running.gateway.supervisor.depth == 1, within=10)
        assert runs(node, OLD)
        await host.start()
        (record,) = await running.ended(within=WITHIN_S)
        assert outcomes([record]) == ["succeeded"], record.result
        assert runs(node, NEW)
