"""What can be seen of a running gateway; implements :class:`~gateway.verbs.seeing.SeeingVerbs`."""

import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from gateway.artifacts.files import off_loop
from gateway.errors import AttemptUnknown, NodeUnknown, NoTrace
from gateway.model.links import LinkView
from gateway.model.records import Record
from gateway.model.views import Status
from gateway.service.seeing.checking import check_journal
from gateway.service.seeing.concerns import Concerns
from gateway.service.seeing.headline import headline, level_of
from gateway.service.seeing.provenance import config_digest, note_configuration
from gateway.service.seeing.traces import describe_of, make_trace
from gateway.service.site import Site
from gateway.service.supervisor import Supervisor
from gateway.verbs.seeing import (
    Disk,
    EventPage,
    EventQuery,
    JournalCheck,
    Overview,
    Trace,
    UpstreamTrouble,
)

JOURNAL = "journal.sqlite"
_LOOKED_THROUGH = 50
"""Attempts of a node that are looked through for one with a trace."""


class Seeing:
    """The whole, seen."""

    def __init__(
        self,
        site: Site,
        supervisor: Supervisor,
        status: Callable[[], Awaitable[Status]],
        links: Callable[[], Awaitable[Sequence[LinkView]]],
    ) -> None:
        self._site = site
        self._supervisor = supervisor
        self._status = status
        self._links = links
        self._config = ""
        self.trouble: Callable[[], UpstreamTrouble | None] = lambda: None

    async def begin(self) -> None:
        """At the start: note with which configuration everything from now on is done."""
        self._config = await note_configuration(self._site.journal, self._site.config)

    async def overview(self) -> Overview:
        """Everything that waits for somebody, and whether we did it."""
        status, links = await self._status(), await self._links()
        disk, trouble = await off_loop(self._disk), self.trouble()
        concerns = await Concerns(self._site, status, disk, trouble, links).all()
        return Overview(
            level=level_of(concerns),
            headline=headline(concerns),
            concerns=concerns,
            disk=disk,
            status=status,
            trouble=trouble,
            config=self._config or config_digest(self._site.config),
        )

    async def events(self, query: EventQuery) -> EventPage:
        """What happened, from the journal."""
        journal = self._site.journal
        if query.node is not None and query.node not in self._site.nodes:
            known = await journal.attempts(node=query.node, limit=1)
            if not known and not await journal.history(node=query.node, limit=1):
                raise NodeUnknown(f"there is no node {query.node!r}, and there was none")
        found = await journal.history(
            after=query.after,
            since_ms=query.since_ms,
            node=query.node,
            kind=query.kind,
            limit=query.limit + 1,
            newest=query.newest,
        )
        more = len(found) > query.limit
        if more:
            found = found[1:] if query.newest else found[:-1]
        asked = {event.attempt: "" for event in found if event.attempt is not None}
        for number in asked:
            record = await self._record(number)
            asked[number] = record.asked_by if record is not None else ""
        kept_from, phases_from = await journal.kept_from()
        return EventPage(tuple(found), asked, kept_from, phases_from, more)

    async def trace(self, attempt_id: int, *, after: int = 0) -> Trace:
        """The frames of an attempt."""
        record = await self._record(attempt_id)
        if record is None:
            raise AttemptUnknown(f"there is no attempt {attempt_id}")
        return await self._trace(record, after)

    async def trace_of(self, node: str, *, after: int = 0) -> Trace:
        """The frames of the attempt under way, else of the newest that has some."""
        records = await self._site.journal.attempts(node=node, limit=_LOOKED_THROUGH)
        if not records and node not in self._site.nodes:
            raise NodeUnknown(f"there is no node {node!r}")
        for record in records:
            if not record.done or await self._site.journal.trace(record.id):
                return await self._trace(record, after)
        raise NoTrace(f"no attempt on {node} left a recording")

    async def check_journal(self) -> JournalCheck:
        """Have SQLite read the whole journal, beside the work."""
        path = Path(self._site.journal.database.path)
        return await off_loop(lambda: check_journal(path))

    async def _trace(self, record: Record, after: int) -> Trace:
        session = self._supervisor.session(record.id)
        kept = await self._site.journal.trace(record.id)
        if session is not None:
            kept = session.recorder.text().splitlines()
        describe = describe_of(self._site.node_types, record.profile)
        live = self._supervisor.record(record.id) is not None
        return make_trace(record.id, record.node, kept, describe, live=live, after=after)

    async def _record(self, number: int) -> Record | None:
        return self._supervisor.record(number) or await self._site.journal.attempt(number)

    def _disk(self) -> Disk:
        folder, store = self._site.config.state, self._site.store.room
        try:
            room = os.statvfs(folder)
            free: int | None = room.f_bavail * room.f_frsize
        except OSError:
            free = None
        try:
            journal: int | None = sum(each.stat().st_size for each in folder.glob(f"{JOURNAL}*"))
        except OSError:
            journal = None
        return Disk(str(folder), free, store.used, self._site.config.store.max_bytes, journal)
