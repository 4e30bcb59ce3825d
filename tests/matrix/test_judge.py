"""A judge that never finds anything wrong would make every matrix green: it is tried on wrong runs."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from flashers.api import Digest
from gateway.journal.journal import Told
from gateway.model.outcomes import Outcome, Verdict
from gateway.model.records import Record, Target
from tests.matrix.cases import CASES
from tests.matrix.fates import Fate
from tests.matrix.judge import Wrong, judge
from tests.matrix.process import MortalJournal
from tests.matrix.products import Run, run
from tests.matrix.world import Ended, World
from transports.virtual.clock import run_virtual


def spoilt(found: Run, **changes: object) -> Ended:
    """The same run, whose last record says otherwise."""
    last = found.ended.last
    return replace(found.ended, records=(*found.ended.records[:-1], replace(last, **changes)))  # type: ignore[arg-type]


def outcome(found: Run, said: Outcome) -> Ended:
    """The same run, told to have ended so."""
    assert found.ended.last.result is not None
    return spoilt(found, result=replace(found.ended.last.result, outcome=said))


def other_firmware(found: Run) -> Ended:
    """The node really runs something else."""
    return replace(found.ended, settled=replace(found.ended.settled, running={0: Digest("sha256", b"x")}))


def told_late(found: Run) -> Ended:
    """Something was told of the attempt after its end."""
    events = found.ended.events
    late = replace(events[0], id=replace(events[0].id, sequence=len(events) + 1))
    return replace(found.ended, events=(*events, late))


SPOILS: dict[str, Callable[[Run], Ended]] = {
    "rolled back, it says": lambda found: outcome(found, Outcome.ROLLED_BACK),
    "untouched, it says": lambda found: outcome(found, Outcome.NOT_REACHED),
    "without a verdict": lambda found: spoilt(found, verdict=Verdict.OPEN),
    "another firmware": other_firmware,
    "gone after a restart": lambda found: replace(
        found.ended, restarted=replace(found.ended.restarted, running={})
    ),
    "not confirmed": lambda found: replace(
        found.ended, settled=replace(found.ended.settled, confirmed=False)
    ),
    "told after the end": told_late,
    "an event is missing": lambda found: replace(found.ended, events=found.ended.events[1:]),
    "the end is not told": lambda found: replace(found.ended, events=found.ended.events[:-1]),
}


@pytest.mark.parametrize("spoil", SPOILS)
@pytest.mark.parametrize("name", ["stk500/healthy", "smp-swap/healthy"])
def test_a_run_that_ended_wrongly_is_found(name: str, spoil: str) -> None:
    case = CASES[name]
    found = run(case, Fate())
    judge(found.world, found.ended, case.ends)
    with pytest.raises(Wrong):
        judge(found.world, SPOILS[spoil](found), case.ends)


class Forgetful(MortalJournal):
    """A journal that never writes down that a node was touched."""

    async def save(
        self, record: Record, told: tuple[Told, ...] = (), *, known_good: Mapping[str, Target] | None = None
    ) -> None:
        await super().save(replace(record, touched=False), told, known_good=known_good)


@pytest.mark.parametrize("name", ["stk500/healthy", "smp-swap/healthy", "smp-serial-recovery/healthy"])
def test_a_gateway_that_does_not_write_down_that_it_touches_a_node_is_found(name: str) -> None:
    case = CASES[name]

    async def main() -> Run:
        world = World(case, Fate())
        world.mortal = Forgetful(world.journal, world.fate, world.guard)
        return Run(world, await world.run())

    found = run_virtual(main())
    with pytest.raises(Wrong, match="does not say that the node is touched"):
        judge(found.world, found.ended, case.ends)


def test_a_fate_is_read_as_it_is_written() -> None:
    text = "kill@5+ kill-send@3 cut@2 cut@7~=forever ask@4=superseded line=cut-link@40;dir=up"
    assert str(Fate.parse(text)) == text
    assert str(Fate.parse("")) == "nothing"
