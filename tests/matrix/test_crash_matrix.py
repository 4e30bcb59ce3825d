"""The gateway killed at any journal write, with the node's power cut at any flash operation.

A full product for both bootloader families and every kind of image; where a step is
named, every so many of the product, in such a way that each kill and each cut is
still among them.
"""

import pytest

from flashers.sim import Behaviour
from tests.matrix.cases import CASES, SUCCEEDED, Case
from tests.matrix.families import STK500_LARGE
from tests.matrix.fates import Fate, Kill
from tests.matrix.products import THOROUGH, each, full, pairs, run, strided
from tests.matrix.report import counted

pytestmark = pytest.mark.matrix

STEPS = {
    "stk500-restore/hangs": 3,
    "smp-swap-small/crashes": 3,
    "smp-swap-small/confirms-early": 3,
    "smp-swap-bare/healthy": 5,
    "smp-swap-bare/hangs": 5,
    "smp-swap-bare/bitten": 7,
    "smp-swap-pair/healthy": 11,
    "smp-swap-pair/first-unhealthy": 17,
    "smp-swap-pair/second-unhealthy": 17,
    "smp-swap-pair/second-crashes": 29,
    "smp-swap-pair/rejected": 3,
    "smp-overwrite/crashes": 11,
    "smp-overwrite/hangs": 7,
    "smp-overwrite/confirms-early": 7,
    "smp-overwrite/lies": 3,
    "smp-direct-xip-revert/confirms-early": 5,
    "smp-serial-recovery/crashes": 7,
    "smp-serial-recovery/hangs": 5,
    "smp-serial-recovery/confirms-early": 5,
    "smp-serial-recovery/lies": 3,
    "nordic-secure/crashes": 7,
    "nordic-secure-single/crashes": 7,
    "nordic-legacy/crashes": 7,
    "nordic-legacy-single/crashes": 7,
}
"""Cases whose product is walked with a step: variants of what another case has in full."""

WHOLE = {
    *(name for name in CASES if name.startswith("stk500/")),
    "stk500-mute/healthy",
    "smp-swap/healthy",
    "smp-swap/unhealthy",
    "smp-swap/rejected",
    "smp-overwrite/healthy",
    "smp-direct-xip-revert/healthy",
    "smp-direct-xip-revert/unhealthy",
    "smp-serial-recovery/healthy",
}
"""Walked in full in every run: a healthy, a failing and a rejected image for both families, and more."""


def part(case: Case) -> int:
    """Every one of a case that is walked whole, and some of the others."""
    return 1 if str(case) in WHOLE else 2


EACH = pytest.mark.parametrize("case", CASES.values(), ids=str)


@EACH
def test_no_loss_of_power_or_process_leaves_a_node_in_between(case: Case) -> None:
    far = case.family.on_air or case.family.on_mesh
    whole = str(case) in WHOLE or (THOROUGH and far)
    step = 1 if whole else STEPS.get(str(case), 7 if case.family.on_mesh else 3)
    heading = "full product of kills and cuts" if step == 1 else "a part of that product, for variants"
    with counted(f"{heading}, {case.family.name}") as tally:
        tally.over(case, full(run(case, Fate()), step))


@EACH
def test_a_gateway_that_dies_in_the_middle_of_a_step_goes_on_with_it(case: Case) -> None:
    undisturbed = run(case, Fate())
    with counted("the gateway killed after each write to the link") as tally:
        tally.over(case, strided(each(undisturbed.sends_from()), part(case)))
        tally.over(case, pairs(undisturbed.sends_from(), undisturbed.cuts(), step=97))


@EACH
def test_a_node_without_power_for_long_is_wounded_and_brought_back(case: Case) -> None:
    undisturbed = run(case, Fate())
    with counted("a long outage at each flash operation") as tally:
        tally.over(case, strided(each(undisturbed.cuts(stays_off=True)), part(case)))
        tally.over(case, pairs(undisturbed.kills(), undisturbed.cuts(stays_off=True), step=41))


def test_a_transfer_that_gets_further_each_time_is_not_given_up() -> None:
    case = Case("healthy", STK500_LARGE, (Behaviour.HEALTHY,), SUCCEEDED)
    with counted("the gateway killed wherever a transfer's headway is written down") as tally:
        undisturbed = run(case, Fate())
        headways = undisturbed.world.mortal.headways
        tally.over(case, each(Kill(write, after) for write in headways for after in (False, True)))
        # And at every one in the same attempt, which so begins its transfer more often than it may.
        kills: list[Kill] = []
        while headways:
            kills.append(Kill(headways[0], after=True))
            again = tally.one(case, Fate.of(*kills))
            headways = [w for w in again.world.mortal.headways if w > kills[-1].write] if again else []
    assert len(kills) >= undisturbed.ended.last.rules.bounds.starts
