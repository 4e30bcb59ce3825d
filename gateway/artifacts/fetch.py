"""Fetch what a release names: once, however many nodes wait for it.

Artifacts are asked for by digest and end in the store.  A release file has no
digest yet when it is asked for by its address; it is lent as a file, and what is
inside is judged by its signature.
"""

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakValueDictionary

from flashers.api.data import Digest
from gateway.artifacts.download import Download, Want
from gateway.artifacts.errors import FetchFailed
from gateway.artifacts.files import off_loop
from gateway.artifacts.line import FetchLimits, Line
from gateway.artifacts.partial import Partial
from gateway.artifacts.store import ArtifactStore


def _nothing(_: int) -> None:
    """Bytes that cost nothing."""


@dataclass(slots=True)
class _Flight:
    """A download under way, and how many wait for it."""

    task: asyncio.Task[None]
    urls: list[str]
    waiting: int = 0
    ending: bool = False


class Fetcher:
    """Downloads into one store.

    ``spend`` is told of every byte of content that came over the wire; it may raise
    one of our errors to stop a download when a budget is used up.
    """

    def __init__(
        self,
        store: ArtifactStore,
        *,
        limits: FetchLimits | None = None,
        spend: Callable[[int], None] = _nothing,
        tls: ssl.SSLContext | None = None,
        proxy_from_environment: bool = False,
    ) -> None:
        self._store = store
        self._limits = limits or FetchLimits()
        self._spend = spend
        self._line = Line(self._limits, tls=tls, proxy_from_environment=proxy_from_environment)
        self._flights: dict[Digest, _Flight] = {}
        self._files: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._at_once = asyncio.Semaphore(self._limits.at_once)

    async def artifact(self, digest: Digest, size: int, urls: Iterable[str]) -> None:
        """Have the artifact in the store.  Several callers share one download, and their addresses.

        Pin or hold the digest first.  A cancelled caller leaves the download to the
        others; the last one ends it, and what came is kept.

        Raises:
            FetchFailed: the network; a later call goes on from there.
            FetchRefused, FetchDigestMismatch, FetchTooLarge: no address gives these bytes.
            StoreFull, DiskFull, DiskTrouble: there is no place for it.
        """
        while (flight := self._flights.get(digest)) is not None and flight.ending:
            await asyncio.wait([flight.task])
        if self._store.has(digest):
            return
        if flight is None:
            addresses = list(urls)
            task = asyncio.create_task(self._fly(digest, size, addresses), name=f"fetch {digest}")
            # Not in the task itself: one that is cancelled before it starts runs nothing.
            task.add_done_callback(lambda _: self._flights.pop(digest, None))
            flight = self._flights[digest] = _Flight(task, addresses)
        else:
            flight.urls.extend(urls)
        flight.waiting += 1
        try:
            # Not the task itself: its end by somebody else's doing is no cancellation of ours.
            await asyncio.wait([flight.task])
        finally:
            flight.waiting -= 1
            if not flight.waiting:
                await self._end(flight)
        if flight.task.cancelled():
            raise FetchFailed("the download was stopped")
        flight.task.result()

    async def _end(self, flight: _Flight) -> None:
        if not flight.task.done():
            flight.ending = True
            flight.task.cancel()
            await asyncio.wait([flight.task])
        if not flight.task.cancelled():
            flight.task.exception()  # whoever still waits has it; nobody else needs to hear of it

    async def _fly(self, digest: Digest, size: int, urls: list[str]) -> None:
        async with self._at_once:
            await self._download(digest, size, urls)

    async def _download(self, digest: Digest, size: int, urls: list[str]) -> None:
        room, path = self._store.room, self._store.path_of(digest)
        partial = Partial(self._store.partials, digest.value.hex())
        left = room.resumable.pop(partial.key, 0)
        try:
            room.reserve(partial, size, on_disk=left)
            await off_loop(partial.open)
            want = Want(digest, size, size)
            await Download(
                want, partial, urls, self._line, self._limits, grow=_nothing, spend=self._spend
            ).run()
            await off_loop(lambda: partial.finish(path, 0o444))
        finally:
            await self._settle(partial)
            self._store.note(digest)

    @asynccontextmanager
    async def release_file(self, url: str, *, limit: int) -> AsyncIterator[Path]:
        """Lend the file at this address, of at most ``limit`` bytes; it is gone afterwards.

        Raises:
            FetchError: it did not come; see :meth:`artifact`.
            StoreFull, DiskFull, DiskTrouble: there is no place for it.
        """
        key = "url-" + hashlib.sha256(url.encode()).hexdigest()
        # Two who want the same file take turns: it changes hands whole.
        async with self._files.setdefault(key, asyncio.Lock()):
            room = self._store.room
            partial = Partial(self._store.partials, key)
            left = room.resumable.pop(key, 0)
            try:
                room.reserve(partial, left, on_disk=left)
                await off_loop(partial.open)
                want = Want(None, None, limit)
                async with self._at_once:
                    await Download(
                        want,
                        partial,
                        [url],
                        self._line,
                        self._limits,
                        grow=lambda count: room.reserve(partial, count),
                        spend=self._spend,
                    ).run()
                try:
                    yield partial.path
                finally:
                    await off_loop(partial.remove)
            finally:
                await self._settle(partial)

    async def _settle(self, partial: Partial) -> None:
        """Close the file, and let what stays of it count as a download to be resumed."""
        await off_loop(partial.close)
        self._store.room.release(partial)
        if partial.path.exists():
            self._store.room.resumable[partial.key] = partial.path.stat().st_size

    async def close(self) -> None:
        """End all downloads; what came of them is kept."""
        for flight in list(self._flights.values()):
            await self._end(flight)
        await self._line.close()
