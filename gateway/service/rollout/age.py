"""How old this gateway is: a clock that never jumps, for what is counted over weeks.

While the service runs its age grows with the monotonic clock.  The time in which it
did not run is added at the start if the wall clock was synchronised both when the age
was last written down and now; else that time does not count.  So a clock that is set
back blocks no node for ever, and one that leaps ahead while nobody vouches for it
frees none.
"""

import asyncio
from collections.abc import Callable

from flashers.api import Stamp
from gateway.journal import Journal

KEPT_EVERY_S = 3_600.0
"""What is lost of the age at most when the power fails and the clock is not synchronised."""


class Age:
    """The gateway's age, in seconds."""

    def __init__(self, journal: Journal, clock: Callable[[], Stamp]) -> None:
        self._journal = journal
        self._clock = clock
        self._before_s = 0.0
        self._since: float | None = None

    async def load(self) -> None:
        """Go on from what was written down."""
        known, now = await self._journal.age(), self._clock()
        self._since = asyncio.get_running_loop().time()
        if known is None:
            return
        self._before_s, at = known
        if at.synchronised and now.synchronised:
            self._before_s += max(0.0, (now.unix_ms - at.unix_ms) / 1000)

    def __call__(self) -> float:
        """Seconds."""
        if self._since is None:
            return self._before_s
        return self._before_s + asyncio.get_running_loop().time() - self._since

    async def keep(self) -> None:
        """Write it down.  Raises JournalFull, JournalError."""
        await self._journal.save_age(self(), self._clock())
