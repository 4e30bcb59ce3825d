"""When Zigbee nodes were heard last, over lives of the gateway."""

import sqlite3

from flashers.api import Stamp
from flashers.api.plain import dump, load
from gateway.journal.book import Book


class HeardBook(Book):
    """By place; see :class:`gateway.service.zigbee.hearing.HeardJournal`."""

    async def keep_heard(self, heard: dict[str, Stamp]) -> None:
        """When these were heard last."""

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "INSERT OR REPLACE INTO zigbee_heard (place, at) VALUES (?, ?)",
                [(place, dump(stamp)) for place, stamp in heard.items()],
            )

        await self.database.run(work)

    async def heard(self) -> dict[str, Stamp]:
        """All of them."""
        rows = await self._rows("SELECT place, at FROM zigbee_heard")
        return {place: load(Stamp, text) for place, text in rows}
