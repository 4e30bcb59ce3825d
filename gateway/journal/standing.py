"""What outlives a restart of the gateway's own standing, such as that it drains."""

import sqlite3
from collections.abc import Mapping

from gateway.journal.book import Book
from gateway.journal.told import Told


class Standings(Book):
    """Named values whose change is told in the same transaction."""

    async def keep(self, key: str, value: str | None, *told: Told) -> None:
        """Keep a named value, or None for none, with what is told of it."""

        def work(connection: sqlite3.Connection) -> None:
            if value is None:
                connection.execute("DELETE FROM meta WHERE key = ?", (key,))
            else:
                connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

        await self._write_and_tell(work, told)

    async def keep_data_rates(self, per_second: Mapping[str, float]) -> None:
        """Keep how often nodes' own data was heard."""
        rows = list(per_second.items())

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany("INSERT OR REPLACE INTO data_rates (node, per_second) VALUES (?, ?)", rows)

        await self.database.run(work)

    async def data_rates(self) -> dict[str, float]:
        """How often each node's data was heard, in messages a second."""
        return {node: float(rate) for node, rate in await self._rows("SELECT * FROM data_rates")}
