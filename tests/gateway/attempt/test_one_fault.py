"""Every kind of node with every kind of image, and whatever single thing can go wrong with it."""

from dataclasses import fields, replace

import pytest

from gateway.attempt import advance
from gateway.attempt.decide import decide
from gateway.attempt.steps import Activate
from gateway.model.outcomes import CancelReason, Outcome, Phase
from gateway.model.records import Record
from tests.gateway.attempt.book import SICK, Book
from tests.gateway.attempt.ends import AFTER_FAULTS, UNDISTURBED, cells
from tests.gateway.attempt.explore import NEVER, Atlas, passing
from tests.gateway.attempt.model import Trait
from tests.gateway.attempt.walk import Walk
from tests.gateway.attempt.world import World
from tests.gateway.attempt.worlds import WORLDS

LONGEST = 15
"""Turns of an attempt that nothing disturbs any more; every attempt may take sixty."""

worlds = pytest.mark.parametrize("world", WORLDS, ids=[world.name for world in WORLDS])
kinds = pytest.mark.parametrize(
    ("world", "trait"),
    [pytest.param(world, trait, id=f"{world.name}, {trait}") for world in WORLDS for trait in world.traits],
)


@kinds
def test_an_undisturbed_attempt_ends_as_its_owner_would_expect(world: World, trait: Trait) -> None:
    atlas = Atlas(Walk(world, trait), faults=0).explore()
    assert atlas.longest() <= LONGEST
    assert passing(atlas.walk, 0) == [cells(UNDISTURBED)[world.name, trait]]


def test_the_tables_tell_of_nothing_else() -> None:
    assert set(cells(UNDISTURBED)) == {(world.name, trait) for world in WORLDS for trait in world.traits}
    assert {name for name, _ in cells(AFTER_FAULTS)} == {world.name for world in WORLDS}


@worlds
def test_one_fault_leaves_no_node_in_between(world: World) -> None:
    book = Book()
    for trait in world.traits:
        atlas = Atlas(Walk(world, trait, book), faults=1).explore()
        assert atlas.longest() <= LONGEST
        assert not [atlas.story(wound.state) for wound in atlas.recoveries().pop(NEVER, [])]


@worlds
def test_a_healthy_image_arrives_whatever_passes_over_it_once(world: World) -> None:
    table = cells(AFTER_FAULTS)
    assert passing(Walk(world, Trait.HEALTHY), 1) == [table[world.name, "none"], table[world.name, "one"]]


@pytest.mark.parametrize("reason", CancelReason)
@worlds
def test_who_asked_for_the_end_is_told_so_and_nothing_else(world: World, reason: CancelReason) -> None:
    told = {
        CancelReason.CANCELLED: Outcome.CANCELLED,
        CancelReason.SUPERSEDED: Outcome.SUPERSEDED,
        CancelReason.DEADLINE: Outcome.NOT_REACHED,
    }
    atlas = Atlas(Walk(world, Trait.HEALTHY, reasons=(reason,)), faults=1).explore()
    ends = atlas.outcomes()
    assert told[reason] in ends
    assert not ends & (set(told.values()) - {told[reason], Outcome.NOT_REACHED})


class Diary(Book):
    """Forgets nothing."""

    def number(self, record: Record) -> int:
        key = tuple(
            tuple(value.items()) if isinstance(value, dict) else value
            for value in (getattr(record, item.name) for item in fields(record))
        )
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self.records)
            self.records.append(record)
        return found


@worlds
def test_what_the_walk_forgets_of_a_record_matters_to_nothing_that_can_come(world: World) -> None:
    for trait in world.traits[:4]:
        full = Atlas(Walk(world, trait, Diary()), faults=1).explore()
        book = Book()
        short = Atlas(Walk(world, trait, book), faults=1).explore()
        same = {state._replace(record=book.number(full.walk.record(state))) for state in full.states}
        assert same == set(short.states)


@worlds
def test_who_was_kept_from_starting_its_target_goes_on_as_if_nothing_had_been(world: World) -> None:
    """Waiting with everything staged spends nothing, decides nothing, and is over with the next step."""
    held = 0
    for trait in world.traits[:4]:
        walk = Walk(world, trait, Book())
        for state in Atlas(walk, faults=1).explore().states:
            turn = walk.turn(state)
            if not isinstance(turn.step, Activate) or turn.step.back or turn.step.again:
                continue
            held += 1
            record = walk.book.records[turn.record]
            waits = advance.stage(record)
            assert waits == replace(record, staged=True, phase=Phase.WAITING)
            assert decide(waits, walk.observed(state)) == turn.step
            assert advance.begin(waits, turn.step) == advance.begin(record, turn.step)
            for after in (advance.turn_back(waits, SICK), advance.recovery_of(waits, 2)):
                assert not after.staged
    assert held or not world.rules.boot
