"""What flashers said of how nodes are called in their loaders: in the journal, and here at hand.

A node is known by its place (adapter and address) in this: its name may change, and a
board that takes its place has another address.
"""

from collections.abc import Mapping
from typing import Protocol

from flashers.api import Calling, Role
from gateway.journal.radio import Said


class CallingsJournal(Protocol):
    """Where they are kept; each call is on the disk when it returns."""

    async def keep_calling(self, said: Said) -> None:
        """A node is about to go to a role."""
        ...

    async def back_from(self, place: str) -> None:
        """It was seen back."""
        ...

    async def callings(self) -> list[Said]:
        """All of them."""
        ...


class Callings:
    """By place; a place is the node's link without options."""

    def __init__(self, journal: CallingsJournal) -> None:
        self._journal = journal
        self._said: dict[str, dict[Role, Calling]] = {}
        self.away: set[str] = set()
        """Places whose nodes went to where several would be called alike, and were not seen back."""

    async def load(self) -> None:
        """What earlier lives of ours were told."""
        for said in await self._journal.callings():
            self._said.setdefault(said.place, {})[said.role] = said.calling
            if said.away:
                self.away.add(said.place)

    def of(self, place: str) -> Mapping[Role, Calling]:
        """What was said of the node there."""
        return self._said.get(place, {})

    async def keep(self, place: str, role: Role, calling: Calling) -> None:
        """On the disk when it returns."""
        away = role is Role.LOADER and not calling.unique
        if self.of(place).get(role) == calling and (place in self.away) == away:
            return
        await self._journal.keep_calling(Said(place, role, calling, away))
        self._said.setdefault(place, {})[role] = calling
        if away:
            self.away.add(place)

    async def back(self, place: str) -> None:
        """The node answered as itself again."""
        if place in self.away:
            await self._journal.back_from(place)
            self.away.discard(place)
