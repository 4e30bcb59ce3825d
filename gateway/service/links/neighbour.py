"""Ask the other software off a link, and let it back: two procedures that read downward.

Everything that letting it back needs is in the journal before anything is stopped.
Both may be cut off anywhere, and letting back may be done again from its beginning.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gateway.artifacts.files import off_loop
from gateway.attempt.ports import Clock
from gateway.config.links import LinkTable
from gateway.journal import Journal
from gateway.journal.journal import Told
from gateway.model.links import Borrowed, LockMark
from gateway.service.links.errors import LinkStillHeld, UnitUnknown
from gateway.service.links.locks import drop_lock_file, prepare_lock_file, take_flock, take_lock_file
from gateway.service.links.programs import Programs

log = logging.getLogger("tender.links")

_ACTIVE = frozenset({"active", "activating", "reloading", "refreshing"})
"""ActiveState of systemctl(1): what is started again, since it ran or was about to."""
_FREE_TICK_S = 0.1

PortHolder = Callable[[str], str | None]
"""Who holds a link's port, in words; None if nobody is known to."""


class Neighbour:
    """The other software on one link.

    Args:
        channel: the link.
        table: how it is asked off; None if it is no longer configured and only has to be let back.
        holder: who holds the port, in words.
    """

    def __init__(
        self,
        channel: str,
        table: LinkTable | None,
        journal: Journal,
        programs: Programs,
        clock: Clock,
        holder: PortHolder,
    ) -> None:
        self.channel = channel
        self.table = table
        self.borrowed: Borrowed | None = None
        self._journal = journal
        self._programs = programs
        self._clock = clock
        self._holder = holder
        self._flock: int | None = None

    @property
    def who(self) -> str:
        """The other software, in words."""
        if self.borrowed is not None:
            return self.borrowed.shared_with
        return self.table.who if self.table is not None else "others"

    async def ask_off(self) -> None:
        """Stop the unit, run the command, take the locks, and see that the port is free.

        Raises:
            TenderError: the link cannot be had; :meth:`let_back` has to follow.
        """
        table = self.table
        if table is None:
            return
        active = table.unit is not None and await self._is_active(table, table.unit)
        borrowed = Borrowed(
            channel=self.channel,
            shared_with=table.who,
            since=self._clock(),
            systemctl=str(table.systemctl),
            unit=table.unit,
            unit_was_active=active,
            after=table.after,
            hook_deadline=table.hook_deadline,
            lock=await off_loop(self._prepared_lock),
        )
        await self._journal.keep_borrowed(borrowed)
        self.borrowed = borrowed
        log.info("link=%s asked=%s", self.channel, borrowed.shared_with)
        if borrowed.unit is not None and borrowed.unit_was_active:
            await self._systemctl(borrowed, "stop")
        if table.before:
            await self._run(table.before, "before", table.hook_deadline)
        await off_loop(self._take_locks)
        await self._until_free(table.hook_deadline)

    async def let_back(self, *, after_crash: bool = False, told: tuple[Told, ...] = ()) -> None:
        """Undo all of it, in the opposite order; ``told`` is told once it is done.

        Raises:
            TenderError: it is not done, and has to be tried again.
        """
        borrowed = self.borrowed
        if borrowed is None:
            return
        if after_crash and not await self._programs.orphans_gone(
            self.channel, deadline=borrowed.hook_deadline
        ):
            log.warning("link=%s a hook of an earlier life has not ended", self.channel)
        await off_loop(self._drop_locks)
        if borrowed.after:
            await self._run(borrowed.after, "after", borrowed.hook_deadline)
        if borrowed.unit is not None and borrowed.unit_was_active:
            await self._systemctl(borrowed, "start")
        await self._journal.drop_borrowed(self.channel, told)
        self.borrowed = None
        log.info("link=%s given back to=%s", self.channel, borrowed.shared_with)

    async def _is_active(self, table: LinkTable, unit: str) -> bool:
        words = (str(table.systemctl), "show", "--property=LoadState,ActiveState", unit)
        said = await self._run(words, "show", table.hook_deadline)
        state = dict(line.partition("=")[::2] for line in said.splitlines())
        if state.get("LoadState") == "not-found":
            raise UnitUnknown(f"there is no unit {unit}")
        return state.get("ActiveState") in _ACTIVE

    async def _systemctl(self, borrowed: Borrowed, verb: str) -> None:
        words = (borrowed.systemctl, "--no-ask-password", verb, borrowed.unit or "")
        await self._run(words, verb, borrowed.hook_deadline)

    async def _run(self, words: tuple[str, ...], hook: str, deadline: float) -> str:
        return await self._programs.run(self.channel, words, deadline=deadline, hook=hook)

    def _prepared_lock(self) -> LockMark | None:
        if self.table is None or not self.table.uucp_lock:
            return None
        return prepare_lock_file(self.table.lock_folder, Path(self.channel.partition(":")[2]))

    def _take_locks(self) -> None:
        if self.borrowed is not None and self.borrowed.lock is not None:
            take_lock_file(self.borrowed.lock)
        if self.table is not None and self.table.flock is not None and self._flock is None:
            self._flock = take_flock(self.table.flock)

    def _drop_locks(self) -> None:
        if self._flock is not None:
            descriptor, self._flock = self._flock, None
            os.close(descriptor)
        if self.borrowed is not None and self.borrowed.lock is not None:
            drop_lock_file(self.borrowed.lock)

    async def _until_free(self, patience: float) -> None:
        """A process that was told to end may take a moment longer than whoever told it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while self._holder(self.channel) is not None:  # noqa: ASYNC110 - the kernel tells nobody
                    await asyncio.sleep(_FREE_TICK_S)
        held_by = self._holder(self.channel)
        if held_by is not None:
            raise LinkStillHeld(f"{self.channel} is still held by {held_by}")
