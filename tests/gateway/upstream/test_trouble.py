"""Brokers that die, vanish, refuse or forget; gateways that are killed over a command."""

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.control import Progress
from tests.gateway.upstream.conftest import eventually, served
from tests.gateway.upstream.gate import Gate
from tests.gateway.upstream.small import SmallGateway, quick
from tests.peers.listener import Listener
from tests.peers.mosquitto import Broker

pytestmark = pytest.mark.peer

ROOT = Path(__file__).parents[3]
STATUS, EVENT = "tender/gw-1/status", "tender/gw-1/event"
COMMAND, RESULT = "tender/gw-1/command", "tender/gw-1/command/result"
PROTOCOLS = pytest.mark.parametrize("protocol", ["5", "3.1.1"])


def state(listener: Listener) -> str:
    last = listener.last(STATUS)
    return "" if last is None else f"{last.json['state']} {last.json.get('reason', '')}".strip()


def first_heard(listener: Listener) -> list[int]:
    """The events' numbers as a receiver sees them who drops what it had before."""
    return list(dict.fromkeys(each.json["sequence"] for each in listener.on(EVENT)))


async def all_told(gateway: SmallGateway, listener: Listener) -> None:
    """The gateway's last event was heard: then, by order, all were."""
    last = gateway.tell("attempt.done", outcome="succeeded").id.sequence
    await listener.until(
        lambda: listener.count(EVENT) > 0 and listener.on(EVENT)[-1].json["sequence"] == last
    )
    assert first_heard(listener) == list(range(1, last + 1))


async def test_fifty_killed_brokers_neither_lose_nor_reorder_an_event(
    broker: Broker, gateway: SmallGateway, listener: Listener
) -> None:
    chance = random.Random(50)
    async with Gate(broker.port) as gate, served(gateway, quick(gate.url)) as upstream:
        for life in range(50):
            # Another connection, since that the last one is gone is not noticed at once.
            await eventually(lambda: gate.connections > life and upstream.connected)  # noqa: B023
            for number in range(chance.randrange(5, 60)):
                gateway.tell(number=number)
            await asyncio.sleep(chance.uniform(0, 0.03))  # the moment of its death is chance
            broker.kill()
            gate.shut()
            # The listener is there before the gateway may come back.
            await asyncio.to_thread(broker.start)
            await asyncio.to_thread(listener.reconnect)
            gate.unshut()
        await all_told(gateway, listener)
        assert gate.connections >= 50
    assert gateway.unsent_events == {}


@PROTOCOLS
async def test_a_link_that_is_cut_within_messages_neither_loses_nor_reorders_an_event(
    broker: Broker, gateway: SmallGateway, listener: Listener, protocol: str
) -> None:
    chance = random.Random(protocol)
    async with Gate(broker.port) as gate, served(gateway, quick(gate.url, protocol=protocol)) as upstream:
        for _ in range(50):
            before = gate.connections
            gate.cut_after(chance.randrange(1, 9000))
            while gate.connections == before:
                gateway.tell(number=chance.random())
                await asyncio.sleep(0.001)
        await all_told(gateway, listener)
        assert upstream.connected
    heard = [each.json["sequence"] for each in listener.on(EVENT)]
    assert len(heard) > len(set(heard)), "no cut ever hit an event on its way"
    assert gateway.unsent_events == {}


async def test_what_an_outage_kept_back_is_told_afterwards(
    broker: Broker, gateway: SmallGateway, listener: Listener
) -> None:
    place = "tender/gw-1/progress/node-1"
    settings = {"progress_every": 0.02}
    async with Gate(broker.port) as gate, served(gateway, quick(gate.url, **settings)) as upstream:
        await listener.until(lambda: state(listener) == "online")
        gate.shut()
        await listener.until(lambda: state(listener) == "offline lost")
        await eventually(lambda: not upstream.connected)
        for number in range(500):
            gateway.tell(number=number)
            gateway.progress["node-1"] = Progress("node-1", 1, "transferring", number, 500)
        gateway.change("node-1", "2.0.0")
        gate.unshut()
        await all_told(gateway, listener)
        await listener.until(lambda: state(listener) == "online")
        await listener.until(lambda: listener.count("tender/gw-1/node/node-1") >= 2)
        assert listener.count(place) == 0, "old progress was told as if it were news"
    assert listener.on("tender/gw-1/node/node-1")[-1].json["components"][0]["version"] == "2.0.0"


async def test_a_broker_that_vanishes_without_a_word_is_noticed_by_its_silence(
    broker: Broker, gateway: SmallGateway, listener: Listener
) -> None:
    async with Gate(broker.port) as gate, served(gateway, quick(gate.url, reply_timeout=0.2)) as upstream:
        await listener.until(lambda: state(listener) == "online")
        gate.freeze()
        gateway.tell("attempt.done")
        await eventually(lambda: not upstream.connected)
        assert upstream.trouble is not None
        assert upstream.trouble.code == "upstream-lost"
        gate.thaw()
        await all_told(gateway, listener)


