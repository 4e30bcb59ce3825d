"""What every part of the journal stands on: one file, one transaction a call, and news of each.

What is told is numbered and stored in the transaction of the work that it tells of:
upstream can never be told of what the journal does not know, nor the other way round.
"""

import asyncio
import json
import logging
import sqlite3
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from flashers.api import Stamp
from flashers.api.plain import dump
from gateway.artifacts.files import off_loop
from gateway.journal import damage
from gateway.journal.compaction import compact
from gateway.journal.database import Database
from gateway.journal.errors import JournalDamaged, JournalLost
from gateway.journal.memory import Memory, write
from gateway.journal.told import Told
from gateway.model.standing import Draining
from gateway.model.views import Event, EventId

T = TypeVar("T")

log = logging.getLogger("tender.journal")

LOST_KEY = "journal-lost"
LOST_BY = "the loss of the journal"
"""Who it is that asks to drain then."""

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
        self.remember: Callable[[], Memory] = Memory
        """What is still known if the file is damaged under a running gateway."""
        self._lost: list[Event] = []

    async def open(self, *, mend: bool = False) -> None:
        """Open the file and learn, or begin, the epoch.

        With ``mend`` a damaged one is kept aside, and another begun: now, and whenever it
        turns out to be damaged.  That is told, and nothing new is begun until somebody has looked.

        Raises:
            JournalTooNew, JournalError: as for the database.
        """
        try:
            if mend and self._is_empty():
                raise JournalDamaged("the journal is damaged: the file is empty")
            await self.database.open()
            if mend:
                await self.database.check()
            self.epoch = await self.database.run(self._epoch)
        except JournalDamaged as damaged:
            if not mend:
                raise
            self.database.begin_anew = self._begin_anew
            await self.database.renew(damaged.message.removeprefix("the journal is damaged: "))
            self._tell_of_the_loss()
        if mend:
            await off_loop(lambda: damage.note_epoch(Path(self.database.path), self.epoch))
            self.database.begin_anew = self._begin_anew
            self.database.renewed = self._tell_of_the_loss

    def _is_empty(self) -> bool:
        path = Path(self.database.path)
        return self.database.path != ":memory:" and path.exists() and not path.stat().st_size

    def _begin_anew(self, message: str) -> sqlite3.Connection:
        """In the journal's thread: keep the file aside, and write what is known into a new one."""
        path, at = Path(self.database.path), self._clock()
        before = max(self.epoch, damage.last_epoch(path))
        epoch = max(self._new_epoch(), before + 1)
        kept = path.with_name(f"{path.name}.damaged-{epoch}")
        if path.exists():
            kept = damage.set_aside(path, epoch)
        connection, memory = self.database.connect(), self.remember()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('epoch', ?)", (str(epoch),))
        self.epoch = epoch
        write(connection, memory, at)
        # What was paused, held or recalled is forgotten with it: somebody has to look first.
        draining = Draining(at, LOST_BY)
        lost = {"kept": kept.name, "message": message, "remembered": memory.open_attempts}
        for key, value in (("draining", dump(draining)), (LOST_KEY, json.dumps(lost))):
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))
        told = (Told("journal.lost", data=lost), Told("gateway.draining", data={"by": LOST_BY}))
        events = [self._store_event(connection, each) for each in told]
        connection.execute("COMMIT")
        damage.note_epoch(path, epoch)
        self._lost += events
        log.error("the journal was damaged (%s): kept as %s, and begun anew", message, kept)
        return connection

    def _tell_of_the_loss(self) -> None:
        events, self._lost = self._lost, []
        self._announce((None, events))

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
            epoch = self._new_epoch()
            connection.execute("INSERT INTO meta VALUES ('epoch', ?)", (str(epoch),))
            return epoch
        return int(row[0])

    def _new_epoch(self) -> int:
        """Larger than any earlier one on a machine whose clock runs, and unlikely to repeat otherwise."""
        return (self._clock().unix_ms // 1000 << 12) | (uuid.uuid4().int & 0xFFF)

    async def _rows(self, query: str, *values: object) -> list[Any]:
        def read(connection: sqlite3.Connection) -> list[Any]:
            return connection.execute(query, values).fetchall()

        try:
            return await self.database.run(read)
        except JournalLost:
            return await self.database.run(read)  # a question may be asked again

    async def _execute(self, query: str, *values: object) -> None:
        await self.database.run(lambda connection: connection.execute(query, values))
