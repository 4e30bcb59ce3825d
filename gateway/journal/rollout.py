"""What people said of rollouts, what a rollout concluded, and what nodes have borne."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flashers.api import Stamp
from flashers.api.plain import dump, load
from gateway.journal.book import Book
from gateway.journal.told import Told
from gateway.model.activation import LetGo
from gateway.model.records import Target
from gateway.model.rollout import Pause, ReleaseMark, Stop


@dataclass(frozen=True, slots=True)
class Concluded:
    """What a rollout came to by itself, and the attempts that count no longer since it was resumed."""

    stop: Stop | None = None
    forgiven: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Began:
    """An attempt that began: when, in seconds of the gateway's age, and what it has cost so far."""

    attempt: int
    node: str
    age_s: float
    erases: int = 0
    seconds: float = 0.0


class RolloutBook(Book):
    """Pauses, stops, marks of releases, the gateway's age.  A change and its event are one transaction."""

    async def pauses(self) -> dict[str, Pause]:
        """By deployment; '' is everything."""
        return {
            scope: load(Pause, text) for scope, text in await self._rows("SELECT scope, pause FROM pauses")
        }

    async def save_pause(self, scope: str, pause: Pause | None, told: Iterable[Told]) -> None:
        """Keep a pause, or with None end it."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM pauses WHERE scope = ?", (scope,))
            if pause is not None:
                connection.execute("INSERT INTO pauses VALUES (?, ?)", (scope, dump(pause)))

        await self._write_and_tell(work, told)

    async def concluded(self) -> dict[str, Concluded]:
        """By deployment."""
        rows = await self._rows("SELECT deployment, stop, forgiven FROM rollouts")
        return {
            name: Concluded(load(Stop, stop) if stop else None, frozenset(json.loads(forgiven)))
            for name, stop, forgiven in rows
        }

    async def save_concluded(
        self, deployment: str, concluded: Concluded, told: Iterable[Told], *, unpause: bool = False
    ) -> None:
        """Keep a stop, or what was forgiven when it was resumed; ``unpause`` ends its pause as well."""

        def work(connection: sqlite3.Connection) -> None:
            stop = dump(concluded.stop) if concluded.stop is not None else None
            connection.execute(
                "INSERT OR REPLACE INTO rollouts VALUES (?, ?, ?)",
                (deployment, stop, json.dumps(sorted(concluded.forgiven))),
            )
            if unpause:
                connection.execute("DELETE FROM pauses WHERE scope = ?", (deployment,))

        await self._write_and_tell(work, told)

    async def release_marks(self) -> dict[str, ReleaseMark]:
        """By ``PRODUCT:VERSION``."""
        rows = await self._rows("SELECT release, mark FROM release_marks")
        return {release: load(ReleaseMark, text) for release, text in rows}

    async def save_mark(
        self,
        release: str,
        mark: ReleaseMark | None,
        told: Iterable[Told],
        *,
        known_goods: Mapping[tuple[str, str], Target | None] | None = None,
    ) -> None:
        """Keep or remove a mark, with the known-goods (by node and component) that it changes."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM release_marks WHERE release = ?", (release,))
            if mark is not None:
                connection.execute("INSERT INTO release_marks VALUES (?, ?)", (release, dump(mark)))
            for place, target in (known_goods or {}).items():
                connection.execute("DELETE FROM known_goods WHERE node = ? AND component = ?", place)
                if target is not None:
                    connection.execute(
                        "INSERT INTO known_goods (node, component, target) VALUES (?, ?, ?)",
                        (*place, dump(target)),
                    )
                connection.execute("UPDATE nodes SET revision = revision + 1 WHERE name = ?", place[:1])

        await self._write_and_tell(work, told)

    async def let_go(self) -> dict[str, LetGo]:
        """Deployments whose staged nodes may be started, by their ids."""
        rows = await self._rows("SELECT deployment, let_go FROM let_go")
        return {deployment: load(LetGo, text) for deployment, text in rows}

    async def save_let_go(self, deployment: str, let_go: LetGo, told: Iterable[Told]) -> None:
        """Somebody said so."""
        text = dump(let_go)

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO let_go VALUES (?, ?)", (deployment, text))

        await self._write_and_tell(work, told)

    # What nodes have borne

    async def save_begun(self, began: Began, forget_before_s: float) -> None:
        """An attempt began; those older than ``forget_before_s`` of the gateway's age are forgotten."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM begun WHERE age_s < ?", (forget_before_s,))
            connection.execute(
                "INSERT OR IGNORE INTO begun VALUES (?, ?, ?)", (began.attempt, began.node, began.age_s)
            )

        await self.database.run(work)

    async def begun(self) -> list[Began]:
        """Every attempt that is still remembered to have begun, with what its record says that it cost."""
        rows = await self._rows(
            "SELECT b.attempt, b.node, b.age_s, coalesce(json_extract(a.record, '$.erases'), 0), "
            "coalesce(json_extract(a.record, '$.seconds'), 0) "
            "FROM begun AS b LEFT JOIN attempts AS a ON a.id = b.attempt ORDER BY b.attempt"
        )
        return [Began(*row) for row in rows]

    async def age(self) -> tuple[float, Stamp] | None:
        """How old this gateway was when it was last written down, in seconds, and the wall clock then."""
        rows = await self._rows("SELECT age_s, at FROM age")
        return (rows[0][0], load(Stamp, rows[0][1])) if rows else None

    async def save_age(self, age_s: float, at: Stamp) -> None:
        """Write the age down."""
        await self._execute("INSERT OR REPLACE INTO age VALUES (1, ?, ?)", age_s, dump(at))
