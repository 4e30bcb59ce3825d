"""Whose the nodes on the air are; our word, and what is told of it, are one transaction."""

import sqlite3
from collections.abc import Iterable

from flashers.api.plain import dump, load
from gateway.errors import NodeBusy
from gateway.journal.book import Book
from gateway.journal.told import Told
from gateway.model.radio import Kept


class Claims(Book):
    """One row for each radio address that was ever a node's."""

    async def keep_claim(
        self, address: str, node: str, kept: Kept, told: Iterable[Told] = (), *, at_rest: bool = False
    ) -> None:
        """What is said of an address from now on; ``at_rest``: only while no attempt is open on its node.

        Raises:
            NodeBusy: one is.
        """

        def work(connection: sqlite3.Connection) -> None:
            if at_rest:
                query = "SELECT id FROM attempts WHERE node = ? AND open"
                row = connection.execute(query, (node,)).fetchone()
                if row is not None:
                    raise NodeBusy(f"attempt {row[0]} on {node} has not ended")
            connection.execute(
                "INSERT INTO claims VALUES (?, ?, ?) ON CONFLICT (address) DO UPDATE SET "
                "node = excluded.node, kept = excluded.kept",
                (address, node, dump(kept)),
            )
            # What upstream is shown of the node says whose it is.
            connection.execute("UPDATE nodes SET revision = revision + 1 WHERE name = ?", (node,))

        await self._write_and_tell(work, told)

    async def claims(self) -> dict[str, tuple[str, Kept]]:
        """By address, each with the name that its node last had."""
        rows = await self._rows("SELECT address, node, kept FROM claims")
        return {address: (node, load(Kept, text)) for address, node, text in rows}
