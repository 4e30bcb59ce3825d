"""What has to hold of every turn, judged by the model's node and not by what the product saw.

``unsafe`` says what is wrong with a step that is about to be done, ``untrue`` what is
wrong with an end that is about to be told; both give None if all is well.  Where an
image lies about itself the node's own words count: there is nothing else to go by.
"""

from typing import NamedTuple, assert_never

from flashers.api import RollbackKind
from gateway.attempt.steps import Activate, Confirm, Restart, Revert, Step, Transfer, TurnBack
from gateway.model.outcomes import Direction, Outcome, Verdict
from gateway.model.records import Record, Result
from tests.gateway.attempt.model import WHOLE, Act, Bytes, Life, Node, Trait
from tests.gateway.attempt.world import World, bytes_of, goals_back


class Fact(NamedTuple):
    """The node as it really is when it is judged, and what the journal says."""

    world: World
    trait: Trait
    node: Node
    heard: bool
    record: Record

    def says(self, index: int) -> Bytes:
        """What a component has to start from, in the node's own words."""
        runs = self.node.life is Life.RUNS
        return self.world.claims(self.node.places[index].active, self.trait, runs=runs)

    def holds(self, index: int) -> Bytes:
        """What a component has to start from, as far as it can be known."""
        return self._claimed(self.node)[index]

    def back(self, index: int) -> frozenset[Bytes]:
        """What this component may be taken back to."""
        return goals_back(self.record.parts[index])

    @property
    def proved(self) -> bool:
        """Whether the node runs, by the evidence that counts; where none can, whether it is heard at all."""
        if not self.world.rules.boot:
            return self.heard
        return self.heard and self.world.proves(self.node, self.trait)

    @property
    def on_target(self) -> bool:
        """Whether it holds the target for good."""
        return self._for_good([frozenset({Bytes.WANT})] * len(self.node.places))

    @property
    def is_back(self) -> bool:
        """Whether it holds what it had before, or the known-good, for good."""
        return self._for_good([self.back(index) for index in range(len(self.node.places))])

    @property
    def is_old(self) -> bool:
        """Whether it holds what it had before, for good."""
        before = [bytes_of(part.before) for part in self.record.parts]
        return self._for_good([frozenset({found}) if found else frozenset() for found in before])

    @property
    def well(self) -> bool:
        """Whether the target passed every check that this deployment has."""
        early = self.record.verdict is Verdict.PASSED and self.trait not in (Trait.UNHEALTHY, Trait.EARLY)
        if self.world.rules.soak_after <= 0:
            return early
        return early and self.record.late_verdict is Verdict.PASSED and self.trait is not Trait.FADES

    def _for_good(self, goals: list[frozenset[Bytes]]) -> bool:
        after = self.world.chip.boot(self.node, self.trait)
        return all(
            place.confirmed and now in goal and then in goal
            for place, now, then, goal in zip(
                self.node.places, self._claimed(self.node), self._claimed(after), goals, strict=True
            )
        )

    def _claimed(self, node: Node) -> list[Bytes]:
        if self.world.chip.trial:
            # What lies on trial is found out by taking it back.
            return [place.active for place in node.places]
        runs = node.life is Life.RUNS
        return [self.world.claims(place.active, self.trait, runs=runs) for place in node.places]


