"""Several adapters, many nodes, and connections that come to nothing."""

import asyncio

import pytest
from bleak import BleakClient
from bleak.exc import BleakError

from tests.transports.air.rig import VALUE, Rig, persona, rig
from transports.ble.adapter import Adapter
from transports.ble.backend import HciBackend
from transports.ble.hci import HciAdapter, backends
from transports.errors import LinkLost
from transports.virtual.air.radio import RadioController
from transports.virtual.air.timing import RADIO
from transports.virtual.clock import run_virtual

SECOND = "00:11:22:33:44:66"


async def another(here: Rig, address: str = SECOND) -> tuple[RadioController, HciAdapter]:
    controller = RadioController("hci1", link=here.air, public_address=address)
    adapter = HciAdapter(controller, controller, address, "hci1")
    await adapter.power_on()
    return controller, adapter


def test_of_two_adapters_that_call_the_same_node_one_has_it_and_the_other_is_told() -> None:
    async def main() -> None:
        async with rig() as here:
            device = await here.find()
            _, second = await another(here)
            clients = [
                BleakClient(device, backend=here.client),
                BleakClient(device, backend=backends(second)[1]),
            ]
            done = await asyncio.gather(*(client.connect() for client in clients), return_exceptions=True)
            failed = [error for error in done if error is not None]
            assert len(failed) == 1
            assert isinstance(failed[0], BleakError)
            assert here.nodes[0].connections == 1
            (has_it,) = [client for client in clients if client.is_connected]
            assert await has_it.read_gatt_char(VALUE) == b"a value"
            (other,) = [client for client in clients if client is not has_it]
            await has_it.disconnect()
            again = BleakClient(device, backend=other._backend.__class__)
            await again.connect()
            assert await again.read_gatt_char(VALUE) == b"a value"
            await again.disconnect()

    run_virtual(main())


def test_two_adapters_are_at_work_on_two_nodes_at_once() -> None:
    async def main() -> None:
        async with rig(persona(1), persona(2)) as here:
            controller, second = await another(here)
            one, two = Adapter(HciBackend(here.adapter), "a"), Adapter(HciBackend(second), "b")
            first = await one.connect(persona(1).address, within=5.0)
            other = await two.connect(persona(2).address, within=5.0)
            for link in (first, other):
                await link.subscribe(VALUE)
                await link.write(VALUE, bytes(100), response=False)
            assert [(await link.heard())[1][-1] for link in (first, other)] == [100, 100]
            # What one adapter loses the other keeps.
            here.air.set_power(controller, on=False)
            with pytest.raises(LinkLost):
                await other.heard()
            assert await first.read(VALUE) == b"a value"

    run_virtual(main())


def test_a_node_that_is_out_of_reach_fails_one_connect_and_no_other() -> None:
    async def main() -> None:
        async with rig(persona(1), persona(2)) as here:
            far, near = await here.find("n1"), await here.find("n2")
            here.air.set_reach(here.controller, here.radios[0], reach=False)
            with pytest.raises((BleakError, TimeoutError)):
                await BleakClient(far, backend=here.client, timeout=3.0).connect()
            async with BleakClient(near, backend=here.client) as client:
                assert await client.read_gatt_char(VALUE) == b"a value"
            here.air.set_reach(here.controller, here.radios[0], reach=True)
            async with BleakClient(far, backend=here.client) as client:
                assert await client.read_gatt_char(VALUE) == b"a value"

    run_virtual(main())


def test_a_connect_that_is_cancelled_frees_the_radio_for_the_next_one() -> None:
    async def main() -> None:
        async with rig(persona(1), persona(2)) as here:
            far, near = await here.find("n1"), await here.find("n2")
            here.air.set_reach(here.controller, here.radios[0], reach=False)
            calling = asyncio.create_task(BleakClient(far, backend=here.client).connect())
            await asyncio.sleep(1.0)
            calling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await calling
            assert here.controller.pending_le_connection is None
            async with BleakClient(near, backend=here.client) as client:
                assert await client.read_gatt_char(VALUE) == b"a value"

    run_virtual(main())


def test_a_host_that_is_reset_leaves_its_node_without_a_goodbye() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with rig() as here:
            one = Adapter(HciBackend(here.adapter), "main")
            link = await one.connect(persona(1).address, within=5.0)
            began = loop.time()
            await here.adapter.power_on()
            with pytest.raises(LinkLost):
                await link.heard()
            await (await one.connect(persona(1).address, within=10.0)).read(VALUE)
            assert loop.time() - began > RADIO.supervision
            assert here.nodes[0].connections == 2

    run_virtual(main())


def test_a_node_out_of_reach_that_restarts_is_still_out_of_reach() -> None:
    async def main() -> None:
        async with rig() as here:
            here.air.set_reach(here.controller, here.radios[0], reach=False)
            here.radios[0].appear(None)
            await asyncio.sleep(1.0)
            here.radios[0].appear(persona(1))
            one = Adapter(HciBackend(here.adapter), "main")
            async with one.scanning():
                await asyncio.sleep(3.0)
                assert not one.seen
                here.air.set_reach(here.controller, here.radios[0], reach=True)
                await asyncio.sleep(1.0)
                assert list(one.seen) == [persona(1).address]

    run_virtual(main())


def test_fifty_nodes_are_connected_at_once() -> None:
    async def main() -> None:
        async with rig(*(persona(number) for number in range(1, 51))) as here:
            one = Adapter(HciBackend(here.adapter), "main", links=50)
            addresses = [persona(number).address for number in range(1, 51)]
            links = await asyncio.gather(*(one.connect(address, within=60.0) for address in addresses))
            assert len(here.air.channels) == 50
            for link in links:
                await link.write(VALUE, bytes(200), response=False)
            await asyncio.gather(*(node.has(200) for node in here.nodes))
            assert await asyncio.gather(*(link.read(VALUE) for link in links)) == [b"a value"] * 50
            await one.aclose()

    run_virtual(main())
