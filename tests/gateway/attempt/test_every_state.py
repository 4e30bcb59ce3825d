"""Every state that a record and a node can come to together, with up to three faults on the way."""

import gc
import time
from collections.abc import Iterator

import pytest

from gateway.model.outcomes import Outcome
from tests.gateway.attempt.book import Book
from tests.gateway.attempt.ends import AFTER_FAULTS, cells
from tests.gateway.attempt.explore import NEVER, Atlas, passing
from tests.gateway.attempt.model import Trait
from tests.gateway.attempt.walk import Walk
from tests.gateway.attempt.world import World
from tests.gateway.attempt.worlds import WORLDS

pytestmark = pytest.mark.matrix

FAULTS = 3
FLOOR = 700_000
"""States; fewer would mean that the walk has lost its way."""

worlds = pytest.mark.parametrize("world", WORLDS, ids=[world.name for world in WORLDS])
visited: dict[str, tuple[int, float]] = {}


@pytest.fixture(autouse=True)
def nothing_to_collect() -> Iterator[None]:
    """The walk makes millions of values and no circle of them; to look for one takes a fifth of the time."""
    gc.disable()
    yield
    gc.enable()
    gc.collect()


@worlds
def test_no_three_faults_leave_a_node_in_between(world: World) -> None:
    """Safe at each step, true at each end, and at an end after a bounded number of turns.

    What is wounded is proved again by at most a few recovery attempts, as soon as it
    answers and faults are over, unless nothing that we have leads off a bad image.
    """
    book, began, count, ends = Book(), time.process_time(), 0, set[Outcome]()
    for trait in world.traits:
        atlas = Atlas(Walk(world, trait, book), FAULTS).explore()
        assert atlas.longest() < world.rules.bounds.turns // 2
        recoveries = atlas.recoveries()
        assert NEVER not in recoveries, atlas.story(recoveries[NEVER][0].state)
        assert max(recoveries) <= 1 + world.rules.bounds.starts
        count += len(atlas.states)
        ends |= atlas.outcomes()
    assert Outcome.WOUNDED in ends
    visited[world.name] = count, time.process_time() - began


@worlds
def test_faults_that_pass_end_a_healthy_image_in_few_ways(world: World) -> None:
    table = cells(AFTER_FAULTS)
    expected = [table[world.name, faults] for faults in ("none", "one", "two", "three")]
    assert passing(Walk(world, Trait.HEALTHY), FAULTS) == expected


def test_every_state_was_visited(capsys: pytest.CaptureFixture[str]) -> None:
    if len(visited) < len(WORLDS):
        pytest.skip("only some of the worlds were walked")
    total, seconds = (sum(column) for column in zip(*visited.values(), strict=True))
    with capsys.disabled():
        print(f"\ndecide: {total} states of record and node visited in {seconds:.0f} s")  # noqa: T201
    assert total > FLOOR
