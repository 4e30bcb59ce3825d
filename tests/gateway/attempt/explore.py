"""Visit every state of a walk, and judge each as it is met."""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from itertools import repeat
from typing import NamedTuple

from flashers.api import Role, RollbackKind
from gateway.attempt import advance
from gateway.attempt.decide import decide
from gateway.attempt.steps import Await, Finish
from gateway.model.outcomes import CancelReason, Direction, Outcome, Phase
from gateway.model.records import Part, Record
from tests.gateway.attempt.model import Place, Trait
from tests.gateway.attempt.truths import Fact, unsafe, untrue
from tests.gateway.attempt.walk import Link, Move, State, Turn, Walk
from tests.gateway.attempt.world import goals_back

NEVER = 99


class Wound(NamedTuple):
    """An attempt that ended as wounded: where, and its ended record."""

    state: State
    end: Record


@dataclass(slots=True)
class Atlas:
    """Every state that a walk can come to with so many faults."""

    walk: Walk
    faults: int
    states: dict[State, int] = field(default_factory=dict)
    """How many faults it takes to come here, at least."""
    onwards: dict[State, list[State]] = field(default_factory=dict)
    """What follows without another fault."""
    wounds: list[Wound] = field(default_factory=list)
    _came: dict[State, tuple[State, str]] = field(default_factory=dict)

    def explore(self) -> "Atlas":
        """Visit them all; recovery attempts of wounded nodes have what faults are left.

        Raises:
            AssertionError: a turn is unsafe, an end is not true; with the way there.
        """
        reached: list[tuple[State, tuple[State, str] | None]] = [
            (self.walk.first(node), None) for node in self.walk.world.begins(self.walk.trait)
        ]
        for count in range(self.faults + 1):
            stack = [state for state, came in reached if self._is_new(state, count, came)]
            reached = []
            while stack:
                state = stack.pop()
                turn = self.walk.turn(state)
                for move in self._free(state, turn):
                    if self._is_new(move.state, count, (state, move.label)):
                        stack += [move.state]
                if count < self.faults:
                    self._judge_the_limit(state, turn)
                    for fault in self.walk.faults(state, turn):
                        if fault.state not in self.states:
                            reached.append((fault.state, (state, fault.label)))
        return self

    def longest(self) -> int:
        """The most turns that an attempt takes without another fault.

        Raises:
            AssertionError: it may go on for ever.
        """
        turns: dict[State, int] = {}
        for start in self.states:
            if start in turns:
                continue
            open_: dict[State, None] = {start: None}
            while open_:
                state = next(reversed(open_))
                missing = [following for following in self.onwards[state] if following not in turns]
                if not missing:
                    turns[state] = 1 + max((turns[following] for following in self.onwards[state]), default=0)
                    del open_[state]
                    continue
                assert missing[-1] not in open_, f"it goes round in circles\n{self.story(state)}"
                open_[missing[-1]] = None
        return max(turns.values())

    def recoveries(self) -> dict[int, list[Wound]]:
        """Wounds by how many recovery attempts it takes, faults being over, until nothing is left to do.

        That is when the node is proved, or stays mute, or is lost; ``NEVER`` holds the others.
        """
        found: dict[int, list[Wound]] = defaultdict(list)
        known: dict[State, int] = {}
        for wound in self.wounds:
            state = self.walk.recovered(wound.state, wound.end)
            if state is not None and not is_lost(self.walk, wound):
                found[min(1 + self._again(state, known), NEVER)].append(wound)
        return found

    def outcomes(self) -> set[Outcome]:
        """How the attempts ended."""
        ends = (self.walk.turn(state).end for state, following in self.onwards.items() if not following)
        return {end.result.outcome for end in ends if end is not None and end.result is not None}

    def story(self, state: State | None) -> str:
        """How a state is come to, a line for each turn."""
        lines = []
        while state is not None:
            before = self._came.get(state)
            step = self.walk.turn(state).step
            label = before[1] if before else "begins"
            lines.append(f"  {label:40} {described(state)}\n{'':43}-> {step}")
            state = before[0] if before else None
        return f"{self.walk.world.name}, {self.walk.trait} image:\n" + "\n".join(reversed(lines))

    def _is_new(self, state: State, faults: int, came: tuple[State, str] | None) -> bool:
        if state in self.states:
            return False
        self.states[state] = faults
        if came is not None:
            self._came[state] = came
        return True

    def _free(self, state: State, turn: Turn) -> list[Move]:
        """Judge what is done here, and give what follows without a fault."""
        self.onwards[state] = [move.state for move in turn.moves]
        free = list(turn.moves)
        if turn.end is not None:
            self._judge_the_end(state, turn, turn.end)
            if turn.end.result is not None and turn.end.result.outcome is Outcome.WOUNDED:
                self.wounds.append(Wound(state, turn.end))
                again = self.walk.recovered(state, turn.end)
                if again is not None:
                    free.append(Move("answers again, and is recovered", again))
        elif turn.act is not None:
            wrong = unsafe(self._fact(state, turn), turn.step, self.walk.begun(turn), turn.act)
            assert wrong is None, f"{wrong}\n{self.story(state)}"
        return free

    def _judge_the_end(self, state: State, turn: Turn, end: Record) -> None:
        assert end.result is not None
        wrong = untrue(self._fact(state, turn), end.result)
        assert wrong is None, f"{wrong}\n{self.story(state)}"
        assert end.done
        assert end.phase is Phase.DONE
        assert advance.ask_cancel(end, CancelReason.CANCELLED, "late") is end

    def _judge_the_limit(self, state: State, turn: Turn) -> None:
        """If this were the last turn that the attempt may take, its end would be true, too."""
        record = self.walk.book.records[turn.record]
        last = replace(record, turns=record.rules.bounds.turns)
        step = decide(last, self.walk.observed(state))
        if isinstance(step, Await):
            return
        assert isinstance(step, Finish), f"its turns are used up, and it goes on\n{self.story(state)}"
        result = advance.finish(last, step, turn.seen).result
        assert result is not None
        if result.outcome is Outcome.WOUNDED and result.code == "no-progress":
            assert record.touched  # it is in between, whatever it runs
            return
        wrong = untrue(self._fact(state, turn), result)
        assert wrong is None, f"at the limit of its turns: {wrong}\n{self.story(state)}"

    def _fact(self, state: State, turn: Turn) -> Fact:
        walk, node = self.walk, state.node
        if walk.world.chip.probe_restarts and state.link is Link.UP:
            node = walk.world.chip.boot(node, walk.trait)
        heard = turn.seen.role is not Role.SILENT
        return Fact(walk.world, walk.trait, node, heard, walk.book.records[turn.record])

    def _again(self, state: State, known: dict[State, int]) -> int:
        """How many more recoveries the worst way on from here needs."""
        if state not in known:
            known[state] = NEVER  # unless something better is found: a circle is for ever
            known[state] = max((self._more(wound, known) for wound in self._ends(state)), default=0)
        return known[state]

    def _more(self, wound: Wound, known: dict[State, int]) -> int:
        if wound.end.result is None or wound.end.result.outcome is not Outcome.WOUNDED:
            return 0
        again = self.walk.recovered(wound.state, wound.end)
        if again is None or is_lost(self.walk, wound):
            return 0
        return min(1 + self._again(again, known), NEVER)

    def _ends(self, state: State) -> list[Wound]:
        ends, seen, stack = [], {state}, [state]
        while stack:
            here = stack.pop()
            turn = self.walk.turn(here)
            if turn.end is not None:
                ends.append(Wound(here, turn.end))
            for move in turn.moves:
                if move.state not in seen:
                    seen.add(move.state)
                    stack.append(move.state)
        return ends


