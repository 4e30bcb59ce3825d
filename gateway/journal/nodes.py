"""What is known of nodes, and which of it upstream has."""

import sqlite3
from collections.abc import Iterable

from flashers.api.plain import dump, load
from gateway.journal.book import Book
from gateway.journal.told import Told
from gateway.model.nodes import Change
from gateway.model.records import Observation


class Nodes(Book):
    """The last observation, the identity and the published state of each node."""

    async def save_seen(self, node: str, observation: Observation, told: Iterable[Told] = ()) -> None:
        """Keep what was last seen of a node."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO nodes (name, seen) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET "
                "seen = excluded.seen, revision = revision + 1",
                (node, dump(observation)),
            )

        await self._write_and_tell(work, told)

    async def save_sight(
        self, node: str, observation: Observation, change: Change | None, told: Iterable[Told] = ()
    ) -> None:
        """Keep what was seen outside of an attempt, and whether others have changed it."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO nodes (name, seen, changed) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET "
                "seen = excluded.seen, changed = excluded.changed, revision = revision + 1",
                (node, dump(observation), dump(change) if change is not None else None),
            )

        await self._write_and_tell(work, told)

    async def seen(self) -> dict[str, Observation]:
        """The last observation of each node."""
        rows = await self._rows("SELECT name, seen FROM nodes WHERE seen IS NOT NULL")
        return {name: load(Observation, text) for name, text in rows}

    async def stale_states(self, limit: int) -> list[tuple[str, int]]:
        """Nodes whose published state is older than their own, with its revision."""
        query = (
            "SELECT name, revision FROM nodes WHERE revision > published AND NOT cleared "
            "ORDER BY name LIMIT ?"
        )
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
            connection.executemany(
                "UPDATE nodes SET cleared = 0, published = 0 WHERE cleared AND name = ?", rows
            )

        await self.database.run(work)
