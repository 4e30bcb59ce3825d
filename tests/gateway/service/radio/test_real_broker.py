"""Two gateways with a real broker between them: what the walk assumes of one is so."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.gateway.service.radio.twins import made
from tests.peers.listener import Listener
from tests.peers.mosquitto import Broker

pytestmark = [pytest.mark.peer, pytest.mark.slow, pytest.mark.timeout(120)]


async def test_one_owner_over_a_broker_that_is_killed_and_a_handover_that_upstream_asks_for(
    tmp_path: Path, broker: Broker
) -> None:
    async with made(tmp_path / "site", "a", "b", url=broker.url) as world:
        world.node("n")
        await world.start()
        await world.until(lambda: world.owners("n"), within=60.0)
        (owner,) = world.owners("n")
        (other,) = set(world.twins) - {owner}
        await world.until(lambda: world[other].owners.view("n").owner == owner, within=60.0)

        broker.kill()
        with pytest.raises(TimeoutError):
            await world.until(lambda: world.owners("n") != [owner], within=2.0)
        broker.start()

        with Listener(broker.port) as listener:
            command = {"schema": 1, "id": "c1", "verb": "handover", "args": {"node": "n", "to": other}}
            await world.until(lambda: world[owner].owners.reading.online, within=60.0)
            listener.publish(f"tender/{owner}/command", json.dumps(command))
            await world.until(lambda: world.owners("n") == [other], within=60.0)
            await world.until(lambda: world[owner].owners.view("n").owner == other, within=60.0)
        await asyncio.sleep(0)
