"""Deployments, each as its request's text: a deployment is its attempts, and needs no state of its own."""

import sqlite3
from collections.abc import Iterable

from flashers.api import Stamp
from flashers.api.plain import dump, load
from gateway.journal.book import Book
from gateway.journal.told import Told


class DeploymentsBook(Book):
    """Every deployment that was taken."""

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
