"""A node's data at a real broker, sent by somebody else's client."""

import asyncio
from pathlib import Path

import pytest
from paho.mqtt import publish

from flashers.api import Stamp
from gateway.service.standing.hearing import Ears
from gateway.upstream.listening import DataListener
from gateway.upstream.settings import MqttSettings
from tests.peers.mosquitto import Broker

pytestmark = pytest.mark.peer

FILTERS = {"th-1": "site/th-1/#", "th-2": "site/th-2/temperature"}


async def send(broker: Broker, topic: str, *, retain: bool = False) -> None:
    """Somebody else's client: paho's own one-shot publisher, on a connection of its own."""
    await asyncio.to_thread(
        publish.single, topic, b"21.5", qos=1, retain=retain, hostname=broker.host, port=broker.port
    )


async def total(ears: Ears, node: str, count: int) -> None:
    async with asyncio.timeout(20):
        while ears.total(node) < count:
            await ears.news()


async def able(ears: Ears, node: str, *, hears: bool) -> None:
    async with asyncio.timeout(30):
        while (not ears.deaf(node)) is not hears:  # noqa: ASYNC110 - nobody is told when a broker went away
            await asyncio.sleep(0.02)


async def test_what_a_node_sends_is_counted_and_what_was_retained_is_not(tmp_path: Path) -> None:
    with Broker(tmp_path / "mosquitto") as broker:
        await send(broker, "site/th-1/temperature", retain=True)
        ears = Ears(lambda: Stamp(1, synchronised=False))
        settings = MqttSettings(url=broker.url, retry_first=0.05, retry_cap=0.2)
        ears.listening(["th-1", "th-2"], "not yet")
        task = asyncio.create_task(DataListener(settings, "data", lambda: FILTERS, ears).run())
        await able(ears, "th-1", hears=True)
        await send(broker, "site/th-2/temperature")
        await total(ears, "th-2", 1)
        assert ears.total("th-1") == 0, "a retained message tells of some other time"
        await send(broker, "site/th-1/humidity")
        await send(broker, "site/th-2/humidity")
        await send(broker, "site/th-1/temperature")
        await total(ears, "th-1", 2)
        assert ears.total("th-2") == 1
        # While the broker is away nothing can be said of anybody, and then it goes on.
        broker.kill()
        await able(ears, "th-1", hears=False)
        assert str(broker.port) in ears.deaf("th-1")
        broker.start()
        await able(ears, "th-1", hears=True)
        await send(broker, "site/th-1/temperature")
        await total(ears, "th-1", 3)
        task.cancel()
        await asyncio.wait({task})
