"""Which nodes there are beside those of the files, and what people and looks said of each."""

import sqlite3
from collections.abc import Iterable
from typing import TypeVar

from flashers.api import Identity, Stamp
from flashers.api.plain import dump, load
from gateway.journal.book import Book
from gateway.journal.errors import AttemptOpen
from gateway.journal.told import Told
from gateway.model.nodes import Adopted, Change, Kept, Place, Relabelled, Renamed, Stranger

T = TypeVar("T")

_COLUMNS = "generation, identity, identity_at, place, stranger, changed, adopted, labels, renamed"
_FRESH = (
    "seen = NULL, identity = NULL, identity_at = NULL, place = NULL, stranger = NULL, changed = NULL, "
    "revision = revision + 1"
)


class RosterBook(Book):
    """The nodes' own rows.  Every change is one transaction with what is told of it."""

    async def kept(self) -> dict[str, Kept]:
        """What is kept of every name that was ever a node's."""
        found = {}
        for name, generation, *texts in await self._rows(f"SELECT name, {_COLUMNS} FROM nodes"):  # noqa: S608
            kinds = (Identity, Stamp, Place, Stranger, Change, Adopted, Relabelled, Renamed)
            found[name] = Kept(generation, *map(_read, kinds, texts))
        return found

    async def keep_adopted(self, name: str, adopted: Adopted | None, told: Iterable[Told] = ()) -> None:
        """A node that is in no file."""
        text = _text(adopted)

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO nodes (name, adopted) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET "
                "adopted = excluded.adopted, cleared = 0, revision = revision + 1",
                (name, text),
            )

        await self._write_and_tell(work, told)

    async def keep_labels(self, name: str, labels: Relabelled | None, told: Iterable[Told] = ()) -> None:
        """Labels that differ from the table's.  Raises AttemptOpen."""
        await self._change(name, "labels = ?", [_text(labels)], told, untouched=True)

    async def keep_place(self, name: str, place: Place) -> None:
        """Where it was found."""
        await self._change(name, "place = ?", [dump(place)])

    async def keep_who(
        self, name: str, identity: Identity, at: Stamp | None, place: Place | None, told: Iterable[Told] = ()
    ) -> None:
        """Who answered, as expected or for the first time; whatever stranger there was is gone."""
        values = [dump(identity), _text(at), _text(place)]
        query = "identity = ?, identity_at = ?, place = coalesce(?, place), stranger = NULL"
        await self._change(name, query, values, told)

    async def keep_stranger(self, name: str, stranger: Stranger | None, told: Iterable[Told] = ()) -> None:
        """Another node answered there, or does not any more."""
        await self._change(name, "stranger = ?", [_text(stranger)], told)

    async def keep_changed(self, name: str, change: Change | None, told: Iterable[Told] = ()) -> None:
        """It runs what nobody here brought to it, or that is accepted now."""
        await self._change(name, "changed = ?", [_text(change)], told)

    async def accept_node(
        self, name: str, place: Place | None, told: Iterable[Told] = (), *, unnamed: bool = False
    ) -> None:
        """Firmware and place are as they should be; ``unnamed``: it is known by its place alone from now on.

        Raises AttemptOpen.
        """
        query = "changed = NULL, stranger = NULL, place = coalesce(?, place)"
        query += ", identity = NULL, identity_at = NULL" if unnamed else ""
        await self._change(name, query, [_text(place)], told, untouched=True)

    async def renew_node(self, name: str, told: Iterable[Told] = ()) -> None:
        """A new board by the old name: nothing is known of it.  Raises AttemptOpen."""

        def work(connection: sqlite3.Connection) -> None:
            _no_attempt(connection, name)
            _begin_generation(connection, name)

        await self._write_and_tell(work, told)

    async def forget_node(self, name: str, told: Iterable[Told] = ()) -> None:
        """No node any more; a later one of that name is another board.  Raises AttemptOpen."""

        def work(connection: sqlite3.Connection) -> None:
            _no_attempt(connection, name)
            _begin_generation(connection, name)
            connection.execute(
                "UPDATE nodes SET adopted = NULL, labels = NULL, renamed = NULL WHERE name = ?", (name,)
            )

        await self._write_and_tell(work, told)

    async def rename_node(self, old: str, new: str, renamed: Renamed, told: Iterable[Told] = ()) -> None:
        """Move everything; boards that had the new name before keep their numbers, ours count on.

        Raises AttemptOpen.
        """

        def work(connection: sqlite3.Connection) -> None:
            _no_attempt(connection, old)
            _no_attempt(connection, new)
            _move(connection, old, new, dump(renamed))

        await self._write_and_tell(work, told)

    async def uncleared(self) -> set[str]:
        """Names whose retained state upstream may have."""
        return {name for (name,) in await self._rows("SELECT name FROM nodes WHERE NOT cleared")}

    async def state_cleared(self, name: str) -> None:
        """Upstream has no state of that name any more."""
        await self._execute("UPDATE nodes SET cleared = 1, published = revision WHERE name = ?", name)

    async def _change(
        self,
        name: str,
        query: str,
        values: list[str | None],
        told: Iterable[Told] = (),
        *,
        untouched: bool = False,
    ) -> None:
        def work(connection: sqlite3.Connection) -> None:
            if untouched:
                _no_attempt(connection, name)
            connection.execute("INSERT OR IGNORE INTO nodes (name) VALUES (?)", (name,))
            connection.execute(
                f"UPDATE nodes SET {query}, revision = revision + 1 WHERE name = ?",  # noqa: S608
                (*values, name),
            )

        await self._write_and_tell(work, told)


