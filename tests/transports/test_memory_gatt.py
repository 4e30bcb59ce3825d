"""A radio in memory does what a radio does to a flasher."""

import asyncio
from dataclasses import dataclass, replace

import pytest

from tests.transports.air.rig import VALUE, Counting, persona
from transports.ble.errors import GattRefused, NodeNotHeard, PairingFailed
from transports.errors import LinkLost
from transports.gatt import Advertisement, GattLink
from transports.virtual.clock import run_virtual
from transports.virtual.memory_gatt import LATENCY, MemoryAir, MemoryGatt, MemoryRadio, at, either

ADDRESS = persona().address


def on_air(node: Counting, *drops: int, spacing: float = 0.0) -> tuple[MemoryAir, MemoryRadio]:
    air = MemoryAir(spacing=spacing)
    return air, air.add(node, drops=drops)


async def linked(node: Counting, *drops: int, spacing: float = 0.0) -> tuple[MemoryRadio, MemoryGatt]:
    air, radio = on_air(node, *drops, spacing=spacing)
    return radio, await air.connect(at(ADDRESS), within=1.0)


def test_a_value_is_written_read_and_listened_to() -> None:
    async def main() -> None:
        node = Counting(persona())
        radio, link = await linked(node)
        assert isinstance(link, GattLink)
        assert link.address == ADDRESS
        assert link.has(VALUE)
        assert not link.has("0000180f-0000-1000-8000-00805f9b34fb")
        assert link.room(VALUE) == 244
        assert await link.read(VALUE) == b"a value"
        await link.subscribe(VALUE)
        await link.write(VALUE, b"abc", response=False)
        assert await link.heard() == (VALUE, (3).to_bytes(4, "big"))
        await link.write(VALUE, b"de", response=True)
        assert node.got == b"abcde"
        with pytest.raises(GattRefused) as refused:
            await link.write(VALUE, b"no", response=True)
        assert refused.value.att_error == 0x80
        # Read, subscription and two writes were asked and answered; one write was not.
        assert (radio.counts.down, radio.counts.links) == (5, 1)
        assert radio.counts.up == 4 + 3
        assert radio.counts.packets == 12

    run_virtual(main())


def test_writes_without_response_are_taken_however_many_wait_and_the_tail_is_lost_with_the_link() -> None:
    async def main() -> None:
        node = Counting(persona())
        radio, link = await linked(node, spacing=0.01)
        for _ in range(100):
            await link.write(VALUE, b"x", response=False)
        assert asyncio.get_running_loop().time() == 0.0
        await asyncio.sleep(0.305)
        await link.aclose()
        await asyncio.sleep(10.0)
        assert len(node.got) == 31
        assert radio.counts.lost == 69
        assert not node.here
        assert link.lost

    run_virtual(main())


def test_nothing_arrives_from_the_packet_on_at_which_the_link_fades() -> None:
    async def main() -> None:
        for drop in range(1, 6):
            node = Counting(persona())
            radio, link = await linked(node, drop)
            loop = asyncio.get_running_loop()
            began = loop.time()
            for _ in range(5):
                await link.write(VALUE, b"x", response=False)
            with pytest.raises(LinkLost):
                await link.heard()
            assert loop.time() - began == pytest.approx(radio.air.supervision + LATENCY)
            assert len(node.got) == drop - 1
            assert not node.here
            again = await radio.air.connect(at(ADDRESS), within=1.0)
            await again.write(VALUE, b"yz", response=True)
            assert len(node.got) == drop + 1

    run_virtual(main())


def test_a_link_that_fades_with_the_answer_leaves_the_host_without_one() -> None:
    async def main() -> None:
        node = Counting(persona())
        _, link = await linked(node, 2)
        with pytest.raises(LinkLost):
            await link.write(VALUE, b"x", response=True)
        assert node.got == b"x", "it came, and nobody knows"

    run_virtual(main())


def test_what_was_heard_before_the_end_is_still_handed_out() -> None:
    async def main() -> None:
        node = Counting(persona())
        radio, link = await linked(node)
        await link.subscribe(VALUE)
        await link.write(VALUE, b"x", response=True)
        radio.hang_up()
        await asyncio.sleep(1.0)
        assert await link.heard() == (VALUE, (1).to_bytes(4, "big"))
        with pytest.raises(LinkLost):
            await link.heard()
        with pytest.raises(LinkLost):
            await link.write(VALUE, b"x", response=False)
        assert radio.link is None

    run_virtual(main())


def test_a_node_in_its_loader_is_found_by_what_it_calls_there() -> None:
    @dataclass(frozen=True)
    class Called:
        name: str
        service: str

        def fits(self, address: str, name: str | None, services: tuple[str, ...], /) -> bool:
            del address
            return name == self.name and self.service in services

    async def main() -> None:
        node = Counting(persona())
        air, radio = on_air(node)
        link = await air.connect(at(ADDRESS), within=1.0)
        loader = replace(persona(2), advertisement=Advertisement("DfuTarg", ("fe59",)), att_mtu=23)
        radio.appear(loader)
        assert not node.here
        with pytest.raises(LinkLost):
            await link.heard()
        with pytest.raises(NodeNotHeard):
            await air.connect(at(ADDRESS), within=5.0)
        with pytest.raises(NodeNotHeard):
            await air.connect(either([Called("DfuTarg", "180d")]), within=5.0)
        there = await air.connect(either([Called("n", "fe59"), Called("DfuTarg", "fe59")]), within=5.0)
        assert there.address == loader.address
        assert there.room(VALUE) == 20

    run_virtual(main())


def test_who_waits_for_a_node_hears_it_as_soon_as_it_calls() -> None:
    async def main() -> None:
        node = Counting(persona())
        air, radio = on_air(node)
        radio.set_reach(reach=False)
        waiting = asyncio.create_task(air.connect(at(ADDRESS), within=60.0))
        await asyncio.sleep(30.0)
        assert not waiting.done()
        radio.set_reach(reach=True)
        link = await waiting
        assert asyncio.get_running_loop().time() == 30.0
        radio.set_reach(reach=False)
        with pytest.raises(LinkLost):
            await link.heard()
        assert not node.here

    run_virtual(main())


def test_what_a_characteristic_does_not_allow_is_refused() -> None:
    async def main() -> None:
        node = Counting(persona(secured=True))
        air, radio = on_air(node)
        link = await air.connect(at(ADDRESS), within=1.0)
        with pytest.raises(GattRefused) as refused:
            await link.write(VALUE, b"x", response=True)
        assert refused.value.att_error == 0x05
        assert node.got == b""
        await link.aclose()
        link = await air.connect(at(ADDRESS), within=1.0, pair=True)
        await link.write(VALUE, b"x", response=True)
        assert node.got == b"x"
        with pytest.raises(GattRefused):
            await link.write(VALUE, bytes(245), response=False)
        await link.write(VALUE, bytes(245), response=True)
        assert len(node.got) == 246
        other = air.add(Counting(persona(2)))
        with pytest.raises(PairingFailed):
            await air.connect(at(persona(2).address), within=1.0, pair=True)
        assert radio.link is link
        assert other.link is None

    run_virtual(main())
