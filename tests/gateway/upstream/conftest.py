"""A gateway at a real broker, and somebody who listens."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from gateway.upstream.mqtt import MqttUpstream
from gateway.upstream.settings import MqttSettings
from tests.gateway.upstream.small import SmallGateway
from tests.peers.listener import Listener
from tests.peers.mosquitto import Broker


@asynccontextmanager
async def served(gateway: SmallGateway, settings: MqttSettings) -> AsyncIterator[MqttUpstream]:
    """The gateway's upstream, running; stopped in order, as the service does it."""
    upstream = MqttUpstream(settings)
    task = asyncio.create_task(upstream.run(gateway, gateway))
    try:
        yield upstream
        assert not task.done(), "the upstream ended by itself"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled(), "the upstream ended otherwise than by being stopped"


async def eventually(condition: Callable[[], bool], timeout: float = 10.0) -> None:
    """Wait until something inside the gateway is so; it tells nobody when."""
    async with asyncio.timeout(timeout):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.005)


@pytest.fixture
def gateway() -> SmallGateway:
    """A gateway with three nodes."""
    return SmallGateway()


@pytest.fixture
def listener(broker: Broker) -> Iterator[Listener]:
    """Hears everything that the broker is told."""
    with Listener(broker.port) as running:
        yield running
