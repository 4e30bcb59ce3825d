"""A node that changes its address is one node by its bond; our own host resolves it, over the virtual air."""

import asyncio

from gateway.service.radio.matching import Call
from tests.transports.air.private import LASTING, Private, heard
from tests.transports.air.rig import VALUE, rig
from transports.ble.adapter import Adapter, Sighting
from transports.ble.backend import HciBackend
from transports.virtual.clock import run_virtual


def kind(sighting: Sighting) -> str:
    """The kind of its address, as candidates show it."""
    return Call(sighting.address, "main", sighting.rssi, sighting.at, random=sighting.random).addressed


def test_a_bonded_node_is_one_node_whatever_address_it_calls_from() -> None:
    async def main() -> None:
        async with rig() as here:
            node = Private(here.air)
            await node.appear()
            adapter = Adapter(HciBackend(here.adapter), "main")
            before = await heard(adapter)
            assert before.address == node.address != LASTING
            assert kind(before) == "resolvable", "a stranger, and no rule takes it"

            link = await adapter.connect(before.address, within=10.0, pair=True)
            assert await link.read(VALUE) == b"for friends"
            await link.aclose()
            await asyncio.sleep(1.0)

            first = node.address
            for _ in range(3):
                await node.appear()
                assert node.address != first
                again = await heard(adapter)
                assert (again.address, kind(again)) == (LASTING, "static")
                link = await adapter.connect(LASTING, within=10.0, pair=True)
                assert await link.read(VALUE) == b"for friends"
                await link.aclose()
                await asyncio.sleep(1.0)
            assert await node.bonds() == 1, "it was paired with once"

    run_virtual(main())