def _read(kind: type[T], text: str | None) -> T | None:
    return None if text is None else load(kind, text)


def _text(value: object | None) -> str | None:
    return None if value is None else dump(value)


def _no_attempt(connection: sqlite3.Connection, name: str) -> None:
    row = connection.execute("SELECT id FROM attempts WHERE node = ? AND open", (name,)).fetchone()
    if row is not None:
        raise AttemptOpen(f"attempt {row[0]} on {name} has not ended")


def _begin_generation(connection: sqlite3.Connection, name: str) -> None:
    connection.execute("INSERT OR IGNORE INTO nodes (name) VALUES (?)", (name,))
    query = f"UPDATE nodes SET generation = generation + 1, {_FRESH} WHERE name = ?"  # noqa: S608
    connection.execute(query, (name,))
    for table in ("known_goods", "speeds", "words"):
        connection.execute(f"DELETE FROM {table} WHERE node = ?", (name,))  # noqa: S608


def _move(connection: sqlite3.Connection, old: str, new: str, renamed: str) -> None:
    had = connection.execute(
        "SELECT max(generation) FROM (SELECT generation FROM attempts WHERE node = ? "
        "UNION ALL SELECT generation - 1 FROM nodes WHERE name = ?)",
        (new, new),
    ).fetchone()[0]
    before = int(had or 0)
    connection.execute(
        "UPDATE attempts SET node = ?, generation = generation + ?, "
        "record = json_set(record, '$.node', ?, '$.generation', generation + ?) WHERE node = ?",
        (new, before, new, before, old),
    )
    for table in ("known_goods", "speeds"):
        connection.execute(f"DELETE FROM {table} WHERE node = ?", (new,))  # noqa: S608
        connection.execute(f"UPDATE {table} SET node = ? WHERE node = ?", (new, old))  # noqa: S608
    connection.execute("DELETE FROM words WHERE node = ?", (new,))
    query = "UPDATE words SET node = ?, generation = generation + ? WHERE node = ?"
    connection.execute(query, (new, before, old))
    row = connection.execute(f"SELECT seen, {_COLUMNS} FROM nodes WHERE name = ?", (old,)).fetchone()  # noqa: S608
    seen, generation, *rest = row
    values = (new, seen, generation + before, *rest[:-1], renamed)
    marks = ", ".join("?" for _ in values)
    connection.execute(
        f"INSERT INTO nodes (name, seen, {_COLUMNS}) VALUES ({marks}) ON CONFLICT (name) DO UPDATE SET "  # noqa: S608
        + ", ".join(f"{each} = excluded.{each}" for each in f"seen, {_COLUMNS}".split(", "))
        + ", cleared = 0, revision = revision + 1",
        values,
    )
    _begin_generation(connection, old)
    connection.execute(
        "UPDATE nodes SET adopted = NULL, labels = NULL, renamed = NULL WHERE name = ?", (old,)
    )
