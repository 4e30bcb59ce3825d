"""Attempts and what is told of them, written together or not at all.

A phase and its report are one transaction: upstream can never be told of what the
journal does not know, nor the other way round.
"""

import asyncio
import json
import sqlite3
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from flashers.api import Digest, Stamp
from flashers.api.plain import dump, load
from gateway.attempt.advance import pins
from gateway.journal.database import Database
from gateway.journal.errors import JournalTooNew
from gateway.model.records import RECORD_SCHEMA, Observation, Record, Target
from gateway.model.views import Event, EventId

T = TypeVar("T")

KEPT_EVENTS = 2_000
"""Told events that are kept for `tender watch` and support, newest first."""
UNSENT_EVENTS = 50_000
"""Untold events before the oldest phases are dropped behind a gap marker."""


@dataclass(frozen=True, slots=True)
class Told:
    """An event before it has a number."""

    kind: str
    node: str | None = None
    attempt: int | None = None
    deployment: str | None = None
    data: Mapping[str, object] = field(default_factory=dict)


class Journal:
    """The gateway's memory.  Every method is one transaction."""

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

    # Attempts

    async def create(self, make: Callable[[int], Record], tell: Callable[[Record], Told]) -> Record:
        """A new attempt, numbered by the journal, with what is told of it."""

        def work(connection: sqlite3.Connection) -> tuple[Record, list[Told]]:
            cursor = connection.execute("INSERT INTO attempts (node, open, record) VALUES ('', 1, '{}')")
            record = make(cursor.lastrowid or 0)
            _write(connection, record)
            _touch_state(connection, record.node)
            return record, [tell(record)]

        return await self._work_and_tell(work)

    async def save(
        self, record: Record, told: Iterable[Told] = (), *, known_good: Mapping[str, Target] | None = None
    ) -> None:
        """Store a record, with what is told of it and what its end makes the known-good."""

        def work(connection: sqlite3.Connection) -> None:
            _write(connection, record)
            for component, target in (known_good or {}).items():
                _keep_known_good(connection, record.node, component, target)
            _touch_state(connection, record.node)

        await self._write_and_tell(work, told)

    async def open_attempts(self) -> list[Record]:
        """Every attempt that has not ended, oldest first."""
        return await self._records("WHERE open ORDER BY id")

    async def attempts(
        self, *, node: str | None = None, deployment: str | None = None, limit: int = 200
    ) -> list[Record]:
        """Attempts, newest first."""
        where, values = [], []
        for column, value in (("node", node), ("deployment", deployment)):
            if value is not None:
                where.append(f"{column} = ?")
                values.append(value)
        clause = f"WHERE {' AND '.join(where)} " if where else ""
        return await self._records(f"{clause}ORDER BY id DESC LIMIT ?", *values, limit)

    async def attempt(self, attempt_id: int) -> Record | None:
        """One attempt."""
        found = await self._records("WHERE id = ?", attempt_id)
        return found[0] if found else None

    async def last_attempts(self) -> dict[str, Record]:
        """The newest attempt of each node."""
        found = await self._records("WHERE id IN (SELECT max(id) FROM attempts GROUP BY node)")
        return {record.node: record for record in found}

    async def pinned(self) -> set[Digest]:
        """Every artifact that must stay in the store: of open and wounded attempts, and all known-goods."""

        def work(connection: sqlite3.Connection) -> set[Digest]:
            wanted: set[Digest] = set()
            query = (
                "SELECT record FROM attempts WHERE open OR (outcome = 'wounded' AND id IN "
                "(SELECT max(id) FROM attempts GROUP BY node))"
            )
            for (text,) in connection.execute(query):
                wanted |= pins(_record(text))
            for table in ("known_goods", "baselines"):
                for (text,) in connection.execute(f"SELECT target FROM {table}"):  # noqa: S608
                    wanted.add(load(Target, text).artifact)
            return wanted

        return await self.database.run(work)

    async def keep_trace(self, attempt_id: int, frames: list[str]) -> None:
        """Keep the last frames of an attempt that did not succeed."""
        await self._execute("INSERT OR REPLACE INTO traces VALUES (?, ?)", attempt_id, json.dumps(frames))

    async def trace(self, attempt_id: int) -> list[str]:
        """The kept frames."""
        rows = await self._rows("SELECT frames FROM traces WHERE attempt = ?", attempt_id)
        return list(json.loads(rows[0][0])) if rows else []

    # Deployments

    async def save_deployment(
        self,
        deployment_id: str,
        request: str,
        *,
        revision: int | None,
        is_open: bool,
        told: Iterable[Told] = (),
    ) -> None:
        """Store a deployment as its request's text."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO deployments VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE "
                "SET open = excluded.open, revision = excluded.revision",
                (deployment_id, revision, int(is_open), request, dump(self._clock())),
            )

        await self._write_and_tell(work, told)

    async def deployments(self) -> list[tuple[str, bool, str, Stamp]]:
        """(id, open, request's text, created), newest first."""
        rows = await self._rows("SELECT id, open, request, created FROM deployments")
        found = [(name, bool(is_open), text, load(Stamp, created)) for name, is_open, text, created in rows]
        return sorted(found, key=lambda row: row[3].unix_ms, reverse=True)

    # Nodes

    async def save_seen(self, node: str, observation: Observation, told: Iterable[Told] = ()) -> None:
        """Keep what was last seen of a node."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO nodes (name, seen) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET "
                "seen = excluded.seen, revision = revision + 1",
                (node, dump(observation)),
            )

        await self._write_and_tell(work, told)

    async def seen(self) -> dict[str, Observation]:
        """The last observation of each node."""
        rows = await self._rows("SELECT name, seen FROM nodes WHERE seen IS NOT NULL")
        return {name: load(Observation, text) for name, text in rows}

    async def identities(self) -> dict[str, str]:
        """The identity that each node was adopted with."""
        return dict(await self._rows("SELECT name, identity FROM nodes WHERE identity IS NOT NULL"))

    async def keep_identity(self, node: str, identity: str) -> None:
        """Remember who answers at this node's place; the first one is kept."""
        await self._execute(
            "INSERT INTO nodes (name, identity) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET "
            "identity = coalesce(identity, excluded.identity)",
            node,
            identity,
        )

    async def known_goods(self, node: str) -> dict[str, Target]:
        """What to go back to, by component."""
        rows = await self._rows("SELECT component, target FROM known_goods WHERE node = ?", node)
        return {component: load(Target, text) for component, text in rows}

    async def all_known_goods(self) -> dict[str, dict[str, Target]]:
        """What to go back to, by node and component."""
        found: dict[str, dict[str, Target]] = {}
        for node, component, text in await self._rows("SELECT node, component, target FROM known_goods"):
            found.setdefault(node, {})[component] = load(Target, text)
        return found

    async def add_baseline(self, profile: str, component: str, target: Target) -> None:
        """Keep a known-good that the operator vouches for."""
        await self._execute(
            "INSERT OR REPLACE INTO baselines VALUES (?, ?, ?, ?)",
            profile,
            component,
            str(target.artifact),
            dump(target),
        )

    async def baselines(self, profile: str, component: str) -> list[Target]:
        """The baselines of a node type's component."""
        query = "SELECT target FROM baselines WHERE profile = ? AND component = ?"
        return [load(Target, text) for (text,) in await self._rows(query, profile, component)]

    async def way_back_worked(self, profile: str, kind: str, version: str) -> None:
        """Remember that this kind of rollback was seen to work on this model and firmware."""
        await self._execute(
            "INSERT OR REPLACE INTO ways_back VALUES (?, ?, ?, ?)",
            profile,
            kind,
            version,
            dump(self._clock()),
        )

    async def way_back_seen(self, profile: str, kind: str) -> bool:
        """Whether it was ever seen to work on this model."""
        return bool(await self._rows("SELECT 1 FROM ways_back WHERE profile = ? AND kind = ?", profile, kind))

    async def keep_speed(self, node: str, bytes_per_second: float) -> None:
        """Remember how fast transfers to a node are."""
        await self._execute("INSERT OR REPLACE INTO speeds VALUES (?, ?)", node, bytes_per_second)

    async def speed(self, node: str) -> float | None:
        """Bytes per second of the last transfer to a node."""
        rows = await self._rows("SELECT bytes_per_second FROM speeds WHERE node = ?", node)
        return float(rows[0][0]) if rows else None

    # What is told

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
            connection.execute(
                "DELETE FROM events WHERE NOT unsent AND sequence <= (SELECT max(sequence) FROM events) - ?",
                (KEPT_EVENTS,),
            )

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

    async def nothing_listens(self) -> None:
        """There is no upstream: events count as told."""
        await self._execute("UPDATE events SET unsent = 0 WHERE unsent")

    async def stale_states(self, limit: int) -> list[tuple[str, int]]:
        """Nodes whose published state is older than their own, with its revision."""
        query = "SELECT name, revision FROM nodes WHERE revision > published ORDER BY name LIMIT ?"
        return [(name, revision) for name, revision in await self._rows(query, limit)]

    async def state_published(self, node: str, revision: int) -> None:
        """Upstream has that state."""
        await self._execute("UPDATE nodes SET published = max(published, ?) WHERE name = ?", revision, node)

    async def all_states_stale(self) -> None:
        """Publish every state again."""
        await self._execute("UPDATE nodes SET published = 0")

    async def know_nodes(self, names: Iterable[str]) -> None:
        """Give every configured node a row, and a state that is still to be published."""
        rows = [(name,) for name in names]

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany("INSERT OR IGNORE INTO nodes (name) VALUES (?)", rows)

        await self.database.run(work)

    async def meta(self, key: str) -> str | None:
        """A named value."""
        rows = await self._rows("SELECT value FROM meta WHERE key = ?", key)
        return rows[0][0] if rows else None

    async def set_meta(self, key: str, value: str) -> None:
        """Keep a named value."""
        await self._execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", key, value)

    # How it is done

    async def _write_and_tell(self, work: Callable[[sqlite3.Connection], T], told: Iterable[Told]) -> T:
        told = list(told)
        return await self._work_and_tell(lambda connection: (work(connection), told))

    async def _work_and_tell(self, work: Callable[[sqlite3.Connection], tuple[T, list[Told]]]) -> T:
        def both(connection: sqlite3.Connection) -> tuple[T, list[Event]]:
            result, told = work(connection)
            return result, [self._store_event(connection, item) for item in told]

        result, events = await self.database.run(both)
        self._news.set()
        for event in events:
            for listener in list(self._listeners):
                listener(event)
        return result

    def _store_event(self, connection: sqlite3.Connection, told: Told) -> Event:
        query = "INSERT INTO events (unsent, node, event) VALUES (1, ?, '')"
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
        if number % 1000 == 0:
            self._compact(connection)
        return event

    def _compact(self, connection: sqlite3.Connection) -> None:
        """After months without an upstream: drop the oldest phases, keep ends, name the gap."""
        (depth,) = connection.execute("SELECT count(*) FROM events WHERE unsent").fetchone()
        if depth <= UNSENT_EVENTS:
            return
        query = (
            "SELECT sequence, event FROM events WHERE unsent AND json_extract(event, '$.kind') IN "
            "('attempt.phase', 'node.changed', 'journal.gap') ORDER BY sequence LIMIT ?"
        )
        dropped = connection.execute(query, (depth // 2,)).fetchall()
        if not dropped:
            return
        first, last = load(Event, dropped[0][1]), dropped[-1][0]
        begin = first.data.get("first", first.id.sequence)
        marker = replace(
            first, kind="journal.gap", node=None, attempt=None, data={"first": begin, "last": last}
        )
        connection.executemany("DELETE FROM events WHERE sequence = ?", [(row[0],) for row in dropped])
        connection.execute(
            "INSERT INTO events (sequence, unsent, event) VALUES (?, 1, ?)", (first.id.sequence, dump(marker))
        )

    def _epoch(self, connection: sqlite3.Connection) -> int:
        row = connection.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
        if row is None:
            # Larger than any earlier one on a machine whose clock runs, and unlikely to repeat otherwise.
            epoch = (self._clock().unix_ms // 1000 << 12) | (uuid.uuid4().int & 0xFFF)
            connection.execute("INSERT INTO meta VALUES ('epoch', ?)", (str(epoch),))
            return epoch
        return int(row[0])

    async def _records(self, clause: str, *values: object) -> list[Record]:
        rows = await self._rows(f"SELECT record FROM attempts {clause}", *values)  # noqa: S608
        return [_record(text) for (text,) in rows]

    async def _rows(self, query: str, *values: object) -> list[Any]:
        return await self.database.run(lambda connection: connection.execute(query, values).fetchall())

    async def _execute(self, query: str, *values: object) -> None:
        await self.database.run(lambda connection: connection.execute(query, values))


def _write(connection: sqlite3.Connection, record: Record) -> None:
    outcome = record.result.outcome.value if record.result else None
    connection.execute(
        "UPDATE attempts SET node = ?, deployment = ?, open = ?, outcome = ?, record = ? WHERE id = ?",
        (record.node, record.deployment, int(not record.done), outcome, dump(record), record.id),
    )


def _record(text: str) -> Record:
    schema = json.loads(text).get("schema", 0)
    if schema > RECORD_SCHEMA:
        raise JournalTooNew(f"an attempt was written with schema {schema}; this Tender knows {RECORD_SCHEMA}")
    return load(Record, text)


def _keep_known_good(connection: sqlite3.Connection, node: str, component: str, target: Target) -> None:
    connection.execute("INSERT OR REPLACE INTO known_goods VALUES (?, ?, ?)", (node, component, dump(target)))


def _touch_state(connection: sqlite3.Connection, node: str) -> None:
    connection.execute(
        "INSERT INTO nodes (name) VALUES (?) ON CONFLICT (name) DO UPDATE SET revision = revision + 1",
        (node,),
    )
