"""How nodes on the air are called in their loaders, and how many links an adapter carries."""

from dataclasses import dataclass

from flashers.api import Calling, Role
from flashers.api.plain import dump, load
from gateway.journal.book import Book


@dataclass(frozen=True, slots=True)
class Said:
    """One calling, of the node at a place; ``away`` as in the table."""

    place: str
    role: Role
    calling: Calling
    away: bool


class RadioBook(Book):
    """What has to be known again after a crash, to find a node that is not where it was."""

    async def keep_calling(self, said: Said) -> None:
        """A node is about to be made to go to a role where it is called so."""
        query = "INSERT OR REPLACE INTO callings (place, role, calling, away) VALUES (?, ?, ?, ?)"
        await self._execute(query, said.place, said.role.value, dump(said.calling), int(said.away))

    async def back_from(self, place: str) -> None:
        """The node there was seen back."""
        await self._execute("UPDATE callings SET away = 0 WHERE place = ?", place)

    async def callings(self) -> list[Said]:
        """All of them."""
        rows = await self._rows("SELECT place, role, calling, away FROM callings ORDER BY place, role")
        return [Said(place, Role(role), load(Calling, text), bool(away)) for place, role, text, away in rows]

    async def keep_cap(self, adapter: str, links: int) -> None:
        """An adapter was found to carry no more, or is tried with one more again."""
        query = "INSERT OR REPLACE INTO adapter_caps (adapter, links) VALUES (?, ?)"
        await self._execute(query, adapter, links)

    async def caps(self) -> dict[str, int]:
        """What was found, by adapter."""
        return {name: int(links) for name, links in await self._rows("SELECT * FROM adapter_caps")}
