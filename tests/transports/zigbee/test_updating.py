"""A node is brought to an image over the real zigpy-znp, also by a gateway that was killed meanwhile."""

import asyncio
from pathlib import Path

import pytest

from flashers.api import Activate, EvidenceKind, Of, Probe, Role, Transfer
from flashers.conformance.session import BenchSession
from flashers.zigbee_ota.flasher import ZigbeeFlasher
from flashers.zigbee_ota.params import OtaParams
from flashers.zigbee_ota.unattended import unattended
from flashers.zigbee_ota.virtual.node import VirtualZigbeeNode
from tests.flashers.zigbee_ota.site import QUICK, image
from tests.flashers.zigbee_ota.world import IEEE, NEW, OLD, file, made
from tests.transports.zigbee.rig import World, until, world
from transports.errors import TenderError
from transports.zigbee.zigpy_network import ZigpyNetwork

SIZE = 6000
FORTH = image(NEW, SIZE)
PARAMS = OtaParams.model_validate(QUICK)


class Update:
    """A node and what a host keeps of it on its disk."""

    def __init__(self, here: World, **options: str) -> None:
        self.here = here
        self.node: VirtualZigbeeNode = made(PARAMS, running=file(OLD, SIZE), slot_pages="64", **options)
        self.words: dict[str, str] = {}

    async def host(self) -> ZigpyNetwork:
        """A gateway that has an attempt open on the node, and nobody with it yet."""
        network = await self.here.host(up=False)

        network.stand_in(lambda _, asked: unattended(asked, True).answer)
        await until(network, lambda: network.state.up)
        return network

    def session(self, network: ZigpyNetwork) -> tuple[BenchSession, ZigbeeFlasher]:
        session = BenchSession(zigbee=lambda: network.node(IEEE), words=self.words)
        return session, ZigbeeFlasher(session, PARAMS)


@pytest.mark.slow
async def test_a_node_is_updated_and_one_that_lost_its_gateway_goes_on_where_it_was(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        update = Update(here)
        network = await update.host()
        here.virtual.add(update.node.zigbee("node", IEEE), joined=False)
        await network.permit(120)
        await until(network, lambda: IEEE in network.nodes() and network.nodes()[IEEE].interviewed)
        session, flasher = update.session(network)
        half = asyncio.Event()
        session.on_progress = lambda done, _: half.set() if done >= SIZE // 3 else None
        transfer = asyncio.ensure_future(flasher.transfer(Transfer(FORTH)))
        async with asyncio.timeout(60):
            await half.wait()
        transfer.cancel()  # the process is gone: no word to the node
        await asyncio.wait({transfer})
        await here.stop()

        network = await update.host()
        began: list[int] = []
        session, flasher = update.session(network)
        session.on_progress = lambda done, _: began.append(done)
        async with asyncio.timeout(90):
            staged = await flasher.transfer(Transfer(FORTH))
        assert staged is not None
        assert began
        assert began[0] >= SIZE // 3, "it resumed at its offset"
        async with asyncio.timeout(60):
            await flasher.activate(Activate((FORTH,)))
            while True:
                try:
                    seen = await flasher.probe(Probe(candidates=(FORTH,)))
                except TenderError:
                    continue
                if seen.role is Role.APP and seen.proves(Of.BOOT, (EvidenceKind.VERSION,)):
                    break
                await asyncio.sleep(0.5)
        assert update.node.truth().running.get(0) == FORTH.artifact
        await flasher.cleanup()
        await session.close()
        update.node.power_off()
