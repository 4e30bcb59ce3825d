"""Somebody asks for the end at every moment of an attempt, and then something else goes wrong."""

from collections.abc import Iterator

import pytest

from gateway.model.outcomes import CancelReason, Outcome
from tests.matrix.cases import CASES
from tests.matrix.fates import Ask, Event, Fate
from tests.matrix.products import Run, each, pairs, run
from tests.matrix.report import counted

pytestmark = pytest.mark.matrix

STEPS = {
    "stk500/healthy": 1,
    "stk500/unhealthy": 7,
    "stk500-mute/healthy": 3,
    "stk500-restore/unhealthy": 11,
    "smp-swap/healthy": 7,
    "smp-swap/rejected": 7,
    "smp-swap-small/crashes": 41,
    "smp-swap-small/hangs": 31,
    "smp-swap-pair/healthy": 41,
    "smp-overwrite/unhealthy": 31,
    "smp-direct-xip-revert/unhealthy": 11,
    "smp-serial-recovery/healthy": 7,
    "smp-serial-recovery/unhealthy": 31,
    "zigbee/healthy": 31,
    "zigbee-sleepy/healthy": 97,
    "zigbee-reports/unhealthy": 97,
    "zigbee-older/healthy": 97,
}
"""Every so many of the product of asking with a kill or a cut; asking alone is always walked in full."""

ENDED = {CancelReason.CANCELLED: Outcome.CANCELLED, CancelReason.SUPERSEDED: Outcome.SUPERSEDED}


def asks(undisturbed: Run, reason: CancelReason) -> list[Event]:
    """After every journal write but the last, which is the end."""
    return [Ask(write, reason) for write in range(1, undisturbed.writes)]


def faults(undisturbed: Run) -> Iterator[Event]:
    """Every kill and every cut."""
    yield from undisturbed.kills()
    yield from undisturbed.cuts()


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("reason", ENDED)
def test_an_attempt_that_is_called_off_leaves_the_node_where_it_was(name: str, reason: CancelReason) -> None:
    case = CASES[name]
    undisturbed = run(case, Fate())
    ends = case.ends | {ENDED[reason]}
    with counted(f"{reason} at each write, alone and with a kill or a cut") as tally:
        tally.over(case, each(asks(undisturbed, reason)), ends)
        step = STEPS[name] * (1 if reason is CancelReason.CANCELLED else 5)
        tally.over(case, pairs(asks(undisturbed, reason), faults(undisturbed), step), ends)
    assert tally.outcomes.get(ENDED[reason], 0) > 0
