"""What is known of every node, in memory, as the journal has it on disk.

Lists of thousands of nodes are made from here; nothing is asked of a node or of the
disk for them.  The journal's writes pass through here, so both say the same.
"""

from collections.abc import Callable, Iterable, Mapping

from flashers.api import Firmware, Identity, Role, RollbackKind, Strength
from gateway.config.model import NodeTable
from gateway.journal import Journal
from gateway.journal.journal import Told
from gateway.model.outcomes import ACTS_NEXT, Outcome, Phase
from gateway.model.records import Observation, Record, Target
from gateway.model.views import AttemptView, ComponentView, NodeView
from gateway.service.shapes import TypeFacts

Facts = Callable[[str], TypeFacts]
"""What a profile says of its nodes, for lists; never raises."""

_NEVER_BEGAN = (Outcome.REFUSED, Outcome.NOT_REACHED)
_LEFT_EARLY = (Outcome.CANCELLED, Outcome.SUPERSEDED)

_QUARANTINED = "Report the bug with `tender attempt show`; the node is left alone until a restart."


class Inventory:
    """The nodes; an :class:`~gateway.attempt.ports.AttemptJournal` that remembers."""

    def __init__(self, journal: Journal, nodes: Mapping[str, NodeTable], facts: Facts) -> None:
        self._journal = journal
        self._nodes = nodes
        self._facts = facts
        self._seen: dict[str, Observation] = {}
        self._identities: dict[str, Identity] = {}
        self._known_goods: dict[str, dict[str, Target]] = {}
        self._last: dict[str, Record] = {}
        self._ended: dict[str, Record] = {}
        self._wounds: dict[str, Record] = {}
        self._quarantined: set[str] = set()
        self._views: dict[str, NodeView] = {}

    async def load(self) -> None:
        """Read what the journal has."""
        self._seen = await self._journal.seen()
        self._identities = await self._journal.identities()
        self._known_goods = await self._journal.all_known_goods()
        for record in await self._journal.wounds():
            self._wounds[record.node] = record
        for record in (await self._journal.last_attempts()).values():
            self.attempt(record)
        self._views.clear()

    # Writing, to the journal first

    async def save(
        self, record: Record, told: Iterable[Told] = (), *, known_good: Mapping[str, Target] | None = None
    ) -> None:
        """Store a record; see :meth:`gateway.journal.journal.Journal.save`."""
        await self._journal.save(record, told, known_good=known_good)
        if known_good:
            self._known_goods.setdefault(record.node, {}).update(known_good)
        self.attempt(record)

    async def save_seen(self, node: str, observation: Observation, told: tuple[Told, ...] = ()) -> None:
        """Keep what was last seen of a node, and tell if it runs something else than last known."""
        await self._journal.save_seen(node, observation, told)
        self._seen[node] = observation
        self._views.pop(node, None)

    async def keep_identity(self, node: str, identity: Identity) -> None:
        """Remember who answers at this node's place."""
        if node not in self._identities:
            await self._journal.keep_identity(node, identity)
            self._identities[node] = identity

    def attempt(self, record: Record) -> None:
        """An attempt was made, went on or ended."""
        last = self._last.get(record.node)
        if last is None or record.id >= last.id:
            self._last[record.node] = record
        if record.done and (record.node not in self._ended or record.id >= self._ended[record.node].id):
            self._ended[record.node] = record
            self._wound(record)
        self._views.pop(record.node, None)

    def _wound(self, record: Record) -> None:
        """A node stays wounded until an attempt that had to do with it ends otherwise."""
        outcome = record.result.outcome if record.result is not None else None
        if outcome is Outcome.WOUNDED:
            self._wounds[record.node] = record
        elif outcome not in _NEVER_BEGAN and (outcome not in _LEFT_EARLY or record.touched):
            self._wounds.pop(record.node, None)

    def quarantine(self, node: str, *, on: bool) -> None:
        """A bug of ours, or of a plugin, keeps this node's attempt from being judged."""
        (self._quarantined.add if on else self._quarantined.discard)(node)
        self._views.pop(node, None)

    # Reading

    def seen(self, node: str) -> Observation | None:
        """What was last seen of a node."""
        return self._seen.get(node)

    def identity(self, node: str) -> Identity | None:
        """Who is known to answer here."""
        return self._identities.get(node)

    def last(self, node: str) -> Record | None:
        """The node's newest attempt."""
        return self._last.get(node)

    def known_goods(self, node: str) -> Mapping[str, Target]:
        """What to go back to, by component."""
        return self._known_goods.get(node, {})

    def wounded(self) -> list[Record]:
        """The attempts that left their nodes wounded, where none is under way now."""
        return [wound for node, wound in self._wounds.items() if self._last[node].done]

    def wound(self, node: str) -> Record | None:
        """The attempt since which nothing is proved of what the node runs."""
        return self._wounds.get(node)

    def quarantined(self) -> tuple[str, ...]:
        """Nodes whose attempt is put aside."""
        return tuple(sorted(self._quarantined))

    def views(self) -> list[NodeView]:
        """Every configured node, by name."""
        return [self.view(name) for name in sorted(self._nodes)]

    def view(self, name: str) -> NodeView:
        """One node.  Raises KeyError if it is not configured."""
        known = self._views.get(name)
        if known is None:
            known = self._views[name] = self._make(name, self._nodes[name])
        return known

    def _make(self, name: str, node: NodeTable) -> NodeView:
        seen, last, ended = self._seen.get(name), self._last.get(name), self._ended.get(name)
        facts = self._facts(node.profile)
        state, next_step = self._state(name, seen, last)
        under_way = last if last is not None and not last.done else None
        # A node that cannot say who it is, is whoever is connected there: the weakest identity.
        identity = self._identities.get(name) or Identity(node.link.partition("?")[0], Strength.POSITION)
        return NodeView(
            name=name,
            profile=node.profile,
            link=node.link,
            state=state,
            role=seen.seen.role if seen is not None else Role.UNKNOWN,
            components=tuple(_component(facts, number, seen) for number in range(len(facts.components))),
            labels=node.labels,
            identity=identity.value,
            identity_strength=identity.strength.value,
            seen_at=seen.at if seen is not None else None,
            attempt=under_way.id if under_way is not None else None,
            phase=under_way.phase if under_way is not None else None,
            last_attempt=ended.id if ended is not None else None,
            last_outcome=ended.result.outcome if ended is not None and ended.result is not None else None,
            known_good={part: target.firmware for part, target in self.known_goods(name).items()},
            rollback=facts.rollback,
            next_step=next_step or facts.trouble,
        )

    def _state(self, name: str, seen: Observation | None, last: Record | None) -> tuple[str, str]:
        if name in self._quarantined:
            return "quarantined", _QUARANTINED
        if last is not None and not last.done:
            waits = last.phase in (Phase.QUEUED, Phase.WAITING)
            return ("waiting" if waits else "updating"), ""
        wound = self._wounds.get(name)
        if wound is not None:
            remedy = wound.result.remedy if wound.result is not None else ""
            return "wounded", remedy or ACTS_NEXT[Outcome.WOUNDED]
        return ("ok" if seen is not None else "unknown"), ""


