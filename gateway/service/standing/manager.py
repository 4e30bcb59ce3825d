"""What the service manager is told: that we are ready, how we are, that we are alive, that we stop.

Alive means two things: the event loop turns, and the journal's thread does what it is
asked.  A gateway whose disk hangs answers the local API as ever and can begin
nothing; so the watchdog is fed only after that thread did a small job, within the
watchdog's own time.  The words are those of sd_notify(3).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

_SHARE = 3
"""The watchdog is fed so many times in its period."""
_STATUS_EVERY_S = 5.0
_EXTEND_EVERY_S = 5.0
_EXTEND_BY_S = 20.0
"""While it stops it asks again and again for a little more: a service that hangs is still ended."""


def watchdog_period(environment: Mapping[str, str], pid: int) -> float | None:
    """Seconds between two signs of life at most; None if nobody waits for them (sd_watchdog_enabled(3))."""
    period_us, whose = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not (period_us.isascii() and period_us.isdigit()) or int(period_us) == 0:
        return None
    if whose and whose != str(pid):
        return None
    return int(period_us) / 1_000_000


class ServiceManager:
    """Whoever started us; ``tell`` sends one message, and ``period_s`` is the watchdog's."""

    def __init__(self, tell: Callable[[str], None] = lambda _: None, period_s: float | None = None) -> None:
        self._tell = tell
        self._period_s = period_s
        self._said = ""

    def ready(self, sentence: str) -> None:
        """The service answers from now on."""
        self._said = sentence
        self._tell(f"READY=1\nSTATUS={sentence}")

    async def run(self, small_job: Callable[[], Awaitable[None]], sentence: Callable[[], str]) -> None:
        """Say that we are alive, and how we are, for ever."""
        async with asyncio.TaskGroup() as group:
            if self._period_s is not None:
                group.create_task(self._feed(small_job, self._period_s))
            group.create_task(self._describe(sentence))

    async def _feed(self, small_job: Callable[[], Awaitable[None]], period_s: float) -> None:
        while True:
            # A thread that hangs keeps us here, and a loop that does not turn keeps us from being here.
            await small_job()
            self._tell("WATCHDOG=1")
            await asyncio.sleep(period_s / _SHARE)

    async def _describe(self, sentence: Callable[[], str]) -> None:
        while True:
            self._describe_once(sentence())
            await asyncio.sleep(_STATUS_EVERY_S)

    def _describe_once(self, said: str) -> None:
        if said != self._said:
            self._said = said
            self._tell(f"STATUS={said}")

    @asynccontextmanager
    async def stopping(self, sentence: str) -> AsyncIterator[None]:
        """The service comes to rest: it is given the time as long as it lives."""
        self._tell(f"STOPPING=1\nSTATUS={sentence}")
        extending = asyncio.create_task(self._extend())
        try:
            yield
        finally:
            extending.cancel()

    async def _extend(self) -> None:
        while True:
            self._tell(f"EXTEND_TIMEOUT_USEC={int(_EXTEND_BY_S * 1_000_000)}")
            await asyncio.sleep(_EXTEND_EVERY_S)
