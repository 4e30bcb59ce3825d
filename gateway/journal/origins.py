"""Where this journal is from, if another machine began it, and what is to be found out because of that."""

import json
import sqlite3
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flashers.api.plain import dump
from gateway.journal.book import Book
from gateway.journal.told import Told
from gateway.model.records import Target

TO_REMEMBER = "rebuild-to-remember"
"""The named value that says that the broker has still to be asked what it remembers."""


@dataclass(frozen=True, slots=True)
class Origin:
    """An import or a rebuilding."""

    number: int
    kind: str
    facts: Mapping[str, Any]
    told: bool


@dataclass(frozen=True, slots=True)
class ToAsk:
    """A node that is to be asked what it really runs.

    ``answer`` is None until it was asked; ``costly`` allows that its application restarts for it.
    """

    node: str
    costly: bool
    tries: int = 0
    answer: Mapping[str, Any] | None = None


class OriginsBook(Book):
    """Imports and rebuildings."""

    async def begin_anew(self, kind: str, facts: Mapping[str, object], *, costly: bool) -> int:
        """This journal goes on here: a new epoch, every node to be asked, every state to be published.

        The epoch is greater than the old one whatever the clock says, so that no number that
        the lost machine gave out later is ever given to another event.
        """

        def work(connection: sqlite3.Connection) -> int:
            row = connection.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
            fresh = (self._clock().unix_ms // 1000 << 12) | (uuid.uuid4().int & 0xFFF)
            # By chance as well as by time: two machines may import the same export with clocks that stand.
            after = int(row[0]) + 1 + (uuid.uuid4().int & 0xF_FFFF) if row is not None else 0
            epoch = max(fresh, after)
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('epoch', ?)", (str(epoch),))
            connection.execute("DELETE FROM meta WHERE key = ?", (TO_REMEMBER,))
            connection.execute("UPDATE nodes SET published = 0")
            connection.execute("DELETE FROM to_ask")
            connection.execute("INSERT INTO to_ask (node, costly) SELECT name, ? FROM nodes", (int(costly),))
            connection.execute(
                "INSERT INTO origins (kind, facts) VALUES (?, ?)", (kind, json.dumps(dict(facts)))
            )
            return epoch

        self.epoch = await self.database.run(work)
        return self.epoch

    async def ask_anew(
        self,
        facts: Mapping[str, object] | None,
        nodes: Iterable[str],
        *,
        costly: bool,
        remembered: Mapping[str, str],
    ) -> None:
        """Have nodes asked, and keep what upstream remembered of them.

        ``facts`` begins a rebuilding with them; None goes on with the one that was begun.
        """
        names = list(nodes)

        def work(connection: sqlite3.Connection) -> None:
            if facts is not None:
                query = "INSERT INTO origins (kind, facts) VALUES ('rebuild', ?)"
                connection.execute(query, (json.dumps(dict(facts)),))
            connection.executemany(
                "INSERT OR REPLACE INTO remembered VALUES (?, ?)", list(remembered.items())
            )
            connection.executemany(
                "INSERT OR REPLACE INTO to_ask (node, costly) VALUES (?, ?)",
                [(name, int(costly)) for name in names],
            )

        await self.database.run(work)

    async def origins(self) -> list[Origin]:
        """Every import and rebuilding, oldest first."""
        rows = await self._rows("SELECT number, kind, facts, told FROM origins ORDER BY number")
        return [Origin(number, kind, json.loads(facts), bool(told)) for number, kind, facts, told in rows]

    async def tell_origin(self, number: int, facts: Mapping[str, object], told: Told) -> None:
        """Tell of an import or rebuilding, once, with all that is known of it now."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE origins SET told = 1, facts = ? WHERE number = ?", (json.dumps(dict(facts)), number)
            )

        await self._write_and_tell(work, [told])

    async def to_ask(self) -> dict[str, ToAsk]:
        """The nodes that are or were to be asked, by name."""
        rows = await self._rows("SELECT node, costly, tries, answer FROM to_ask ORDER BY node")
        return {
            node: ToAsk(node, bool(costly), tries, json.loads(answer) if answer else None)
            for node, costly, tries, answer in rows
        }

    async def save_asked(self, asked: ToAsk, known_good: Mapping[str, Target] | None = None) -> None:
        """Keep what came of asking a node, with what that established as its known-good."""

        def work(connection: sqlite3.Connection) -> None:
            answer = json.dumps(dict(asked.answer)) if asked.answer is not None else None
            connection.execute(
                "INSERT OR REPLACE INTO to_ask (node, costly, tries, answer) VALUES (?, ?, ?, ?)",
                (asked.node, int(asked.costly), asked.tries, answer),
            )
            for component, target in (known_good or {}).items():
                connection.execute(
                    "INSERT OR REPLACE INTO known_goods (node, component, target) VALUES (?, ?, ?)",
                    (asked.node, component, dump(target)),
                )
            connection.execute("UPDATE nodes SET revision = revision + 1 WHERE name = ?", (asked.node,))

        await self.database.run(work)

    async def remembered(self) -> dict[str, Mapping[str, Any]]:
        """What upstream knew of nodes when this journal began, as it was told: by node, as JSON gives it."""
        return {
            node: json.loads(text) for node, text in await self._rows("SELECT node, state FROM remembered")
        }

    async def unused(self) -> bool:
        """Whether nothing was ever done with this journal."""
        tables = ("attempts", "deployments", "origins")
        query = " UNION ALL ".join(f"SELECT 1 FROM {table}" for table in tables)  # noqa: S608
        return not await self._rows(f"{query} LIMIT 1")
