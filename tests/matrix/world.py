"""A gateway and one node in one process and in virtual time, with everything that can die in it.

The journal is the real one, on SQLite in memory; the flashers, the runner and the
virtual nodes are the product's own.  What is missing is only what cannot be repeated
exactly: threads, sockets, disks and clocks.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from flashers.api import Component, Firmware, FirmwareImage, Stamp, VirtualSetup
from flashers.mcuboot_smp import PLUGIN as SMP
from flashers.mcuboot_smp.make import make_image
from flashers.sim import Behaviour, SimApp, build_app
from flashers.stk500 import PLUGIN as STK500
from gateway.attempt.advance import recovery_of
from gateway.attempt.ports import NodeType
from gateway.attempt.runner import Runner, Surroundings
from gateway.attempt.session import HostSession
from gateway.attempt.telling import phase_told
from gateway.journal import Database, Journal
from gateway.journal.journal import Told
from gateway.model.outcomes import Outcome
from gateway.model.records import Observation, Part, Record, Target
from gateway.profiles.model import Profile
from gateway.service.node_types import rules_of
from transports.links import LinkSpec
from transports.virtual.memory import MemoryLine

APP = Component()
OLD, NEW = "1.0.0", "2.0.0"


class Killed(BaseException):
    """The gateway's process is gone; nothing may catch this but the world."""


@dataclass(frozen=True, slots=True)
class Family:
    """A bootloader family with small images: the shape of a world."""

    name: str
    profile: Profile
    format: str
    options: Mapping[str, str] = field(default_factory=dict)
    signed: bool = False

    @property
    def node_type(self) -> NodeType:
        """The profile with its flasher."""
        plugin = {"stk500": STK500, "mcuboot_smp": SMP}[self.profile.flasher]
        params = plugin.params.model_validate(self.profile.params)
        return NodeType(self.profile, plugin, params, plugin.declare(params))

    def artifact(self, version: str, behaviour: Behaviour = Behaviour.HEALTHY, *, size: int) -> bytes:
        """A firmware file whose application behaves so."""
        claims = "9.9.9" if behaviour is Behaviour.LIES else ""
        app = SimApp(version, behaviour, claims=claims)
        if self.format == "mcuboot":
            return make_image(app, size=size)
        return build_app(app, size)


@dataclass(slots=True)
class Stock:
    """Artifacts by digest, parsed by the family's flasher."""

    node_type: NodeType
    files: dict[bytes, bytes] = field(default_factory=dict)

    def add(self, data: bytes, version: str) -> Target:
        """Take a file in."""
        image = self._parse(data)
        self.files[image.artifact.value] = data
        firmware = Firmware(image.firmware.identity, version)
        return Target(image.artifact, firmware, image.size, self.node_type.profile.format, version=version)

    async def image(self, target: Target, component: Component) -> FirmwareImage:
        return self._parse(self.files[target.artifact.value])

    async def keep_backup(self, data: bytes, component: Component, before: Firmware | None) -> Target:
        return self.add(data, before.version if before is not None and before.version else "")

    def _parse(self, data: bytes) -> FirmwareImage:
        node_type = self.node_type
        return node_type.plugin.parse(data, node_type.profile.format, APP, node_type.params)


class NoWays:
    """Nothing is known of the node's past."""

    async def known_good(
        self, node: str, profile: str, component: str, seen: Firmware | None
    ) -> Target | None:
        return None

    async def worked(self, profile: str, kind: str) -> bool:
        return False


class MortalJournal:
    """The journal, with a process that dies at the n-th write: just before, or just after it."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.writes = 0
        self.die_at: list[tuple[int, bool]] = []

    async def save(
        self, record: Record, told: tuple[Told, ...] = (), *, known_good: Mapping[str, Target] | None = None
    ) -> None:
        self.writes += 1
        self._die(after=False)
        await self.journal.save(record, told, known_good=known_good)
        self._die(after=True)

    async def save_seen(self, node: str, observation: Observation, told: tuple[Told, ...] = ()) -> None:
        await self.journal.save_seen(node, observation, told)

    def _die(self, *, after: bool) -> None:
        if (self.writes, after) in self.die_at:
            raise Killed


@dataclass(slots=True)
class Ended:
    """How a world ended: every attempt's record in order, and what was told."""

    records: list[Record]
    kinds: list[tuple[str, int | None, object]]
    writes: int
    operations: int
    lives: int
    story: list[str]

    @property
    def last(self) -> Record:
        return self.records[-1]

    @property
    def outcomes(self) -> list[Outcome]:
        return [record.result.outcome for record in self.records if record.result is not None]


class World:
    """One node on one line, one gateway that may die and come back."""

    def __init__(
        self,
        family: Family,
        want: bytes,
        *,
        size: int,
        known_good: bool = True,
        faults: str = "",
        options: Mapping[str, str] | None = None,
    ) -> None:
        self.family = family
        self.node_type = family.node_type
        self.stock = Stock(self.node_type)
        old = family.artifact(OLD, size=size)
        self.old = self.stock.add(old, OLD)
        self.want = self.stock.add(want, NEW)
        setup = VirtualSetup(
            params=self.node_type.params,
            flash={"app": old},
            options={**family.options, **(options or {})},
        )
        self.node = self.node_type.plugin.virtual_node(setup)
        self.line = MemoryLine(self.node, faults=faults)
        self.journal = Journal(Database(":memory:", threaded=False), "gw", lambda: Stamp(0, False))
        self.mortal = MortalJournal(self.journal)
        self.known_good = known_good

    async def run(self, *, recoveries: int = 3) -> Ended:
        """One attempt to its end, and recoveries as long as the node is wounded."""
        await self.journal.open()
        record = await self.journal.create(self._record, phase_told)
        records, lives = [], 0
        while True:
            record, used = await self._live(record)
            lives += used
            records.append(record)
            assert record.result is not None
            if record.result.outcome is not Outcome.WOUNDED or len(records) > recoveries:
                break
            self.node.power_on()
            await asyncio.sleep(5.0)
            earlier = record
            record = await self.journal.create(lambda number, r=earlier: recovery_of(r, number), phase_told)
        events = await self.journal.events(limit=10_000)
        told = [(event.kind, event.attempt, event.data.get("outcome")) for event in events]
        await asyncio.sleep(10.0)  # whatever the node still does by itself, it does now
        return Ended(records, told, self.mortal.writes, self.node.operations, lives, self.line.story)

    async def _live(self, record: Record) -> tuple[Record, int]:
        """Run one attempt over as many lives of the gateway as it takes."""
        for life in range(1, 12):
            session = HostSession("n", LinkSpec("uart", "memory"), lambda _: self.line.open())
            around = Surroundings(
                journal=self.mortal,
                artifacts=self.stock,
                ways_back=NoWays(),
                node_type=self.node_type,
                clock=lambda: Stamp(0, False),
                hooks=_no_hooks,
            )
            runner = Runner(record, session, around)
            try:
                return await runner.run(), life
            except Killed:
                await session.close()
                await asyncio.sleep(3.0)  # the service manager starts it again
                stored = await self.journal.attempt(record.id)
                assert stored is not None
                record = stored
                if record.done:
                    return record, life
        raise AssertionError("the gateway died more often than the test killed it")

    def _record(self, number: int) -> Record:
        rules = rules_of(self.node_type.profile, self.node_type.declaration)
        known_good = self.old if self.known_good else None
        part = Part(APP, self.want, known_good=known_good)
        return Record(id=number, node="n", profile=self.family.name, parts=(part,), rules=rules)


def _no_hooks(name: str) -> object:
    raise KeyError(name)
