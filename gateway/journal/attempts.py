"""Attempts, and the artifacts that must stay for their sake."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache

from flashers.api import Digest, Stamp
from flashers.api.plain import BadRecord, dump, load
from gateway.attempt.advance import pins
from gateway.journal.book import Book
from gateway.journal.errors import JournalTooNew
from gateway.journal.told import Told
from gateway.model.nodes import Change, change_after
from gateway.model.records import RECORD_SCHEMA, Provenance, Record, Target

_PINS_KNOWN = 2_000
"""Newest attempts of nodes whose needs are remembered rather than read again."""
KEPT_TRACES = 500
"""Attempts whose last frames are kept, newest first."""


_PRESENT = "generation = coalesce((SELECT generation FROM nodes WHERE name = {0}.node), 1)"
"""Attempts on boards that were replaced since are history only."""
_NEWEST = f"SELECT max(id) FROM attempts AS own WHERE own.{_PRESENT.format('own')} GROUP BY node"  # noqa: S608
_OPEN_WOUND = f"""(outcome = 'wounded' AND one.{_PRESENT.format("one")} AND NOT EXISTS (
    SELECT 1 FROM attempts AS later WHERE later.node = one.node AND later.id > one.id
    AND later.outcome IS NOT NULL AND later.outcome NOT IN ('refused', 'not-reached')
    AND (later.outcome NOT IN ('cancelled', 'superseded') OR json_extract(later.record, '$.touched'))))"""  # noqa: S608
"""A wound is closed by a later attempt that had to do with the node; not by one that never began."""


class Attempts(Book):
    """Every attempt that there ever was; ``makes`` is noted in each that is made."""

    makes = Provenance()

    async def create(self, make: Callable[[int], Record], tell: Callable[[Record], Told]) -> Record:
        """A new attempt, numbered by the journal, with what is told of it."""

        def work(connection: sqlite3.Connection) -> tuple[Record, list[Told]]:
            cursor = connection.execute("INSERT INTO attempts (node, open, record) VALUES ('', 1, '{}')")
            record = make(cursor.lastrowid or 0)
            made = replace(self.makes, revision=_revision(connection, record))
            record = replace(record, generation=_generation(connection, record.node), provenance=made)
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
            _settle(connection, record)
            for component, target in (known_good or {}).items():
                _keep_known_good(connection, record.node, component, target, record.ended)
            _touch_state(connection, record.node)

        await self._write_and_tell(work, told)

    async def open_attempts(self) -> list[Record]:
        """Every attempt that has not ended, oldest first."""
        return await self._records("WHERE open ORDER BY id")

    async def attempts(
        self,
        *,
        node: str | None = None,
        deployment: str | None = None,
        generation: int | None = None,
        limit: int = 200,
    ) -> list[Record]:
        """Attempts, newest first; ``generation`` asks for those on one of the boards that had the name."""
        where, values = [], []
        for column, value in (("node", node), ("deployment", deployment), ("generation", generation)):
            if value is not None:
                where.append(f"{column} = ?")
                values.append(value)
        clause = f"WHERE {' AND '.join(where)} " if where else ""
        return await self._records(f"{clause}ORDER BY id DESC LIMIT ?", *values, limit)

    async def any_open(self, deployment: str) -> bool:
        """Whether an attempt of a deployment has not ended."""
        return bool(
            await self._rows("SELECT 1 FROM attempts WHERE open AND deployment = ? LIMIT 1", deployment)
        )

    async def attempt(self, attempt_id: int) -> Record | None:
        """One attempt."""
        found = await self._records("WHERE id = ?", attempt_id)
        return found[0] if found else None

    async def last_attempts(self) -> dict[str, Record]:
        """The newest attempt of each node, as the board that has the name now."""
        found = await self._records(f"WHERE id IN ({_NEWEST})")
        return {record.node: record for record in found}

    async def wounds(self) -> list[Record]:
        """Attempts that left their node wounded, and that nothing since has brought to an end."""
        return await self._records(f"AS one WHERE {_OPEN_WOUND} ORDER BY id")

    async def pinned(self) -> set[Digest]:
        """Every artifact that must stay: of open, wounded and newest attempts, and all known-goods."""

        def work(connection: sqlite3.Connection) -> set[Digest]:
            wanted: set[Digest] = set()
            # The newest of each node leads back to what it had before, which `rollback` may be asked for.
            query = f"""SELECT record FROM attempts AS one WHERE open
                OR id IN ({_NEWEST}) OR {_OPEN_WOUND}"""  # noqa: S608
            for (text,) in connection.execute(query):
                wanted |= _pins_of(text)
            for table in ("known_goods", "baselines"):
                for (text,) in connection.execute(f"SELECT target FROM {table}"):  # noqa: S608
                    wanted.add(load(Target, text).artifact)
            return wanted

        return await self.database.run(work)

    async def keep_trace(self, attempt_id: int, frames: list[str]) -> None:
        """Keep the last frames of an attempt that did not succeed."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT OR REPLACE INTO traces VALUES (?, ?)", (attempt_id, json.dumps(frames))
            )
            connection.execute(
                "DELETE FROM traces WHERE attempt NOT IN "
                "(SELECT attempt FROM traces ORDER BY attempt DESC LIMIT ?)",
                (KEPT_TRACES,),
            )

        await self.database.run(work)

    async def trace(self, attempt_id: int) -> list[str]:
        """The kept frames."""
        rows = await self._rows("SELECT frames FROM traces WHERE attempt = ?", attempt_id)
        return list(json.loads(rows[0][0])) if rows else []

    async def _records(self, clause: str, *values: object) -> list[Record]:
        rows = await self._rows(f"SELECT record FROM attempts {clause}", *values)  # noqa: S608
        return [_record(text) for (text,) in rows]


