"""Samples of the same faults over the real zigpy and zigpy-znp: a port, a coordinator, a channel.

In memory a frame is a call.  Here is all that a gateway uses otherwise, in real time: its networks and
their databases, ZNP over a PTY, acknowledgements on the air, and a journal on disk.
"""

import asyncio
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest

from gateway.journal import Database, Journal
from tests.matrix.cases import CASES, Case
from tests.matrix.fates import Event, Fate
from tests.matrix.judge import Wrong, judge
from tests.matrix.mesh import IEEE, MESH, OverheardNode
from tests.matrix.mesh_world import Life, MeshWorld
from tests.matrix.products import Run, run
from tests.matrix.report import counted
from tests.matrix.world import Ended, Pace, no_clock
from tests.transports.zigbee.rig import until
from transports.virtual.zigbee import VirtualNetwork
from transports.zigbee.keeping import Patience
from transports.zigbee.network import Network
from transports.zigbee.networks import NetworkSettings
from transports.zigbee.zigpy_network import ZigpyNetwork

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

SAMPLES = 33
AT_ONCE = 12
LIMIT_S = 150.0
"""For one sample, in real seconds."""

NAMES = (
    "zigbee/healthy",
    "zigbee-pages/healthy",
    "zigbee-older/healthy",
    "zigbee-reverts/boots-back",
    "zigbee-external/healthy",
    "zigbee-forgets/healthy",
    "zigbee-sleepy/healthy",
    "zigbee/boots-back",
    "zigbee-older/refused",
    "zigbee/bent-once",
    "zigbee/held",
)


class ZigpyWorld(MeshWorld):
    """The same world, with a network, a port and a disk that are not of our making."""

    pace = Pace(restart=0.3, look=0.5, quiet=1.5, off=0.2)
    traits: ClassVar = {"boot-time": "0.3", "tries-again": "4", "check-in": "3"}
    outage = 20.0
    tick = 0.5

    def __init__(self, case: Case, fate: Fate, folder: Path, virtual: VirtualNetwork) -> None:
        self.folder = folder
        self.virtual = virtual
        self.path = ""
        super().__init__(case, fate)

    def _put_in_place(self) -> None:
        self.overheard = OverheardNode(self._peer(), self.guard.asked)

    @property
    def packets(self) -> int:
        """Not counted here."""
        return 0

    def _made_journal(self) -> Journal:
        return Journal(Database(self.folder / "journal.db"), "gw", no_clock)

    async def _reborn(self) -> None:
        await self.journal.close()
        self.journal = self.mortal.journal = self._made_journal()
        await self.journal.open()

    async def _make(self, name: str, settings: NetworkSettings) -> Network:
        del settings
        return await self._opened_network(name)

    async def _opened_network(self, name: str) -> ZigpyNetwork:
        settings = NetworkSettings(self.path, channel=15)
        return await ZigpyNetwork.opened(name, settings, self.folder / name, Patience(first=0.1, most=0.5))

    async def _dies(self, life: Life) -> None:
        await life.reach.aclose()

    async def run(self) -> Ended:
        """The network is formed and the node joins it; then as in any world."""
        self.path = str(await self.virtual.offer_pty(self.folder / "coordinator"))
        network = await self._opened_network(MESH)
        try:
            await until(network, lambda: network.state.up)
            await network.permit(200)
            self.virtual.add(self.overheard, joined=False)
            await until(network, self._known_to(network), within=60)
        finally:
            await network.aclose()
        return await super().run()

    def _known_to(self, network: ZigpyNetwork) -> Callable[[], bool]:
        def known() -> bool:
            facts = network.nodes().get(IEEE)
            return facts is not None and facts.interviewed

        return known


def sample(seed: int) -> tuple[Case, Fate]:
    """A case, and a death of the gateway, a loss of the node's power, or both; the same for the same seed."""
    chance = random.Random(seed)
    case = CASES[NAMES[seed % len(NAMES)]]
    undisturbed = run(case, Fate())
    kinds: list[list[Event]] = [list(undisturbed.kills()), list(undisturbed.cuts())]
    chosen = chance.sample([kind for kind in kinds if kind], chance.choice((1, 1, 2)))
    return case, Fate.of(*(chance.choice(kind) for kind in chosen))


async def live(case: Case, fate: Fate, folder: Path, seed: int) -> Run:
    """One world on real things, from its beginning to its end."""
    async with VirtualNetwork(seed=seed) as virtual:
        world = ZigpyWorld(case, fate, folder, virtual)
        return Run(world, await world.run())


async def test_the_same_faults_over_zigpy_and_a_virtual_network_end_as_truly(tmp_path: Path) -> None:
    samples = await asyncio.to_thread(lambda: [sample(seed) for seed in range(SAMPLES)])
    gate = asyncio.Semaphore(AT_ONCE)
    deaths = cuts = 0
    with counted("seeded samples over zigpy and zigpy-znp, in real time") as tally:

        async def one(seed: int, case: Case, fate: Fate) -> None:
            nonlocal deaths, cuts
            folder = tmp_path / str(seed)
            await asyncio.to_thread(folder.mkdir)
            tally.runs += 1
            try:
                async with gate, asyncio.timeout(LIMIT_S):
                    found = await live(case, fate, folder, seed)
                judge(found.world, found.ended, case.ends)
            except (Wrong, TimeoutError) as wrong:
                tally.bad.append(f"seed {seed} {case} {fate}: {wrong!r}")
            else:
                tally.good(found, case.ends)
                deaths += found.ended.lives - len(found.ended.records)
                cuts += len(fate.cuts)

        began = time.process_time()
        await asyncio.gather(*(one(seed, *each) for seed, each in enumerate(samples)))
        tally.seconds = time.process_time() - began
    assert tally.runs >= 30
    assert deaths >= 10, "the gateway hardly ever died"
    assert cuts >= 10, "the node hardly ever lost its power"
