"""The outbox: everything that is told, in order, until upstream has it."""

import sqlite3

from flashers.api import Stamp
from flashers.api.plain import load
from gateway.journal.book import Book
from gateway.journal.told import Told
from gateway.model.views import Event

KEPT_EVENTS = 20_000
"""Told events that are kept for support, newest first; about 10 MB."""
KEPT_PHASES = 4_000
"""Phases of attempts are most of them, and are told by the ends as well: only among so many of the newest."""

_SINCE = "sequence >= (SELECT min(sequence) FROM events WHERE json_extract(event, '$.at.unix_ms') >= ?)"


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

    async def history(
        self,
        *,
        after: int = 0,
        since_ms: int | None = None,
        node: str | None = None,
        kind: str | None = None,
        limit: int = 500,
        newest: bool = False,
    ) -> list[Event]:
        """Kept events that meet every condition, in order: the first ``limit`` of them, or the last.

        ``since_ms`` begins at the first event that was stamped so late, whatever the
        clock said afterwards.
        """
        where, values = ["sequence > ?"], list[object]([after])
        for condition, value in (
            ("node = ?", node),
            ("json_extract(event, '$.kind') = ?", kind),
            (_SINCE, since_ms),
        ):
            if value is not None:
                where.append(condition)
                values.append(value)
        order = "DESC" if newest else "ASC"
        query = f"SELECT event FROM events WHERE {' AND '.join(where)} ORDER BY sequence {order} LIMIT ?"  # noqa: S608
        found = [load(Event, text) for (text,) in await self._rows(query, *values, limit)]
        return found[::-1] if newest else found

    async def kept_from(self) -> tuple[int, int]:
        """The numbers of the oldest event, and from which on phases are kept too (0, 0: there are none)."""
        ((first, last),) = await self._rows("SELECT min(sequence), max(sequence) FROM events")
        return (0, 0) if first is None else (first, max(first, last - KEPT_PHASES + 1))


def _forget_old(connection: sqlite3.Connection) -> None:
    connection.execute(
        "DELETE FROM events WHERE NOT unsent AND sequence <= (SELECT max(sequence) FROM events) - ?",
        (KEPT_EVENTS,),
    )
    connection.execute(
        "DELETE FROM events WHERE NOT unsent AND json_extract(event, '$.kind') = 'attempt.phase' "
        "AND sequence <= (SELECT max(sequence) FROM events) - ?",
        (KEPT_PHASES,),
    )
