"""The virtual air is as slow, as deaf and as unreliable as it says."""

import asyncio

import pytest
from bleak import BleakClient
from bleak.exc import BleakError

from tests.transports.air.rig import VALUE, persona, rig
from transports.virtual.air.timing import RADIO, Timing
from transports.virtual.clock import run_virtual

SIZE = 244
COUNT = 400


def test_writes_are_taken_at_once_and_arrive_at_the_pace_of_the_air() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with rig() as here, BleakClient(await here.find(), backend=here.client) as client:
            began = loop.time()
            for _ in range(COUNT):
                await client.write_gatt_char(VALUE, bytes(SIZE), response=False)
            assert loop.time() == began, "no back-pressure, as with BlueZ"
            await here.nodes[0].has(COUNT * SIZE)
            rate = COUNT * SIZE / (loop.time() - began)
            assert rate == pytest.approx(RADIO.raw_rate(247), rel=0.03)

    run_virtual(main())


def test_what_was_not_sent_when_we_hang_up_is_lost_without_a_word() -> None:
    async def main() -> None:
        async with rig() as here:
            async with BleakClient(await here.find(), backend=here.client) as client:
                for _ in range(COUNT):
                    await client.write_gatt_char(VALUE, bytes(SIZE), response=False)
                await asyncio.sleep(0.1)
            assert 0 < len(here.nodes[0].got) < COUNT * SIZE

    run_virtual(main())


def test_lost_packets_are_sent_again_and_cost_their_share() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        timing = Timing(loss=0.25)
        async with rig(timing=timing) as here:
            async with BleakClient(await here.find(), backend=here.client) as client:
                began = loop.time()
                for number in range(COUNT):
                    await client.write_gatt_char(VALUE, number.to_bytes(2, "big") * 122, response=False)
                await here.nodes[0].has(COUNT * SIZE)
                rate = COUNT * SIZE / (loop.time() - began)
                assert rate == pytest.approx(timing.raw_rate(247), rel=0.1)
            got = here.nodes[0].got
            assert got == b"".join(number.to_bytes(2, "big") * 122 for number in range(COUNT))

    run_virtual(main())


def test_an_answer_comes_one_event_after_its_question() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with rig() as here, BleakClient(await here.find(), backend=here.client) as client:
            heard: asyncio.Queue[float] = asyncio.Queue()
            await client.start_notify(VALUE, lambda *_: heard.put_nowait(loop.time()))
            for _ in range(5):
                began = loop.time()
                await client.write_gatt_char(VALUE, b"?", response=False)
                took = await heard.get() - began
                assert RADIO.interval < took <= 2 * RADIO.interval + 1e-6

    run_virtual(main())


@pytest.mark.parametrize("how", ["out of reach", "no power", "another persona"])
def test_a_node_that_is_gone_is_noticed_after_the_supervision_time_out(how: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with rig() as here:
            gone = asyncio.Event()
            client = BleakClient(
                await here.find(), backend=here.client, disconnected_callback=lambda _: gone.set()
            )
            await client.connect()
            began = loop.time()
            node = here.radios[0]
            assert node.controller is not None
            if how == "out of reach":
                here.air.set_reach(here.controller, node.controller, reach=False)
            elif how == "no power":
                here.air.set_power(node.controller, on=False)
            else:
                node.appear(persona(7))
            await gone.wait()
            assert loop.time() - began == pytest.approx(RADIO.supervision, abs=0.01)
            with pytest.raises(BleakError):
                await client.read_gatt_char(VALUE)

    run_virtual(main())


def test_a_node_that_hangs_up_is_noticed_at_once() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with rig() as here:
            gone = asyncio.Event()
            client = BleakClient(
                await here.find(), backend=here.client, disconnected_callback=lambda _: gone.set()
            )
            await client.connect()
            began = loop.time()
            here.radios[0].hang_up()
            await gone.wait()
            assert loop.time() - began < 3 * RADIO.interval
            await here.find()  # it calls again

    run_virtual(main())


def test_a_node_in_its_loader_has_another_address_and_another_table() -> None:
    async def main() -> None:
        async with rig() as here:
            await here.find("n1")
            here.radios[0].appear(persona(2))
            async with BleakClient(await here.find("n2"), backend=here.client) as client:
                assert client.address == "C0:00:00:00:00:02"
                assert await client.read_gatt_char(VALUE) == b"a value"

    run_virtual(main())


def test_an_error_of_the_node_is_an_error_of_the_write() -> None:
    async def main() -> None:
        async with rig() as here, BleakClient(await here.find(), backend=here.client) as client:
            with pytest.raises(BleakError, match="0x80"):
                await client.write_gatt_char(VALUE, b"no", response=True)
            await client.write_gatt_char(VALUE, b"yes", response=True)

    run_virtual(main())


@pytest.mark.parametrize("passkey", [None, 123456])
def test_a_secured_value_wants_a_bond_and_the_bond_is_kept(passkey: int | None) -> None:
    async def main() -> None:
        async with rig(persona(secured=True, passkey=passkey), passkey=passkey) as here:
            device = await here.find()
            async with BleakClient(device, backend=here.client) as client:
                with pytest.raises(BleakError):
                    await client.write_gatt_char(VALUE, b"x", response=True)
                await client.pair()
                await client.write_gatt_char(VALUE, b"x", response=True)
            async with BleakClient(device, backend=here.client, pair=True) as client:
                await client.write_gatt_char(VALUE, b"y", response=True)
            assert here.nodes[0].got == b"xy"

    run_virtual(main())


def test_fifty_nodes_are_found_and_reached() -> None:
    async def main() -> None:
        async with rig(*(persona(number) for number in range(1, 51))) as here:
            for number in range(1, 51):
                async with BleakClient(await here.find(f"n{number}"), backend=here.client) as client:
                    assert await client.read_gatt_char(VALUE) == b"a value"
            await asyncio.sleep(2 * RADIO.interval)  # the last goodbye is on its way
            assert all(node.connections == 1 and not node.here for node in here.nodes)

    run_virtual(main())


def test_a_hung_adapter_answers_nothing() -> None:
    async def main() -> None:
        async with rig() as here:
            here.controller.hung = True
            with pytest.raises(BleakError, match="does not answer"):
                await here.adapter.power_on()

    run_virtual(main())
