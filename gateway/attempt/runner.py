"""Turn the loop: look at the node, decide, note it, do it, note what came of it.

Nothing in here decides what is next or what is true; it writes the journal before and
after each step, and turns what is raised into values.  Killed at any point, the same
loop over the same journal goes on.
"""

import asyncio
import logging
from dataclasses import replace

from flashers.api import Flasher, Reason, Role, RollbackKind, Seen
from gateway.attempt import advance
from gateway.attempt.acts import Acts
from gateway.attempt.decide import decide
from gateway.attempt.exposure import Exposure, Staged
from gateway.attempt.guard import Guard, Interrupted
from gateway.attempt.ledger import Ledger, Surroundings
from gateway.attempt.looking import Images, Looker, trouble_of
from gateway.attempt.session import HostSession
from gateway.attempt.steps import (
    Activate,
    Await,
    CheckHealth,
    Finish,
    Judge,
    Probe,
    Step,
    Transfer,
    TurnBack,
    counter_of,
)
from gateway.model.outcomes import CancelReason, Direction
from gateway.model.records import Record
from transports.errors import TenderError

__all__ = ["Runner", "Surroundings"]

log = logging.getLogger("tender.attempt")

_RETRY_PAUSE_S = (0.5, 2.0, 5.0)
"""Pauses before a step is begun again after it failed, by how often it was."""
_LOOK_AGAIN_S = 1.0
"""How often a node that does not answer is asked."""


class Runner:
    """One attempt on one node, from its record to its result."""

    def __init__(self, record: Record, session: HostSession, around: Surroundings) -> None:
        self.session = session
        self.flasher: Flasher = around.node_type.plugin.open(session, around.node_type.params)
        self._around = around
        self._ledger = Ledger(record, session, around)
        self._guard = Guard(session, around.node_type.plugin.name)
        images = Images(around)
        self._looker = Looker(self._ledger, self.flasher, session, around, self._guard, images)
        self._acts = Acts(self._ledger, self.flasher, session, around, self._looker, images, self._pause)
        self._fresh: Seen | None = None
        self._step: Step | None = None
        self._exposure = Exposure(record)
        self._nudge = asyncio.Event()

    @property
    def record(self) -> Record:
        """The record as it stands."""
        return self._ledger.record

    @property
    def exposed(self) -> bool:
        """Whether the node may have no firmware that runs right now."""
        return self._exposure.open and not self.record.done

    async def run(self) -> Record:
        """Go on until the attempt has ended; the ended record is in the journal by then.

        Raises:
            JournalError: what must be written before the node is touched cannot be.
        """
        loop = asyncio.get_running_loop()
        began, spent = loop.time(), self.record.seconds
        try:
            while not self.record.done:
                self._ledger.record = replace(self.record, seconds=spent + loop.time() - began)
                await self._turn()
        finally:
            await self._clean_up()
        return self.record

    async def ask_cancel(self, reason: CancelReason, by: str) -> None:
        """End early, as far as the node allows: a step that may be left is left."""
        asked = advance.ask_cancel(self.record, reason, by)
        if asked is self.record:
            return  # it is over, or was asked before, or is past its deadline's reach
        self._ledger.record = asked
        await self._ledger.save()
        self._nudge.set()
        can_leave = self.record.rules.separate or self.record.rollback is not RollbackKind.NONE
        checks = isinstance(self._step, CheckHealth)
        sends = isinstance(self._step, Transfer) and can_leave
        if self.record.direction is Direction.FORWARD and (checks or sends):
            self._guard.leave()

    async def _turn(self) -> None:
        fresh, self._fresh = self._fresh, None
        observation = await self._looker.look(fresh)
        self._ledger.record = advance.noticed(self.record, observation.seen)
        self._exposure.seen(self.record, observation.seen)
        if self._around.may_wait:
            self._step_aside(observation.seen.role)
        step = decide(self.record, observation)
        match step:
            case Finish():
                await self._finish(step, observation.seen)
            case Await() | Probe():
                await self._pause(_LOOK_AGAIN_S)
            case Judge() | TurnBack():
                await self._conclude(step, observation.seen)
            case Activate(back=False, again=False) if why := self._around.may_not_start(self.record):
                await self._leave_staged(why)
            case _:
                await self._do(step, observation.seen)

    def _step_aside(self, role: Role) -> None:
        """A node that is not heard is waited for without its place, as long as that harms nobody.

        Raises:
            LinkError: so it is.
        """
        absent = self.session.absent(self.record, role)
        if absent is not None:
            raise absent

    async def _leave_staged(self, why: Reason) -> None:
        """It has everything, and waits for its time; it is looked at again when that has come.

        Raises:
            Staged: so it is.
        """
        before = self.record.phase
        self._ledger.count_bytes()
        self._ledger.record = advance.stage(self.record)
        await self._ledger.save(told=self.record.phase is not before)
        raise Staged(why.message)

    async def _conclude(self, step: Judge | TurnBack, seen: Seen) -> None:
        """Nothing is done to the node: what it means is all there is to write."""
        self._ledger.record = advance.succeed(advance.begin(self.record, step), step)
        self._fresh = seen
        await self._ledger.save(told=isinstance(step, TurnBack))

    async def _do(self, step: Step, seen: Seen) -> None:
        ledger, before = self._ledger, self.record.phase
        self._exposure.begins(self.record, step, held=self._around.held())
        ledger.record = advance.begin(self.record, step)
        if isinstance(step, Transfer):
            ledger.record = replace(self.record, erases=self.record.erases + 1)
        await ledger.save(told=self.record.phase is not before)
        log.info("node=%s attempt=%d phase=%s", self.record.node, self.record.id, self.record.phase)
        self._step = step
        try:
            work = self._acts.perform(step, seen)
            self._fresh = await self._guard.do(work, may_be_quiet=isinstance(step, CheckHealth))
            self._exposure.done(step)
            if not self.record.done:
                ledger.record = advance.succeed(self.record, step)
        except Interrupted:
            self.session.note("left on request")
        except TenderError as error:
            ledger.count_bytes()
            await self._failed(step, error)
            return
        finally:
            self._step = None
        ledger.count_bytes()
        await ledger.save()

    async def _failed(self, step: Step, error: TenderError) -> None:
        name = type(step).__name__.lower()
        self.session.note(f"{name}: {error.code}: {error.message}")
        log.info("node=%s attempt=%d step=%s error=%s", self.record.node, self.record.id, name, error.code)
        mark = self.session.done if isinstance(step, Transfer) else 0
        self._ledger.record = advance.fail(self.record, step, trouble_of(error), mark=mark)
        await self._ledger.save()
        times = self.record.starts.get(counter_of(step) or "", 1)
        await self._pause(_RETRY_PAUSE_S[min(max(times, 1), len(_RETRY_PAUSE_S)) - 1])

    async def _finish(self, step: Finish, seen: Seen) -> None:
        self._ledger.count_bytes()
        self._ledger.record = advance.finish(self.record, step, seen, at=self._around.clock())
        await self._ledger.end()

    async def _clean_up(self) -> None:
        # What waits in a node whose attempt was given up is not to be started by anybody.
        self.session.cancelled = self.record.done and self.record.cancel is not None
        try:
            await self.flasher.cleanup()
        except Exception as error:  # noqa: BLE001 - a flasher that cannot tidy up must not hide the result
            self.session.note(f"cleanup raised {error!r}")
        await self.session.close()

    async def _pause(self, seconds: float) -> None:
        """Sleep, unless somebody asks for the end meanwhile."""
        self._nudge.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._nudge.wait()
        except TimeoutError:
            pass
