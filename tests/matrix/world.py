"""A gateway and one node in one process and in virtual time, with everything that can die in it.

The journal is the real one, on SQLite in memory; the flashers, the runner and the
virtual nodes are the product's own.  What is missing is only what cannot be repeated
exactly: threads, sockets, disks and clocks.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, ClassVar

from flashers.api import Component, Digest, Firmware, FirmwareImage, Reason, Stamp, Truth, VirtualSetup
from flashers.sim import Behaviour, Operation
from gateway.attempt.advance import recovery_of
from gateway.attempt.exposure import Staged
from gateway.attempt.health import Hook
from gateway.attempt.radio import Radio
from gateway.attempt.runner import Runner, Surroundings
from gateway.attempt.session import HostSession
from gateway.attempt.telling import phase_told
from gateway.journal import Database, Journal
from gateway.model.outcomes import Direction, Outcome
from gateway.model.records import Observation, Part, Record, Target
from gateway.model.views import Event
from gateway.service.adapters.callings import Callings
from gateway.service.node_types import rules_of
from tests.matrix.cases import Case
from tests.matrix.families import Family
from tests.matrix.fates import Fate
from tests.matrix.guard import Guard, Node
from tests.matrix.process import Killed, MortalJournal, MortalLink, Process, Sends
from tests.matrix.radio import ADDRESS, PLACE, MortalWay
from transports.links import ByteLink, LinkSpec
from transports.recorder import FlightRecorder
from transports.virtual.memory import MemoryLine
from transports.virtual.memory_gatt import LATENCY, MemoryAir, MemoryRadio
from transports.virtual.pty import PtyHost

MOST_LIVES = 12
RECOVERIES = 3


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things take around the attempt, in seconds.

    ``restart``: until the service manager has started the gateway again; ``look``: until
    recovery looks at a wounded node; ``quiet``: until the node has done, after the end,
    whatever it still does by itself; ``off``: how long its power is away then.
    """

    restart: float = 3.0
    look: float = 5.0
    quiet: float = 10.0
    off: float = 1.0


_STEPS_OF_A_DEATH = 5
"""Turns of the loop until the last task knows that its process is gone."""


@cache
def _parsed(family: Family, data: bytes, kind: str, component: Component) -> FirmwareImage:
    return family.node_type.plugin.parse(data, kind, component, family.node_type.params)


@dataclass(slots=True)
class Stock:
    """Artifacts by digest, parsed by the family's flasher; backups are kept as the service keeps them."""

    family: Family
    files: dict[Digest, bytes] = field(default_factory=dict)

    def add(self, data: bytes, version: str, component: Component) -> Target:
        """Take a file in."""
        kind = self.family.profile.format
        image = _parsed(self.family, data, kind, component)
        self.files[image.artifact] = data
        named = image.firmware.identity is not None
        firmware = Firmware(image.firmware.identity, version) if named else image.firmware
        return Target(image.artifact, firmware, image.size, kind, version=version)

    async def image(self, target: Target, component: Component) -> FirmwareImage:
        """As in the contract."""
        return _parsed(self.family, self.files[target.artifact], target.format, component)

    async def keep_backup(self, data: bytes, component: Component, before: Firmware | None) -> Target:
        """As in the contract."""
        image = _parsed(self.family, data, "ihex", component)
        self.files[image.artifact] = data
        version = before.version if before is not None and before.version else ""
        return Target(image.artifact, Firmware(image.firmware.identity, version), image.size, "ihex")


class QuickDatabase(Database):
    """A database in memory that begins as a copy of one that was opened as usual."""

    def __init__(self) -> None:
        super().__init__(":memory:", threaded=False)

    async def open(self) -> None:
        """As in the contract, but that the migrations were done once for all runs."""
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        self._connection.deserialize(_migrated())


@cache
def _migrated() -> bytes:
    database = Database(":memory:", threaded=False)
    database._open()
    assert database._connection is not None
    try:
        return database._connection.serialize()
    finally:
        database._connection.close()


class NoWays:
    """Nothing is known of the node's past."""

    async def known_good(
        self, node: str, profile: str, component: str, seen: Firmware | None
    ) -> Target | None:
        """As in the contract."""
        return None

    async def familiar(self, node: str, profile: str, component: str) -> list[Target]:
        """As in the contract."""
        return []

    async def worked(self, profile: str, kind: str) -> bool:
        """As in the contract."""
        return False

    async def took_older(self, profile: str, model: str, version: str) -> bool | None:
        """As in the contract."""
        return None

    async def learn_downgrade(self, record: Record, version: str, *, taken: bool) -> None:
        """As in the contract; nobody asks for it."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a world ended: every attempt's record in order, what was told, what the node was then.

    ``settled`` is the node's truth once it was left alone, and ``restarted`` after its
    power was switched off and on twice more.
    """

    records: tuple[Record, ...]
    events: tuple[Event, ...]
    settled: Truth
    restarted: Truth
    lives: int

    @property
    def last(self) -> Record:
        """The last attempt."""
        return self.records[-1]

    @property
    def outcomes(self) -> list[Outcome]:
        """Of all attempts, in order."""
        return [record.result.outcome for record in self.records if record.result is not None]


