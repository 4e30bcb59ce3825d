"""What every part of the journal stands on: one file, one transaction a call, and news of each.

What is told is numbered and stored in the transaction of the work that it tells of:
upstream can never be told of what the journal does not know, nor the other way round.
"""

import asyncio
import sqlite3
import uuid
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from flashers.api import Stamp
from flashers.api.plain import dump
from gateway.journal.compaction import compact
from gateway.journal.database import Database
from gateway.journal.told import Told
from gateway.model.views import Event, EventId

T = TypeVar("T")

_COMPACT_EVERY = 1_000
"""Events between two looks at how many are still untold."""


class Book:
    """The file, its epoch, and those who listen."""

    def __init__(self, database: Database, gateway: str, clock: Callable[[], Stamp]) -> None:
        self.database = database
        self.gateway = gateway
        self.epoch = 0
        self._clock = clock
        self._news = asyncio.Event()
        self._listeners: list[Callable[[Event], None]] = []

    async def open(self) -> None:
        """Open the file and learn, or begin, the epoch.

        Raises:
            JournalTooNew, JournalError: as for the database.
        """
        await self.database.open()
        self.epoch = await self.database.run(self._epoch)

    async def close(self) -> None:
        """Close the file."""
        await self.database.close()

    def listen(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call ``listener`` with every event after it was committed; the answer ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def news(self) -> None:
        """Wait until something was written since the last call."""
        await self._news.wait()
        self._news.clear()

    def wake(self) -> None:
        """Let whoever waits for news look again."""
        self._news.set()

    async def meta(self, key: str) -> str | None:
        """A named value."""
        rows = await self._rows("SELECT value FROM meta WHERE key = ?", key)
        return rows[0][0] if rows else None

    async def set_meta(self, key: str, value: str) -> None:
        """Keep a named value."""
        await self._execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", key, value)

    async def set_meta_and_tell(self, key: str, value: str, told: Iterable[Told]) -> None:
        """Keep a named value, and tell of it."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

        await self._write_and_tell(work, told)

    async def _write_and_tell(self, work: Callable[[sqlite3.Connection], T], told: Iterable[Told]) -> T:
        told = list(told)
        return await self._work_and_tell(lambda connection: (work(connection), told))

    async def _work_and_tell(self, work: Callable[[sqlite3.Connection], tuple[T, list[Told]]]) -> T:
        def both(connection: sqlite3.Connection) -> tuple[T, list[Event]]:
            result, told = work(connection)
            return result, [self._store_event(connection, item) for item in told]

        # A caller that is cancelled meanwhile takes nothing back: those who listen hear of it all the same.
        result, _ = await self.database.run(both, committed=self._announce)
        return result

    def _announce(self, committed: tuple[object, list[Event]]) -> None:
        self._news.set()
        for event in committed[1]:
            for listener in list(self._listeners):
                listener(event)

    def _store_event(self, connection: sqlite3.Connection, told: Told) -> Event:
        query = "INSERT INTO events (unsent, node, event) VALUES (1, ?, '{}')"
        number = connection.execute(query, (told.node,)).lastrowid or 0
        event = Event(
            id=EventId(self.gateway, self.epoch, number),
            kind=told.kind,
            at=self._clock(),
            node=told.node,
            attempt=told.attempt,
            deployment=told.deployment,
            data=told.data,
        )
        connection.execute("UPDATE events SET event = ? WHERE sequence = ?", (dump(event), number))
        if number % _COMPACT_EVERY == 0:
            compact(connection)
        return event

    def _epoch(self, connection: sqlite3.Connection) -> int:
        row = connection.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
        if row is None:
            # Larger than any earlier one on a machine whose clock runs, and unlikely to repeat otherwise.
            epoch = (self._clock().unix_ms // 1000 << 12) | (uuid.uuid4().int & 0xFFF)
            connection.execute("INSERT INTO meta VALUES ('epoch', ?)", (str(epoch),))
            return epoch
        return int(row[0])

    async def _rows(self, query: str, *values: object) -> list[Any]:
        return await self.database.run(lambda connection: connection.execute(query, values).fetchall())

    async def _execute(self, query: str, *values: object) -> None:
        await self.database.run(lambda connection: connection.execute(query, values))
