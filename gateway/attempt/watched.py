"""A link that remembers whether it is still there, and when something last passed."""

from collections.abc import Callable

from transports.counters import LinkCounters
from transports.errors import LinkLost
from transports.links import ByteLink


class WatchedLink:
    """Any byte link; ``lost`` is True once a method has raised LinkLost.

    ``passed`` is called for every piece of data, in either direction, and tells the time:
    it is how a verb that hangs is told from one that is slow.
    """

    def __init__(self, link: ByteLink, passed: Callable[[], float], counters: LinkCounters) -> None:
        self._link = link
        self._passed = passed
        self._counters = counters
        self.lost = False

    async def read(self) -> bytes:
        """As in the contract."""
        try:
            data = await self._link.read()
        except LinkLost as error:
            self._lose(error)
            raise
        self._counters.up(len(data), self._passed())
        return data

    async def write(self, data: bytes) -> None:
        """As in the contract."""
        try:
            await self._link.write(data)
        except LinkLost as error:
            self._lose(error)
            raise
        self._counters.down(len(data), self._passed())

    def discard_input(self) -> bytes:
        """As in the contract."""
        return self._link.discard_input()

    async def set_lines(self, *, dtr: bool | None = None, rts: bool | None = None) -> None:
        """As in the contract."""
        await self._link.set_lines(dtr=dtr, rts=rts)

    async def set_baud(self, baud: int) -> None:
        """As in the contract."""
        await self._link.set_baud(baud)

    async def aclose(self) -> None:
        """As in the contract."""
        await self._link.aclose()

    def _lose(self, error: LinkLost) -> None:
        if not self.lost:
            self._counters.lost(error)
        self.lost = True