class World:
    """One node on one line or on the air, and one gateway that may die and come back."""

    pace = Pace()
    traits: ClassVar[Mapping[str, str]] = {}
    """Further traits of every node, where time is real."""

    def __init__(self, case: Case, fate: Fate) -> None:
        self.case, self.fate, family = case, fate, case.family
        self.family = family
        self.stock = Stock(family)
        self.files: dict[str, tuple[bytes, bytes]] = {}
        self.old: dict[str, Target] = {}
        self.want: dict[str, Target] = {}
        for each in family.components:
            before, after = family.versions
            old = family.artifact(before, Behaviour.HEALTHY, each)
            new = family.artifact(after, case.behaviour(each.image), each)
            self.files[each.id] = old, new
            self.old[each.id] = self.stock.add(old, before, each)
            self.want[each.id] = self.stock.add(new, after, each)
        self.node = self._node()
        noisy = any(word in fate.line for word in ("corrupt", "drop", "noise", "loss", "duplicate"))
        self.guard = Guard(self.node, fate.cuts, two_slots=family.two_slots, noisy=noisy)
        self.air = MemoryAir(latency=family.latency or LATENCY)
        self.radio: MemoryRadio | None = None
        self._line: MemoryLine | PtyHost | None = None
        self._put_in_place()
        self.journal = self._made_journal()
        self.mortal = MortalJournal(self.journal, fate, self.guard)
        self.sends = Sends(fate)
        self.spec = LinkSpec.parse(PLACE) if family.on_air else LinkSpec("uart", "memory")
        self._recorders: list[FlightRecorder] = []
        self._holds = case.holds

    @property
    def line(self) -> MemoryLine | PtyHost:
        """The line, of a world that has one."""
        if self._line is None:
            raise TypeError("a node on the air has no line")
        return self._line

    @property
    def story(self) -> list[str]:
        """What passed, over all lives, and what the faults on the line did."""
        frames = [(frame.at, f"  {frame}") for recorder in self._recorders for frame in recorder]
        said = self._line.story if self._line is not None else []
        diary = [(at, f"{at:.4f} {_in_words(entry)}") for at, entry in self.guard.diary]
        return [*(line for _, line in sorted(frames + diary, key=lambda pair: pair[0])), *said]

    def _put_in_place(self) -> None:
        if self.family.on_air:
            self._put_on_air()
        else:
            self._line = self._made_line()

    # What a world with a real line and a real disk has otherwise

    def _made_line(self) -> MemoryLine | PtyHost:
        return MemoryLine(self.guard, latency=self.family.latency, faults=self.fate.line)

    def _made_journal(self) -> Journal:
        return Journal(QuickDatabase(), "gw", no_clock)

    def _put_on_air(self) -> None:
        drops = tuple(drop.packet for drop in self.fate.drops)
        self.radio = self.air.add(self.guard.on_air("n", ADDRESS), drops=drops)

    @property
    def packets(self) -> int:
        """Packets on the air that arrived so far."""
        return self.radio.counts.packets if self.radio is not None else 0

    async def _way(self, process: Process) -> tuple[Radio, Callable[[], Awaitable[None]]]:
        """The way to a node on the air, of one life of the gateway, and what ends it once that is over."""
        callings = Callings(self.mortal)
        await callings.load()
        way = MortalWay(self.air, callings, process, self.sends)
        return way, way.left_behind

    async def _opened(self) -> ByteLink:
        if not isinstance(self.line, MemoryLine):
            raise TypeError("another line is opened in another way")
        return await self.line.open()

    async def _reborn(self) -> None:
        """The gateway starts again, on what the journal's file holds."""

    # Its life

    def _node(self) -> Node:
        present = {name: new if self.case.there else old for name, (old, new) in self.files.items()}
        node = self.family.node_type.plugin.virtual_node(
            VirtualSetup(
                params=self.family.node_type.params,
                components=self.family.components,
                flash=present,
                options={**self.family.options, **self.case.options, **self.traits},
            )
        )
        if not isinstance(node, Node):
            raise TypeError(f"{type(node).__name__} is no node of these worlds")
        return node

    async def run(self) -> Ended:
        """One attempt to its end, and recoveries as long as the node is wounded."""
        await self.journal.open()
        try:
            return await self._run()
        finally:
            await self.journal.close()

    async def _run(self) -> Ended:
        record = await self.journal.create(self._record, phase_told)
        self.guard.stored(record)
        records, lives = list[Record](), 0
        while True:
            record, used = await self._live(record)
            lives += used
            records.append(record)
            if record.result is None:
                raise AssertionError("the runner returned an attempt that has no end")
            if record.result.outcome is not Outcome.WOUNDED or len(records) > RECOVERIES:
                break
            if len(records) > 1:
                self.node.power_off()  # somebody goes there
            self.node.power_on()
            await asyncio.sleep(self.pace.look)
            earlier = record
            record = await self.journal.create(partial(recovery_of, earlier), phase_told)
            self.guard.stored(record)
        await asyncio.sleep(self.pace.quiet)
        settled = self.node.truth()
        self.guard.settled = self.node.operations
        for _ in range(2):
            self.node.power_off()
            await asyncio.sleep(self.pace.off)
            self.node.power_on()
            await asyncio.sleep(self.pace.quiet)
        events = await self.journal.events(limit=10_000)
        return Ended(tuple(records), tuple(events), settled, self.node.truth(), lives)

    async def _live(self, record: Record) -> tuple[Record, int]:
        """Run one attempt over as many lives of the gateway as it takes."""
        for life in range(1, MOST_LIVES):
            process = Process()
            ended = await self._one_life(process, record)
            if ended is not None:
                return ended, life
            await asyncio.sleep(self.pace.restart)
            await self._reborn()
            stored = await self.journal.attempt(record.id)
            if stored is None:
                raise AssertionError("the journal lost an attempt")
            record = stored
            if record.done:
                return record, life
        raise AssertionError("the gateway died more often than it was killed")

    async def _one_life(self, process: Process, record: Record) -> Record | None:
        """The ended record, or None if the process died."""
        links: list[ByteLink] = []

        async def opened(_: LinkSpec) -> ByteLink:
            process.check()
            links.append(await self._opened())
            return MortalLink(links[-1], process, self.sends)

        way, left_behind = await self._way(process) if self.family.on_air else (None, None)
        session = HostSession("n", self.spec, opened, radio=way)
        process.runner = Runner(record, session, self._surroundings(session))
        self.mortal.process = process
        task: asyncio.Task[Record] = asyncio.create_task(process.runner.run())
        first: list[asyncio.Future[Any]] = [task, process.over]
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        if process.alive and not process.helpers:
            try:
                return await task
            except Staged:
                return None  # it holds nothing until its time has come
        for _ in range(_STEPS_OF_A_DEATH):
            await asyncio.sleep(0)
        if not process.alive:
            task.cancel()
        everybody: list[asyncio.Task[Any]] = [task, *process.helpers]
        await asyncio.wait(everybody)
        for link in links:
            await link.aclose()  # as the system does for a process that is gone
        if left_behind is not None:
            await left_behind()
        for error in [each.exception() for each in everybody if not each.cancelled()]:
            if error is not None and not isinstance(error, Killed | Staged):
                raise error
        return task.result() if process.alive and task.exception() is None else None

    def _surroundings(self, session: HostSession) -> Surroundings:
        self._recorders.append(session.recorder)
        around = Surroundings(self.mortal, self.stock, NoWays(), self.family.node_type, no_clock, _no_hooks)
        around.may_not_start = self._not_yet
        return around

    def _not_yet(self, record: Record) -> Reason | None:
        """The gate of a start that waits for its time; who goes back or was started is not kept."""
        if not self._holds or record.cancel is not None or record.activations:
            return None
        self._holds -= 1
        return Reason("staged", "not yet")

    def _record(self, number: int) -> Record:
        node_type = self.family.node_type
        parts = tuple(
            Part(each, self.want[each.id], known_good=self.old[each.id] if self.family.known_good else None)
            for each in self.family.components
        )
        rules = rules_of(node_type.profile, node_type.declaration)
        return Record(id=number, node="n", profile=self.family.name, parts=parts, rules=rules)


def _in_words(entry: Record | Observation | Operation) -> str:
    match entry:
        case Record():
            wants = " back" if entry.direction is Direction.BACK else ""
            trouble = f" {entry.error.code}" if entry.error is not None else ""
            return f"journal: {entry.phase}{wants} starts={dict(entry.starts)}{trouble}"
        case Observation(seen=seen):
            slots = [
                f"{slot.image}.{slot.slot} {slot.firmware.version if slot.firmware else None}"
                + "".join(f" {name}" for name in ("active", "confirmed", "pending") if getattr(slot, name))
                for slot in seen.slots
            ]
            return f"seen: {seen.role} {slots}"
        case _:
            does = "erases" if entry.erase else "programs"
            return f"node: {entry.number} {does} {entry.size} bytes at {entry.address:#x}"


def no_clock() -> Stamp:
    """It never tells the time, so that runs can be compared."""
    return Stamp(0, False)


def _no_hooks(name: str) -> Hook:
    raise KeyError(name)
