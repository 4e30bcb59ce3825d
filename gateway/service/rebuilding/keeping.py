"""The state's own verbs: export it, ask the nodes anew, and tell what is not known since.

Where an import or a rebuilding brought this journal here, it is told upstream once: an
import at its first start, a rebuilding when every node that can be asked was asked.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from flashers.api import Reason
from gateway.journal.journal import Told
from gateway.journal.origins import TO_REMEMBER, Origin, ToAsk
from gateway.service.rebuilding.asking import Asker
from gateway.service.rebuilding.remembered import read_remembered
from gateway.service.rebuilding.sources import Sources
from gateway.service.rebuilding.unattended import Unattended
from gateway.service.site import Site
from gateway.service.supervisor import Supervisor
from gateway.state.contents import Artifacts
from gateway.state.exporting import Exported, config_for_reference, export_running, work_folder
from gateway.state.keys import Seal
from gateway.upstream.backoff import Backoff
from gateway.verbs.nodes import AdoptRequest, NodeVerbs
from gateway.verbs.state import AskedView, OriginView, StateView
from transports.errors import TenderError

log = logging.getLogger("tender.rebuild")

_RETRY_S, _RETRY_CAP_S = 1.0, 60.0
"""Between two tries to ask the broker what it remembers."""

States = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Memory:
    """What upstream remembers of this gateway: node states as they were sent, and what was wanted."""

    states: States = field(default_factory=dict)
    releases: tuple[str, ...] = ()
    """Addresses of the releases that were wanted."""
    refused: tuple[str, ...] = ()
    """Topics that may not be read."""


class StateKeeping:
    """Implements :class:`gateway.verbs.state.StateVerbs`."""

    def __init__(
        self, site: Site, supervisor: Supervisor, roster: NodeVerbs, *, found_ill: Callable[[], None]
    ) -> None:
        self._site = site
        self._roster = roster
        self._sources = Sources(site, site.config.rebuild)
        self.asker = Asker(site, supervisor, self._sources, found_ill)
        supervisor.first_asked = self.asker.gate
        self._unattended = Unattended(site, self._exported)
        self._rebuilding = False
        self._unread: tuple[Reason, ...] = ()
        self._gathering = asyncio.Lock()

    async def start(self) -> None:
        """Take up what the journal has, before anything is told or begun."""
        journal, config = self._site.journal, self._site.config
        if config.rebuild.auto and await journal.unused():
            # Before anything else, so that a start that dies here does not forget what it began.
            await journal.set_meta(TO_REMEMBER, "" if config.upstream.mqtt is None else "yes")
            await self._begin({}, {}, costly=False)
        self._rebuilding = config.upstream.mqtt is not None and await journal.meta(TO_REMEMBER) == "yes"
        for origin in await journal.origins():
            if origin.kind == "import" and not origin.told:
                await self._tell_import(origin)
        await self.asker.load()
        self.asker.ready = not self.asker.asked

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._prepare())
            group.create_task(self.asker.run(self._settled))
            group.create_task(self._unattended.run())

    # Before upstream is told anything

    async def before_upstream(self, read: Callable[[], Awaitable[Memory]]) -> None:
        """Have upstream's memory of our nodes in the journal before we publish over it.

        Returns at once unless the journal began just now and is to be rebuilt; else when the
        broker was asked, however long that takes: it could not be told anything either.
        """
        backoff = Backoff(_RETRY_S, _RETRY_CAP_S)
        while self._rebuilding:
            try:
                memory = await read()
            except TenderError as error:
                self._unread = (Reason(error.code, error.message, error.what_to_do),)
                log.warning("the broker cannot be asked what it remembers: %s", error.message)
                await asyncio.sleep(backoff.next(0.0))
                continue
            self._unread = tuple(
                Reason(
                    "upstream-not-read",
                    f"The broker does not let this gateway read {topic}.",
                    "Allow it in the broker's access list, and rebuild again.",
                )
                for topic in memory.refused
            )
            self._sources.also(memory.releases)
            await self._remember(memory.states)
            await self._site.journal.set_meta(TO_REMEMBER, "")
            self._rebuilding = False
            await self._gather()

    async def _remember(self, states: States) -> None:
        """Keep what upstream told of us, and take in nodes that are in no file."""
        site = self._site
        await self._begin({}, states, costly=False)
        for name, state in (await site.journal.remembered()).items():
            told = read_remembered(state)
            if told is None or name in site.nodes:
                continue
            request = AdoptRequest(name, told.profile, told.link, dict(told.labels))
            try:
                await self._roster.adopt(request, asked_by="rebuild")
            except TenderError as error:
                log.warning("node=%s not taken in: %s", name, error.message)
                text = f"Upstream remembers the node {name}, and it cannot be taken in: {error.message}"
                self._unread = (*self._unread, Reason(error.code, text, error.what_to_do))
            else:
                await self._begin({}, {}, costly=False, nodes=(name,), again=True)
        await self.asker.load()

    async def _prepare(self) -> None:
        """Gather what answers are compared with; upstream's memory is waited for, but not for ever."""
        if self.asker.ready:
            return
        if self._rebuilding:
            await asyncio.sleep(self._site.config.rebuild.patience)
        await self._gather()

    async def _gather(self) -> None:
        async with self._gathering:
            try:
                await self._sources.gather()
            except Exception:  # what could not be gathered is lacking, and nodes are asked all the same
                log.exception("releases could not be gathered")
        self.asker.ready = True
        self.asker.wake()

    # Telling

    async def _tell_import(self, origin: Origin) -> None:
        facts = {**origin.facts, "epoch": self._site.journal.epoch}
        await self._site.journal.tell_origin(origin.number, facts, Told("state.imported", data=facts))

    async def _settled(self) -> None:
        """Everybody who can be asked now was: say what came of a rebuilding."""
        if self._rebuilding:
            return
        journal = self._site.journal
        with suppress(TenderError):  # a full disk, most likely: the next turn tries again
            for origin in await journal.origins():
                if origin.kind == "rebuild" and not origin.told:
                    facts = {**origin.facts, **self._counts()}
                    await journal.tell_origin(origin.number, facts, Told("state.rebuilt", data=facts))

    def _counts(self) -> dict[str, object]:
        views = [self._view(entry) for entry in self.asker.asked.values()]
        words = [word for view in views for word in view.known_good.values()]
        return {
            "nodes": len(views),
            "remembered": self.asker.remembers,
            "asked": sum(view.state == "asked" for view in views),
            "silent": sum(view.state == "silent" for view in views),
            "costly": sum(view.state == "costly" for view in views),
            "known_goods": sum(word != "unknown" for word in words),
            "unknown": sum(word == "unknown" for word in words),
        }

    # The verbs

    async def show(self) -> StateView:
        """Where it is from, and what of it is not known."""
        journal, table = self._site.journal, self._site.config.exports
        return StateView(
            epoch=journal.epoch,
            origins=tuple(OriginView(each.kind, each.facts) for each in await journal.origins()),
            asked=tuple(self._view(entry) for _, entry in sorted(self.asker.asked.items())),
            sources=(*self._unread, *self._sources.troubles.values()),
            exports_to=str(table.to) if table.to is not None else None,
            last_export=self._unattended.last,
            export_trouble=self._unattended.trouble,
        )

    def _view(self, entry: ToAsk) -> AskedView:
        trouble = self.asker.trouble(entry.node)
        if entry.answer is not None:
            answer = entry.answer
            reasons = tuple(Reason(**each) for each in answer["reasons"])
            return AskedView(entry.node, "asked", answer["runs"], answer["known_good"], reasons)
        if entry.node not in self._site.nodes:
            gone = Reason("node-unknown", "It is in no configuration file.", "Put it back, or adopt it.")
            return AskedView(entry.node, "open", reasons=(gone,))
        if self.asker.costs(entry.node):
            return AskedView(entry.node, "costly", reasons=(_COSTLY,))
        state = "silent" if entry.tries else "open"
        return AskedView(entry.node, state, reasons=(trouble,) if trouble is not None else ())

    @asynccontextmanager
    async def export(self, seal: Seal, what: Artifacts, *, asked_by: str) -> AsyncIterator[Exported]:
        """Lend an export as a file of the service's own, which is gone afterwards."""
        site, state = self._site, self._site.config.state
        with work_folder(state) as folder:
            exported = await export_running(
                site.journal, state, folder / "export", seal, what, config_for_reference(site.config)
            )
            await self._tell_export(exported, seal, asked_by)
            yield exported

    async def rebuild(self, *, allow_restart: bool, asked_by: str) -> StateView:
        """Have every node asked, and known-goods established where there are none."""
        await self._begin({"asked_by": asked_by}, {}, costly=allow_restart, again=True)
        self._sources.also(self._site.config.rebuild.releases)
        await self._gather()
        return await self.show()

    def warnings(self) -> list[Reason]:
        """What of the state somebody should look after."""
        found = [self._unattended.trouble] if self._unattended.trouble is not None else []
        unknown = sorted(
            entry.node
            for entry in self.asker.asked.values()
            if entry.answer is not None
            and "unknown" in entry.answer["known_good"].values()
            and not self._site.inventory.known_goods(entry.node)
        )
        if unknown:
            text = f"The known-good of {len(unknown)} nodes is not known since the state was rebuilt."
            found.append(Reason("known-good-unknown", text, "`tender state show` tells why, node by node."))
        return found

    async def _exported(self, exported: Exported, seal: Seal) -> None:
        await self._tell_export(exported, seal, "exports.to")

    async def _tell_export(self, exported: Exported, seal: Seal, asked_by: str) -> None:
        contents = exported.contents
        data: dict[str, object] = {
            "asked_by": asked_by,
            "sealed": seal.table.kind,
            "bytes": exported.size,
            "nodes": contents.nodes,
            "known_goods": contents.known_goods,
            "open_attempts": contents.open_attempts,
            "lacking": len(contents.lacking),
        }
        with suppress(TenderError):  # an export that could not be told of is one all the same
            await self._site.journal.tell(Told("state.exported", data=data))

    async def _begin(
        self,
        facts: Mapping[str, object],
        remembered: States,
        *,
        costly: bool,
        nodes: tuple[str, ...] | None = None,
        again: bool = False,
    ) -> None:
        """Have nodes asked: all of them, or some more."""
        names = tuple(self._site.nodes) if nodes is None else nodes
        journal = self._site.journal
        untold = any(each.kind == "rebuild" and not each.told for each in await journal.origins())
        await journal.ask_anew(None if untold else dict(facts), names, costly=costly, remembered=remembered)
        if again:
            await self.asker.load()


_COSTLY = Reason(
    "probe-costs",
    "Asking it restarts its application.",
    "`tender state rebuild --allow-restart` allows that; an attempt on it asks by itself.",
)
