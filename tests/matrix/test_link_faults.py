"""The link cut at any byte, and bytes lost, bent or doubled at any place, in either direction."""

from collections.abc import Iterator

import pytest

from gateway.model.outcomes import Outcome
from tests.matrix.cases import CASES
from tests.matrix.fates import Fate
from tests.matrix.products import Run, run, strided
from tests.matrix.report import counted

pytestmark = pytest.mark.matrix

STEPS = {
    "stk500/healthy": 3,
    "stk500/unhealthy": 17,
    "stk500/crashes": 29,
    "stk500-mute/healthy": 7,
    "stk500-restore/unhealthy": 13,
    "smp-swap/healthy": 19,
    "smp-swap/unhealthy": 37,
    "smp-swap-small/crashes": 41,
    "smp-swap-small/hangs": 43,
    "smp-swap-pair/healthy": 97,
    "smp-overwrite/healthy": 31,
    "smp-overwrite/unhealthy": 53,
    "smp-direct-xip-revert/healthy": 31,
    "smp-direct-xip-revert/unhealthy": 47,
    "smp-serial-recovery/healthy": 29,
    "smp-serial-recovery/unhealthy": 37,
}
"""Every so many bytes of all that pass in a run without faults."""

BACK_UNPROVED = {"stk500-restore/unhealthy": frozenset({Outcome.FLASHED})}
"""What such a node ran before is known by its boot line alone; was that bent, no boot proves it again."""


def places(undisturbed: Run, kind: str) -> Iterator[Fate]:
    """One fault of this kind at every byte, first on the way down and then on the way up."""
    line = undisturbed.world.line.line
    for wire, suffix in ((line.down, ""), (line.up, ";dir=up")):
        for byte in range(wire.carried):
            yield Fate(line=f"{kind}@{byte}{suffix}")


@pytest.mark.parametrize("name", STEPS)
def test_a_link_that_is_cut_at_any_byte_is_opened_again_and_the_attempt_goes_on(name: str) -> None:
    case = CASES[name]
    with counted("the link cut at a byte, up or down") as tally:
        tally.over(case, strided(places(run(case, Fate()), "cut-link"), max(1, STEPS[name] // 2)))


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("kind", ["drop", "corrupt", "duplicate"])
def test_a_byte_that_is_lost_or_bent_or_doubled_costs_time_and_nothing_else(name: str, kind: str) -> None:
    case = CASES[name]
    ends = case.ends | BACK_UNPROVED.get(name, frozenset())
    with counted(f"one byte hit by {kind}, up or down") as tally:
        tally.over(case, strided(places(run(case, Fate()), kind), STEPS[name]), ends)