def _component(facts: TypeFacts, number: int, seen: Observation | None) -> ComponentView:
    component = facts.components[number]
    slot = seen.seen.active(component.image) if seen is not None else None
    firmware: Firmware | None = slot.firmware if slot is not None and slot.firmware else None
    return ComponentView(
        id=component.id,
        kind=component.kind.value,
        image=component.image,
        firmware=firmware,
        slot=slot.slot if slot is not None else None,
        confirmed=slot.confirmed if slot is not None else None,
        evidence=seen.seen.evidence if seen is not None and firmware is not None else (),
        verified_at=seen.at if seen is not None and firmware is not None else None,
    )


def attempt_view(record: Record, *, done: int = 0, total: int = 0) -> AttemptView:
    """An attempt as it is listed."""
    result = record.result
    trouble = record.turned or record.error
    return AttemptView(
        id=record.id,
        node=record.node,
        profile=record.profile,
        deployment=record.deployment,
        origin=record.origin.value,
        phase=record.phase,
        outcome=result.outcome if result is not None else None,
        code=result.code if result is not None else (trouble.code if trouble is not None else ""),
        message=result.message if result is not None else (trouble.message if trouble is not None else ""),
        remedy=result.remedy if result is not None else (trouble.remedy if trouble is not None else ""),
        before={part.component.id: part.before for part in record.parts},
        want={part.component.id: part.want.firmware for part in record.parts},
        after=result.after if result is not None else {},
        evidence=result.evidence if result is not None else (),
        rollback_available=record.rollback,
        rollback_seen=record.rollback_seen,
        rollback_done=result.rollback if result is not None else RollbackKind.NONE,
        bytes_sent=record.bytes_sent,
        seconds=round(record.seconds, 1),
        done_bytes=done,
        total_bytes=total,
        waiting_for=result.reasons if result is not None else (),
        created=record.created,
        ended=record.ended,
        asked_by=record.asked_by,
    )
