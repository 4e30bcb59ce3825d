"""From the attempts of a deployment to who may begin now, and whether anybody may at all.

Nothing is kept: the waves follow from the records and the plan, so that a restart
finds them where they were.  Node types are apart, since one's success proves nothing
of another; a stop holds for all of them, since whoever made the release has to look.

A *wave* is through when as many nodes as it has were proved.  Nodes that end without
having said anything (not reached, refused, there already) are replaced by the next;
so a wave neither waits for a node that is switched off nor counts it.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from gateway.model.records import Record
from gateway.model.rollout import Stop, WaveView
from gateway.service.rollout.bearing import Bearing, bearing

LEAST_COUNTED = 5
"""Nodes that must have ended before a share of them says anything."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How careful to be; no waves is all at once."""

    waves: tuple[int, ...] = (1, 3, 10)
    stop_in_a_row: int = 2
    stop_share: float = 0.2


@dataclass(slots=True)
class Standing:
    """One node of a deployment, over all its attempts there, recoveries included."""

    node: str
    profile: str
    first: int
    """Its first attempt: nodes have their turn in this order."""
    waits: int | None = None
    """The open attempt that has not touched the node."""
    touched: bool = False
    """An open attempt has, and is brought to its end."""
    bearings: set[Bearing] = field(default_factory=set)
    forgiven: bool = False
    """It counted against the release, and somebody resumed the rollout all the same."""

    @property
    def proved(self) -> bool:
        """Whether the release ran well here, if perhaps not at first."""
        return Bearing.PROOF in self.bearings

    @property
    def against(self) -> bool:
        """Whether it counts against the release; a recovery that went well does not take that back."""
        return Bearing.AGAINST in self.bearings

    @property
    def doubt(self) -> bool:
        """Whether something came in between, and nothing else was learned."""
        return Bearing.DOUBT in self.bearings and not (self.proved or self.against)


class Lane:
    """The nodes of one type, in the order of their turns; what is asked for every node is counted once."""

    def __init__(self, profile: str, plan: Plan, standings: Sequence[Standing]) -> None:
        self.profile = profile
        self.plan = plan
        self.standings = tuple(standings)
        self.proved = sum(standing.proved for standing in standings)
        """Nodes that proved the release."""
        self.waiting = tuple(standing for standing in standings if standing.waits is not None)
        """Those that have not been touched, and are to be."""
        self._touched = tuple(standing for standing in standings if standing.touched)
        self._places = {standing.waits: place for place, standing in enumerate(self.waiting)}

    def begun(self, busy: Collection[int]) -> tuple[Standing, ...]:
        """Those that are touched, or whose attempt is among ``busy``."""
        places = sorted(self._places[number] for number in busy if number in self._places)
        return (*self._touched, *(self.waiting[place] for place in places))

    def wave(self, done: int | None = None) -> tuple[int, int, int]:
        """Which wave it is after ``done`` proofs (those there are): its index, its size, its proofs so far.

        The last size is repeated for ever: its proofs are not counted.
        """
        left = self.proved if done is None else done
        sizes = self.plan.waves
        for index, size in enumerate(sizes[:-1]):
            if left < size:
                return index, size, left
            left -= size
        last = len(sizes) - 1
        # One size alone is both the first, which has to be through, and the one that is repeated.
        return last, sizes[-1], 0

    def room(self, busy: Collection[int]) -> int:
        """How many more may begin now."""
        _, size, done = self.wave()
        return max(0, size - done - len(self.begun(busy)))

    def planned(self, attempt: int, busy: Collection[int]) -> tuple[int, int]:
        """The wave (from 1) in which a waiting node has its turn if all goes well, and how many go before."""
        place = self._places.get(attempt, 0)
        begun = self.begun(busy)
        before = place - sum(self._places.get(each.waits, place) < place for each in begun)
        index, _, _ = self.wave(self.proved + len(begun) + before)
        return index + 1, before

    def view(self, busy: Collection[int]) -> WaveView:
        """For people."""
        index, size, _ = self.wave()
        begun = self.begun(busy)
        return WaveView(
            profile=self.profile,
            wave=index + 1,
            waves=len(self.plan.waves),
            size=size,
            proved=tuple(each.node for each in self.standings if each.proved),
            already_there=sum(Bearing.FINE in each.bearings for each in self.standings),
            not_successes=tuple(each.node for each in self.standings if each.against or each.forgiven),
            under_way=tuple(each.node for each in begun),
            waiting=len(self.waiting) - (len(begun) - len(self._touched)),
        )


