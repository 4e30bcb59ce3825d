"""What was done to nodes from outside: each step before it is done, and the climbs that they are part of."""

import sqlite3
from collections.abc import Iterable
from dataclasses import replace

from flashers.api.plain import dump, load
from gateway.journal.book import Book
from gateway.journal.told import Told
from gateway.model.rescue import Climb, StepTaken

KEPT_STEPS = 200
"""Steps that are kept of one node, newest first."""


class Rescues(Book):
    """Steps and climbs."""

    async def begin_step(self, step: StepTaken) -> StepTaken:
        """Write down a step that is about to be done; with its number."""

        def work(connection: sqlite3.Connection) -> StepTaken:
            query = "INSERT INTO rescue_steps (node, climb, open, step) VALUES (?, ?, 1, '')"
            number = connection.execute(query, (step.node, step.climb)).lastrowid or 0
            begun = replace(step, id=number)
            connection.execute("UPDATE rescue_steps SET step = ? WHERE id = ?", (dump(begun), number))
            connection.execute(
                "DELETE FROM rescue_steps WHERE node = ? AND told AND id NOT IN "
                "(SELECT id FROM rescue_steps WHERE node = ? ORDER BY id DESC LIMIT ?)",
                (step.node, step.node, KEPT_STEPS),
            )
            return begun

        return await self.database.run(work)

    async def save_step(self, step: StepTaken, *, is_open: bool = False, told: Iterable[Told] = ()) -> None:
        """What came of a step; ``is_open`` while it may still be off."""
        told = tuple(told)

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE rescue_steps SET open = ?, told = max(told, ?), step = ? WHERE id = ?",
                (int(is_open), int(bool(told)), dump(step), step.id),
            )
            _touch_state(connection, step.node)

        await self._write_and_tell(work, told)

    async def unfinished_steps(self) -> list[tuple[StepTaken, bool]]:
        """Steps whose end was not told, oldest first, and whether they may still be off."""
        rows = await self._rows("SELECT step, open FROM rescue_steps WHERE NOT told ORDER BY id")
        return [(load(StepTaken, text), bool(is_open)) for text, is_open in rows]

    async def steps(
        self, node: str | None = None, *, also_hit: bool = False, climb: int | None = None, limit: int = 50
    ) -> list[StepTaken]:
        """Steps on a node (``also_hit``: or that hit it, too), or of one climb, or all; newest first."""
        where, values = ["1"], list[object]()
        if node is not None:
            hit = "OR EXISTS (SELECT 1 FROM json_each(step, '$.affects') WHERE value = ?)" if also_hit else ""
            where, values = [*where, f"(node = ? {hit})"], [*values, node, *([node] if also_hit else [])]
        if climb is not None:
            where, values = [*where, "climb = ?"], [*values, climb]
        query = f"SELECT step FROM rescue_steps WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT ?"  # noqa: S608
        return [load(StepTaken, text) for (text,) in await self._rows(query, *values, limit)]

    async def begin_climb(self, climb: Climb) -> Climb:
        """A node does not answer, and steps follow; with its number."""

        def work(connection: sqlite3.Connection) -> Climb:
            query = "INSERT INTO rescue_climbs (node, open, climb) VALUES (?, 1, '')"
            number = connection.execute(query, (climb.node,)).lastrowid or 0
            begun = replace(climb, id=number)
            connection.execute("UPDATE rescue_climbs SET climb = ? WHERE id = ?", (dump(begun), number))
            _touch_state(connection, climb.node)
            connection.execute(
                "DELETE FROM rescue_climbs WHERE node = ? AND NOT open AND id NOT IN "
                "(SELECT id FROM rescue_climbs WHERE node = ? ORDER BY id DESC LIMIT ?)",
                (climb.node, climb.node, KEPT_STEPS),
            )
            return begun

        return await self.database.run(work)

    async def save_climb(self, climb: Climb, told: Iterable[Told] = ()) -> None:
        """A climb went on, or ended."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE rescue_climbs SET open = ?, climb = ? WHERE id = ?",
                (int(climb.ended is None), dump(climb), climb.id),
            )
            connection.execute("UPDATE nodes SET revision = revision + 1 WHERE name = ?", (climb.node,))

        await self._write_and_tell(work, told)

    async def open_climbs(self) -> list[Climb]:
        """Nodes that do not answer."""
        rows = await self._rows("SELECT climb FROM rescue_climbs WHERE open ORDER BY id")
        return [load(Climb, text) for (text,) in rows]


def _touch_state(connection: sqlite3.Connection, node: str) -> None:
    """What is published of it says something else now."""
    connection.execute("UPDATE nodes SET revision = revision + 1 WHERE name = ?", (node,))