def untrue(fact: Fact, result: Result) -> str | None:
    """What is false about this end."""
    record = fact.record
    match result.outcome:
        case Outcome.SUCCEEDED:
            good = fact.proved and bool(fact.world.rules.boot) and fact.on_target and fact.well
        case Outcome.ALREADY_THERE:
            good = fact.proved and bool(fact.world.rules.boot) and fact.on_target and not record.touched
        case Outcome.FLASHED:
            unproved = not fact.world.rules.boot or not fact.proved
            back = record.direction is Direction.BACK or result.code == "no-progress"
            good = fact.heard and unproved and (fact.is_back if back else fact.on_target)
        case Outcome.ROLLED_BACK:
            ours = result.rollback is not RollbackKind.NONE or not fact.is_old
            good = fact.proved and fact.is_back and ours and _possible(fact.world, result.rollback)
        case Outcome.FAILED:
            good = fact.proved and (fact.is_old or not record.touched)
        case Outcome.REFUSED | Outcome.NOT_REACHED:
            good = not record.touched
        case Outcome.CANCELLED | Outcome.SUPERSEDED:
            good = not record.touched or (fact.proved and fact.is_back)
        case Outcome.WOUNDED:
            armed = any(place.pending for place in fact.node.places)
            fine = (fact.is_back and not armed) or (
                fact.on_target and (fact.well or not fact.world.rules.boot)
            )
            good = (record.touched or fact.heard) and not (fact.proved and fine)
        case Outcome.CHANGED_BY_OTHERS:
            good = fact.proved and any(
                fact.says(index) not in fact.back(index) | {Bytes.WANT} for index in range(len(record.parts))
            )
        case _:
            assert_never(result.outcome)
    return (
        None
        if good
        else f"{result.outcome} ({result.code or 'no code'}, {result.rollback}) is not true of {fact.node}"
    )


def _possible(world: World, kind: RollbackKind) -> bool:
    match kind:
        case RollbackKind.BOOTLOADER:
            return world.chip.trial or world.rules.reverts
        case RollbackKind.SLOT_SWITCH:
            return world.chip.slots == 2
        case RollbackKind.REFLASH:
            return world.known_good is not None and world.rollback is not RollbackKind.RESTORE
        case RollbackKind.RESTORE:
            return world.rollback is RollbackKind.RESTORE
        case RollbackKind.NONE:
            return world.known_good is not None  # somebody else put it there


def unsafe(fact: Fact, step: Step, begun: Record, act: Act) -> str | None:  # noqa: C901 - a list of rules
    """What is wrong with doing this step now."""
    world, node, record = fact.world, fact.node, fact.record
    changes = any(after.places != node.places for after in act.path)
    if changes and not begun.touched and not isinstance(step, Restart):
        return "the node is written before that is journalled"
    match step:
        case Transfer(component=component, back=back):
            place = int(component[1:])
            goals = fact.back(place) if back else frozenset({Bytes.WANT})
            if fact.proved and bool(world.rules.boot) and fact.holds(place) in goals:
                return "it is written although it runs what is to be written"
            if back and record.parts[place].known_good is None:
                return "there is nothing to write on the way back"
            if world.chip.slots == 2 and not node.places[place].confirmed and fact.trait is not Trait.LIES:
                return "the way back of an image on trial would be overwritten"
            if not back and record.verdict is Verdict.FAILED:
                return "a target that failed is written again"
        case Activate(back=False):
            if begun.activations > world.rules.bounds.activations and world.chip.components == 1:
                return "it is started too often"
            if Verdict.FAILED in (record.verdict, record.late_verdict):
                return "a target that failed is started again"
        case Confirm(component=component, back=back):
            place = int(component[1:])
            if not (fact.heard and world.proves(node, fact.trait)):
                return "something is confirmed that is not seen running"
            if fact.holds(place) not in (fact.back(place) if back else {Bytes.WANT}):
                return "something is confirmed that is not the goal"
            if not back and record.verdict is not Verdict.PASSED:
                return "the target is confirmed without a verdict"
        case Revert():
            if fact.trait is not Trait.LIES and all(place.confirmed for place in node.places):
                return "it is restarted to take back what is confirmed"
        case Restart():
            if not record.touched:
                return "an untouched node is restarted"
        case TurnBack():
            lost = any(place.active not in WHOLE for place in node.places)
            if lost and world.chip.slots == 1 and record.parts[0].known_good is None:
                return "it turns back with nothing to go back to"
        case _:
            pass
    return None
