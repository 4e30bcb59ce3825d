"""Walk an attempt through everything that can happen to it.

A state is (record, node, link, whether it was waited for); the walk turns the loop as
the runner does, and at every turn lets each fault happen that can happen there.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from flashers.api import Role, Seen
from gateway.attempt import advance
from gateway.attempt.decide import decide
from gateway.attempt.steps import (
    Activate,
    Await,
    CheckHealth,
    Confirm,
    Finish,
    Judge,
    Prepare,
    Restart,
    Revert,
    Step,
    Transfer,
    TurnBack,
)
from gateway.model.outcomes import CancelReason, Verdict
from gateway.model.records import Observation, Record, Trouble
from tests.gateway.attempt.book import OLDER, SICK, Book
from tests.gateway.attempt.model import Act, Answer, Bytes, Life, Node, Trait, third_image
from tests.gateway.attempt.world import SILENT, World, bytes_of, goals_back, shown

LOST = Trouble("link-lost", "the line went dead", retryable=True)
NO = Trouble("node-refused", "the node said no")
AGES = 1e9
"""Longer than every deadline."""


class Link(StrEnum):
    """Whether the node can be heard; LONG lasts beyond every deadline."""

    UP = "up"
    SHORT = "short"
    LONG = "long"


class State(NamedTuple):
    """Where an attempt is when its loop turns."""

    record: int
    node: Node
    link: Link = Link.UP
    waited: bool = False


class Move(NamedTuple):
    """One thing that can come next; ``passes`` tells a fault that is over by itself from one that is not."""

    label: str
    state: State
    passes: bool = True


@dataclass(frozen=True, slots=True)
class Turn:
    """What the loop decides in a state, and what follows if nothing goes wrong."""

    record: int
    seen: Seen
    step: Step
    act: Act | None = None
    moves: tuple[Move, ...] = ()
    end: Record | None = None


@dataclass(slots=True)
class Walk:
    """One world with one image."""

    world: World
    trait: Trait
    book: Book = field(default_factory=Book)
    reasons: tuple[CancelReason, ...] = (CancelReason.CANCELLED,)
    _known: dict[tuple[int, int, bool], tuple[int, Step, Record | None]] = field(default_factory=dict)
    _again: dict[int, int] = field(default_factory=dict)

    def first(self, node: Node) -> State:
        """An attempt begins."""
        return State(self.book.number(self.world.record()), node)

    def record(self, state: State) -> Record:
        """What the journal holds in this state."""
        return self.book.records[state.record]

    def observed(self, state: State) -> Observation:
        """What the loop sees."""
        seen = shown(self.world, state.node, self.trait) if state.link is Link.UP else SILENT
        return Observation(seen, AGES if state.waited and seen.role is Role.SILENT else 0.0)

    def turn(self, state: State) -> Turn:
        """What the loop does in this state."""
        observed = self.observed(state)
        seen = observed.seen
        number, step, end = self._judged(state.record, observed)
        if end is not None:
            return Turn(number, seen, step, end=end)
        if isinstance(step, Await):
            link = Link.UP if state.link is Link.SHORT else state.link
            return Turn(
                number, seen, step, moves=(Move("waits", State(state.record, state.node, link, waited=True)),)
            )
        act = self._act(self.book.records[number], step, state.node, seen)
        begun = self._begun(number, step)
        if isinstance(step, Restart) and state.link is Link.LONG:
            return Turn(number, seen, step, act, tuple(self._restarts_unheard(state, begun, step)))
        return Turn(number, seen, step, act, (self._after(state, begun, step, act, "does it"),))

    def _judged(self, number: int, observed: Observation) -> tuple[int, Step, Record | None]:
        """What the product makes of a record and a look: its part of the turn, worked out once."""
        key = (number, id(observed.seen), observed.silent_for > 0)
        known = self._known.get(key)
        if known is None:
            before = self.book.records[number]
            record = advance.noticed(before, observed.seen)
            step = decide(record, observed)
            end = advance.finish(record, step, observed.seen) if isinstance(step, Finish) else None
            number = number if record is before else self.book.number(record)
            known = self._known[key] = number, step, end
        return known

    def faults(self, state: State, turn: Turn) -> Iterator[Move]:
        """Everything that can go wrong in this state."""
        yield from self._between_steps(state)
        if turn.act is None:
            return
        begun = self._begun(turn.record, turn.step)
        yield from self._in_the_middle(state, begun, turn.step, turn.act)
        if len(turn.act.path) > 1 and not isinstance(turn.step, Restart):
            # The power fails just before, and the node is back in time to obey.
            record, booted = self.book.records[turn.record], self.world.chip.boot(state.node, self.trait)
            late = self._act(record, turn.step, booted, turn.seen)
            yield self._after(state, begun, turn.step, late, "power cut just before it")

    def recovered(self, state: State, end: Record) -> State | None:
        """The attempt that follows a wounded one as soon as its node answers; None if it never does."""
        node = state.node
        if shown(self.world, node, self.trait).role is Role.SILENT:
            node = self.world.chip.boot(node, self.trait)
            if shown(self.world, node, self.trait).role is Role.SILENT:
                return None
        again = self._again.get(id(end))
        if again is None:
            again = self._again[id(end)] = self.book.number(advance.recovery_of(end, end.id))
        return State(again, node)

    def _between_steps(self, state: State) -> Iterator[Move]:
        record, node = self.record(state), state.node
        yield Move("power cut", State(state.record, self.world.chip.boot(node, self.trait)))
        if state.waited:
            yield Move("gateway killed", state._replace(waited=False))
        if state.link is Link.UP:
            yield Move("link lost for a moment", state._replace(link=Link.SHORT, waited=False))
            yield Move("link lost", state._replace(link=Link.LONG, waited=False), passes=False)
        for index in range(len(node.places)):
            flashed = third_image(node, index, running=True)
            yield Move("flashed by others", State(state.record, flashed, state.link), passes=False)
            if self.world.chip.slots == 2 and not node.places[index].pending:
                laid = third_image(node, index, running=False)
                yield Move("slot taken by others", State(state.record, laid, state.link), passes=False)
        for reason in self.reasons:
            if record.cancel is None:
                asked = self._asked(state.record, reason)
                yield Move(f"{reason}", state._replace(record=asked), passes=False)

    def _in_the_middle(self, state: State, begun: int, step: Step, act: Act) -> Iterator[Move]:
        for index, node in enumerate(act.path):
            mark = 1 if index and isinstance(step, Transfer) else 0
            yield Move(f"gateway killed in it ({index})", State(begun, node, state.link))
            if mark:
                noted = self.book.becomes(begun, "headway", step, lambda r: advance.headway(r, step, 1))
                yield Move(f"gateway killed in it after headway ({index})", State(noted, node, state.link))
            if isinstance(step, Judge | TurnBack):
                continue
            lost = self._failed(begun, step, LOST, mark)
            yield Move(f"power cut in it ({index})", State(lost, self.world.chip.boot(node, self.trait)))
            yield Move(f"plugin raises in it ({index})", State(lost, node))
            yield Move(f"link lost for a moment in it ({index})", State(lost, node, Link.SHORT))
            yield Move(f"link lost in it ({index})", State(lost, node, Link.LONG), passes=False)
            if index < len(act.path) - 1 or len(act.path) == 1:
                refused = self._failed(begun, step, NO, mark)
                yield Move(f"refused in it ({index})", State(refused, node), passes=False)
            if self.world.chip.pulls and isinstance(step, Transfer) and step.back and not index:
                older = self._failed(begun, step, OLDER, 0)
                yield Move("takes nothing older", State(older, node), passes=False)
            for reason in self.reasons:
                if self.book.records[begun].cancel is None:
                    yield Move(
                        f"{reason} in it ({index})", State(self._asked(begun, reason), node), passes=False
                    )

    def _restarts_unheard(self, state: State, begun: int, step: Step) -> Iterator[Move]:
        """Restarted over a link that says nothing: it works or not, and the link may be back or not."""
        booted = self.world.chip.restart(state.node, self.trait).path[-1]
        done = self.book.becomes(begun, "succeed", step, lambda r: advance.succeed(r, step))
        for node in (state.node, booted):
            for link in (Link.UP, Link.LONG):
                yield Move(f"restarts it, link {link}", State(done, node, link))
        failed = self._failed(begun, step, LOST, 0)
        yield Move("cannot restart it", State(failed, state.node, state.link, waited=True))

    # The record's share

    def begun(self, turn: Turn) -> Record:
        """The record as it is on disk before the turn's step is done."""
        return self.book.records[self._begun(turn.record, turn.step)]

    def _begun(self, number: int, step: Step) -> int:
        return self.book.becomes(number, "begin", step, lambda record: advance.begin(record, step))

    def _failed(self, begun: int, step: Step, why: Trouble, mark: int) -> int:
        what = f"fail {why.code} {mark}"
        return self.book.becomes(begun, what, step, lambda record: advance.fail(record, step, why, mark=mark))

    def _asked(self, number: int, reason: CancelReason) -> int:
        return self.book.becomes(
            number, f"ask {reason}", Await(), lambda r: advance.ask_cancel(r, reason, "x")
        )

    def _after(self, state: State, begun: int, step: Step, act: Act, label: str) -> Move:
        node, life = act.path[-1], act.path[-1].life
        why = {Answer.DONE: None, Answer.REFUSED: NO, Answer.LOST: LOST}[act.answer]
        if isinstance(step, CheckHealth) and self.trait is Trait.STOPS and why is None:
            why, life = LOST, Life.HUNG
        if why is not None:
            number = self._failed(begun, step, why, 0)
        elif isinstance(step, Prepare):
            number = self.book.number(self._prepared(self.book.records[begun], node))
        else:
            number = self.book.becomes(begun, f"done {self.trait}", step, lambda r: self._succeeded(r, step))
        return Move(label, State(number, Node(node.places, life), state.link))

    def _prepared(self, begun: Record, node: Node) -> Record:
        return advance.prepared(begun, shown(self.world, node, self.trait), self.world.prepared(node))

    def _succeeded(self, begun: Record, step: Step) -> Record:
        if not isinstance(step, CheckHealth):
            return advance.succeed(begun, step)
        sick = self.trait in (Trait.UNHEALTHY, Trait.EARLY) or (step.late and self.trait is Trait.FADES)
        verdict = Verdict.FAILED if sick else Verdict.PASSED
        return advance.checked(begun, step, verdict, SICK if sick else None)

    # The node's share

    def _act(self, record: Record, step: Step, node: Node, seen: Seen) -> Act:
        """What the flasher makes of it, on the node as it is by then."""
        chip = self.world.chip
        match step:
            case Transfer(component=component, back=back):
                known_good = record.parts[_index(component)].known_good
                image = bytes_of(known_good.firmware) if back and known_good else Bytes.WANT
                return chip.transfer(node, _index(component), image or Bytes.NONE)
            case Activate(components=components, back=back):
                goals = {i: self._goals(record, i, seen, back=back) for i in map(_index, components)}
                return chip.activate(node, goals, self.trait)
            case Confirm(component=component):
                return chip.confirm(node, _index(component), self._running(_index(component), node, seen))
            case Revert():
                return Act((node, chip.boot(node, self.trait)))
            case Restart():
                return chip.restart(node, self.trait)
            case CheckHealth() if not self._still_target(node):
                return Act((node,), Answer.LOST)
            case _:
                return Act((node,))

    def _running(self, index: int, node: Node, seen: Seen) -> Bytes:
        """What is to be confirmed, by the name that it was seen under."""
        meant, is_now = seen.active(index), shown(self.world, node, self.trait).active(index)
        same = meant is not None and is_now is not None and meant.firmware == is_now.firmware
        return node.places[index].active if same else Bytes.NONE

    def _still_target(self, node: Node) -> bool:
        return node.life is not Life.HUNG and all(place.active is Bytes.WANT for place in node.places)

    def _goals(self, record: Record, index: int, seen: Seen, *, back: bool) -> frozenset[Bytes]:
        waits = seen.standby(index)
        back = back and not (waits is not None and waits.pending)  # what is armed is let boot
        return goals_back(record.parts[index]) if back else frozenset({Bytes.WANT})


def _index(component: str) -> int:
    return int(component.removeprefix("c"))
