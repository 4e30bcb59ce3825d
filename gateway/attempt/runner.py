"""Turn the loop: look at the node, decide, note it, do it, note what came of it.

Nothing in here decides what is next or what is true; it opens links, calls the
flasher's verbs, writes the journal before and after, and turns what is raised into
values.  Killed at any point, the same loop over the same journal goes on.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from flashers import api as verbs
from flashers.api import (
    Component,
    Evidence,
    FirmwareImage,
    Flasher,
    ProbeCost,
    Role,
    RollbackKind,
    Seen,
    Stalled,
)
from flashers.api.errors import PluginBug
from gateway.attempt import advance, facts, health
from gateway.attempt.decide import decide
from gateway.attempt.marking import Marking
from gateway.attempt.ports import Artifacts, AttemptJournal, Clock, NodeType, WaysBack
from gateway.attempt.prepare import Refused, prepare
from gateway.attempt.session import HostSession
from gateway.attempt.steps import (
    Activate,
    Await,
    CheckHealth,
    Confirm,
    Finish,
    Judge,
    Prepare,
    Probe,
    Restart,
    Revert,
    Step,
    Transfer,
    TurnBack,
    counter_of,
)
from gateway.attempt.telling import done_told, phase_told
from gateway.model.outcomes import CancelReason, Direction, Outcome, Phase, Verdict
from gateway.model.records import Observation, Part, Record, Target, Trouble
from transports.errors import LinkError, TenderError

log = logging.getLogger("tender.attempt")

_RETRY_PAUSE_S = (0.5, 2.0, 5.0)
"""Pauses before a step is begun again after it failed, by how often it was."""
_LOOK_AGAIN_S = 1.0
"""How often a node that does not answer is asked."""
_STEP_STALL_S = 120.0
"""A verb in which no byte passes for so long has hung; flashers have shorter time-outs of their own."""


@dataclass(slots=True)
class Surroundings:
    """Everything that the runner is lent by the service."""

    journal: AttemptJournal
    artifacts: Artifacts
    ways_back: WaysBack
    node_type: NodeType
    clock: Clock
    hooks: Callable[[str], health.Hook]
    proved_way_back: Callable[[Record, RollbackKind], Awaitable[None]] | None = None


class Interrupted(Exception):
    """A step was left because the attempt was asked to end."""


class Runner:
    """One attempt on one node, from its record to its result."""

    def __init__(self, record: Record, session: HostSession, around: Surroundings) -> None:
        self.record = record
        self.session = session
        self.around = around
        self.flasher: Flasher = around.node_type.plugin.open(session, around.node_type.params)
        self._fresh: Seen | None = None
        self._last = Seen(Role.UNKNOWN)
        self._silent_since: float | None = None
        self._heard_from: int | None = None
        self._images: dict[str, FirmwareImage] = {}
        self._step_task: asyncio.Task[Seen | None] | None = None
        self._step: Step | None = None
        self._interrupted = False
        self._nudge = asyncio.Event()

    @property
    def exposed(self) -> bool:
        """Whether the node may have no firmware that runs right now."""
        single = not self.record.rules.separate
        return single and self.record.touched and isinstance(self._step, Transfer)

    async def run(self) -> Record:
        """Go on until the attempt has ended; the ended record is in the journal by then.

        Raises:
            JournalError: what must be written before the node is touched cannot be.
        """
        began = asyncio.get_running_loop().time()
        spent = self.record.seconds
        try:
            while not self.record.done:
                self.record = replace(self.record, seconds=spent + asyncio.get_running_loop().time() - began)
                await self._turn()
        finally:
            await self._clean_up()
        return self.record

    async def ask_cancel(self, reason: CancelReason, by: str) -> None:
        """End early, as far as the node allows: a step that may be left is left."""
        if self.record.done or self.record.cancel is not None:
            return
        self.record = advance.ask_cancel(self.record, reason, by)
        await self._save()
        self._nudge.set()
        leave = self.record.rules.separate or self.record.rollback is not RollbackKind.NONE
        if (
            self._step_task is not None
            and self.record.direction is Direction.FORWARD
            and (isinstance(self._step, CheckHealth) or (isinstance(self._step, Transfer) and leave))
        ):
            self._interrupted = True
            self._step_task.cancel()

    # One turn

    async def _turn(self) -> None:
        observation = await self._observe()
        self.record = advance.noticed(self.record, observation.seen)
        step = decide(self.record, observation)
        match step:
            case Finish():
                await self._finish(step, observation.seen)
            case Await():
                await self._sleep(_LOOK_AGAIN_S)
            case Probe():
                await self._sleep(_LOOK_AGAIN_S)
            case _:
                await self._do(step, observation.seen)

    async def _do(self, step: Step, seen: Seen) -> None:
        before = self.record.phase
        self.record = advance.begin(self.record, step)
        if isinstance(step, Judge | TurnBack):
            # Nothing is done to the node: what it means is all there is to write.
            self.record = advance.succeed(self.record, step)
            self._fresh = seen
            await self._save(told=isinstance(step, TurnBack))
            return
        await self._save(told=self.record.phase is not before)
        log.info("node=%s attempt=%d phase=%s", self.record.node, self.record.id, self.record.phase)
        self._step = step
        try:
            self._fresh = await self._guarded(self._perform(step, seen))
            if not self.record.done:
                self.record = advance.succeed(self.record, step)
        except Interrupted:
            self.session.note("left on request")
        except TenderError as error:
            self._count_bytes()
            await self._failed(step, error)
            return
        finally:
            self._step = None
        self._count_bytes()
        await self._save()

    async def _failed(self, step: Step, error: TenderError) -> None:
        name = type(step).__name__.lower()
        self.session.note(f"{name}: {error.code}: {error.message}")
        log.info("node=%s attempt=%d step=%s error=%s", self.record.node, self.record.id, name, error.code)
        mark = self.session.done if isinstance(step, Transfer) else 0
        self.record = advance.fail(self.record, step, _trouble(error), mark=mark)
        await self._save()
        times = self.record.starts.get(counter_of(step) or "", 1)
        await self._sleep(_RETRY_PAUSE_S[min(max(times, 1), len(_RETRY_PAUSE_S)) - 1])

    async def _perform(self, step: Step, seen: Seen) -> Seen | None:
        match step:
            case Prepare():
                return await self._prepare(seen)
            case Transfer(component=component, back=back):
                return await self._transfer(self._part(component), back=back)
            case Activate(components=components, back=back):
                return await self._activate(components, back=back)
            case CheckHealth():
                return await self._check(step, seen)
            case Confirm(component=component):
                return await self._confirm(self._part(component), seen)
            case Revert():
                return await self.flasher.rollback(verbs.Revert(self._components))
            case Restart():
                await self.session.reset(self.around.node_type.profile.reset)
                self._silent_since = None  # it has its boot deadline again
                return None
            case _:
                raise PluginBug(f"{step} is not to be done to a node")

    # The verbs

    async def _prepare(self, seen: Seen) -> Seen | None:
        found = await prepare(
            self.record,
            seen,
            self.flasher,
            self.around.node_type,
            self.around.artifacts,
            self.around.ways_back,
        )
        if isinstance(found, Refused):
            self.record = advance.refuse(
                self.record, found.reasons, self._stamped(seen), at=self.around.clock()
            )
            await self._tell_end()
            return None
        self.record = advance.prepared(self.record, seen, found)
        # Firmware that was just read back has a name only now: by it the node is looked at again.
        read_back = any(target.private for _, target in found.known_good)
        return None if read_back else seen

    async def _transfer(self, part: Part, *, back: bool) -> Seen | None:
        target = part.known_good if back else part.want
        if target is None:
            raise PluginBug(f"{part.component.id} has nothing to go back to")
        image = await self._image(target, part)
        self.session.done = 0
        self._heard_from = self.session.lines().mark()
        async with Marking(self.session, image.size, self._headway):
            await self.flasher.enter_loader()
            return await self.flasher.transfer(verbs.Transfer(image))

    async def _activate(self, components: tuple[str, ...], *, back: bool) -> Seen | None:
        images = []
        for name in components:
            part = self._part(name)
            target = part.want
            if back and not facts.armed(self.record, part, self._last):
                target = self._old_target(part)
            images.append(await self._image(target, part))
        self._heard_from = self.session.lines().mark()
        return await self.flasher.activate(verbs.Activate(tuple(images)))

    def _old_target(self, part: Part) -> Target:
        """What to start on the way back: the known-good, or the old image as the node names it."""
        waits = facts.standby(part, self._last)
        active = facts.active(part, self._last)
        for slot in (waits, active):
            firmware = facts.firmware(slot)
            if facts.is_back(self.record, part, firmware) and firmware is not None:
                known = part.known_good
                if known is not None and facts.same(self.record, known.firmware, firmware):
                    return known
                return replace(part.want, firmware=firmware)
        return part.known_good or part.want

    async def _confirm(self, part: Part, seen: Seen) -> Seen | None:
        slot = facts.active(part, seen)
        firmware = slot.firmware if slot is not None else None
        if firmware is None or firmware.identity is None:
            raise PluginBug(f"{part.component.id} cannot be confirmed without a digest")
        return await self.flasher.confirm(verbs.Confirm(part.component, firmware.identity))

    async def _check(self, step: CheckHealth, seen: Seen) -> Seen | None:
        profile, rules = self.around.node_type.profile, self.record.rules
        patient = health.Patient(
            self.record,
            seen,
            self.flasher,
            self.session,
            self._heard_from,
            self.around.hooks,
            self.around.node_type.declaration.probe_cost,
        )
        try:
            wrong = None if step.late else await health.examine(patient, profile.health)
            soak = rules.soak_after if step.late else rules.soak
            if wrong is None and soak > 0:
                wrong, seen = await self._soak(patient, soak)
        except health.ConsoleNotHeard:
            await self._listen_from_a_restart()
            raise
        verdict = Verdict.PASSED if wrong is None else Verdict.FAILED
        self.record = advance.checked(self.record, step, verdict, wrong)
        return seen

    async def _soak(self, patient: health.Patient, soak: float) -> tuple[Trouble | None, Seen]:
        """Stay and watch.  A node whose probe restarts it is only asked, not probed."""
        if self.record.phase is not Phase.SOAKING and self.record.direction is Direction.FORWARD:
            self.record = replace(self.record, phase=Phase.SOAKING)
            await self._save(told=True)
        profile = self.around.node_type.profile
        checks, seen = health.repeatable(profile.health), patient.seen
        end = self._now() + soak
        while (left := end - self._now()) > 0:
            await self._sleep(min(left, profile.timing.soak_interval))
            if patient.probe_cost is ProbeCost.NONE:
                seen = await health.look(patient)
            wrong = await health.examine(replace(patient, seen=seen), checks)
            if wrong is not None:
                return wrong, seen
        return None, seen

    async def _listen_from_a_restart(self) -> None:
        """Nobody listened when the node restarted: restart it, and listen this time."""
        self._heard_from = self.session.lines().mark()
        if self.record.rules.trial_boot:
            # It is taken back by this, and started once more: the bounds still hold.
            await self.flasher.rollback(verbs.Revert(self._components))

    # Looking

    async def _observe(self) -> Observation:
        trouble: Trouble | None = None
        fresh, self._fresh = self._fresh, None
        if fresh is None:
            try:
                fresh = await self._guarded(self._probe())
            except TenderError as error:
                trouble = _trouble(error)
        seen = fresh or Seen(Role.SILENT)
        if seen.role is Role.UNKNOWN:
            # Every cost was allowed, and the flasher still cannot tell: that is silence.
            seen = replace(seen, role=Role.SILENT)
        if seen.role is not Role.SILENT:
            self._silent_since = None
        elif self._silent_since is None:
            self._silent_since = self._now()
        silent_for = 0.0 if self._silent_since is None else self._now() - self._silent_since
        news = seen.role is not Role.SILENT and seen != self._last
        self._last = seen
        seen = self._stamped(seen)
        observation = Observation(seen, silent_for, self.around.clock(), trouble)
        if news:
            await self.around.journal.save_seen(self.record.node, observation)
        return observation

    async def _probe(self) -> Seen:
        targets = [
            (target, part)
            for part in self.record.parts
            for target in (part.want, part.known_good or await self._own_known_good(part))
            if target is not None
        ]
        candidates = [await self._image(target, part) for target, part in targets]
        if self._heard_from is None and self._probe_restarts:
            self._heard_from = self.session.lines().mark()
        ask = verbs.Probe(ProbeCost.RESTARTS_APPLICATION, tuple(candidates))
        return await self.flasher.probe(ask)

    async def _own_known_good(self, part: Part) -> Target | None:
        """What the node last ran well: most likely what it runs now, and so worth comparing with."""
        own = await self.around.ways_back.known_good(
            self.record.node, self.record.profile, part.component.id, None
        )
        if own is not None:
            try:
                await self._image(own, part)
            except TenderError:
                return None
        return own

    @property
    def _probe_restarts(self) -> bool:
        return self.around.node_type.declaration.probe_cost is ProbeCost.RESTARTS_APPLICATION

    def _stamped(self, seen: Seen) -> Seen:
        at = self.around.clock()

        def stamped(piece: Evidence) -> Evidence:
            return piece if piece.at is not None else replace(piece, at=at)

        return replace(seen, evidence=tuple(stamped(piece) for piece in seen.evidence))

    async def _image(self, target: Target, part: Part) -> FirmwareImage:
        key = f"{target.artifact}{part.component.id}"
        if key not in self._images:
            self._images[key] = await self.around.artifacts.image(target, part.component)
        image = self._images[key]
        if target.firmware.identity not in (None, image.firmware.identity):
            # The node's old image, which it still holds itself: only its name is needed.
            return replace(image, firmware=target.firmware)
        return image

    # Ending

    async def _finish(self, step: Finish, seen: Seen) -> None:
        self._count_bytes()
        self.record = advance.finish(self.record, step, seen, at=self.around.clock())
        await self._tell_end()

    async def _tell_end(self) -> None:
        result = self.record.result
        if result is None:
            raise PluginBug("told of an end that is none")
        known_good = None
        if result.outcome in (Outcome.SUCCEEDED, Outcome.ALREADY_THERE):
            known_good = {part.component.id: part.want for part in self.record.parts}
        await self.around.journal.save(self.record, (done_told(self.record),), known_good=known_good)
        if result.outcome is Outcome.ROLLED_BACK and self.around.proved_way_back is not None:
            await self.around.proved_way_back(self.record, result.rollback)
        log.info("node=%s attempt=%d outcome=%s", self.record.node, self.record.id, result.outcome)

    async def _clean_up(self) -> None:
        try:
            await self.flasher.cleanup()
        except Exception as error:  # noqa: BLE001 - a flasher that cannot tidy up must not hide the result
            self.session.note(f"cleanup raised {error!r}")
        await self.session.close()

    # Guards

    async def _guarded(self, work: Awaitable[Seen | None]) -> Seen | None:
        """Do a verb: bounded by silence, interruptible, and with every surprise made an error."""

        async def verb() -> Seen | None:
            return await work

        task = self._step_task = asyncio.ensure_future(verb())
        try:
            return await self._unless_stalled(task)
        except asyncio.CancelledError:
            if not task.cancelled():
                # It is we who are ended, by the service.
                task.cancel()
                await asyncio.wait({task})
                raise
            if self._interrupted:
                self._interrupted = False
                raise Interrupted from None
            raise PluginBug(f"{self._plugin_name} cancelled itself") from None
        except TenderError:
            raise
        except (OSError, EOFError) as error:
            raise LinkError(f"{error}") from error
        except Exception as error:
            log.exception("node=%s attempt=%d plugin=%s", self.record.node, self.record.id, self._plugin_name)
            raise PluginBug(f"{self._plugin_name} raised {error!r}") from error
        finally:
            self._step_task = None

    async def _unless_stalled(self, task: "asyncio.Task[Seen | None]") -> Seen | None:
        self.session.last_activity = self._now()
        while True:
            quiet = self._now() - self.session.last_activity
            if isinstance(self._step, CheckHealth | Prepare):
                quiet = 0.0  # a soak is quiet on purpose; these steps have bounds of their own
            done, _ = await asyncio.wait({task}, timeout=max(_STEP_STALL_S - quiet, 0.1))
            if done:
                return task.result()
            if quiet >= _STEP_STALL_S:
                task.cancel()
                await asyncio.wait({task}, timeout=5.0)
                raise Stalled(f"nothing passed on the link for {_STEP_STALL_S:g} s")

    async def _headway(self, mark: int) -> None:
        if self._step is not None:
            self.record = advance.headway(self.record, self._step, mark)
            await self._save()

    def _count_bytes(self) -> None:
        self.record = replace(self.record, bytes_sent=self.record.bytes_sent + self.session.bytes_sent)
        self.session.bytes_sent = 0

    async def _save(self, *, told: bool = False) -> None:
        if not self.record.done:
            await self.around.journal.save(self.record, (phase_told(self.record),) if told else ())

    async def _sleep(self, seconds: float) -> None:
        """Sleep, unless somebody asks for the end meanwhile."""
        self._nudge.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._nudge.wait()
        except TimeoutError:
            pass

    @property
    def _components(self) -> tuple[Component, ...]:
        return tuple(part.component for part in self.record.parts)

    def _part(self, component: str) -> Part:
        return next(part for part in self.record.parts if part.component.id == component)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    @property
    def _plugin_name(self) -> str:
        return self.around.node_type.plugin.name


def _trouble(error: TenderError) -> Trouble:
    return Trouble(error.code, error.message, error.what_to_do, error.retryable)
