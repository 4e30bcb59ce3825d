"""Samples of the same faults in real time: over real PTYs, real ports, and a journal on disk.

What virtual time leaves out is here: the kernel's buffers, threads, a file that is
opened again by the next life of the gateway.  Everything else, the judge too, is the
matrix's own.
"""

import asyncio
import random
import time
from pathlib import Path

import pytest

from gateway.journal import Database, Journal
from tests.matrix.cases import CASES, Case
from tests.matrix.fates import Event, Fate
from tests.matrix.judge import Wrong, judge
from tests.matrix.products import Run, run
from tests.matrix.report import counted
from tests.matrix.world import Pace, World, no_clock
from transports.links import ByteLink, LinkSpec
from transports.open import open_link
from transports.virtual.memory import MemoryLine
from transports.virtual.pty import PtyHost

pytestmark = pytest.mark.slow

SAMPLES = 40
AT_ONCE = 10
LIMIT_S = 60.0
"""For one sample, in real seconds."""

NAMES = (
    "stk500/healthy",
    "stk500/unhealthy",
    "stk500-mute/healthy",
    "stk500-restore/unhealthy",
    "smp-swap/healthy",
    "smp-swap/unhealthy",
    "smp-swap/rejected",
    "smp-swap-pair/healthy",
    "smp-overwrite/unhealthy",
    "smp-direct-xip-revert/healthy",
)
"""Cases that need no modem lines, which a PTY does not have."""


class PtyWorld(World):
    """The same world, with a line and a disk that are not of our making."""

    pace = Pace(restart=0.3, look=0.5, quiet=1.5, off=0.2)

    def __init__(self, case: Case, fate: Fate, folder: Path) -> None:
        self.folder = folder
        super().__init__(case, fate)
        self.spec = LinkSpec("uart", str(folder / "port"))

    def _made_line(self) -> MemoryLine | PtyHost:
        return PtyHost(self.guard, link=self.folder / "port", faults=self.fate.line)

    def _made_journal(self) -> Journal:
        return Journal(Database(self.folder / "journal.db"), "gw", no_clock)

    async def _opened(self) -> ByteLink:
        return await open_link(self.spec)

    async def _reborn(self) -> None:
        await self.journal.close()
        self.journal = self.mortal.journal = self._made_journal()
        await self.journal.open()


def sample(seed: int) -> tuple[Case, Fate]:
    """A case and one to three faults for it, the same for the same seed."""
    chance = random.Random(seed)
    case = CASES[NAMES[seed % len(NAMES)]]
    undisturbed = run(case, Fate())
    kinds = [_kill, _cut, _send, _line]
    chosen = chance.sample(kinds, chance.randint(1, 3))
    events, lines = list[Event](), list[str]()
    for kind in chosen:
        what = kind(undisturbed, chance)
        if isinstance(what, str):
            lines.append(what)
        elif what is not None:
            events.append(what)
    return case, Fate.of(*events, line=",".join(lines))


def _kill(undisturbed: Run, chance: random.Random) -> Event | None:
    return chance.choice(list(undisturbed.kills()))


def _cut(undisturbed: Run, chance: random.Random) -> Event | None:
    return chance.choice(list(undisturbed.cuts()) or [None])


def _send(undisturbed: Run, chance: random.Random) -> Event | None:
    return chance.choice(list(undisturbed.sends_from()))


def _line(undisturbed: Run, chance: random.Random) -> str:
    line = undisturbed.world.line.line
    if chance.random() < 0.5:
        return f"cut-link@{chance.randrange(line.down.carried)}"
    return f"cut-link@{chance.randrange(line.up.carried)};dir=up"


async def live(case: Case, fate: Fate, folder: Path) -> Run:
    """One world on real things, from its beginning to its end."""
    world = PtyWorld(case, fate, folder)
    if not isinstance(world.line, PtyHost):
        raise TypeError("this is no real port")
    async with world.line:
        return Run(world, await world.run())


async def test_the_same_faults_over_real_ports_and_a_real_disk_end_as_truly(tmp_path: Path) -> None:
    samples = await asyncio.to_thread(lambda: [sample(seed) for seed in range(SAMPLES)])
    folders = [tmp_path / str(number) for number in range(SAMPLES)]
    for folder in folders:
        await asyncio.to_thread(folder.mkdir)
    gate = asyncio.Semaphore(AT_ONCE)
    deaths = 0
    with counted("seeded samples over real PTYs, in real time") as tally:

        async def one(folder: Path, case: Case, fate: Fate) -> None:
            nonlocal deaths
            tally.runs += 1
            try:
                async with gate, asyncio.timeout(LIMIT_S):
                    found = await live(case, fate, folder)
                judge(found.world, found.ended, case.ends)
            except (Wrong, TimeoutError) as wrong:
                tally.bad.append(f"{case} {fate}: {wrong}")
            else:
                tally.good(found, case.ends)
                deaths += found.ended.lives - len(found.ended.records)

        began = time.process_time()
        await asyncio.gather(*(one(folder, *each) for folder, each in zip(folders, samples, strict=True)))
        tally.seconds = time.process_time() - began
    assert tally.runs >= 30
    assert deaths >= 10, "the gateway hardly ever died"