def lanes(records: Iterable[Record], plan: Plan, forgiven: Collection[int] = ()) -> dict[str, Lane]:
    """The lanes by profile; the end of an attempt that is ``forgiven`` counts only if it is a proof."""
    found: dict[str, Standing] = {}
    for record in sorted(records, key=lambda record: record.id):
        standing = found.get(record.node)
        if standing is None:
            standing = found[record.node] = Standing(record.node, record.profile, record.id)
        said = bearing(record)
        if said is Bearing.OPEN:
            under_way = record.touched or record.recovers is not None
            standing.touched = standing.touched or under_way
            standing.waits = None if under_way else record.id
        elif said is Bearing.PROOF or record.id not in forgiven:
            standing.bearings.add(said)
        else:
            standing.forgiven = standing.forgiven or said is Bearing.AGAINST
    by_profile: dict[str, list[Standing]] = {}
    for standing in found.values():
        by_profile.setdefault(standing.profile, []).append(standing)
    return {profile: Lane(profile, plan, each) for profile, each in by_profile.items()}


def stop(all_lanes: Iterable[Lane]) -> Stop | None:
    """Why nobody may begin any more, by the first lane that says so; None goes on."""
    return next((why for lane in all_lanes if (why := _stop(lane)) is not None), None)


def _stop(lane: Lane) -> Stop | None:
    plan, standings = lane.plan, lane.standings
    if not plan.waves:
        return None
    against = tuple(each.node for each in standings if each.against)
    if lane.proved < plan.waves[0]:
        return _before_the_proof(lane, against)
    row = _longest_row(standings)
    if len(row) >= plan.stop_in_a_row:
        text = f"{_count(len(row))} of type {lane.profile} in a row did not succeed ({_names(row)})."
        return Stop("in-a-row", text, lane.profile, row)
    counted = sum(each.proved or each.against for each in standings)
    if counted >= LEAST_COUNTED and len(against) > plan.stop_share * counted:
        percent = round(100 * len(against) / counted)
        text = f"{len(against)} of {counted} nodes of type {lane.profile} ({percent} %) did not succeed "
        text += f"({_names(against)})."
        return Stop("share", text, lane.profile, against)
    return None


def _before_the_proof(lane: Lane, against: tuple[str, ...]) -> Stop | None:
    """Nothing speaks for the release yet: one node against it is enough, as are a few that say nothing."""
    if against:
        text = f"{_names(against)} did not succeed, and no node of type {lane.profile} has proved it before."
        if lane.proved:
            text = f"{_names(against)} did not succeed within the first wave of type {lane.profile}."
        return Stop("not-proved", text, lane.profile, against)
    doubts = tuple(each.node for each in lane.standings if each.doubt)
    if len(doubts) >= lane.plan.stop_in_a_row:
        text = f"{_names(doubts)}: something came in between, and nothing was proved on type {lane.profile}."
        return Stop("nothing-proved", text, lane.profile, doubts)
    return None


def _longest_row(standings: Sequence[Standing]) -> tuple[str, ...]:
    """The most nodes in the order of their turns that did not succeed, with no success between them."""
    longest: tuple[str, ...] = ()
    row: tuple[str, ...] = ()
    for standing in standings:
        if standing.against:
            row = (*row, standing.node)
        elif standing.proved:
            row = ()
        longest = max(longest, row, key=len)
    return longest


def _names(nodes: Sequence[str], most: int = 5) -> str:
    more = f" and {len(nodes) - most} more" if len(nodes) > most else ""
    return ", ".join(nodes[:most]) + more


def _count(nodes: int) -> str:
    return f"{nodes} node{'s' if nodes != 1 else ''}"