def passing(walk: Walk, faults: int) -> list[set[Outcome]]:
    """How an attempt on a node with the old image ends, by how many faults passed over it at least."""
    ends: list[set[Outcome]] = []
    seen: set[State] = set()
    reached = [walk.first(walk.world.starts[0])]
    for _ in range(faults + 1):
        ends.append(set())
        stack, reached = [state for state in dict.fromkeys(reached) if state not in seen], []
        seen.update(stack)
        while stack:
            state = stack.pop()
            turn = walk.turn(state)
            if turn.end is not None and turn.end.result is not None:
                ends[-1].add(turn.end.result.outcome)
            for move in turn.moves:
                if move.state not in seen:
                    seen.add(move.state)
                    stack.append(move.state)
            reached += [fault.state for fault in walk.faults(state, turn) if fault.passes]
    return ends


def is_lost(walk: Walk, wound: Wound) -> bool:
    """Whether a wounded node has firmware, or none, that nothing we have leads away from."""
    good = walk.trait is Trait.HEALTHY and wound.end.direction is Direction.FORWARD
    return not good and not all(map(_leads_back, repeat(walk), wound.end.parts, wound.state.node.places))


def _leads_back(walk: Walk, part: Part, place: Place) -> bool:
    goals = goals_back(part)
    if walk.world.rollback is RollbackKind.NONE:
        return place.active in goals and not place.pending
    if place.active in goals:
        return True
    downgrade = walk.world.chip.highest and place.confirmed
    return part.known_good is not None or (place.standby in goals and not downgrade)


def described(state: State) -> str:
    """A state in a line."""
    places = "; ".join(
        f"{place.active}{'' if place.confirmed else '?'} / {place.standby}{'!' if place.pending else ''}"
        for place in state.node.places
    )
    return f"{places}  {state.node.life}, link {state.link}{', waited' if state.waited else ''}"
