"""The same flasher over a radio: SMP as GATT values, on the virtual air."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from flashers.api import Calling, NotSupported, Role, VirtualSetup
from flashers.conformance.session import BenchSession
from flashers.mcuboot_smp.flasher import McubootFlasher
from flashers.mcuboot_smp.params import SmpParams
from flashers.mcuboot_smp.virtual import VirtualMcubootNode
from tests.flashers.mcuboot_smp.world import LARGE, NEW, OLD, SMALL, World, image_file
from transports.ble.adapter import Adapter
from transports.ble.backend import HciBackend
from transports.ble.hci import HciAdapter
from transports.ble.link import BleakLink
from transports.errors import LinkLost, TenderError
from transports.gatt import GattLink
from transports.virtual.air.air import Air
from transports.virtual.air.node import AirNode
from transports.virtual.air.radio import RadioController
from transports.virtual.air.timing import RADIO, Timing
from transports.virtual.clock import run_virtual

ADDRESS = "C0:00:00:00:00:01"
BIG = image_file("3.0.0", size=100_000)


@dataclass(slots=True)
class AirWorld(World):
    """A node behind a radio, and the radio."""

    air: Air = field(kw_only=True)
    adapter: Adapter = field(kw_only=True)
    links: list[BleakLink] = field(kw_only=True)


class Bare(BleakLink):
    """A connection whose table was read while nothing stood in it yet, as it happens with BlueZ."""

    def has(self, characteristic: str) -> bool:
        del characteristic
        return False


@asynccontextmanager
async def on_air(
    options: Mapping[str, str] = SMALL, *, timing: Timing = RADIO, running: bytes = OLD, bare: int = 0
) -> AsyncIterator[AirWorld]:
    """A node that runs ``running``, an adapter, and a flasher; so many connections are bare ones first."""
    params = SmpParams()
    node = VirtualMcubootNode(VirtualSetup(params, flash={"app": running}, options=options))
    air = Air(timing)
    radio = AirNode(air, node.radio("th", ADDRESS))
    controller = RadioController("hci0", link=air, public_address="00:11:22:33:44:55")
    adapter = Adapter(HciBackend(HciAdapter(controller, controller, "00:11:22:33:44:55", "hci0")), "main")
    links: list[BleakLink] = []

    async def connect(callings: tuple[Calling, ...]) -> GattLink:
        assert callings == (Calling(address=ADDRESS),)
        links.append(await adapter.connect(ADDRESS, within=6.0))
        if len(links) <= bare:
            links[-1].__class__ = Bare
        return links[-1]

    session = BenchSession(radio=connect, address=ADDRESS)
    flasher = McubootFlasher(session, params)
    try:
        yield AirWorld(node, session, flasher, air=air, adapter=adapter, links=links)
    finally:
        await session.close()
        await adapter.aclose()
        await radio.aclose()


async def updated(world: AirWorld, data: bytes) -> None:
    await world.transfer(data)
    await world.activate(data)
    assert (await world.answering()).role is Role.APP
    await world.confirm(data)


async def brought(world: AirWorld, data: bytes) -> None:
    """Try again, as a host does, after whatever may be tried again."""
    for _ in range(6):
        try:
            await updated(world, data)
        except TenderError as error:
            if not error.retryable:
                raise
        else:
            return
    raise AssertionError("it is never got over")


def test_an_image_is_brought_in_started_and_confirmed_over_the_air() -> None:
    async def main() -> None:
        async with on_air() as world:
            await updated(world, NEW)
            assert world.runs(NEW)
            assert world.node.truth().confirmed
            assert len(world.links) >= 2, "a restart ends the connection"

    run_virtual(main())


def test_a_table_that_lacks_the_service_is_read_once_more() -> None:
    async def main() -> None:
        async with on_air(bare=1) as world:
            await updated(world, NEW)
            assert world.links[0].lost, "the bare one was not kept open beside the other"
        async with on_air(bare=2) as world:
            with pytest.raises(NotSupported, match="no SMP service"):
                await world.probe()

    run_virtual(main())


@pytest.mark.parametrize("loss", [0.0, 0.05])
@pytest.mark.parametrize(("size", "count"), [(384, 4), (2475, 4)])
def test_a_transfer_is_nearly_as_fast_as_the_air_allows(size: int, count: int, loss: float) -> None:
    """The limit is the smaller of what the air carries and what fits into the node per round trip.

    One of its buffers is for the answer.
    """

    async def main() -> None:
        loop = asyncio.get_running_loop()
        timing = Timing(loss=loss)
        options = LARGE | {"buf-size": str(size), "buf-count": str(count)}
        async with on_air(options, timing=timing) as world:
            await world.probe()
            began = loop.time()
            await world.transfer(BIG)
            rate = len(BIG) / (loop.time() - began)
            limit = timing.limit(247, size * (count - 1))
            assert world.lies_in(1) == BIG
            assert rate > 0.85 * limit

    run_virtual(main())


def test_a_drop_of_the_link_at_any_packet_costs_a_resumption_and_nothing_else() -> None:
    async def main() -> None:
        for drop in range(1, 40):
            async with on_air() as world:
                await world.probe()
                await drop_after(world, drop)
                await brought(world, NEW)
                assert world.runs(NEW), f"a drop after packet {drop}"

    run_virtual(main())


async def drop_after(world: AirWorld, packets: int) -> None:
    """Lose the connection once so many packets have passed; both sides learn it at once."""
    (link,) = world.links
    passed, write = 0, link.write

    async def counted(characteristic: str, data: bytes, *, response: bool) -> None:
        nonlocal passed
        passed += 1
        if passed == packets:
            await link._client.disconnect()
            link.gone()
            raise LinkLost("the supervision time-out")
        await write(characteristic, data, response=response)

    link.write = counted  # type: ignore[method-assign]


def test_a_node_that_loses_power_in_the_transfer_goes_on_when_it_is_back() -> None:
    async def main() -> None:
        async with on_air() as world:
            await world.probe()
            world.node.cut_power_at(world.node.operations + 4, torn=True, off_for=3.0)
            await brought(world, NEW)
            assert world.runs(NEW)

    run_virtual(main())


def test_a_node_out_of_reach_is_silent_and_not_an_error() -> None:
    async def main() -> None:
        async with on_air() as world:
            world.node.power_off()
            assert (await world.probe()).role is Role.SILENT

    run_virtual(main())
