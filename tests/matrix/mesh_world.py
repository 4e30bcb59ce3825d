"""A world whose node is on a Zigbee network: the same gateway that may die, at a coordinator.

Who waits here holds nothing: a node that sleeps, or has no power, or whose coordinator was pulled
out is waited for as the service waits, by its own gates.
"""

import asyncio
from pathlib import Path
from typing import Any

from flashers.api import ZigbeeNode, zigbee_node
from gateway.attempt.exposure import Staged
from gateway.attempt.radio import Waits
from gateway.attempt.runner import Runner
from gateway.attempt.session import HostSession
from gateway.attempt.words import Words
from gateway.model.records import Record
from gateway.service.zigbee.gates import gate
from gateway.service.zigbee.reach import ZigbeeReach
from tests.matrix.cases import Case
from tests.matrix.fates import Fate
from tests.matrix.mesh import (
    IEEE,
    MESH,
    PLACE,
    MortalWay,
    OverheardNode,
    Reported,
    Unsteady,
    nobody_heard,
    stand_in,
)
from tests.matrix.process import Killed, Process
from tests.matrix.world import Ended, Pace, World
from transports.errors import TenderError
from transports.links import ByteLink, LinkSpec
from transports.virtual.memory_mesh import MemoryMesh
from transports.virtual.memory_zigbee import MemoryNetwork
from transports.zigbee.network import Network
from transports.zigbee.networks import Networks, NetworkSettings

_STEPS_OF_A_DEATH = 5


class MeshWorld(World):
    """See the module."""

    pace = Pace(restart=3.0, look=5.0, quiet=20.0, off=1.0)
    outage = 600.0
    """Seconds after which somebody gives a node power that has none and is waited for."""
    tick = 5.0
    """Seconds after which a gate is asked again where nobody tells that it may have opened."""

    def __init__(self, case: Case, fate: Fate) -> None:
        super().__init__(case, fate)
        self.spec = LinkSpec.parse(PLACE)
        self._life: Life | None = None
        self._due = False

    # The network

    def _put_in_place(self) -> None:
        self.overheard = OverheardNode(self._peer(), self.guard.asked)
        self.mesh = MemoryMesh(latency=self.family.latency or 0.008)
        self.mesh.drops = {drop.packet for drop in self.fate.drops}
        self._unsteady = Unsteady(self.mesh, self.fate.gones)
        self.mesh.add(self.overheard)

    def _peer(self) -> Any:
        node: ZigbeeNode = zigbee_node(self.node)
        return node.zigbee("n", IEEE)

    @property
    def packets(self) -> int:
        """Frames between the node and its coordinator so far."""
        return self.mesh.frames

    async def _make(self, name: str, settings: NetworkSettings) -> Network:
        del settings
        self._unsteady.network = network = MemoryNetwork(self.mesh, name=name, wall=lambda: 0.0)
        return network

    def _networks(self) -> Networks:
        return Networks({MESH: NetworkSettings("memory")}, folder=Path(), make=self._make)

    async def _dies(self, life: "Life") -> None:
        """What the system does for a process that is gone."""
        network = life.reach.network(MESH)
        if isinstance(network, MemoryNetwork):
            network.die()
        await life.reach.aclose()

    # The gateway's lives

    async def run(self) -> Ended:
        """As in any world; nobody is left at the coordinator."""
        try:
            return await super().run()
        finally:
            if self.overheard.aborts and not self.fate.asks:
                self.guard.broken.append("it was told to give its image up, and nobody wanted that")
            if self._life is not None:
                await self._life.reach.aclose()

    async def _live(self, record: Record) -> tuple[Record, int]:
        self._due = True
        ended, lives = await super()._live(record)
        self._due = False
        await self._begun()  # a gateway that died with its last word is started again as well
        return ended, lives

    async def _begun(self) -> "Life":
        if self._life is None:
            self._life = Life(ZigbeeReach(self._networks(), nobody_heard()))
            plugin = self.family.node_type.plugin
            self._life.reach.stand_in(stand_in(plugin, lambda: self._due))
            network = await self._life.reach.networks.get(MESH)
            self._life.reports = Reported(network)
        return self._life

    async def _one_life(self, process: Process, record: Record) -> Record | None:
        life = await self._begun()
        self.mortal.process = process
        while True:
            table = self.family.profile.zigbee
            if gate(life.reach, self.spec, table, record) is not None:
                await self._wait(life)
                continue
            runner = await self._runner_of(life, process, record)
            task: asyncio.Task[Record] = asyncio.create_task(runner.run())
            everybody: list[asyncio.Future[Any]] = [task, process.over]
            await asyncio.wait(everybody, return_when=asyncio.FIRST_COMPLETED)
            if not process.alive or process.helpers:
                return await self._over(life, process, task)
            try:
                return await task
            except Staged:
                await asyncio.sleep(self.tick)
            except TenderError as error:
                if not isinstance(error, Waits):
                    raise
                await asyncio.sleep(error.again_s)
            record = await self._stored(record)

    async def _over(self, life: "Life", process: Process, task: "asyncio.Task[Record]") -> Record | None:
        if not process.alive:
            await self._dies(life)
            self._life = None
            for _ in range(_STEPS_OF_A_DEATH):
                await asyncio.sleep(0)
            task.cancel()
        everybody = [task, *process.helpers]
        await asyncio.wait(everybody)
        for error in [each.exception() for each in everybody if not each.cancelled()]:
            if error is not None and process.alive and not isinstance(error, Staged | Waits):
                raise error
            if error is not None and not isinstance(error, Killed | Exception):
                raise error
        done = process.alive and not task.cancelled() and task.exception() is None
        return task.result() if done else None

    async def _runner_of(self, life: "Life", process: Process, record: Record) -> Runner:
        async def keep(name: str, value: str | None) -> None:
            await self.mortal.keep_word("n", record.generation, name, value, record.id)

        words = Words(await self.journal.words("n", record.generation), keep)
        way = MortalWay(
            life.reach.way(self.spec, self.family.profile.zigbee.missing_after), process, self.sends
        )
        session = HostSession("n", self.spec, _no_line, network=way, words=words)
        around = self._surroundings(session)
        around.may_wait = True
        around.reports = life.reports
        process.runner = Runner(record, session, around)
        return process.runner

    async def _stored(self, record: Record) -> Record:
        stored = await self.journal.attempt(record.id)
        if stored is None:
            raise AssertionError("the journal lost an attempt")
        return stored

    async def _wait(self, life: "Life") -> None:
        """Until a gate may have opened; a node that has no power gets some, in the end."""
        loop = asyncio.get_running_loop()
        since = life.waits_since = life.waits_since if life.waits_since is not None else loop.time()
        if loop.time() - since > self.outage:
            life.waits_since = None
            self.node.power_on()
        life.changed.clear()
        try:
            async with asyncio.timeout(self.tick):
                await life.changed.wait()
        except TimeoutError:
            pass
        else:
            life.waits_since = None


class Life:
    """What one life of the gateway has of its network."""

    def __init__(self, reach: ZigbeeReach) -> None:
        self.reach = reach
        self.reports: Reported | None = None
        self.changed = asyncio.Event()
        self.waits_since: float | None = None
        reach.listen(self.changed.set)


async def _no_line(spec: LinkSpec) -> ByteLink:
    raise AssertionError(f"{spec} is no line")
