"""Bring one file here, from whichever of its addresses gives it, however often the line breaks.

What came is kept: over broken answers, over other addresses of the same file, and
over restarts.  Whether the pieces belong together is decided by the digest at the
end; what the server says about ranges and changes only saves bytes.
"""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import assert_never

from flashers.api.data import Digest
from gateway.artifacts.errors import FetchDigestMismatch, FetchError, FetchFailed, FetchRefused, FetchTooLarge
from gateway.artifacts.files import off_loop
from gateway.artifacts.http import (
    Anew,
    Append,
    AskAgain,
    Complete,
    Later,
    Meaning,
    Never,
    judge_answer,
    request_headers,
)
from gateway.artifacts.inflow import Inflow
from gateway.artifacts.line import FetchLimits, Interrupted, Line
from gateway.artifacts.partial import Origin, Partial
from transports.errors import TenderError

FLOOR = 4096
"""Bytes that must come within each stall time-out; below about 70 bytes a second a line counts as dead."""


@dataclass(frozen=True, slots=True)
class Want:
    """The file: its digest and size where a manifest names them, and the most that is taken if not."""

    digest: Digest | None
    size: int | None
    limit: int


class Download:
    """One file on its way into ``partial``; ``urls`` may grow while it runs.

    ``grow`` is told of bytes before they are written, ``spend`` after they came over
    the wire; either may raise to stop, and what came is kept.
    """

    def __init__(
        self,
        want: Want,
        partial: Partial,
        urls: list[str],
        line: Line,
        limits: FetchLimits,
        *,
        grow: Callable[[int], None],
        spend: Callable[[int], None],
    ) -> None:
        self._want = want
        self._partial = partial
        self._urls = urls
        self._line = line
        self._limits = limits
        self._grow = grow
        self._spend = spend
        self._refused: dict[str, FetchError] = {}

    async def run(self) -> None:
        """Until the file is here, whole, and what it should be.

        Raises:
            FetchFailed: as many rounds as the limits allow brought nothing new.
            FetchRefused, FetchDigestMismatch, FetchTooLarge: no address gives it.
            DiskFull, DiskTrouble: there is no place for it.
        """
        rounds, furthest = 0, self._partial.size
        while True:
            trouble = await self._round()
            if trouble is None:
                return
            rounds += 1
            if self._partial.size >= furthest + FLOOR:
                rounds, furthest = 0, self._partial.size
            if rounds >= self._limits.tries:
                raise FetchFailed(f"{trouble}; given up after {rounds} tries without headway") from trouble
            await asyncio.sleep(self._pause(rounds, trouble.after))

    async def _round(self) -> Interrupted | None:
        """Ask every address that has not refused, until one completes the file."""
        trouble: Interrupted | None = None
        for url in list(dict.fromkeys(self._urls)):
            if url in self._refused:
                continue
            try:
                await self._take(url)
                await self._verify(url)
            except Interrupted as broken:
                trouble = broken
            except FetchError as refusal:
                self._refused[url] = refusal
            else:
                return None
        if trouble is None:
            raise list(self._refused.values())[-1] if self._refused else FetchRefused("it has no address")
        return trouble

    def _pause(self, rounds: int, wish: float | None) -> float:
        # Full jitter, so that a fleet of gateways does not come back to a server in step.
        most = min(self._limits.backoff_first * 2 ** max(rounds - 1, 0), self._limits.backoff_most)
        return max(random.uniform(most / 2, most), min(wish or 0.0, self._limits.backoff_most))

    async def _take(self, url: str) -> None:
        partial, want = self._partial, self._want
        if want.size is not None and partial.size == want.size:
            return
        origin = partial.origin if partial.origin is not None and partial.origin.url == url else None
        # Without a digest to tell in the end, only the very same file may be continued.
        can_continue = want.digest is not None or (origin is not None and origin.validator is not None)
        have = partial.size if can_continue else 0
        async with self._line.get(url, request_headers(have, origin)) as answer:
            inflow = Inflow(answer.content)
            try:
                meaning = judge_answer(answer.status, answer.headers, url=url, have=have, origin=origin)
                if await self._begin(url, meaning):
                    await self._receive(url, inflow)
            finally:
                left = await inflow.close()
                if left:
                    with suppress(TenderError):  # it is over anyway
                        self._spend(left)

    async def _begin(self, url: str, meaning: Meaning) -> bool:
        """Prepare for the answer's body; False if none is needed any more."""
        partial = self._partial
        match meaning:
            case Complete():
                return False
            case Append(size):
                self._check_size(url, size)
                partial.one_piece = False
            case Anew(fresh):
                self._check_size(url, fresh.size)
                await off_loop(lambda: partial.begin(fresh))
            case AskAgain(why):
                await off_loop(lambda: partial.begin(Origin(url)))
                raise Interrupted(f"{url}: {why}")
            case Later(why, after):
                raise Interrupted(f"{url}: {why}", after)
            case Never(why):
                raise FetchRefused(f"{url}: {why}")
            case _:
                assert_never(meaning)
        return True

    def _check_size(self, url: str, size: int | None) -> None:
        most = self._want.limit if self._want.size is None else self._want.size
        if size is not None and size > most:
            raise FetchTooLarge(f"{url}: the server holds {size} bytes where at most {most} are wanted")
        if size is not None and self._want.size is not None and size < self._want.size:
            raise FetchDigestMismatch(f"{url}: the server holds {size} bytes instead of {self._want.size}")

    async def _receive(self, url: str, inflow: Inflow) -> None:
        while True:
            try:
                async with asyncio.timeout(self._limits.stall_timeout):
                    data = await inflow.take(FLOOR)
            except TimeoutError:
                await self._keep(url, inflow.rest())
                raise
            if not data:
                return
            await self._keep(url, data)

    async def _keep(self, url: str, data: bytes) -> None:
        partial, want = self._partial, self._want
        most = want.limit if want.size is None else want.size
        try:
            if partial.size + len(data) > most:
                await off_loop(lambda: partial.begin(Origin(url)))
                raise FetchTooLarge(f"{url}: more than the {most} bytes that are wanted")
            self._grow(len(data))
            await off_loop(lambda: partial.append(data))
        finally:
            self._spend(len(data))

    async def _verify(self, url: str) -> None:
        partial, want = self._partial, self._want
        told = partial.origin.size if partial.origin is not None else None
        whole = want.size if want.size is not None else told
        if whole is not None and partial.size != whole:
            raise Interrupted(f"{url}: the answer ended after {partial.size} of {whole} bytes")
        if want.digest is None or partial.digest == want.digest:
            return
        found, one_piece = partial.digest, partial.one_piece
        await off_loop(lambda: partial.begin(Origin(url)))
        if not one_piece:
            raise Interrupted(f"{url}: the pieces that came do not fit together")
        raise FetchDigestMismatch(f"{url}: the server holds {found} instead of {want.digest}")
