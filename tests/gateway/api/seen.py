"""What can be seen of the gateway in memory: its status, the events that it told, and a recording."""

import asyncio
from typing import Any

from gateway.errors import AttemptUnknown, NodeUnknown
from gateway.verbs.seeing import (
    Concern,
    Disk,
    EventPage,
    EventQuery,
    JournalCheck,
    Level,
    Overview,
    Trace,
    TraceLine,
)


class Seen:
    """Implements :class:`gateway.verbs.seeing.SeeingVerbs` for a World."""

    def __init__(self, world: Any) -> None:
        self._world = world
        self.concerns: tuple[Concern, ...] = ()
        self.headline = "Nothing is broken."
        self.listed = asyncio.Event()
        """Set when somebody has asked for events."""

    async def overview(self) -> Overview:
        levels = [concern.level for concern in self.concerns]
        level = next((each for each in (Level.BROKEN, Level.WAITS) if each in levels), Level.FINE)
        disk = Disk("/var/lib/tender", 1 << 30, 4096, 1 << 30)
        status = await self._world.status()
        return Overview(level, self.headline, self.concerns, disk, status, config="sha256:00")

    async def events(self, query: EventQuery) -> EventPage:
        found = [
            event
            for event in self._world.events
            if event.id.sequence > query.after
            and query.node in (None, event.node)
            and query.kind in (None, event.kind)
        ]
        self.listed.set()
        views = self._world.attempt_views
        asked = {event.attempt: views[event.attempt].asked_by for event in found if event.attempt in views}
        return EventPage(tuple(found[: query.limit]), asked, 1, 1, len(found) > query.limit)

    async def trace(self, attempt_id: int, *, after: int = 0) -> Trace:
        if attempt_id not in self._world.attempt_views:
            raise AttemptUnknown(f"there is no attempt {attempt_id}")
        view = self._world.attempt_views[attempt_id]
        lines = (
            TraceLine(1, 0.0, ">", ("sync",), "30 20"),
            TraceLine(2, 0.01, "<", (), "14 10"),
            TraceLine(3, 0.02, "=", (), "dtr=1"),
        )
        wanted = tuple(line for line in lines if line.number > after)
        return Trace(attempt_id, view.node, view.outcome is None, True, "", wanted)

    async def trace_of(self, node: str, *, after: int = 0) -> Trace:
        views = [view for view in self._world.attempt_views.values() if view.node == node]
        if not views:
            raise NodeUnknown(f"there is no node {node!r}")
        return await self.trace(views[-1].id, after=after)

    async def check_journal(self) -> JournalCheck:
        return JournalCheck(1, ("ok",), {}, 0)
