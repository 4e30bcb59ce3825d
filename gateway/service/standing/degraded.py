"""What the gateway has to do without, said as soon as it is so and when it is over.

Nothing is written to find that out (cards wear): the file system is asked, and the last
transaction remembered.  Only while something is amiss a small write is tried now and
then, so that it is over as soon as it can be.
"""

import asyncio
import errno
import logging
import os
from collections.abc import Callable
from pathlib import Path

from flashers.api import Reason
from gateway.artifacts.files import off_loop
from gateway.journal import Journal
from gateway.journal.errors import JournalFull, JournalReadOnly
from gateway.journal.journal import Told
from transports.errors import TenderError

log = logging.getLogger("tender.standing")

_LOOK_EVERY_S, _IDLE_LOOK_S = 10.0, 600.0
"""How often it is looked: while something is open or amiss, and while nothing is."""
_LEAST_FREE = 256 << 10
"""Bytes that a few transactions and their checkpoint take; with less than this, nothing new is begun."""
_PROOF = "written"


class Degraded:
    """What is amiss, by its code."""

    def __init__(
        self, journal: Journal, state: Path, lost: Callable[[], Reason | None], *, busy: Callable[[], bool]
    ) -> None:
        self._journal = journal
        self._state = state
        self._lost = lost
        self._busy = busy
        self.more: Callable[[], tuple[Reason, ...]] = tuple
        """What others know to be amiss."""
        self._told: dict[str, Reason] = {}
        self._untold: list[Told] = []
        self._disk: JournalFull | None = None
        self._wake = asyncio.Event()
        self._looking = asyncio.Lock()
        journal.database.troubled = self._wake.set

    def reasons(self) -> tuple[Reason, ...]:
        """All of it, as it is at this moment."""
        found = []
        disk = self.cannot_write()
        if disk is not None:
            found.append(disk)
        lost = self._lost()
        if lost is not None:
            found.append(lost)
        return (*found, *self.more())

    def wake(self) -> None:
        """Something others know of has changed."""
        self._wake.set()

    def cannot_write(self) -> Reason | None:
        """Why nothing may be begun that has to be journalled."""
        trouble = self._disk or self._journal.database.trouble
        return None if trouble is None else Reason(trouble.code, trouble.message, trouble.what_to_do)

    async def run(self) -> None:
        """Look for ever."""
        while True:
            self._wake.clear()
            await self.look()
            if self._told or self._untold or self._journal.database.trouble is not None:
                await asyncio.sleep(_LOOK_EVERY_S)
                continue
            try:
                async with asyncio.timeout(_LOOK_EVERY_S if self._busy() else _IDLE_LOOK_S):
                    await self._wake.wait()  # something was not written
            except TimeoutError:
                pass

    async def look(self) -> None:
        """Look once, and tell what is news; also for whoever asks how we are."""
        async with self._looking:
            await self._look()

    async def _look(self) -> None:
        if self._journal.database.trouble is not None:
            await self._try_to_write()
        amiss = self._journal.database.trouble is not None
        self._disk = await off_loop(lambda: _disk(self._state, try_to_write=amiss))
        now = {reason.code: reason for reason in self.reasons()}
        for code in sorted(now.keys() - self._told.keys()):
            reason = now[code]
            log.warning("degraded code=%s %s  %s", code, reason.message, reason.remedy)
            data: dict[str, object] = {"code": code, "message": reason.message, "remedy": reason.remedy}
            self._untold.append(Told("gateway.degraded", data=data))
        for code in sorted(self._told.keys() - now.keys()):
            log.info("recovered code=%s", code)
            self._untold.append(Told("gateway.recovered", data={"code": code}))
        if now.keys() != self._told.keys():
            self._told = now
            self._journal.wake()  # upstream's status says it, whether or not the journal can
        await self._tell()

    async def _try_to_write(self) -> None:
        try:
            await self._journal.set_meta(_PROOF, str(self._journal.epoch))
        except TenderError as error:
            log.debug("still %s", error.code)

    async def _tell(self) -> None:
        while self._untold and self.cannot_write() is None:
            try:
                await self._journal.tell(self._untold[0])
            except TenderError as error:
                log.debug("not told yet: %s", error.code)
                return
            del self._untold[0]


def _disk(state: Path, *, try_to_write: bool) -> JournalFull | None:
    """What the file system says of itself; one that an error made read-only says so only to who writes."""
    try:
        if try_to_write:
            trial = state / ".trial"
            os.close(os.open(trial, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
            trial.unlink()
        found = os.statvfs(state)
    except OSError as error:
        if error.errno == errno.EROFS:
            return JournalReadOnly(f"{state} is on a file system that takes no writing any more")
        return JournalFull(f"the state folder cannot be asked for its room: {error.strerror or error}")
    if found.f_flag & os.ST_RDONLY:
        return JournalReadOnly(f"{state} is on a file system that takes no writing")
    free = found.f_bavail * found.f_frsize
    if free < _LEAST_FREE:
        return JournalFull(f"{free // 1024} KiB are left in the file system of {state}")
    return None


def lost_reason(kept: str, message: str) -> Reason:
    """For as long as nobody has looked since the journal was lost."""
    return Reason(
        "journal-lost",
        f"The journal was damaged ({message}) and has been begun anew.  What it said of earlier attempts, of "
        f"pauses, holds and baselines is in {kept} at best.  Nothing new is begun.",
        "Look at the nodes (`tender nodes`, `tender probe --all`), then `tender undrain`.",
    )
