"""The outbox: everything that is told, in order, until upstream has it."""

import sqlite3

from flashers.api import Stamp
from flashers.api.plain import load
from gateway.journal.book import Book
from gateway.journal.told import Told
from gateway.model.views import Event

KEPT_EVENTS = 2_000
"""Told events that are kept for support, newest first."""


class Events(Book):
    """What is told, and how much of it upstream has."""

    async def tell(self, *told: Told) -> None:
        """Tell something that changes nothing else."""
        await self._write_and_tell(lambda _: None, told)

    async def unsent(self, limit: int) -> list[Event]:
        """The oldest events that upstream has not acknowledged."""
        rows = await self._rows("SELECT event FROM events WHERE unsent ORDER BY sequence LIMIT ?", limit)
        return [load(Event, text) for (text,) in rows]

    async def acknowledged(self, sequences: list[int]) -> None:
        """Upstream has these."""

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "UPDATE events SET unsent = 0 WHERE sequence = ?", [(number,) for number in sequences]
            )
            _forget_old(connection)

        await self.database.run(work)

    async def nothing_listens(self) -> None:
        """There is no upstream: events count as told."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE events SET unsent = 0 WHERE unsent")
            _forget_old(connection)

        await self.database.run(work)

    async def unsent_depth(self) -> tuple[int, Stamp | None]:
        """How many events are unsent, and since when the oldest."""
        (depth,) = (await self._rows("SELECT count(*) FROM events WHERE unsent"))[0]
        oldest = await self.unsent(1) if depth else []
        return depth, oldest[0].at if oldest else None

    async def events(self, *, since: int = 0, limit: int = 500) -> list[Event]:
        """Kept events after a sequence number, in order."""
        query = "SELECT event FROM events WHERE sequence > ? ORDER BY sequence LIMIT ?"
        return [load(Event, text) for (text,) in await self._rows(query, since, limit)]


def _forget_old(connection: sqlite3.Connection) -> None:
    connection.execute(
        "DELETE FROM events WHERE NOT unsent AND sequence <= (SELECT max(sequence) FROM events) - ?",
        (KEPT_EVENTS,),
    )
