"""What flashers asked to be remembered of a node, and what was learned of its type.

A node that took an older image under a higher number cannot tell which of the two it runs;
whoever gave it that number has to know, over attempts and over lives of the gateway.
"""

from dataclasses import dataclass

from flashers.api import Stamp
from flashers.api.plain import dump, load
from gateway.journal.book import Book


@dataclass(frozen=True, slots=True)
class Downgrade:
    """Whether nodes of a type took an older image while ``version`` ran; ``model`` is empty if unknown."""

    profile: str
    model: str
    version: str
    taken: bool
    attempt: int | None
    at: Stamp


class WordsBook(Book):
    """Words by node and board, and what is known of downgrades."""

    async def words(self, node: str, generation: int) -> dict[str, str]:
        """What is remembered of the board that has this name now."""
        query = "SELECT name, value FROM words WHERE node = ? AND generation = ?"
        return dict(await self._rows(query, node, generation))

    async def keep_word(
        self, node: str, generation: int, name: str, value: str | None, attempt: int | None
    ) -> None:
        """Remember a word, or with None forget it."""
        if value is None:
            query = "DELETE FROM words WHERE node = ? AND generation = ? AND name = ?"
            await self._execute(query, node, generation, name)
            return
        query = "INSERT OR REPLACE INTO words (node, generation, name, value, attempt) VALUES (?, ?, ?, ?, ?)"
        await self._execute(query, node, generation, name, value, attempt)

    async def downgrades(self) -> list[Downgrade]:
        """What the last one that tried has shown, of every type, model and version."""
        rows = await self._rows("SELECT profile, model, version, taken, attempt, seen_at FROM downgrades")
        return [
            Downgrade(profile, model, version, bool(taken), attempt, load(Stamp, at))
            for profile, model, version, taken, attempt, at in rows
        ]

    async def keep_downgrade(
        self, profile: str, model: str, version: str, attempt: int | None, *, taken: bool
    ) -> None:
        """It was tried, and this came of it."""
        query = (
            "INSERT OR REPLACE INTO downgrades (profile, model, version, taken, attempt, seen_at) "
            "VALUES (?, ?, ?, ?, ?, ?)"
        )
        await self._execute(query, profile, model, version, int(taken), attempt, dump(self._clock()))
