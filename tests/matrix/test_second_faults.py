"""A second fault, while the first one is being recovered from: in the same attempt or in the next."""

import pytest

from tests.matrix.cases import CASES
from tests.matrix.fates import Event, Fate
from tests.matrix.products import Run, run, scaled, seconds, strided
from tests.matrix.report import counted

pytestmark = pytest.mark.matrix

STEPS = {
    "stk500-mute/healthy": 1,
    "stk500/healthy": 3,
    "stk500/unhealthy": 7,
    "stk500-restore/unhealthy": 17,
    "smp-direct-xip-revert/healthy": 5,
    "smp-direct-xip-revert/unhealthy": 11,
    "smp-swap-bare/healthy": 31,
    "smp-swap/unhealthy": 97,
    "smp-swap-small/crashes": 97,
    "smp-swap-pair/healthy": 97,
    "smp-overwrite/unhealthy": 31,
    "smp-serial-recovery/unhealthy": 17,
    "smp-serial-recovery/crashes": 53,
}
"""Every so many of all pairs; the smallest world is walked in full."""


def firsts(undisturbed: Run) -> list[Event]:
    """Every kill, and every cut with the power coming back soon and late."""
    return [*undisturbed.kills(), *undisturbed.cuts(), *undisturbed.cuts(stays_off=True)]


@pytest.mark.parametrize("name", STEPS)
def test_a_second_fault_during_recovery_changes_nothing_of_what_is_promised(name: str) -> None:
    case, step = CASES[name], scaled(STEPS[name])
    with counted(
        "a second fault after every first one" if step == 1 else "and a part of those pairs"
    ) as tally:
        begun = 0
        for first in firsts(run(case, Fate())):
            after = run(case, Fate.of(first))
            for fate in seconds(after, first):
                begun += 1
                if begun % step == 0:
                    tally.one(case, fate)


def test_a_third_fault_changes_nothing_either() -> None:
    case = CASES["stk500-mute/healthy"]
    with counted("a third fault in the smallest world, every 23rd") as tally:
        for first in firsts(run(case, Fate())):
            for fate in strided(seconds(run(case, Fate.of(first)), first), 23):
                for third in seconds(run(case, fate), first):
                    tally.one(case, Fate.of(*fate.kills, *fate.cuts, *third.kills, *third.cuts))
