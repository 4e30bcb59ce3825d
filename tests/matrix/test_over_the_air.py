"""Samples of the same faults over the virtual air: the adapter, bleak, a host and its controllers.

In memory a packet is a call.  Here is all that a gateway uses otherwise: its adapters and their
scans, bleak's clients, a table that is read at each connection, and packets in their events.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import pairwise

import pytest

from flashers.api import Calling, Role
from gateway.attempt.radio import Radio
from gateway.profiles.radio import RadioTable
from gateway.service.adapters.callings import Callings
from gateway.service.adapters.reach import Reach, Way
from tests.matrix.cases import CASES, Case
from tests.matrix.fates import Event, Fate
from tests.matrix.process import Process, Sends
from tests.matrix.products import LIMIT_S, THOROUGH, Run, run
from tests.matrix.radio import ADDRESS, MortalGatt
from tests.matrix.report import counted
from tests.matrix.world import World
from transports.ble.adapters import Adapters, AdapterSettings
from transports.ble.backend import Backend, HciBackend
from transports.ble.hci import HciAdapter
from transports.gatt import GattLink
from transports.virtual.air.air import Air
from transports.virtual.air.node import AirNode
from transports.virtual.air.radio import RadioController
from transports.virtual.air.timing import Timing
from transports.virtual.clock import run_virtual

pytestmark = pytest.mark.matrix

SAMPLES = 300 if THOROUGH else 36
ADAPTER = "00:11:22:33:44:55"

NAMES = (
    "smp-ble/healthy",
    "nordic-secure/healthy",
    "nordic-legacy/healthy",
    "smp-ble/unhealthy",
    "nordic-secure-single/healthy",
    "nordic-legacy-single/healthy",
    "smp-ble/rejected",
    "smp-ble-overwrite/unhealthy",
    "nordic-secure/rejected",
)


class MortalReach:
    """The service's way to the node, in the hands of a process that may be dead."""

    def __init__(self, way: Way, adapters: Adapters, process: Process, sends: Sends) -> None:
        self._way = way
        self._adapters = adapters
        self._process = process
        self._sends = sends

    @property
    def bonded(self) -> bool:
        """As in the contract."""
        return self._way.bonded

    def same(self, made_for: Role, role: Role) -> bool:
        """As in the contract."""
        return self._way.same(made_for, role)

    async def connect(self, role: Role) -> GattLink:
        """As in the contract."""
        self._process.check()
        link = await self._way.connect(role)
        self._process.check()
        return MortalGatt(link, self._process, self._sends)

    async def will_call(self, role: Role, calling: Calling) -> None:
        """As in the contract."""
        self._process.check()
        await self._way.will_call(role, calling)

    def restarting(self) -> None:
        """As in the contract."""
        self._way.restarting()

    async def left_behind(self) -> None:
        """The system ends every connection of a process that is gone."""
        for adapter in self._adapters.made.values():
            await adapter.aclose()


class AirWorld(World):
    """The same world, with the node behind controllers, hosts and bleak.

    ``away`` are times in seconds, in pairs, between which the node is out of the adapter's reach.
    """

    def __init__(self, case: Case, fate: Fate, away: tuple[float, ...]) -> None:
        self.virtual_air = Air(Timing(supervision=2.0))
        self.controller = RadioController("hci0", link=self.virtual_air, public_address=ADAPTER)
        self._away = away
        super().__init__(case, fate)

    def _put_on_air(self) -> None:
        self.on_air = AirNode(self.virtual_air, self.guard.on_air("n", ADDRESS), "n")
        loop = asyncio.get_running_loop()
        for begin, end in pairwise(self._away):
            loop.call_at(begin, self._reach, False)
            loop.call_at(end, self._reach, True)

    def _reach(self, reach: bool) -> None:
        if self.on_air.controller is not None:
            self.virtual_air.set_reach(self.controller, self.on_air.controller, reach=reach)

    @property
    def packets(self) -> int:
        """Not counted here."""
        return 0

    async def _way(self, process: Process) -> tuple[Radio, Callable[[], Awaitable[None]]]:
        async def make(name: str, settings: AdapterSettings) -> Backend:
            del name, settings
            return HciBackend(HciAdapter(self.controller, self.controller, ADAPTER, "hci0"))

        callings = Callings(self.mortal)
        await callings.load()
        adapters = Adapters({"air": AdapterSettings()}, make=make)
        way = Reach(adapters, callings).way(self.spec, RadioTable(listen=3.0))
        radio = MortalReach(way, adapters, process, self.sends)
        return radio, radio.left_behind

    async def aclose(self) -> None:
        """Leave the air."""
        await self.on_air.aclose()


def sample(seed: int) -> tuple[Case, Fate, tuple[float, ...]]:
    """A case, up to three faults for it, and when the node is away; the same for the same seed."""
    chance = random.Random(seed)
    case = CASES[NAMES[seed % len(NAMES)]]
    undisturbed = run(case, Fate())
    kinds: list[list[Event]] = [
        list(undisturbed.kills()),
        list(undisturbed.cuts()),
        list(undisturbed.sends_from()),
    ]
    chosen = chance.sample([kind for kind in kinds if kind], chance.randint(1, 2))
    away: tuple[float, ...] = ()
    if chance.random() < 0.5:
        begin = chance.uniform(0.2, 3.0)
        away = (begin, begin + chance.uniform(0.5, 6.0))
    return case, Fate.of(*(chance.choice(kind) for kind in chosen)), away


def live(case: Case, fate: Fate, away: tuple[float, ...]) -> Run:
    """One world on the virtual air, from its beginning to its end."""

    async def main() -> Run:
        world = AirWorld(case, fate, away)
        try:
            return Run(world, await world.run())
        finally:
            await world.aclose()

    return run_virtual(main(), limit=LIMIT_S)


def test_the_same_faults_over_the_virtual_air_end_as_truly() -> None:
    deaths = absences = 0
    with counted("seeded samples over the virtual air, through adapter and bleak") as tally:
        for seed in range(SAMPLES):
            case, fate, away = sample(seed)
            absences += bool(away)
            alive = partial(live, case, fate, away)
            found = tally.judged(case, fate, alive, f"seed {seed} away {away}")
            deaths += found.ended.lives - len(found.ended.records) if found is not None else 0
    assert tally.runs >= 30
    assert deaths >= 10, "the gateway hardly ever died"
    assert absences >= 10, "the node was hardly ever away"
