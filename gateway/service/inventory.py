"""What is known of every node, in memory, as the journal has it on disk.

Lists of thousands of nodes are made from here; nothing is asked of a node or of the
disk for them.  The journal's writes pass through here, so both say the same.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from flashers.api import Digest, Firmware, Identity, Role, RollbackKind, Stamp, Strength
from gateway.config.model import NodeTable
from gateway.journal import Journal
from gateway.journal.journal import Told
from gateway.journal.memory import Memory
from gateway.model.nodes import Change, change_after
from gateway.model.outcomes import ACTS_NEXT, Outcome, Phase
from gateway.model.radio import OwnerView
from gateway.model.records import Observation, Record, Target
from gateway.model.rescue import Judgement, Recoverable
from gateway.model.views import AttemptView, ComponentView, NodeView
from gateway.service.nodes.roster import Roster
from gateway.service.shapes import TypeFacts

Facts = Callable[[str], TypeFacts]
"""What a profile says of its nodes, for lists; never raises."""

_NEVER_BEGAN = (Outcome.REFUSED, Outcome.NOT_REACHED)
_LEFT_EARLY = (Outcome.CANCELLED, Outcome.SUPERSEDED)

_ANOTHER = (
    "Put the cable back, or say `tender node replace` for a new board; `tender explain` says who is where."
)
_CHANGED = "Deploy what it shall run, or say `tender node accept` if this is as it should be."
_QUARANTINED = "Report the bug with `tender attempt show`; the node is left alone until a restart."


class Inventory:
    """The nodes; an :class:`~gateway.attempt.ports.AttemptJournal` that remembers."""

    def __init__(self, journal: Journal, roster: Roster, facts: Facts) -> None:
        self._journal = journal
        self.roster = roster
        self._facts = facts
        self._seen: dict[str, Observation] = {}
        self._proved: dict[str, Stamp] = {}
        self._known_goods: dict[str, dict[str, Target]] = {}
        self._last: dict[str, Record] = {}
        self._ended: dict[str, Record] = {}
        self._wounds: dict[str, Record] = {}
        self._quarantined: set[str] = set()
        self._views: dict[str, NodeView] = {}
        self.listeners: list[Callable[[Record], None]] = []
        """Called with every attempt that was made, went on or ended."""
        self.plight: Callable[[str], Judgement] = lambda _: Judgement(None)
        """What it takes to have a node back; given by whoever rescues them."""
        self.way_back: Callable[[str, RollbackKind], tuple[str, str]] = lambda _, __: ("", "")
        """What really resets a node, and what that means for its way back."""
        self.owner_of: Callable[[str], OwnerView | None] = lambda _: None
        """Whose a node on the air is; None of one on a wire."""
        self.banned: frozenset[Digest] = frozenset()
        self.took_older: dict[tuple[str, str, str], bool] = {}
        """Whether an older image was taken, by profile, model and the version that ran."""
        """Artifacts of recalled releases: never again what a node is taken back to."""

    async def load(self) -> None:
        """Read what the journal has."""
        self._seen = await self._journal.seen()
        self._proved = await self._journal.known_goods_proved()
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
        known_good = {
            name: target for name, target in (known_good or {}).items() if target.artifact not in self.banned
        }
        await self._journal.save(record, told, known_good=known_good)
        if known_good:
            self._known_goods.setdefault(record.node, {}).update(known_good)
            if record.ended is not None:
                self._proved[record.node] = record.ended
        if record.done:
            kept = self.roster.kept(record.node)
            self.roster.keep(record.node, replace(kept, changed=change_after(record, kept.changed)))
        self.attempt(record)

    async def save_seen(self, node: str, observation: Observation, told: tuple[Told, ...] = ()) -> None:
        """Keep what was last seen of a node, and tell if it runs something else than last known."""
        if node not in self.roster.tables:
            return  # it was forgotten, or has another name, since somebody began to look
        await self._journal.save_seen(node, observation, told)
        self._seen[node] = observation
        self._views.pop(node, None)

    async def save_sight(
        self, node: str, observation: Observation, change: Change | None, told: tuple[Told, ...] = ()
    ) -> None:
        """Keep what was seen outside of an attempt, and whether others have changed the node."""
        if node not in self.roster.tables:
            return
        await self._journal.save_sight(node, observation, change, told)
        self._seen[node] = observation
        self.roster.keep(node, replace(self.roster.kept(node), changed=change))
        self._views.pop(node, None)

    def shown_anew(self, *nodes: str) -> None:
        """Something that is shown of them has changed; of none in particular: of all."""
        for node in nodes:
            self._views.pop(node, None)
        if not nodes:
            self._views.clear()

    def forget(self, node: str) -> None:
        """Nothing is known of it any more."""
        for each in self._by_node:
            each.pop(node, None)
        self._quarantined.discard(node)

    def rename(self, old: str, new: str, generation: int) -> None:
        """All that is known of it is known of another name, as of a board of that number."""
        self.forget(new)
        for each in self._by_node:
            if old in each:
                each[new] = each.pop(old)
        for records in (self._last, self._ended, self._wounds):
            if new in records:
                records[new] = replace(records[new], node=new, generation=generation)
        self._views.pop(new, None)

    @property
    def _by_node(self) -> tuple[dict[str, Any], ...]:
        return (
            self._seen,
            self._proved,
            self._known_goods,
            self._last,
            self._ended,
            self._wounds,
            self._views,
        )

    def attempt(self, record: Record) -> None:
        """An attempt was made, went on or ended."""
        for listener in self.listeners:
            listener(record)
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

    def set_known_good(self, node: str, component: str, target: Target | None) -> None:
        """What to go back to has changed in the journal, without an attempt."""
        mine = self._known_goods.setdefault(node, {})
        mine.pop(component, None)
        if target is not None:
            mine[component] = target
        self._views.pop(node, None)

    def quarantine(self, node: str, *, on: bool) -> None:
        """A bug of ours, or of a plugin, keeps this node's attempt from being judged."""
        (self._quarantined.add if on else self._quarantined.discard)(node)
        self._views.pop(node, None)

    def remembered(self) -> tuple[Record, ...]:
        """Each node's attempts that say how it stands: its newest, its newest end, its wound."""
        found = [*self._last.values(), *self._ended.values(), *self._wounds.values()]
        return tuple({record.id: record for record in found}.values())

    def memory(self, deployments: Mapping[str, tuple[int | None, str]]) -> Memory:
        """Everything that a new journal can be told, if the old one is damaged."""
        kept = {name: self.roster.kept(name) for name in list(self.roster.tables)}
        return Memory(self.remembered(), dict(self._seen), kept, dict(self._known_goods), deployments)

    # Reading

    def seen(self, node: str) -> Observation | None:
        """What was last seen of a node."""
        return self._seen.get(node)

    def identity(self, node: str) -> Identity | None:
        """Who is known to answer here."""
        return self.roster.kept(node).identity

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
        """Every node, by name."""
        return [self.view(name) for name in sorted(self.roster.tables)]

    def view(self, name: str) -> NodeView:
        """One node.  Raises KeyError if there is none of that name."""
        table = self.roster.tables[name]
        known = self._views.get(name)
        if known is None:
            known = self._views[name] = self._make(name, table)
        return known

    def _make(self, name: str, node: NodeTable) -> NodeView:
        seen, last, ended = self._seen.get(name), self._last.get(name), self._ended.get(name)
        facts = self._facts(node.profile)
        state, next_step = self._state(name, seen, last)
        owned = self.owner_of(name)
        under_way = last if last is not None and not last.done else None
        kept = self.roster.kept(name)
        # A node that cannot say who it is, is whoever is connected there: the weakest identity.
        where = kept.place.where if kept.place is not None else node.link.partition("?")[0]
        identity = kept.identity or Identity(where, Strength.POSITION)
        components = tuple(_component(facts, number, seen) for number in range(len(facts.components)))
        plight = self.plight(name)
        reset_by, way_back = self.way_back(name, facts.rollback)
        if state == "wounded" and plight.by in (Recoverable.POWER_CYCLE, Recoverable.SITE_VISIT):
            next_step = plight.reason
        return NodeView(
            name=name,
            profile=node.profile,
            link=node.link,
            state=state,
            role=seen.seen.role if seen is not None else Role.UNKNOWN,
            components=components,
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
            reset_by=reset_by,
            way_back=way_back,
            recoverable=plight.by.value if plight.by is not None else "",
            recoverable_why=plight.reason,
            verified_at=_oldest(components),
            identity_at=kept.identity_at if kept.identity is not None else None,
            known_good_at=self._proved.get(name),
            place=kept.place.where if kept.place is not None else None,
            origin=self.roster.origin(name),
            generation=kept.generation,
            owner=owned.owner if owned is not None else None,
            takes_older=self._takes_older(node.profile, facts, seen),
        )

    def _takes_older(self, profile: str, facts: TypeFacts, seen: Observation | None) -> bool | None:
        if seen is None or not facts.components:
            return None
        slot = seen.seen.active(facts.components[0].image)
        version = slot.firmware.version if slot is not None and slot.firmware is not None else None
        return self.took_older.get((profile, str(seen.seen.facts.get("model", "")), version or ""))

    def _state(self, name: str, seen: Observation | None, last: Record | None) -> tuple[str, str]:
        if name in self._quarantined:
            return "quarantined", _QUARANTINED
        if last is not None and not last.done:
            waits = last.phase in (Phase.QUEUED, Phase.WAITING)
            return ("waiting" if waits else "updating"), ""
        owned = self.owner_of(name)
        if owned is not None and owned.message:
            return "seen", owned.message
        wound = self._wounds.get(name)
        if wound is not None:
            remedy = wound.result.remedy if wound.result is not None else ""
            return "wounded", remedy or ACTS_NEXT[Outcome.WOUNDED]
        kept = self.roster.kept(name)
        if kept.stranger is not None:
            return "identity-changed", _ANOTHER
        if kept.changed is not None:
            return "changed-by-others", _CHANGED
        plight = self.plight(name)
        if plight.by is not None:
            return "silent", plight.reason
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


def _oldest(components: tuple[ComponentView, ...]) -> Stamp | None:
    """Since when all that is said of the firmware is known; None if nothing is said."""
    stamps = [each.verified_at for each in components if each.verified_at is not None]
    return min(stamps, key=lambda stamp: stamp.unix_ms, default=None)


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
        rollback_refused=record.rollback_refused,
        rollback_done=result.rollback if result is not None else RollbackKind.NONE,
        bytes_sent=record.bytes_sent,
        seconds=round(record.seconds, 1),
        done_bytes=done,
        total_bytes=total,
        waiting_for=result.reasons if result is not None else (),
        created=record.created,
        ended=record.ended,
        asked_by=record.asked_by,
        no_rollback=record.rules.no_rollback,
        all_at_once=record.all_at_once,
        beyond_budget=record.beyond_budget,
        generation=record.generation,
        revision=record.provenance.revision,
        config=record.provenance.config,
        tender=record.provenance.tender,
    )
