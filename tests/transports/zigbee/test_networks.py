"""The networks of a gateway, by name."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from transports.errors import BadLink
from transports.virtual.memory_zigbee import MemoryNetwork
from transports.zigbee.errors import CoordinatorLost, NetworkTrouble
from transports.zigbee.network import Network
from transports.zigbee.networks import Networks, NetworkSettings, Radio
from transports.zigbee.radios import LIBRARIES

NOWHERE = "/dev/nothing-here"


async def in_memory(name: str, settings: NetworkSettings) -> Network:
    return MemoryNetwork(name=name)


def test_a_site_without_zigbee_imports_nothing_of_it() -> None:
    program = (
        "import sys, transports.zigbee.networks, transports.virtual.memory_zigbee\n"
        "print(sorted(name for name in sys.modules if name.startswith(('zigpy', 'bellows', 'serialx'))))"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


async def test_a_network_is_made_once_and_shared_by_all_who_want_it(tmp_path: Path) -> None:
    networks = Networks({"home": NetworkSettings(NOWHERE)}, folder=tmp_path, make=in_memory)
    assert networks.names() == ("home",)
    assert networks.made == {}
    assert await networks.get("home") is await networks.get("home")
    await networks.aclose()
    assert networks.made == {}


async def test_whoever_answers_for_nodes_hears_of_a_network_before_its_caller_does(tmp_path: Path) -> None:
    given = {"a": NetworkSettings(NOWHERE), "b": NetworkSettings(NOWHERE)}
    networks = Networks(given, folder=tmp_path, make=in_memory)
    await networks.get("a")
    seen: list[str] = []
    networks.listen(lambda network: seen.append(network.name))
    assert seen == ["a"]
    await networks.get("b")
    assert seen == ["a", "b"]


async def test_an_unknown_network_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    networks = Networks({"home": NetworkSettings(NOWHERE)}, folder=tmp_path, make=in_memory)
    with pytest.raises(BadLink) as caught:
        await networks.get("hame")
    assert "home" in caught.value.what_to_do


@pytest.mark.parametrize("radio", list(LIBRARIES))
async def test_a_coordinator_that_is_not_there_is_named_and_waited_for(radio: Radio, tmp_path: Path) -> None:
    """With every radio library: its application is made, configured, and told to open the port."""
    networks = Networks({"home": NetworkSettings(NOWHERE, radio)}, folder=tmp_path)
    told = asyncio.Event()

    def made(network: Network) -> None:
        network.changed(told.set)

    networks.listen(made)
    network = await networks.get("home")
    assert not network.state.up
    async with asyncio.timeout(20):
        await told.wait()
    assert NOWHERE in network.state.trouble
    assert network.state.remedy
    with pytest.raises(CoordinatorLost):
        await network.permit(60)
    await networks.aclose()
    assert (tmp_path / "home" / "zigbee.db").exists()


async def test_a_database_that_cannot_be_read_is_said_and_left_as_it_is(tmp_path: Path) -> None:
    database = tmp_path / "home" / "zigbee.db"
    database.parent.mkdir()
    database.write_bytes(b"this was never a database" * 100)
    networks = Networks({"home": NetworkSettings(NOWHERE)}, folder=tmp_path)
    with pytest.raises(NetworkTrouble) as caught:
        await networks.get("home")
    assert str(database) in caught.value.what_to_do
    assert networks.made == {}
    assert database.read_bytes().startswith(b"this was never")
