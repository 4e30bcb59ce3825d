"""The broker of the tests is itself as a broker should be: what it kept, it still has afterwards."""

import aiomqtt
import pytest

from tests.peers.mosquitto import Broker

pytestmark = pytest.mark.peer


async def publish_retained(broker: Broker, payload: str) -> None:
    async with aiomqtt.Client(broker.host, broker.port) as client:
        await client.publish("fleet/state", payload, qos=1, retain=True)


async def read_retained(broker: Broker) -> object:
    async with aiomqtt.Client(broker.host, broker.port) as client:
        await client.subscribe("fleet/state", qos=1)
        async for message in client.messages:
            return message.payload
    raise AssertionError("the broker hung up")


async def test_what_was_retained_is_there_after_a_restart_on_the_same_port(broker: Broker) -> None:
    port = broker.port
    await publish_retained(broker, "kept")
    broker.restart()
    assert broker.port == port
    assert await read_retained(broker) == b"kept"


async def test_a_killed_broker_comes_back(broker: Broker) -> None:
    broker.kill()
    assert not broker.running
    with pytest.raises(aiomqtt.MqttError):
        await publish_retained(broker, "nobody hears this")
    broker.start()
    await publish_retained(broker, "heard")
    assert await read_retained(broker) == b"heard"


def test_two_brokers_do_not_meet(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> None:
    with Broker(tmp_path_factory.mktemp("second")) as second:
        assert second.port != broker.port
        assert second.running
        assert broker.running
