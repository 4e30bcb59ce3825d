"""Small far ends for lines under test."""

import asyncio
from collections.abc import Callable

from transports.links import ByteLink, Transmit


class Listener:
    """Keeps what it hears and how the modem lines moved; sends when told."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.line_changes: list[tuple[bool, bool]] = []
        self.transmit: Transmit | None = None
        self._news = asyncio.Event()

    def attach(self, transmit: Transmit) -> None:
        self.transmit = transmit

    def receive(self, data: bytes) -> None:
        self.heard += data
        self._news.set()

    def lines(self, *, dtr: bool, rts: bool) -> None:
        self.line_changes.append((dtr, rts))
        self._news.set()

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait for what was heard, or for how the lines moved, to make it true."""
        while not true():
            self._news.clear()
            await self._news.wait()

    async def hears(self, count: int) -> bytes:
        """Wait until so many bytes were heard, all told."""
        await self.until(lambda: len(self.heard) >= count)
        return bytes(self.heard)

    def say(self, data: bytes) -> None:
        assert self.transmit is not None
        self.transmit(data)


class Echo(Listener):
    """Answers with what it hears."""

    def receive(self, data: bytes) -> None:
        super().receive(data)
        self.say(data)


async def read_exactly(link: ByteLink, count: int) -> bytes:
    """Read until so many bytes came; more is a failure of the test."""
    got = bytearray()
    while len(got) < count:
        got += await link.read()
    assert len(got) == count
    return bytes(got)
