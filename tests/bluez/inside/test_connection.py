"""Finding and holding a node, over BlueZ."""

import asyncio
from dataclasses import replace

import pytest

from tests.bluez.inside.world import WITHIN_S, World, plugged_in
from tests.transports.air.rig import VALUE, Counting, persona
from transports.ble.adapter import Adapter, Sighting
from transports.ble.bluez import BluezBackend
from transports.ble.errors import AdapterMissing, GattRefused, NodeNotHeard
from transports.errors import LinkLost
from transports.virtual.air.air import Air
from transports.virtual.air.node import AirNode
from transports.virtual.air.timing import Timing

ADDRESS = persona().address
OTHER = "00:1A:7D:DA:71:14"


def counting(world: World) -> Counting:
    node = Counting(persona())
    world.add(node, "n1")
    return node


def is_n1(sighting: Sighting) -> bool:
    return sighting.address == ADDRESS


async def test_a_node_is_heard_with_its_name_services_and_strength(world: World) -> None:
    counting(world)
    heard = await world.adapter.hear(is_n1, within=WITHIN_S)
    assert heard.data.local_name == "n1"
    assert heard.services == (persona().advertisement.services[0],)
    assert -60 < heard.rssi < -40


async def test_a_node_goes_on_being_heard_as_long_as_anybody_listens(world: World) -> None:
    counting(world)
    async with world.adapter.scanning():
        first = await world.adapter.hear(is_n1, within=WITHIN_S)
        again = await world.adapter.hear(is_n1, within=WITHIN_S)
        assert again.at > first.at


async def test_a_node_that_is_not_there_is_not_heard(world: World) -> None:
    with pytest.raises(NodeNotHeard):
        await world.adapter.connect(ADDRESS, within=1.0)


async def test_an_adapter_that_is_not_there_is_missing() -> None:
    with pytest.raises(AdapterMissing, match="BlueZ has no adapter 00:00:00:00:00:01"):
        await BluezBackend("00:00:00:00:00:01").power_on()


async def test_the_mtu_is_what_the_node_agreed_to(world: World) -> None:
    node = counting(world)
    link = await world.adapter.connect(ADDRESS, within=WITHIN_S)
    assert link.room(VALUE) == persona().att_mtu - 3
    await link.write(VALUE, bytes(link.room(VALUE)), response=False)
    async with asyncio.timeout(WITHIN_S):
        await node.has(link.room(VALUE))


async def test_values_are_read_written_and_heard(world: World) -> None:
    node = counting(world)
    link = await world.adapter.connect(ADDRESS, within=WITHIN_S)
    assert await link.read(VALUE) == b"a value"
    await link.subscribe(VALUE)
    await link.write(VALUE, b"abc", response=True)
    assert node.got == b"abc"
    async with asyncio.timeout(WITHIN_S):
        assert await link.heard() == (VALUE, (3).to_bytes(4, "big"))
    with pytest.raises(GattRefused) as refused:
        await link.write(VALUE, b"no", response=True)
    assert refused.value.att_error == 0x80


async def test_what_was_written_last_is_lost_when_one_hangs_up_at_once(world: World) -> None:
    """Why a write that returned says nothing: BlueZ takes everything, and throws it away."""
    world.air.timing = Timing(interval=0.2, packets=1)
    node = counting(world)
    link = await world.adapter.connect(ADDRESS, within=WITHIN_S)
    for _ in range(200):
        await link.write(VALUE, bytes(link.room(VALUE)), response=False)
    await link.aclose()
    assert 0 < len(node.got) < 200 * 244


async def test_a_node_that_leaves_is_noticed(world: World) -> None:
    node = counting(world)
    link = await world.adapter.connect(ADDRESS, within=WITHIN_S)
    assert node.radio is not None
    node.radio.hang_up()
    async with asyncio.timeout(WITHIN_S):
        with pytest.raises(LinkLost):
            await link.heard()
    assert link.lost
    assert not world.adapter.open_links


async def test_an_adapter_is_found_by_its_address_whatever_its_number(world: World) -> None:
    """Another one is plugged in, and the node is in reach of that one only."""
    air = Air()
    other = await plugged_in(air, OTHER)
    assert other.number != world.lent.number
    adapter = Adapter(BluezBackend(OTHER), "other")
    radio = AirNode(air, Counting(persona(2)), "n2")
    link = await adapter.connect(persona(2).address, within=WITHIN_S)
    assert link.has(VALUE)
    await adapter.aclose()
    await radio.aclose()
    with pytest.raises(NodeNotHeard):
        await world.adapter.connect(persona(2).address, within=1.0)


async def test_an_adapter_that_is_switched_off_and_on_hears_and_connects_again(world: World) -> None:
    counting(world)
    link = await world.adapter.connect(ADDRESS, within=WITHIN_S)
    await world.adapter.backend.power_cycle()
    async with asyncio.timeout(WITHIN_S):
        with pytest.raises(LinkLost):
            await link.heard()
    await world.adapter.connect(ADDRESS, within=WITHIN_S)


async def test_nothing_is_kept_of_a_table_that_the_node_no_longer_has(world: World) -> None:
    """The same address, another firmware: its one characteristic has another name now."""
    other = VALUE.replace("da2e", "da2f")
    (service,) = persona().services
    (known,) = service.characteristics
    renamed = replace(persona(), services=(replace(service, characteristics=(replace(known, uuid=other),)),))
    node = counting(world)
    link = await world.adapter.connect(ADDRESS, within=WITHIN_S)
    assert link.has(VALUE)
    assert node.radio is not None
    node.radio.appear(renamed)
    async with asyncio.timeout(WITHIN_S):
        with pytest.raises(LinkLost):
            await link.heard()
    link = await world.adapter.connect(ADDRESS, within=WITHIN_S, fresh=True)
    assert link.has(other)
    assert not link.has(VALUE)
