"""zigbee2mqtt's topics as a face of the gateway: a real broker, a real client, a network in memory."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.upstream.settings import MqttSettings
from gateway.upstream.zigbee2mqtt.door import FaceDoor
from gateway.upstream.zigbee2mqtt.settings import FaceTable
from tests.gateway.service.site import LAMP, NEW, OLD, Piece
from tests.gateway.service.zigbeesite import HALL, ZigbeeBench, ZigbeeRunning, running_versions
from tests.peers.listener import Listener
from tests.peers.mosquitto import Broker

pytestmark = [pytest.mark.peer, pytest.mark.timeout(120)]

_NUMBERS = itertools.count(1)


class Asker:
    """Software that knows zigbee2mqtt, and nothing of Tender."""

    def __init__(self, heard: Listener) -> None:
        self.heard = heard

    async def ask(self, place: str, **words: Any) -> dict[str, Any]:
        """Publish a request; the whole response."""
        transaction = f"t{next(_NUMBERS)}"
        payload = json.dumps({**words, "transaction": transaction})
        await asyncio.to_thread(self.heard.publish, f"zigbee2mqtt/bridge/request/{place}", payload)
        found: list[dict[str, Any]] = []

        def answered() -> bool:
            found[:] = [
                message.json
                for message in self.heard.heard
                if message.topic.startswith("zigbee2mqtt/bridge/response/")
                and message.json.get("transaction") == transaction
            ]
            return bool(found)

        await self.heard.until(answered, 60)
        return found[0]

    def updates(self, node: str) -> list[dict[str, Any]]:
        """What was said of a node's update, in order."""
        return [message.json["update"] for message in self.heard.on(f"zigbee2mqtt/{node}")]


@asynccontextmanager
async def shown(bench: ZigbeeBench, folder: Path) -> AsyncIterator[tuple[ZigbeeRunning, Asker]]:
    """A gateway, its face at a broker, and somebody who asks."""
    with Broker(folder / "broker") as broker, Listener(broker.port, "zigbee2mqtt/#") as heard:
        table = FaceTable(mqtt=MqttSettings(url=broker.url), raw=True, states_every=0.05)
        async with bench.gateway() as running:
            await running.until(lambda: running.gateway.site.zigbee.away(HALL) is None, within=20)
            door = asyncio.create_task(FaceDoor(table, running.gateway, "face").run())
            try:
                await heard.until(lambda: heard.count("zigbee2mqtt/l1") > 0)
                yield running, Asker(heard)
            finally:
                door.cancel()
                with suppress(asyncio.CancelledError):
                    await door


async def site(tmp_path: Path) -> ZigbeeBench:
    folder = tmp_path / "site"
    folder.mkdir()
    bench = ZigbeeBench(folder)
    bench.settings["rollout"] = {"no_rollback": "allow"}
    bench.on_network("l1")
    return bench


async def test_a_node_is_checked_and_updated_by_zigbee2mqtts_requests(tmp_path: Path) -> None:
    bench = await site(tmp_path)
    async with shown(bench, tmp_path) as (running, asker):
        said = await asker.ask("device/ota_update/check", id="l1")
        assert (said["status"], said["data"]["update_available"]) == ("ok", False)
        said = await asker.ask("device/ota_update/update", id="l1")
        assert (said["status"], said["code"]) == ("error", "zigbee2mqtt-no-image")

        await running.gateway.add_release(bench.release(NEW, Piece(LAMP)), asked_by="test")
        address = f"0x{bench.places['l1'].ieee.replace(':', '')}"
        said = await asker.ask("device/ota_update/check", id=address)
        assert said["data"]["update_available"] is True
        said = await asker.ask("device/ota_update/update", id="l1")
        assert running_versions(bench)["l1"] == (NEW if said["status"] == "ok" else OLD)
        assert said["status"] == "ok", said
        before, after = said["data"]["from"]["file_version"], said["data"]["to"]["file_version"]
        assert before < after
        await asker.heard.until(lambda: asker.updates("l1")[-1]["state"] == "idle")
        states = [update["state"] for update in asker.updates("l1")]
        assert "updating" in states
        assert asker.updates("l1")[-1]["installed_version"] == after
        told = [update["progress"] for update in asker.updates("l1") if "progress" in update]
        assert told == sorted(told)


async def test_what_nobody_signed_is_refused_and_the_node_left_alone(tmp_path: Path) -> None:
    bench = await site(tmp_path)
    async with shown(bench, tmp_path) as (running, asker):
        said = await asker.ask("device/ota_update/update", id="l1", url="http://127.0.0.1:9/lamp.ota")
        assert (said["status"], said["code"]) == ("error", "zigbee2mqtt-unsigned")
        said = await asker.ask("device/ota_update/update", id="nobody")
        assert said["status"] == "error"
        said = await asker.ask("device/ota_update/update/abort", id="l1")
        assert said["code"] == "zigbee2mqtt-nothing-to-abort"
        assert await running.gateway.attempts() == []
        assert running_versions(bench)["l1"] == OLD


async def test_frames_go_both_ways_but_for_those_of_the_ota_cluster(tmp_path: Path) -> None:
    bench = await site(tmp_path)
    async with shown(bench, tmp_path) as (_, asker):
        words = {"cluster": 0, "command": 0, "general": True, "payload": "0000"}
        said = await asker.ask("zcl", id="l1", **words)
        assert said["status"] == "ok", said
        assert said["data"]["command"] == 1
        said = await asker.ask("zcl", id="l1", cluster=0x19, command=0)
        assert said["code"] == "zigbee-cluster-ours"
        said = await asker.ask("zcl", id="l1", cluster="x", command=0)
        assert said["code"] == "zigbee2mqtt-bad-request"
        topic = "zigbee2mqtt/l1/zcl"
        await asker.heard.until(lambda: asker.heard.count(topic) > 0, 60)
        assert all(message.json["cluster"] != 0x19 for message in asker.heard.on(topic))
