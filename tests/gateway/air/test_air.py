"""An air from a file: what may stand in it, what is on it then, and what it can be told."""

import asyncio
import textwrap
import tomllib
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway.air.description import AirDescription, BadAir, read_air
from gateway.air.orders import obey
from gateway.air.world import AirWorld
from gateway.cli.air import EPILOG
from gateway.orders import listen, send_order
from gateway.profiles.load import load_profiles
from transports.ble.adapter import Adapter
from transports.ble.errors import NodeNotHeard
from transports.ble.hci_socket import HciSocketBackend
from transports.ble.link import BleakLink
from transports.ble.place import HciPlace
from transports.errors import LinkLost
from transports.links import Medium
from transports.virtual.air.battery import BATTERY_LEVEL
from transports.virtual.air.timing import RADIO

PATIENCE = 20.0
PROFILES = load_profiles()


def described(folder: Path, **nodes: Any) -> AirDescription:
    return AirDescription.model_validate(
        {
            "air": {"interval": 0.002, "supervision": 0.4},
            "control": f"unix:{folder}/control",
            "adapters": {
                "main": {"listen": f"unix:{folder}/main", "address": "00:1A:7D:00:00:01"},
                "second": {"listen": f"unix:{folder}/second", "address": "00:1A:7D:00:00:02"},
            },
            "nodes": nodes,
        }
    )


def sensor(number: int = 1, **rest: Any) -> dict[str, Any]:
    return {"profile": "demo-ble-sensor", "address": f"C0:00:00:00:00:{number:02X}"} | rest


def adapter(folder: Path, name: str = "main") -> Adapter:
    return Adapter(HciSocketBackend(f"unix:{folder}/{name}", name), name)


async def let_go(*adapters: Adapter) -> None:
    for each in adapters:
        await each.aclose()
        backend = each.backend
        assert isinstance(backend, HciSocketBackend)
        await backend.aclose()


async def test_nodes_are_heard_with_their_strength_by_the_adapters_in_reach(tmp_path: Path) -> None:
    nodes = {"near": sensor(1, rssi=-40), "far": sensor(2, rssi=-88, out_of_range=["second"])}
    async with AirWorld(described(tmp_path, **nodes), PROFILES, tmp_path), asyncio.timeout(PATIENCE):
        main, second = adapter(tmp_path), adapter(tmp_path, "second")
        near = await main.hear(lambda one: one.address.endswith(":01"), within=5.0)
        far = await main.hear(lambda one: one.address.endswith(":02"), within=5.0)
        assert (near.rssi, far.rssi) == (-40, -88)
        assert (far.data.local_name, far.device.name) == ("far", "far")
        with pytest.raises(NodeNotHeard):
            await second.hear(lambda one: one.address.endswith(":02"), within=0.5)
        await let_go(main, second)


RADIOS = [name for name in PROFILES if Medium.BLE in PROFILES.get(name).media]


async def test_every_type_behind_a_radio_has_virtual_nodes_that_call(tmp_path: Path) -> None:
    assert {"mcuboot-ble", "nordic-secure-dfu", "nordic-legacy-dfu", "microbit-v1"} <= set(RADIOS)
    nodes = {f"n{number}": sensor(2 * number, profile=name) for number, name in enumerate(RADIOS)}
    async with AirWorld(described(tmp_path, **nodes), PROFILES, tmp_path) as world:
        main = adapter(tmp_path)
        async with asyncio.timeout(PATIENCE):
            for placed in world.nodes.values():
                link = await main.connect(placed.address, within=5.0)
                assert link.address == placed.address
                await link.aclose()
        await let_go(main)
        assert all(placed.node.truth().bootable for placed in world.nodes.values())


async def test_a_node_can_be_told_to_go_away_and_to_come_back(tmp_path: Path) -> None:
    async with AirWorld(described(tmp_path, th=sensor(battery=80)), PROFILES, tmp_path) as world:
        server = await listen(partial(obey, world), HciPlace.parse(f"unix:{tmp_path}/control"))

        async def tell(order: str) -> dict[str, Any]:
            return await send_order(HciPlace.parse(f"unix:{tmp_path}/control"), order)

        main = adapter(tmp_path)
        async with asyncio.timeout(PATIENCE):
            link = await main.connect("C0:00:00:00:00:01", within=5.0)
            assert await link.read(BATTERY_LEVEL) == bytes([80])
            assert await tell("th battery 12") == {"battery": 12}
            assert await link.read(BATTERY_LEVEL) == bytes([12])
            assert (await tell("th truth"))["connected"] is True
            assert (await tell("th range out main"))["adapters"] == ["main"]
            with pytest.raises(LinkLost):
                await link.heard()
            await tell("th range in")
            again: BleakLink = await main.connect("C0:00:00:00:00:01", within=5.0)
            truth = await tell("th power off")
            assert (truth["powered"], truth["running"]) == (False, {})
            with pytest.raises(LinkLost):
                await again.heard()
            assert (await tell("th power on"))["powered"] is True
            assert await (await main.connect("C0:00:00:00:00:01", within=5.0)).read(BATTERY_LEVEL)
            assert (await tell("adapter main drop"))["hung"] is False
            await tell("th rssi -91")
            assert (await main.hear(lambda one: one.rssi == -91, within=10.0)).address.endswith(":01")
        await let_go(main)
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    ("order", "error"),
    [
        ("th fly", "no order 'fly'"),
        ("nobody power on", "no node 'nobody'"),
        ("th power maybe", "power is on or off"),
        ("th range in third", "no adapter 'third'"),
        ("th battery 12", "has no battery"),
        ("th rssi loud", "loud"),
        ("th cut", "cut OPERATION"),
        ("adapter third drop", "no adapter 'third'"),
        ("adapter main fly", "drop|hang|wake"),
        ("what", "`help` lists the orders"),
    ],
)
async def test_an_order_that_makes_no_sense_says_why(tmp_path: Path, order: str, error: str) -> None:
    async with AirWorld(described(tmp_path, th=sensor()), PROFILES, tmp_path) as world:
        assert error in obey(world, order)["error"]
        assert obey(world, "nodes")["nodes"]["th"]["bootable"] is True


