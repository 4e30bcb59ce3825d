"""A real gateway at a real broker: the state of a node that is gone does not stay behind."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from gateway.app import make_site
from gateway.config.model import Config
from gateway.service.gateway import Gateway
from gateway.upstream.mqtt import MqttUpstream
from gateway.verbs.nodes import AdoptRequest
from tests.gateway.upstream.conftest import eventually
from tests.gateway.upstream.small import quick
from tests.peers.listener import Listener
from tests.peers.mosquitto import Broker

pytestmark = pytest.mark.peer

NODE = "tender/gw-1/node/"


@asynccontextmanager
async def running(folder: Path, broker: Broker, *nodes: str) -> AsyncIterator[Gateway]:
    """The service with these nodes in its file; its links lead nowhere and are never opened."""
    config = Config.model_validate(
        {
            "state": folder / "state",
            "socket": folder / "sock",
            "gateway": {"name": "gw-1"},
            "nodes": {
                name: {"profile": "mcuboot-uart", "link": f"socket://127.0.0.1:{1 + at}"}
                for at, name in enumerate(nodes)
            },
        }
    )
    async with AsyncExitStack() as stack:
        gateway = Gateway(await make_site(config, stack))
        await gateway.start()
        upstream = MqttUpstream(quick(broker.url))
        tasks = [
            asyncio.create_task(gateway.run()),
            asyncio.create_task(upstream.run(gateway, gateway.outbox)),
        ]
        try:
            yield gateway
            await eventually(lambda: not broker.running or not gateway.site.inventory.roster.gone)
            await gateway.stop()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def kept_by(broker: Broker) -> set[str]:
    """The names whose states somebody is given who comes now."""
    with Listener(broker.port, f"{NODE}+") as late:
        # What was retained is given before anything that is said afterwards.
        late.publish(f"{NODE}marker", "heard")
        late.wait(lambda: late.last(f"{NODE}marker") is not None)
        return {each.topic.removeprefix(NODE) for each in late.heard if each.retained}


async def comes_to(broker: Broker, names: set[str]) -> None:
    """Wait until just these nodes have a state at the broker."""
    async with asyncio.timeout(20):
        while await asyncio.to_thread(kept_by, broker) != names:  # noqa: ASYNC110 - it is asked as by a newcomer
            await asyncio.sleep(0.02)


async def test_forgotten_and_renamed_nodes_leave_nothing_at_the_broker(
    broker: Broker, listener: Listener, tmp_path: Path
) -> None:
    async with running(tmp_path, broker, "one") as gateway:
        for at, name in enumerate(("two", "three")):
            request = AdoptRequest(name, "mcuboot-uart", f"socket://127.0.0.1:{7 + at}")
            await gateway.roster.adopt(request, asked_by="ann")
        await listener.until(lambda: listener.last(f"{NODE}three") is not None)
        await gateway.roster.forget("two", asked_by="ann")
        await gateway.roster.rename("three", "four", asked_by="ann")
        for gone in ("two", "three"):
            await listener.until(lambda gone=gone: listener.on(f"{NODE}{gone}")[-1].payload == b"")  # type: ignore[misc]
        await listener.until(lambda: listener.last(f"{NODE}four") is not None)
        assert listener.on(f"{NODE}four")[-1].json["origin"] == "adopted by ann"
        await comes_to(broker, {"one", "four"})
        await gateway.roster.adopt(
            AdoptRequest("two", "mcuboot-uart", "socket://127.0.0.1:9"), asked_by="ann"
        )
        await listener.until(lambda: listener.on(f"{NODE}two")[-1].payload != b"")
        assert listener.on(f"{NODE}two")[-1].json["board"] == 2


async def test_a_node_that_left_the_file_is_cleared_also_by_a_gateway_that_was_away(
    broker: Broker, tmp_path: Path
) -> None:
    async with running(tmp_path, broker, "one", "two"):
        await comes_to(broker, {"one", "two"})
    broker.kill()
    async with running(tmp_path, broker, "one") as gateway:
        assert gateway.site.inventory.roster.gone == {"two"}
    broker.start()
    async with running(tmp_path, broker, "one"):
        await comes_to(broker, {"one"})
    async with running(tmp_path, broker, "one", "two"):
        await comes_to(broker, {"one", "two"})
