"""What outlives a restart of the gateway's own standing, such as that it drains."""

import sqlite3

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
