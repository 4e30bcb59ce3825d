"""The verbs about nodes: journal first, then memory, and nothing while an attempt is open.

An open attempt knows its node by name and board; taking either from under it would
leave nobody who knows what became of the node.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from pydantic import ValidationError

from gateway.config.model import NAME, NodeTable
from gateway.errors import NodeBusy, NodeUnknown
from gateway.journal.journal import Told
from gateway.model.nodes import Adopted, Kept, Relabelled, Renamed
from gateway.model.views import NodeView
from gateway.service.nodes.errors import BadNode, LinkTaken, NodeExists, NodeInFile, NotAcceptable
from gateway.service.nodes.looks import Looks
from gateway.service.nodes.query import select
from gateway.service.nodes.rounds import Rounds
from gateway.service.site import Site
from gateway.service.supervisor import Supervisor
from gateway.verbs.nodes import AdoptRequest, NodeQuery, ProbeAll, ProbeRound
from transports.links import Medium

_LABELS_MAX = 64
_VALUE_MAX = 200
"""What the contract with upstream has room for."""


class NodeKeeping:
    """Implements :class:`gateway.verbs.nodes.NodeVerbs`."""

    def __init__(
        self,
        site: Site,
        supervisor: Supervisor,
        *,
        taking: asyncio.Lock,
        renewed: Callable[[], None] = lambda: None,
    ) -> None:
        self._site = site
        self._supervisor = supervisor
        self._taking = taking
        self._renewed = renewed
        self.looks = Looks(site, supervisor)
        self.rounds = Rounds(site, self.looks, site.config.probing)

    # Coming and going

    async def adopt(self, request: AdoptRequest, *, asked_by: str) -> NodeView:
        """Take a node in that is in no file."""
        site, roster, name = self._site, self._site.inventory.roster, request.name
        table = _table(request)
        site.node_types.get(request.profile)
        async with self._taking:
            known = roster.tables.get(name)
            if known is not None:
                same = (known.profile, known.link) == (table.profile, table.link)
                if same and not roster.in_file(name) and request.labels.items() <= known.labels.items():
                    return site.inventory.view(name)
                raise NodeExists(f"{name} is a {known.profile} on {known.link} ({roster.origin(name)})")
            if table.spec.medium is Medium.ZIGBEE and table.spec.target not in site.networks.names():
                raise BadNode(
                    f"there is no Zigbee network {table.spec.target!r}",
                    remedy=f"Add [networks.{table.spec.target}] to the configuration first.",
                )
            other = roster.taken_by(table.spec)
            if other is not None:
                raise LinkTaken(f"{other} is on {roster.tables[other].link}")
            adopted = Adopted(table.profile, table.link, dict(table.labels), asked_by, site.clock())
            data: dict[str, object] = {
                "profile": table.profile,
                "link": table.link,
                "labels": dict(table.labels),
                "by": asked_by,
            }
            await site.journal.keep_adopted(name, adopted, [Told("node.adopted", node=name, data=data)])
            roster.adopt(name, adopted)
            return self._shown(name)

    async def replace(self, name: str, *, asked_by: str) -> NodeView:
        """There is a new board in the same place."""
        site, roster = self._site, self._site.inventory.roster
        async with self._at_rest(name):
            kept = roster.kept(name)
            blank = Kept(kept.generation, adopted=kept.adopted, labels=kept.labels, renamed=kept.renamed)
            inventory = site.inventory
            known = inventory.seen(name) or inventory.last(name) or inventory.known_goods(name)
            if kept == blank and not known:
                return inventory.view(name)
            data = {"generation": kept.generation + 1, "by": asked_by}
            await site.journal.renew_node(name, [Told("node.replaced", node=name, data=data)])
            roster.renew(name)
            inventory.forget(name)
            await site.refresh_pins()
            return self._shown(name)

    async def forget(self, name: str, *, asked_by: str) -> None:
        """It is no node of this gateway any more."""
        site, roster = self._site, self._site.inventory.roster
        async with self._taking:
            if roster.in_file(name):
                if roster.kept(name).adopted is None:
                    raise NodeInFile(f"{name} is in the configuration")
                data = {"by": asked_by, "still": "configuration"}
                told = Told("node.forgotten", node=name, data=data)
                await site.journal.keep_adopted(name, None, [told])
                roster.no_longer_adopted(name)
                return
            if name not in roster.tables and roster.kept(name).adopted is None:
                if not roster.ever(name):
                    raise NodeUnknown(f"there is no node {name!r}")
                if _blank(roster.kept(name)):
                    return
            self._refuse_if_busy(name)
            await site.journal.forget_node(name, [Told("node.forgotten", node=name, data={"by": asked_by})])
            roster.forget(name)
            site.inventory.forget(name)
            await site.refresh_pins()
            site.journal.wake()
            self._renewed()

    async def rename(self, old: str, new: str, *, asked_by: str) -> NodeView:
        """The same node by another name."""
        site, roster = self._site, self._site.inventory.roster
        if not NAME.fullmatch(new):
            raise BadNode(f"{new!r}: a name is 1 to 64 of the characters A-Z a-z 0-9 . _ -")
        async with self._taking:
            renamed = roster.kept(new).renamed
            if (
                new in roster.tables
                and renamed is not None
                and renamed.old == old
                and _blank(roster.kept(old))
            ):
                return site.inventory.view(new)
            if not roster.ever(old):
                raise NodeUnknown(f"there is no node {old!r}")
            if roster.in_file(old):
                raise NodeInFile(
                    f"{old} is in the configuration",
                    remedy=f"Name it {new} there, restart the service, and say this again: "
                    "its history follows then.",
                )
            if new in roster.tables and not (roster.in_file(new) and site.inventory.last(new) is None):
                raise NodeExists(f"{new} is a node with a history of its own")
            if old not in roster.tables and new not in roster.tables:
                raise NodeUnknown(f"neither {old} nor {new} is a node now")
            self._refuse_if_busy(old)
            self._refuse_if_busy(new)
            now = Renamed(old, asked_by, site.clock())
            told = Told("node.renamed", node=new, data={"old": old, "by": asked_by})
            await site.journal.rename_node(old, new, now, [told])
            generation = (await site.journal.kept())[new].generation
            roster.rename(old, new, now, generation)
            site.inventory.rename(old, new, generation)
            return self._shown(new)

    async def label(self, name: str, changes: Mapping[str, str | None], *, asked_by: str) -> NodeView:
        """Set labels, or take them away."""
        site, roster = self._site, self._site.inventory.roster
        for key, value in changes.items():
            if not NAME.fullmatch(key) or (value is not None and len(value) > _VALUE_MAX):
                raise BadNode(
                    f"{key!r}: a label is 1 to 64 of A-Z a-z 0-9 . _ -, its value at most {_VALUE_MAX}"
                )
        async with self._at_rest(name):
            own, kept = roster.own_labels(name), roster.kept(name).labels
            wanted = {**(kept.labels if kept is not None else {}), **changes}
            # What the table says anyway needs no word.
            wanted = {key: value for key, value in wanted.items() if own.get(key) != value}
            if wanted == dict(kept.labels if kept is not None else {}):
                return site.inventory.view(name)
            labels = {key: value for key, value in {**own, **wanted}.items() if value is not None}
            if len(labels) > _LABELS_MAX:
                raise BadNode(f"{len(labels)} labels; a node has {_LABELS_MAX} at most")
            relabelled = Relabelled(wanted, asked_by, site.clock()) if wanted else None
            told = Told("node.labelled", node=name, data={"labels": labels, "by": asked_by})
            await site.journal.keep_labels(name, relabelled, [told])
            roster.relabel(name, relabelled)
            return self._shown(name)

    async def accept(self, name: str, *, asked_by: str) -> NodeView:
        """What it runs now, and where it is now, is as it should be."""
        site, roster = self._site, self._site.inventory.roster
        async with self._at_rest(name):
            site.inventory.view(name)
            kept = roster.kept(name)
            if kept.stranger is not None and kept.identity is not None:
                reason = site.identities.trouble(name)
                raise NotAcceptable(reason.message if reason is not None else f"{name} is another node")
            here = site.identities.here(name)
            moved = here is not None and kept.place is not None and here.where != kept.place.where
            unnamed = name in site.identities.unread
            if kept.changed is None and kept.stranger is None and not moved and not unnamed:
                return site.inventory.view(name)
            view = site.inventory.view(name)
            data: dict[str, object] = {
                "firmware": {
                    str(each.image): str(each.firmware.identity or each.firmware.version)
                    for each in view.components
                    if each.firmware is not None
                },
                "place": here.where if here is not None else None,
                "by": asked_by,
            }
            told = Told("node.accepted", node=name, data=data)
            place = here if moved or unnamed else None
            await site.journal.accept_node(name, place, [told], unnamed=unnamed)
            roster.accepted(name, place, unnamed=unnamed)
            site.identities.unread.discard(name)
            return self._shown(name)

    # Asking

    async def find(self, query: NodeQuery) -> list[NodeView]:
        """The nodes that meet the query, by name."""
        return select(self._site.inventory.views(), query, now_ms=self._site.clock().unix_ms)

    async def probe_all(self, request: ProbeAll, *, asked_by: str) -> ProbeRound:
        """Begin a round of looks."""
        return self.rounds.begin(request, asked_by)

    async def probe_round(self, number: int) -> ProbeRound:
        """How far a round is."""
        return self.rounds.show(number)

    # What all of them do

    @asynccontextmanager
    async def _at_rest(self, name: str) -> AsyncIterator[None]:
        """No deployment is taken meanwhile, and nothing is done to the node."""
        async with self._taking:
            if name not in self._site.nodes:
                raise NodeUnknown(f"there is no node {name!r}")
            self._refuse_if_busy(name)
            yield

    def _refuse_if_busy(self, name: str) -> None:
        if self._supervisor.holds(name):
            raise NodeBusy(f"an attempt is open on {name}")
        if self.looks.at(name):
            raise NodeBusy(f"{name} is looked at just now", remedy="Ask again in a moment.")

    def _shown(self, name: str) -> NodeView:
        self._site.inventory.shown_anew(name)
        self._site.journal.wake()
        self._renewed()
        return self._site.inventory.view(name)


def _table(request: AdoptRequest) -> NodeTable:
    if not NAME.fullmatch(request.name):
        raise BadNode(f"{request.name!r}: a name is 1 to 64 of the characters A-Z a-z 0-9 . _ -")
    try:
        return NodeTable(profile=request.profile, link=request.link, labels=dict(request.labels))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise BadNode(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _blank(kept: Kept) -> bool:
    return kept == Kept(kept.generation)
