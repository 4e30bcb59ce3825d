"""Begin nothing new: kept on the disk, until it is undone or its time is over.

The wall clock may jump, and a gateway that was off does not know for how long.  So
the time that is left is what is kept, and the time in which the gateway was off does
not count: it may drain for longer than was asked, never for less.
"""

import asyncio
import json
import logging
from collections.abc import Callable

from flashers.api import Reason, Stamp
from flashers.api.plain import dump, load
from gateway.journal import Journal
from gateway.journal.book import LOST_BY, LOST_KEY
from gateway.journal.journal import Told
from gateway.model.standing import Draining
from gateway.model.views import Event
from gateway.service.standing.degraded import lost_reason
from transports.errors import TenderError

log = logging.getLogger("tender.drain")

_KEY = "draining"
_KEEP_EVERY_S = 60.0
"""How often what is left is written: a restart adds at most this much."""


class Drain:
    """Whether the gateway drains, by whose word, and for how long."""

    def __init__(self, journal: Journal, *, ended: Callable[[], None] = lambda: None) -> None:
        self._journal = journal
        self._ended = ended
        self._said: Draining | None = None
        self._lost: Reason | None = None
        self._end: float | None = None
        self._turned = asyncio.Event()

    async def load(self) -> None:
        """What an earlier run of the service was told still holds."""
        text = await self._journal.meta(_KEY)
        if text is not None:
            self._set(load(Draining, text))
        lost = await self._journal.meta(LOST_KEY)
        if lost is not None:
            said = json.loads(lost)
            self._lost = lost_reason(str(said["kept"]), str(said["message"]))

    def lost(self) -> Reason | None:
        """The journal was lost, and nobody has looked since."""
        return self._lost

    def lost_journal(self, event: Event) -> None:
        """It was lost just now; that we drain since then is in the new one already."""
        self._lost = lost_reason(str(event.data["kept"]), str(event.data["message"]))
        self._set(Draining(event.at, LOST_BY))

    @property
    def now(self) -> Draining | None:
        """How it is at this moment."""
        if self._said is None:
            return None
        return Draining(self._said.since, self._said.by, self._left())

    def reason(self) -> Reason | None:
        """Why nothing new is begun, if that is so."""
        if self._said is None:
            return None
        left = self._left()
        until = "until it is undone" if left is None else f"for another {left / 60:.0f} min"
        return Reason(
            "draining",
            f"The gateway begins nothing new {until}, as {self._said.by} asked.",
            "`tender undrain` ends that.",
        )

    async def begin(self, since: Stamp, by: str, for_s: float | None) -> None:
        """From now on; the newest word holds.  It counts at once, and is told once it is kept."""
        said = Draining(since, by, for_s)
        self._set(said)
        data: dict[str, object] = {"by": by}
        if for_s is not None:
            data["for_s"] = for_s
        await self._journal.keep(_KEY, dump(said), Told("gateway.draining", data=data))
        log.info("draining by=%r for=%s", by, for_s)

    async def end(self, by: str) -> None:
        """No longer; nothing happens if it does not drain."""
        if self._said is None:
            return
        await self._journal.keep(_KEY, None, Told("gateway.undrained", data={"by": by}))
        if self._lost is not None:
            await self._journal.keep(LOST_KEY, None)
        self._said = self._end = self._lost = None
        self._turned.set()
        self._ended()
        log.info("undrained by=%r", by)

    async def run(self) -> None:
        """Watch the time for ever."""
        while True:
            self._turned.clear()
            left = self._left()
            try:
                async with asyncio.timeout(None if left is None else min(left, _KEEP_EVERY_S)):
                    await self._turned.wait()
                continue
            except TimeoutError:
                pass
            try:
                await self._passed()
            except TenderError as error:
                log.warning("what is left of draining is not kept: %s", error.code)
                await asyncio.sleep(_KEEP_EVERY_S)

    async def _passed(self) -> None:
        said, left = self.now, self._left()
        if said is None or left is None:
            return
        if left > 0:
            await self._journal.keep(_KEY, dump(said))
        else:
            await self.end("")

    def _set(self, said: Draining) -> None:
        self._said = said
        self._end = None if said.left_s is None else self._loop_time() + said.left_s
        self._turned.set()

    def _left(self) -> float | None:
        return None if self._end is None else max(0.0, self._end - self._loop_time())

    def _loop_time(self) -> float:
        return asyncio.get_running_loop().time()
