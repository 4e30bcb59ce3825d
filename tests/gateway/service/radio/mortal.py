"""A journal that is killed with its gateway at one of its writes, before or after it is on the disk."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from gateway.journal import Database

T = TypeVar("T")


class Mortal(Database):
    """Counts the transactions that write from :meth:`arm` on, and stops for ever at one of them."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(path)
        self.writes = 0
        self.died = asyncio.Event()
        self._at: tuple[int, bool] | None = None

    def arm(self, write: int, *, written: bool) -> None:
        """Die at the write of this number, counted from 1, once it is ``written`` or before."""
        self.writes, self._at = 0, (write, written)

    async def run(
        self, work: Callable[[sqlite3.Connection], T], *, committed: Callable[[T], None] | None = None
    ) -> T:
        if self._at is None:
            return await super().run(work, committed=committed)
        if self.died.is_set():
            await asyncio.Event().wait()
        wrote = False

        def watched(connection: sqlite3.Connection) -> T:
            nonlocal wrote
            changes = connection.total_changes
            result = work(connection)
            wrote = connection.total_changes != changes
            if wrote and (self.writes + 1, False) == self._at:
                raise _Died
            return result

        try:
            result = await super().run(watched, committed=committed)
        except _Died:
            await self._die()
            raise
        if wrote:
            self.writes += 1
            if (self.writes, True) == self._at:
                await self._die()
        return result

    async def _die(self) -> None:
        self.died.set()
        await asyncio.Event().wait()


class _Died(Exception):
    """Nothing of the transaction is written."""