async def test_copies_have_names_and_addresses_with_room_for_their_loaders(tmp_path: Path) -> None:
    air = described(tmp_path, th=sensor(count=3))
    async with AirWorld(air, PROFILES, tmp_path) as world:
        assert {name: placed.address for name, placed in world.nodes.items()} == {
            "th-1": "C0:00:00:00:00:01",
            "th-2": "C0:00:00:00:00:03",
            "th-3": "C0:00:00:00:00:05",
        }


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "adapters: Field required"),
        ("[adapters.a]\nlisten = 'air'\naddress = '00:1A:7D:00:00:01'", "write unix:/path or tcp:HOST:PORT"),
        ("nodes = [", "Invalid value"),
        ("{OK}[nodes.n]\nprofile = 'x'\naddress = '10:00:00:00:00:01'", "begins with C0 to FF"),
        ("{OK}[nodes.n]\nprofile = 'x'\naddress = 'C0'", "an address is written"),
        (
            "{OK}[nodes.n]\nprofile = 'x'\naddress = 'C0:00:00:00:00:01'\nout_of_range = ['b']",
            "no adapter 'b'",
        ),
        ("{OK}[nodes.n]\nprofile = 'x'\naddress = 'C0:00:00:00:00:01'\nspeed = 1", "nodes.n.speed"),
        ("{OK}[air]\nrate = 20_000", "`rate` and `latency` go together"),
        ("{OK}[air]\nrate = 1\nlatency = 1\npackets = 1", "either `rate` and `latency`"),
        (
            "{OK}nodes.n = { profile = 'x', address = 'C0:00:00:00:00:01' }\n{TWO}",
            "m has the address C0:00:00:00:00:01 of n",
        ),
    ],
)
def test_a_description_that_makes_no_sense_names_the_key(tmp_path: Path, text: str, error: str) -> None:
    good = "adapters.a = { listen = 'unix:/run/air', address = '00:1A:7D:00:00:01' }\n"
    file = tmp_path / "air.toml"
    two = "nodes.m = { profile = 'x', address = 'c0:00:00:00:00:01' }"
    file.write_text(text.replace("{OK}", good).replace("{TWO}", two))
    with pytest.raises(BadAir) as refused:
        read_air(file)
    assert error in str(refused.value)


@pytest.mark.parametrize(
    ("node", "error"),
    [
        (sensor(traits={"flies": ""}), "flies"),
        (sensor(firmware={"tail": "no.bin"}), "no component 'tail'"),
        (sensor(firmware={"app": "no.bin"}), "No such file"),
        (sensor(profile="demo-relay"), "no radio"),
    ],
)
async def test_a_node_that_cannot_be_made_is_named(tmp_path: Path, node: dict[str, Any], error: str) -> None:
    with pytest.raises(BadAir) as refused:
        await AirWorld(described(tmp_path, th=node), PROFILES, tmp_path).__aenter__()
    assert error in str(refused.value)


def test_the_air_in_the_help_is_a_good_one() -> None:
    _, _, rest = EPILOG.partition("greenhouse.toml):\n")
    text, _, _ = rest.partition("then, while it runs")
    air = AirDescription.model_validate(tomllib.loads(textwrap.dedent(text)))
    assert [name for name, _ in air.nodes["th"].copies("th")][-1] == "th-10"
    assert air.control is not None


def test_a_pace_may_be_said_as_a_rate_and_a_latency() -> None:
    air = {"rate": 20_000, "latency": 0.05, "loss": 0.05}
    adapters = {"a": {"listen": "unix:/run/air", "address": "00:1A:7D:00:00:01"}}
    timing = AirDescription.model_validate({"air": air, "adapters": adapters}).air.timing()
    assert timing.raw_rate(247) == pytest.approx(0.95 * 20_000)
    assert 2 * timing.interval == pytest.approx(0.05, rel=0.1)
    assert AirDescription.model_validate({"adapters": adapters}).air.timing() == RADIO
