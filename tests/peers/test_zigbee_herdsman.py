"""The virtual Zigbee network is right: zigbee-herdsman, which never heard of us, updates its nodes."""

from typing import Any

import pytest

from tests.peers.herdsman import Herdsman, HostRefused
from tests.peers.zigbee_site import IEEE, NEW, NEW_VERSION, OLD, OLD_VERSION, ZigbeeSite, runs, zigbee_site

pytestmark = [pytest.mark.peer, pytest.mark.slow, pytest.mark.timeout(300)]
__all__ = ["zigbee_site"]

DEFAULT, FAST = 250, 50
"""Milliseconds between two blocks: its default, and the least that its users set."""


async def commissioned(host: Herdsman) -> dict[str, Any]:
    """Have the host form its network and take the node in; what it found the node to be."""
    await host.start()
    await host.order("permit", seconds=120)
    return await host.order("joined", ieee=IEEE)


async def versions(host: Herdsman) -> tuple[int, str]:
    """What the node tells the host: CurrentFileVersion, and SWBuildID."""
    ota = await host.order(
        "read", ieee=IEEE, cluster="genOta", attributes=["currentFileVersion"], options={"direction": 1}
    )
    basic = await host.order("read", ieee=IEEE, cluster="genBasic", attributes=["swBuildId"])
    return ota["values"]["currentFileVersion"], basic["values"]["swBuildId"]


async def test_a_stranger_forms_the_network_and_finds_the_node_to_be_what_it_is(
    zigbee_site: ZigbeeSite,
) -> None:
    site = zigbee_site
    site.add()
    async with Herdsman(site.path, site.folder / "host") as host:
        found = await commissioned(host)
        assert found["type"] == "Router"
        assert (found["manufacturer"], found["model"], found["build"]) == ("Tender", "virtual-node", "1.0.0")
        assert found["code"] == 0x1234
        assert found["network"] == site.network.truth(IEEE).nwk
        (endpoint,) = found["endpoints"]
        assert 0x0000 in endpoint["servers"]
        assert endpoint["clients"] == [0x0019]
        assert await versions(host) == (OLD_VERSION, "1.0.0")
        await host.order("bind", ieee=IEEE, cluster="msTemperatureMeasurement")
        assert 0x0402 in {binding.cluster for binding in site.network.truth(IEEE).bindings}
        await host.order("stop")
    async with Herdsman(site.path, site.folder / "host") as again:
        assert (await again.start())["result"] == "resumed", "the coordinator forgot its network"
        assert await versions(again) == (OLD_VERSION, "1.0.0")


async def test_it_updates_a_node_with_a_file_of_ours_as_it_does_by_default(zigbee_site: ZigbeeSite) -> None:
    node = zigbee_site.add()
    async with Herdsman(zigbee_site.path, zigbee_site.folder / "host") as host:
        await commissioned(host)
        said = await host.order("update", ieee=IEEE, file=zigbee_site.file(), delay=DEFAULT)
        assert (said["before"]["fileVersion"], said["after"]["fileVersion"]) == (OLD_VERSION, NEW_VERSION)
        assert {"event": "announce", "ieee": "0x00124b001caabb01"} in host.events
        assert runs(node, NEW)
        assert await versions(host) == (NEW_VERSION, "2.1.0")


async def test_it_serves_pages_over_two_hops_and_a_bad_air(zigbee_site: ZigbeeSite) -> None:
    node = zigbee_site.add(hops=2, loss=0.05, asks="pages", page_size="512")
    async with Herdsman(zigbee_site.path, zigbee_site.folder / "host") as host:
        await commissioned(host)
        await host.order("update", ieee=IEEE, file=zigbee_site.file(), delay=FAST)
        assert runs(node, NEW)
        assert node.counts.pages >= 3
        assert zigbee_site.network.counters.lost > 0, "the air was good"


async def test_it_updates_a_sleepy_node_behind_its_parent(zigbee_site: ZigbeeSite) -> None:
    node = zigbee_site.add(sleepy="", long_poll="0.4", fast_poll="0.1")
    async with Herdsman(zigbee_site.path, zigbee_site.folder / "host") as host:
        found = await commissioned(host)
        assert (found["type"], found["power"]) == ("EndDevice", "Battery")
        await host.order("update", ieee=IEEE, file=zigbee_site.file(), delay=FAST)
        assert runs(node, NEW)
        assert await versions(host) == (NEW_VERSION, "2.1.0")


async def test_a_bent_image_is_refused_by_the_node_in_words_that_a_stranger_understands(
    zigbee_site: ZigbeeSite,
) -> None:
    node = zigbee_site.add(bent="")
    async with Herdsman(zigbee_site.path, zigbee_site.folder / "host") as host:
        await commissioned(host)
        with pytest.raises(HostRefused, match="INVALID_IMAGE"):
            await host.order("update", ieee=IEEE, file=zigbee_site.file(), delay=FAST)
        assert runs(node, OLD)
        await host.order("update", ieee=IEEE, file=zigbee_site.file(), delay=FAST)
        assert runs(node, NEW)


async def test_what_it_calls_updated_may_run_its_old_firmware(zigbee_site: ZigbeeSite) -> None:
    node = zigbee_site.add(boots_back="")
    async with Herdsman(zigbee_site.path, zigbee_site.folder / "host") as host:
        await commissioned(host)
        said = await host.order("update", ieee=IEEE, file=zigbee_site.file(), delay=FAST)
        assert said["after"]["fileVersion"] == NEW_VERSION, "it believes the file"
        assert runs(node, OLD)
        assert await versions(host) == (OLD_VERSION, "1.0.0")
