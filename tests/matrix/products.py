"""Run whole products of fates, judge every run, and count them."""

import asyncio
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice, product
from math import gcd
from typing import TypeVar

from gateway.model.outcomes import Outcome
from tests.matrix.cases import Case
from tests.matrix.fates import Cut, Drop, Event, Fate, Gone, Kill, KillAtSend
from tests.matrix.judge import Wrong, judge
from tests.matrix.mesh_world import MeshWorld
from tests.matrix.world import Ended, World
from transports.virtual.clock import run_virtual

T = TypeVar("T")

LIMIT_S = 20_000.0
"""Virtual seconds; whatever takes longer than hours with one node never ends."""
THOROUGH = os.environ.get("TENDER_MATRIX") == "full"
COARSER = 12
"""By so much the parts are smaller in an ordinary run."""
SHOWN = 12
"""Bad fates in one test's message."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run, and what it went through."""

    world: World
    ended: Ended

    @property
    def writes(self) -> int:
        """Journal writes."""
        return self.world.mortal.writes

    @property
    def operations(self) -> int:
        """Flash operations."""
        return self.world.guard.settled

    @property
    def packets(self) -> int:
        """Packets on the air that arrived."""
        return self.world.packets

    def drops(self) -> Iterator[Drop]:
        """Each packet lost, and the link with it where there is one."""
        return (Drop(packet) for packet in range(1, self.packets + 1))

    def gones(self) -> Iterator[Gone]:
        """The coordinator pulled out at each frame."""
        return (Gone(frame) for frame in range(1, self.packets + 1))

    @property
    def sends(self) -> int:
        """Writes to the link."""
        return self.world.sends.count

    def kills(self, first: int = 1) -> Iterator[Kill]:
        """Before and after every journal write, from the ``first`` on."""
        return (Kill(write, after) for write in range(first, self.writes + 1) for after in (False, True))

    def cuts(self, first: int = 1, *, stays_off: bool = False) -> Iterator[Cut]:
        """At every flash operation, and inside of those that are more than one byte."""
        for number in range(first, self.operations + 1):
            yield Cut(number, stays_off=stays_off)
            if self.world.guard.sizes[number - 1] > 1:
                yield Cut(number, torn=True, stays_off=stays_off)

    def sends_from(self, first: int = 1) -> Iterator[KillAtSend]:
        """After every write to the link."""
        return (KillAtSend(chunk) for chunk in range(first, self.sends + 1))


def run(case: Case, fate: Fate) -> Run:
    """One world with this fate, from its beginning to its end, unjudged."""

    async def main() -> Run:
        world = MeshWorld(case, fate) if case.family.on_mesh else World(case, fate)
        return Run(world, await world.run())

    return run_virtual(main(), limit=LIMIT_S)


@dataclass(slots=True)
class Tally:
    """What was run under one heading.

    ``seconds`` are of the processor.  ``given_up`` are good images whose starts were used
    up by several faults, ``unasked`` the runs in which a bent byte made a loader write.
    """

    name: str
    runs: int = 0
    seconds: float = 0.0
    bad: list[str] = field(default_factory=list)
    outcomes: dict[str, int] = field(default_factory=dict)
    given_up: int = 0
    unasked: int = 0

    def over(self, case: Case, fates: Iterable[Fate], ends: Collection[Outcome] | None = None) -> None:
        """Run and judge every fate."""
        for fate in fates:
            self.one(case, fate, ends)

    def one(self, case: Case, fate: Fate, ends: Collection[Outcome] | None = None) -> Run | None:
        """Run and judge; None if it was bad."""
        return self.judged(case, fate, lambda: run(case, fate), "", ends)

    def judged(
        self,
        case: Case,
        fate: Fate,
        live: Callable[[], Run],
        where: str,
        ends: Collection[Outcome] | None = None,
    ) -> Run | None:
        """The same for a world of another kind; ``where`` is told of a bad one."""
        began = time.process_time()
        self.runs += 1
        try:
            found = live()
            judge(found.world, found.ended, ends or case.ends)
        except Wrong as wrong:
            self.bad.append(f"{where} {wrong}".strip())
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - a run that raises is a bad run
            self.bad.append(f"{where} {case} {fate}: {type(error).__name__}: {error}")
        else:
            self.good(found, ends or case.ends)
            return found
        finally:
            self.seconds += time.process_time() - began
        return None

    def good(self, found: Run, ends: Collection[Outcome]) -> None:
        """Count how a run that is not bad ended."""
        end, unasked = found.ended.outcomes[-1], bool(found.world.guard.unasked)
        self.outcomes[end] = self.outcomes.get(end, 0) + 1
        self.given_up += end not in ends and not unasked
        self.unasked += unasked

    def add(self, other: "Tally") -> None:
        """Count another one's runs as well."""
        self.runs += other.runs
        self.seconds += other.seconds
        self.given_up += other.given_up
        self.unasked += other.unasked
        self.bad += other.bad
        for end, count in other.outcomes.items():
            self.outcomes[end] = self.outcomes.get(end, 0) + count

    def demand(self) -> None:
        """Raises AssertionError, naming the first bad fates, if there is any."""
        if self.bad:
            shown = "\n".join(self.bad[:SHOWN])
            raise AssertionError(f"{len(self.bad)} of {self.runs} runs are bad:\n{shown}")


def full(undisturbed: Run, step: int = 1) -> Iterator[Fate]:
    """Every kill with every cut, each of them alone, and nothing at all; or every ``step``-th of these."""
    kills: list[Event | None] = [None, *undisturbed.kills()]
    cuts: list[Event | None] = [None, *undisturbed.cuts()]
    pairs = strided(product(kills, cuts), step, len(cuts))
    return (Fate.of(*(event for event in pair if event is not None)) for pair in pairs)


def pairs(first: Iterable[Event], second: Iterable[Event], step: int = 1) -> Iterator[Fate]:
    """Every event of the one with every event of the other, or every ``step``-th pair."""
    others = list(second)
    return (Fate.of(*pair) for pair in strided(product(first, others), step, len(others)))


def each(*axes: Iterable[Event]) -> Iterator[Fate]:
    """Every event of every axis, one at a time."""
    return (Fate.of(event) for event in chain(*axes))


def strided(items: Iterable[T], step: int, row: int = 1) -> Iterator[T]:
    """Every ``step``-th; a larger step is taken if this one would never visit some of a row's places."""
    step = scaled(step)
    while row and gcd(step, row) > 1:
        step += 1
    return islice(items, 0, None, step)


def scaled(step: int) -> int:
    """A part is a smaller part unless ``TENDER_MATRIX=full`` asks for more; a whole stays whole."""
    return step if step == 1 or THOROUGH else step * COARSER


def seconds(first: Run, event: Event) -> Iterator[Fate]:
    """What can still happen after a first event, with that event: each kill and cut that comes later."""
    write = event.write + 1 if isinstance(event, Kill) else 1
    operation = event.operation + 1 if isinstance(event, Cut) else 1
    later: list[Event] = [*first.kills(write), *first.cuts(operation)]
    return (Fate.of(event, second) for second in later)
