"""A real zigbee2mqtt on the virtual network: it knows our node, finds our file in an index, brings it."""

import json
from pathlib import Path

import pytest

from tests.peers.mosquitto import Broker
from tests.peers.zigbee2mqtt import RequestRefused, Zigbee2Mqtt, named
from tests.peers.zigbee_site import IEEE, NEW, NEW_VERSION, OLD_VERSION, ZigbeeSite, runs, zigbee_site

pytestmark = [pytest.mark.peer, pytest.mark.slow, pytest.mark.timeout(300)]
__all__ = ["zigbee_site"]


async def test_it_checks_by_an_index_and_updates_by_a_file(zigbee_site: ZigbeeSite, tmp_path: Path) -> None:
    site = zigbee_site
    node = site.add()
    file = site.file()
    entry = {"fileVersion": NEW_VERSION, "imageType": 0x0001, "manufacturerCode": 0x1234, "url": file}
    index = site.file(json.dumps([entry]).encode(), "index.json")
    fast = {"ota": {"image_block_response_delay": 50}}
    with Broker(tmp_path / "broker") as broker:
        async with Zigbee2Mqtt(tmp_path / "z2m", broker, site.path, settings=fast) as host:
            await host.permit()
            seen = await host.joined(IEEE)
            assert (seen["manufacturer"], seen["model_id"], seen["type"]) == (
                "Tender",
                "virtual-node",
                "Router",
            )
            assert seen["endpoints"]["1"]["clusters"]["output"] == ["genOta"]

            name = named(IEEE)
            checked = await host.request("device/ota_update/check", id=name, url=index)
            assert checked["update_available"] is True
            await host.until(lambda: bool(host.update_states(IEEE)))
            assert host.update_states(IEEE)[-1]["state"] == "available"
            assert host.update_states(IEEE)[-1]["installed_version"] == OLD_VERSION
            assert host.update_states(IEEE)[-1]["latest_version"] == NEW_VERSION

            updated = await host.request("device/ota_update/update", id=name, url=file)
            assert runs(node, NEW)
            assert (updated["from"]["file_version"], updated["to"]["file_version"]) == (
                OLD_VERSION,
                NEW_VERSION,
            )
            states = [update["state"] for update in host.update_states(IEEE)]
            assert states.index("updating") > states.index("available")
            assert states[-1] == "idle"

            with pytest.raises(RequestRefused, match="No image currently available"):
                await host.request("device/ota_update/update", id=name, url=file)