@lru_cache(maxsize=_PINS_KNOWN)
def _pins_of(text: str) -> frozenset[Digest]:
    """What an attempt needs; most are asked for again and again, and have not changed."""
    return frozenset(pins(_record(text)))


def _write(connection: sqlite3.Connection, record: Record) -> None:
    outcome = record.result.outcome.value if record.result else None
    connection.execute(
        "UPDATE attempts SET node = ?, deployment = ?, open = ?, outcome = ?, generation = ?, record = ? "
        "WHERE id = ?",
        (
            record.node,
            record.deployment,
            int(not record.done),
            outcome,
            record.generation,
            dump(record),
            record.id,
        ),
    )


def _revision(connection: sqlite3.Connection, record: Record) -> int | None:
    """Of the desired state that the attempt's deployment came by."""
    query = "SELECT revision FROM deployments WHERE id = ?"
    row = connection.execute(query, (record.deployment,)).fetchone()
    return None if row is None else row[0]


def _record(text: str) -> Record:
    try:
        record = load(Record, text)
    except BadRecord:
        _check_schema(json.loads(text).get("schema", 0))
        raise
    _check_schema(record.schema)
    return record


def _check_schema(schema: int) -> None:
    if schema > RECORD_SCHEMA:
        raise JournalTooNew(f"an attempt was written with schema {schema}; this Tender knows {RECORD_SCHEMA}")


def _settle(connection: sqlite3.Connection, record: Record) -> None:
    """An end says whether the node still runs what nobody here brought to it."""
    if not record.done:
        return
    row = connection.execute("SELECT changed FROM nodes WHERE name = ?", (record.node,)).fetchone()
    before = load(Change, row[0]) if row is not None and row[0] is not None else None
    after = change_after(record, before)
    if after != before:
        connection.execute("INSERT OR IGNORE INTO nodes (name) VALUES (?)", (record.node,))
        text = dump(after) if after is not None else None
        connection.execute("UPDATE nodes SET changed = ? WHERE name = ?", (text, record.node))


def _generation(connection: sqlite3.Connection, node: str) -> int:
    row = connection.execute("SELECT generation FROM nodes WHERE name = ?", (node,)).fetchone()
    return int(row[0]) if row is not None else 1


def _keep_known_good(
    connection: sqlite3.Connection, node: str, component: str, target: Target, proved: Stamp | None
) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO known_goods VALUES (?, ?, ?, ?)",
        (node, component, dump(target), dump(proved) if proved is not None else None),
    )


def _touch_state(connection: sqlite3.Connection, node: str) -> None:
    connection.execute(
        "INSERT INTO nodes (name) VALUES (?) ON CONFLICT (name) DO UPDATE SET revision = revision + 1",
        (node,),
    )