async def test_a_broker_that_takes_nothing_any_more_makes_no_queue_grow(
    broker: Broker, gateway: SmallGateway, listener: Listener
) -> None:
    settings = {"progress_every": 0.01, "reply_timeout": 60.0}
    async with Gate(broker.port) as gate, served(gateway, quick(gate.url, **settings)) as upstream:
        await listener.until(lambda: state(listener) == "online")
        gate.freeze()
        names = [f"node-{number:04}-{'x' * 150}" for number in range(2000)]
        taken = 0
        for _ in range(60):
            for number in range(20):
                gateway.tell(number=number)
            gateway.progress = {name: Progress(name, 1, "transferring", 1, 2) for name in names}
            await eventually(lambda: not gateway.progress)
            taken += len(names)
        assert upstream._sender is not None
        waiting = upstream._sender._wire._inner._out_packet  # type: ignore[attr-defined]
        assert len(waiting) <= 15, f"{len(waiting)} messages wait in memory"
        assert taken * 300 > 20_000_000, "more was offered than all buffers on the way can hold"
        assert len(gateway.unsent_events) == 1200
        gate.thaw()
        await all_told(gateway, listener)


async def test_the_service_can_stop_while_the_broker_does_not_answer(
    broker: Broker, gateway: SmallGateway
) -> None:
    async with Gate(broker.port) as gate:
        gate.freeze()
        async with asyncio.timeout(5):
            async with served(gateway, quick(gate.url, reply_timeout=60)):
                await eventually(lambda: gate.connections > 0)


async def test_a_broker_that_forgot_everything_is_told_everything_again(
    broker: Broker, gateway: SmallGateway, listener: Listener
) -> None:
    async with served(gateway, quick(broker.url)):
        await listener.until(lambda: listener.count("tender/gw-1/node/node-2") == 1)
        broker.kill()
        await asyncio.to_thread(broker.start)
        await asyncio.to_thread(listener.reconnect)
        with Listener(broker.port, "tender/gw-1/#") as late:
            await late.until(lambda: len({each.topic for each in late.heard}) == 4)


async def test_on_a_dear_link_states_are_told_again_only_to_a_broker_that_forgot_us(
    broker: Broker, gateway: SmallGateway, listener: Listener
) -> None:
    place = "tender/gw-1/node/node-2"
    settings = {"republish_states": "session-lost"}
    async with Gate(broker.port) as gate, served(gateway, quick(gate.url, **settings)):
        await listener.until(lambda: listener.count(place) == 1)
        await eventually(lambda: gateway.published["node-2"] == 1)
        for count in range(2, 5):
            before = gate.connections
            gate.cut()
            await listener.until(lambda: gate.connections > before)  # noqa: B023 - awaited here
            await listener.until(lambda: state(listener) == "online")
            await all_told(gateway, listener)
            assert listener.count(place) == 1, count
        broker.kill()
        await asyncio.to_thread(broker.start)
        await asyncio.to_thread(listener.reconnect)
        await listener.until(lambda: listener.count(place) == 2)


async def test_a_broker_that_lets_us_in_and_throws_us_out_is_not_run_over(
    gateway: SmallGateway, broker: Broker
) -> None:
    async with Gate(broker.port) as gate:
        gate.cut_after(0)
        async with served(gateway, quick(gate.url, retry_first=0.05, retry_cap=10.0)):
            for _ in range(100):
                await asyncio.sleep(0.01)
                gate.cut()
    assert 2 <= gate.connections <= 8


# What the gateway must not forget when it is killed


def send(listener: Listener, *names: str) -> None:
    for name in names:
        args = {"node": name}
        listener.publish(COMMAND, json.dumps({"schema": 1, "id": name, "verb": "rollback", "args": args}))


@contextmanager
def process(broker: Broker, done: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    """A gateway that is killed at the end, if not before."""
    command = [sys.executable, "-m", "tests.gateway.upstream.mortal", broker.url, str(done), *more]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


@PROTOCOLS
def test_commands_that_a_killed_gateway_had_not_done_come_to_the_next_one(
    broker: Broker, listener: Listener, tmp_path: Path, protocol: str
) -> None:
    done = tmp_path / "done"
    names = [f"node-{number}" for number in range(5)]
    with process(broker, done, protocol, "stuck") as first:
        listener.wait(lambda: state(listener) == "online")
        send(listener, *names)
        assert first.stdout is not None
        assert first.stdout.readline() == "begun node-0\n"
    listener.wait(lambda: state(listener) == "offline lost")
    assert not done.exists()
    assert listener.count(RESULT) == 0
    with process(broker, done, protocol):
        listener.wait(lambda: listener.count(RESULT) == 5)
    assert done.read_text().split() == names
    assert [each.json["id"] for each in listener.on(RESULT)] == names
    assert all(each.json["ok"] for each in listener.on(RESULT))


@pytest.mark.slow
def test_no_command_is_lost_however_often_the_gateway_is_killed(
    broker: Broker, listener: Listener, tmp_path: Path
) -> None:
    chance = random.Random(7)
    done = tmp_path / "done"
    names = [f"node-{number}" for number in range(200)]
    with process(broker, done):  # the broker knows it from now on
        listener.wait(lambda: state(listener) == "online")
    kills = 0
    for number in range(0, 200, 10):
        send(listener, *names[number : number + 10])
        before = listener.count(RESULT)
        with process(broker, done):
            kills += 1
            # At some command's answer, and then somewhere between two of them.
            reached = before + chance.randrange(1, 10)
            listener.wait(lambda: listener.count(RESULT) >= reached)  # noqa: B023 - awaited here
    with process(broker, done):
        listener.wait(lambda: {each.json["id"] for each in listener.on(RESULT)} == set(names))
    carried_out = done.read_text().split()
    assert list(dict.fromkeys(carried_out)) == names, "done in another order than asked for"
    assert kills == 20
