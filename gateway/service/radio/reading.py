"""What was read since the present connection began: only that makes silence mean that nobody spoke.

Upstream hands everybody's words to one reader in the order in which it took them.  So once a
mark of our own comes back, all that was said before has been read; and once our own word comes
back, whoever speaks after it can have read it.
"""

import asyncio
from collections.abc import Callable

SETTLE_S = 3.0
"""Seconds that are waited on top: for owners that connect again at the same moment, to a broker that has
forgotten them, and for brokers of several machines, which may not keep that order."""

_A_LITTLE_S = 0.01


class Reading:
    """One connection after another, and what was read in the present one."""

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        self._changed = changed
        self.online = False
        self._marked: dict[str, float] = {}
        self._echoes: dict[str, tuple[int, float]] = {}
        self._news = asyncio.Event()

    def connected(self) -> None:
        """Nothing was read yet."""
        self._marked.clear()
        self._echoes.clear()
        self.online = True
        self._changed()

    def disconnected(self) -> None:
        """Nothing can be read."""
        self.online = False
        self._marked.clear()
        self._echoes.clear()
        self._changed()

    def marked(self, address: str) -> None:
        """A mark came back: what was said of this address before we asked has been read."""
        if self.online:
            self._marked.setdefault(address, _now())
            self._changed()
            self.wake()

    def echoed(self, address: str, revision: int) -> None:
        """Our own word came back; one that was kept upstream, before the mark, proves nothing."""
        if address in self._marked and self._echoes.get(address, (-1, 0.0))[0] < revision:
            self._echoes[address] = (revision, _now())

    def is_marked(self, address: str) -> bool:
        """Whether all that was said before has been read."""
        return address in self._marked

    def read(self, address: str, revision: int) -> bool:
        """Whether everybody's word was read, and ours (of this revision; 0 is none) by everybody."""
        since = self._since(address, revision)
        return since is not None and _now() - since >= SETTLE_S

    def settling(self, address: str, revision: int) -> float | None:
        """Seconds until ``read`` becomes true by itself; None if it is, or waits for something else."""
        since = self._since(address, revision)
        if since is None:
            return None
        left = since + SETTLE_S - _now()
        return left + _A_LITTLE_S if left > 0 else None

    def _since(self, address: str, revision: int) -> float | None:
        marked = self._marked.get(address)
        if marked is None or not revision:
            return marked
        echo = self._echoes.get(address)
        return echo[1] if echo is not None and echo[0] == revision else None

    async def news(self) -> None:
        """Wait until there may be something to say or to ask for."""
        await self._news.wait()
        self._news.clear()

    def wake(self) -> None:
        """There may be."""
        self._news.set()


def _now() -> float:
    return asyncio.get_running_loop().time()
