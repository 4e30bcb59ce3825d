"""The secure flasher over the virtual air: bleak, bumble hosts and a paced radio between it and the node."""

import asyncio
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from flashers.api import Activate, Calling, Probe, Role, Transfer, VirtualSetup
from flashers.conformance.session import BenchSession
from flashers.nordic_dfu.params import Entry, NordicParams
from flashers.nordic_dfu.secure.flasher import SecureFlasher
from flashers.nordic_dfu.virtual.secure import VirtualSecureNode
from tests.flashers.nordic_dfu.secure_world import NEW, OLD, PARAMS, package, parsed
from transports.ble.adapter import Adapter, Sighting
from transports.ble.backend import HciBackend
from transports.ble.hci import HciAdapter
from transports.errors import TenderError
from transports.gatt import GattLink
from transports.virtual.air.air import Air
from transports.virtual.air.node import AirNode
from transports.virtual.air.radio import RadioController
from transports.virtual.air.timing import RADIO, Timing
from transports.virtual.clock import run_virtual

ADDRESS = "C0:00:00:00:00:01"
OBJECT, PACKET = 4096, 244
BIG = package("3.0.0", size=25 * OBJECT)
CREATE, RECEIPT, EXECUTE = 2, 1, 2
"""Events of an object beside those of its packets."""
HELD, ERASE, WRITE = 15, 0.085, 0.0025
"""Packets that have room while a page is erased, and the seconds of that; of an nRF52840."""
FLASH = {"erase-time": f"{ERASE}", "write-time": f"{WRITE}"}


@dataclass(slots=True)
class AirWorld:
    """A node behind a radio, and what leads to it."""

    node: VirtualSecureNode
    session: BenchSession
    flasher: SecureFlasher
    links: list[GattLink]

    async def update(self, data: bytes) -> None:
        await self.flasher.enter_loader()
        await self.flasher.transfer(Transfer(parsed(data)))
        await self.flasher.activate(Activate((parsed(data),)))

    def runs(self, data: bytes) -> bool:
        return self.node.truth().running.get(0) == parsed(data).firmware.identity


@asynccontextmanager
async def on_air(
    options: Mapping[str, str] | None = None, *, timing: Timing = RADIO, pair: bool = False, **said: object
) -> AsyncIterator[AirWorld]:
    """A node that runs the old image, an adapter, and a flasher."""
    params = NordicParams.model_validate(PARAMS.model_dump() | {"reply_timeout": 5.0} | said)
    node = VirtualSecureNode(VirtualSetup(params, flash={"app": OLD}, options=options or {}))
    air = Air(timing)
    radio = AirNode(air, node.radio("th", ADDRESS))
    controller = RadioController("hci0", link=air, public_address="00:11:22:33:44:55")
    adapter = Adapter(HciBackend(HciAdapter(controller, controller, "00:11:22:33:44:55", "hci0")), "main")
    links: list[GattLink] = []

    async def connect(callings: tuple[Calling, ...]) -> GattLink:
        def wanted(seen: Sighting) -> bool:
            return any(one.fits(seen.address, seen.name, seen.services) for one in callings)

        links.append(await adapter.connect(ADDRESS, within=6.0, wanted=wanted, pair=pair))
        return links[-1]

    session = BenchSession(radio=connect, address=ADDRESS)
    try:
        yield AirWorld(node, session, SecureFlasher(session, params), links)
    finally:
        await session.close()
        await adapter.aclose()
        await radio.aclose()


@pytest.mark.parametrize("entry", [Entry.UNBONDED, Entry.NAMED])
def test_a_node_is_followed_into_its_loader_and_back(entry: Entry) -> None:
    async def main() -> None:
        async with on_air(entry=entry) as world:
            await world.update(NEW)
            assert world.runs(NEW)
            seen = await world.flasher.probe(Probe())
            assert seen.role is Role.APP
            assert len({link.address for link in world.links}) == 2

    run_virtual(main())


@pytest.mark.parametrize("loss", [0.0, 0.05])
def test_a_transfer_is_nearly_as_fast_as_the_protocol_allows(loss: float) -> None:
    """An object's last packets come when its page is erased; a loss takes a packet's turn."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        timing = Timing(loss=loss)
        async with on_air(FLASH, timing=timing, erase_time=ERASE) as world:
            await world.flasher.enter_loader()
            began = loop.time()
            await world.flasher.transfer(Transfer(parsed(BIG)))
            rate = parsed(BIG).size / (loop.time() - began)
            erased = max(CREATE + math.ceil(HELD / timing.packets), math.ceil(ERASE / timing.interval))
            rest = math.ceil((math.ceil(OBJECT / PACKET) - HELD) / timing.packets)
            limit = OBJECT / ((erased + rest + RECEIPT + EXECUTE) * timing.interval)
            assert world.session.bytes_sent == parsed(BIG).size, "nothing found no room"
            assert rate > (0.85 if not loss else 0.7) * limit, f"{rate:.0f} of {limit:.0f} bytes a second"

    run_virtual(main())


@pytest.mark.parametrize(("keeps", "most"), [("link", OBJECT), ("nothing", 25 * OBJECT)])
def test_a_lost_tail_is_noticed_and_sent_again(keeps: str, most: int) -> None:
    """What is still queued when the connection ends does not arrive; the loader is asked what it has."""

    async def main() -> None:
        async with on_air(keeps=keeps) as world:
            await world.flasher.enter_loader()
            everything, sent = asyncio.Event(), world.session.sent

            def counted(count: int) -> None:
                sent(count)
                if world.session.bytes_sent >= parsed(BIG).size:
                    everything.set()

            world.session.sent = counted  # type: ignore[method-assign]
            transfer = asyncio.create_task(world.flasher.transfer(Transfer(parsed(BIG))))
            await everything.wait()
            await world.session.close()
            await transfer
            more = world.session.bytes_sent - parsed(BIG).size
            assert 0 < more <= most
            await world.flasher.activate(Activate((parsed(BIG),)))
            assert world.runs(BIG)

    run_virtual(main())


def test_a_node_with_bonds_is_followed_into_its_loader_which_pairs_with_nobody() -> None:
    async def main() -> None:
        async with on_air(entry=Entry.BONDED, pair=True) as world:
            await world.update(NEW)
            assert world.runs(NEW)
            assert len({link.address for link in world.links}) == 1

    run_virtual(main())


def test_a_node_that_loses_power_in_the_transfer_is_brought_there_all_the_same() -> None:
    async def main() -> None:
        async with on_air() as world:
            world.node.cut_power_at(world.node.operations + 8, torn=True, off_for=3.0)
            for _ in range(6):
                try:
                    await world.update(NEW)
                except TenderError as error:
                    if not error.retryable:
                        raise
                if world.runs(NEW):
                    return
            raise AssertionError("it is never got over")

    run_virtual(main())
