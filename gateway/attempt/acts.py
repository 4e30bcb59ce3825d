"""The steps that touch the node: each calls one of the flasher's verbs with what it needs."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from flashers import api as verbs
from flashers.api import Component, DowngradeRefused, Flasher, ProbeCost, Seen
from flashers.api.errors import PluginBug
from gateway.attempt import advance, facts, health
from gateway.attempt.ledger import Ledger, Surroundings
from gateway.attempt.looking import Images, Looker
from gateway.attempt.marking import Marking
from gateway.attempt.prepare import Refused, prepare
from gateway.attempt.session import HostSession
from gateway.attempt.steps import Activate, CheckHealth, Confirm, Prepare, Restart, Revert, Step, Transfer
from gateway.model.outcomes import Direction, Phase, Verdict
from gateway.model.records import Part, Target, Trouble


class Acts:
    """Does steps to one node for one attempt.

    ``pause`` is how a soak waits: it ends early when somebody asks for the end.
    """

    def __init__(
        self,
        ledger: Ledger,
        flasher: Flasher,
        session: HostSession,
        around: Surroundings,
        looker: Looker,
        images: Images,
        pause: Callable[[float], Awaitable[None]],
    ) -> None:
        self._ledger = ledger
        self._flasher = flasher
        self._session = session
        self._around = around
        self._looker = looker
        self._images = images
        self._pause = pause

    async def perform(self, step: Step, seen: Seen) -> Seen | None:
        """Do a step; what it learned of the node, or None if the node has to be looked at."""
        match step:
            case Prepare():
                return await self._prepare(seen)
            case Transfer(component=component, back=back):
                return await self._transfer(self._ledger.part(component), step, seen, back=back)
            case Activate(components=components, back=back):
                self._session.restarting()
                return await self._activate(components, back=back)
            case CheckHealth():
                return await self._check(step, seen)
            case Confirm(component=component):
                return await self._confirm(self._ledger.part(component), seen)
            case Revert():
                self._session.restarting()
                return await self._flasher.rollback(verbs.Revert(self._components))
            case Restart():
                self._session.restarting()
                if self._around.restart is not None:
                    await self._around.restart(self._ledger.record, self._session)
                else:
                    await self._session.reset(self._around.node_type.profile.reset)
                self._looker.forgive_silence()
                return None
            case _:
                raise PluginBug(f"{step} is not to be done to a node")

    async def _prepare(self, seen: Seen) -> Seen | None:
        ledger, around = self._ledger, self._around
        found = await prepare(
            ledger.record, seen, self._flasher, around.node_type, around.artifacts, around.ways_back
        )
        if isinstance(found, Refused):
            stamped = self._looker.stamped(seen)
            ledger.record = advance.refuse(ledger.record, found.reasons, stamped, at=around.clock())
            await ledger.end()
            return None
        answers = await health.ask_before(self._flasher, around.node_type.profile.health)
        ledger.record = replace(advance.prepared(ledger.record, seen, found), answers=answers)
        if around.hearing is not None:
            often = around.hearing.per_second(ledger.record.node)
            ledger.record = replace(ledger.record, data_rate=often)
        if around.reports is not None:
            often = around.reports.per_second(ledger.record.node)
            ledger.record = replace(ledger.record, report_rate=often)
        # Firmware that was just read back has a name only now: by it the node is looked at again.
        read_back = any(target.private for _, target in found.known_good)
        return None if read_back else seen

    async def _transfer(self, part: Part, step: Transfer, seen: Seen, *, back: bool) -> Seen | None:
        target = part.known_good if back else part.want
        if target is None:
            raise PluginBug(f"{part.component.id} has nothing to go back to")
        image = await self._images.of(target, part)
        self._session.done = 0
        self._looker.listen()

        async def reached(mark: int) -> None:
            self._ledger.record = advance.headway(self._ledger.record, step, mark)
            await self._ledger.save()

        runs = facts.firmware(facts.active(part, seen))
        try:
            async with Marking(self._session, image.size, reached):
                await self._flasher.enter_loader()
                return await self._flasher.transfer(verbs.Transfer(image, replaces=runs, back=back))
        except DowngradeRefused:
            await self._ledger.learn_downgrade(runs, taken=False)
            raise

    async def _activate(self, components: tuple[str, ...], *, back: bool) -> Seen | None:
        images = []
        for name in components:
            part = self._ledger.part(name)
            target = part.want
            if back and not facts.armed(self._ledger.record, part, self._looker.last):
                target = self._old_target(part)
            images.append(await self._images.of(target, part))
        self._looker.listen()
        return await self._flasher.activate(verbs.Activate(tuple(images)))

    def _old_target(self, part: Part) -> Target:
        """What to start on the way back: the known-good, or the old image as the node names it."""
        record, last = self._ledger.record, self._looker.last
        for slot in (facts.standby(part, last), facts.active(part, last)):
            firmware = facts.firmware(slot)
            if facts.is_back(record, part, firmware) and firmware is not None:
                known = part.known_good
                if known is not None and facts.same(record, known.firmware, firmware):
                    return known
                return replace(part.want, firmware=firmware)
        return part.known_good or part.want

    async def _confirm(self, part: Part, seen: Seen) -> Seen | None:
        slot = facts.active(part, seen)
        firmware = slot.firmware if slot is not None else None
        if firmware is None or firmware.identity is None:
            raise PluginBug(f"{part.component.id} cannot be confirmed without a digest")
        return await self._flasher.confirm(verbs.Confirm(part.component, firmware.identity))

    async def _check(self, step: CheckHealth, seen: Seen) -> Seen | None:
        profile, record = self._around.node_type.profile, self._ledger.record
        patient = health.Patient(
            record,
            seen,
            self._flasher,
            self._session,
            self._looker.heard_from,
            self._around.hooks,
            self._around.node_type.declaration.probe_cost,
            self._around.hearing,
            self._around.reports,
        )
        try:
            wrong = None if step.late else await health.examine(patient, profile.health)
            soak = record.rules.soak_after if step.late else record.rules.soak
            if wrong is None and soak > 0:
                wrong, seen = await self._soak(patient, soak)
        except health.ConsoleNotHeard:
            await self._listen_from_a_restart()
            raise
        verdict = Verdict.PASSED if wrong is None else Verdict.FAILED
        judged = replace(self._ledger.record, judged_by=tuple(patient.judged_by) or record.judged_by)
        self._ledger.record = advance.checked(judged, step, verdict, wrong)
        return seen

    async def _soak(self, patient: health.Patient, soak: float) -> tuple[Trouble | None, Seen]:
        """Stay and watch.  A node whose probe restarts it is only asked, not probed."""
        record, profile = self._ledger.record, self._around.node_type.profile
        if record.phase is not Phase.SOAKING and record.direction is Direction.FORWARD:
            self._ledger.record = replace(record, phase=Phase.SOAKING)
            await self._ledger.save(told=True)
        loop = asyncio.get_running_loop()
        checks, seen = health.repeatable(profile.health), patient.seen
        end = loop.time() + soak
        while (left := end - loop.time()) > 0:
            await self._pause(min(left, profile.timing.soak_interval))
            if patient.probe_cost is ProbeCost.NONE:
                seen = await health.look(patient)
            wrong = await health.examine(replace(patient, seen=seen, soaking=True), checks)
            if wrong is not None:
                return wrong, seen
        return None, seen

    async def _listen_from_a_restart(self) -> None:
        """Nobody listened when the node restarted: restart it, and listen this time.

        What it printed then is gone.  Unless it really restarts, waiting for the line again would
        hold against a good image that nobody was there; then there is no verdict.  How often this
        is done is bounded by the starts of the check, which are journalled before it begins.

        Raises:
            ConsoleNotHeard: nothing restarts it from here.
        """
        record, looker = self._ledger.record, self._looker
        looker.listen()
        try:
            if any(facts.on_trial(record, part, looker.last) for part in record.parts):
                # It is taken back by this, and started once more: the bounds still hold.
                await self._flasher.rollback(verbs.Revert(self._components))
            elif not await self._session.restarts(self._around.node_type.profile.reset):
                raise health.ConsoleNotHeard(
                    "nobody listened when it restarted, and nothing restarts it from here",
                    remedy="Give the profile a `reset` that the link can drive.",
                )
        except BaseException:
            looker.heard_from = None
            raise
        looker.forgive_silence()

    @property
    def _components(self) -> tuple[Component, ...]:
        return tuple(part.component for part in self._ledger.record.parts)
