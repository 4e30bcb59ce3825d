"""Nodes that ask for their firmware: frames that are lost, and a coordinator that is pulled out.

That the gateway dies and the node's power fails at any moment is tried with all the others.
"""

import pytest

from tests.matrix.cases import CASES, Case
from tests.matrix.fates import Fate
from tests.matrix.mesh_world import MeshWorld
from tests.matrix.products import each, pairs, run, strided
from tests.matrix.report import counted

pytestmark = pytest.mark.matrix

ON_MESH = [case for case in CASES.values() if case.family.on_mesh]
EACH = pytest.mark.parametrize("case", ON_MESH, ids=str)

WHOLE = ("zigbee/healthy", "zigbee-pages/healthy", "zigbee-sleepy/healthy")
"""Cases of which every frame is tried in every run."""
PAIRS = 197
"""Every so many of the product of a frame with something else that goes wrong."""


def part(case: Case) -> int:
    """Every frame of some, and some of the others'."""
    return 1 if str(case) in WHOLE else 2


@EACH
def test_a_frame_that_is_lost_costs_time_and_nothing_else(case: Case) -> None:
    with counted(f"every frame lost once, {case.family.name}") as tally:
        tally.over(case, strided(each(run(case, Fate()).drops()), part(case)))


@EACH
def test_a_coordinator_pulled_out_at_any_frame_says_nothing_of_the_node(case: Case) -> None:
    with counted(f"the coordinator pulled out at every frame, {case.family.name}") as tally:
        tally.over(case, strided(each(run(case, Fate()).gones()), part(case)))


@EACH
def test_a_network_in_trouble_and_a_death_or_a_power_cut_leave_a_node_no_worse(case: Case) -> None:
    undisturbed = run(case, Fate())
    with counted("a frame lost or the coordinator gone, and a kill or a power cut") as tally:
        for trouble in (undisturbed.drops, undisturbed.gones):
            tally.over(case, pairs(trouble(), undisturbed.kills(), PAIRS))
            tally.over(case, pairs(trouble(), undisturbed.cuts(), PAIRS))
        tally.over(case, pairs(undisturbed.drops(), undisturbed.drops(), PAIRS))


def test_a_node_in_mid_image_that_finds_a_new_life_of_the_gateway_goes_on_where_it_is() -> None:
    case = CASES["zigbee/healthy"]
    undisturbed = run(case, Fate())
    with counted("the gateway killed after each frame that it sends") as tally:
        once = undisturbed.ended.last.bytes_sent
        for fate in each(undisturbed.sends_from()):
            found = tally.one(case, fate)
            assert found is not None
            assert isinstance(found.world, MeshWorld)
            assert not found.world.overheard.aborts
            assert found.ended.last.bytes_sent <= once, "it is not sent what it has"
    assert tally.outcomes == {"succeeded": tally.runs}
