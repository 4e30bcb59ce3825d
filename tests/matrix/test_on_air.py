"""Nodes behind a radio: a gateway that dies, power that fails, and a link that is lost at any packet."""

import pytest

from tests.matrix.cases import CASES, Case
from tests.matrix.fates import Fate
from tests.matrix.products import each, pairs, run
from tests.matrix.report import counted

pytestmark = pytest.mark.matrix

ON_AIR = [case for case in CASES.values() if case.family.on_air]
EACH = pytest.mark.parametrize("case", ON_AIR, ids=str)

PAIRS = 97
"""Every so many of the product of a link that is lost with something else that goes wrong."""


@EACH
def test_a_link_that_is_lost_at_any_packet_changes_nothing_of_how_it_ends(case: Case) -> None:
    with counted(f"the link lost at every packet, {case.family.name}") as tally:
        tally.over(case, each(run(case, Fate()).drops()))


@EACH
def test_a_lost_link_and_a_death_or_a_power_cut_leave_a_node_no_worse(case: Case) -> None:
    undisturbed = run(case, Fate())
    with counted("the link lost at a packet, and a kill or a power cut") as tally:
        tally.over(case, pairs(undisturbed.drops(), undisturbed.kills(), PAIRS))
        tally.over(case, pairs(undisturbed.drops(), undisturbed.cuts(), PAIRS))
        tally.over(case, pairs(undisturbed.drops(), undisturbed.drops(), PAIRS))
