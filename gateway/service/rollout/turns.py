"""Whose turn it is: everything that keeps an untouched attempt from beginning, in memory.

What people said and what a rollout concluded is read at the start and written by
:mod:`gateway.service.rollout.desk`; here it is joined with the attempts as they are.
An attempt that touched its node never waits here: it is brought to its end.
"""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import replace

from flashers.api import Digest, Reason
from gateway.control import DeploymentPolicy, DeployRequest
from gateway.journal.journal import Told
from gateway.journal.rollout import Began, Concluded
from gateway.model.activation import LetGo
from gateway.model.outcomes import Direction, Origin
from gateway.model.records import Record
from gateway.model.rollout import Mark, Pause, ReleaseMark, Stop
from gateway.service.rollout import reasons
from gateway.service.rollout.age import KEPT_EVERY_S, Age
from gateway.service.rollout.budget import WINDOW_S, Budgets
from gateway.service.rollout.waves import Lane, Plan, lanes, stop
from gateway.service.site import Site
from transports.errors import TenderError

log = logging.getLogger("tender.rollout")

EVERYTHING = ""
"""The scope of a pause that holds whatever there is."""


class Rollout:
    """One open deployment: its attempts, and what follows from them."""

    def __init__(self, request: DeployRequest, plan: Plan, concluded: Concluded) -> None:
        self.request = request
        self.plan = plan
        self.concluded = concluded
        self.untold = False
        """It stopped, and that is not in the journal yet."""
        self._records: dict[int, Record] = {}
        self._lanes: dict[str, Lane] | None = None
        self._judged = False
        """Whether what the lanes say about stopping is known already."""

    @property
    def release(self) -> str:
        """``PRODUCT:VERSION``."""
        return f"{self.request.product}:{self.request.version}"

    @property
    def records(self) -> list[Record]:
        """Its attempts."""
        return list(self._records.values())

    def noticed(self, record: Record) -> None:
        """An attempt was made, went on or ended."""
        before = self._records.get(record.id)
        self._records[record.id] = record
        if before is None or (before.done, before.touched) != (record.done, record.touched):
            self._lanes = None

    def conclude(self, concluded: Concluded) -> None:
        """It was stopped or resumed."""
        self.concluded, self._lanes = concluded, None

    def lanes(self) -> dict[str, Lane]:
        """By profile."""
        if self._lanes is None:
            self._lanes = lanes(self._records.values(), self.plan, self.concluded.forgiven)
            self._judged = False
        return self._lanes

    def stopped(self) -> Stop | None:
        """Why it stopped; once it has, it stays so until somebody resumes it."""
        found = self.lanes()
        if self.concluded.stop is None and not self._judged:
            self._judged = True
            why = stop(found.values())
            if why is not None:
                self.concluded = replace(self.concluded, stop=why)
                self.untold = True
        return self.concluded.stop

    def ended(self) -> frozenset[int]:
        """What has ended: a resume forgives it, whatever it said."""
        return frozenset(record.id for record in self._records.values() if record.done)


class Turns:
    """The gate that the supervisor asks before an attempt begins, and before it first touches its node."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.age = Age(site.journal, site.clock)
        self.budgets = Budgets(site.config.rollout.budget, self.age)
        self.pauses: dict[str, Pause] = {}
        self.marks: dict[str, ReleaseMark] = {}
        self.open: dict[str, Rollout] = {}
        self.busy: set[int] = set()
        """Attempts that the supervisor has given their turn."""
        self.let_go: dict[str, LetGo] = {}
        """Deployments that somebody said may start, whatever their policy says."""
        self._concluded: dict[str, Concluded] = {}
        site.inventory.listeners.append(self.noticed)

    async def load(self) -> None:
        """Read what the journal has."""
        journal = self._site.journal
        await self.age.load()
        for began in await journal.begun():
            self.budgets.add(began)
        self.pauses = await journal.pauses()
        self.marks = await journal.release_marks()
        self._concluded = await journal.concluded()
        self.let_go = await journal.let_go()
        self._site.inventory.took_older.update(
            {(each.profile, each.model, each.version): each.taken for each in await journal.downgrades()}
        )
        self.recall_changed()

    async def run(self) -> None:
        """Write the age down now and then; ends only by cancellation."""
        while True:
            try:
                await self.age.keep()
            except TenderError as error:
                log.warning("age not kept: %s", error.code)
            await asyncio.sleep(KEPT_EVERY_S)

    # Deployments come and go

    def opened(self, request: DeployRequest, records: Iterable[Record] = ()) -> None:
        """A deployment was taken, or goes on after a start."""
        rollout = Rollout(request, self.plan(request.policy), self.concluded(request.id))
        for record in records:
            rollout.noticed(record)
        self.open[request.id] = rollout

    def closed(self, deployment: str) -> None:
        """Every attempt of it has ended."""
        rollout = self.open.pop(deployment, None)
        if rollout is not None:
            self._concluded[deployment] = rollout.concluded

    def concluded(self, deployment: str) -> Concluded:
        """What a deployment came to by itself."""
        rollout = self.open.get(deployment)
        return rollout.concluded if rollout is not None else self._concluded.get(deployment, Concluded())

    def plan(self, policy: DeploymentPolicy) -> Plan:
        """How careful a deployment is; what it does not say is the configuration's."""
        table = self._site.config.rollout
        waves = table.waves if policy.waves is None else policy.waves
        canary = (policy.no_rollback or table.no_rollback) == "canary-only"
        if canary and waves and waves[0] > 1:
            waves = (1, *waves)  # one alone proves it; only then the others may go without a way back
        return Plan(
            () if policy.all_at_once else waves,
            policy.stop_in_a_row or table.stop_in_a_row,
            policy.stop_share or table.stop_share,
        )

    def settled(self, policy: DeploymentPolicy) -> DeploymentPolicy:
        """The policy with everything said, as it is stored: a later configuration does not change it."""
        plan = self.plan(policy)
        return replace(
            policy,
            no_rollback=policy.no_rollback or self._site.config.rollout.no_rollback,
            activate=policy.activate or self._site.config.rollout.activate,
            all_at_once=not plan.waves,
            waves=plan.waves,
            stop_in_a_row=plan.stop_in_a_row,
            stop_share=plan.stop_share,
        )

    def noticed(self, record: Record) -> None:
        """An attempt was made, went on or ended."""
        self.budgets.noticed(record)
        rollout = self.open.get(record.deployment or "")
        if rollout is not None:
            rollout.noticed(record)

    async def began(self, record: Record) -> None:
        """An attempt has its link for the first time: it counts from now on.  Raises as the journal."""
        if not self.budgets.knows(record):
            began = Began(record.id, record.node, self.age(), record.erases, record.seconds)
            await self._site.journal.save_begun(began, self.age() - 2 * WINDOW_S)
            self.budgets.add(began)

    # The gates

    def goes_on(self, record: Record) -> bool:
        """Whether it is brought to its end, whatever is asked."""
        return _goes_on(record)

    def pause_of(self, deployment: str | None) -> Pause | None:
        """The pause that holds a deployment: that of everything, or its own."""
        return self.pauses.get(EVERYTHING) or (self.pauses.get(deployment) if deployment else None)

    def reason(self, record: Record, policy: DeploymentPolicy) -> Reason | None:
        """Why this attempt may not begin now; None if it may."""
        held = self.held(record)
        if held is not None or record.staged or _goes_on(record):
            return held
        if record.origin is Origin.DEPLOYMENT and not policy.beyond_budget:
            spent = self.budgets.reason(record.node)
            if spent is not None:
                return spent
        rollout = self.open.get(record.deployment or "")
        if rollout is None or not rollout.plan.waves:
            return None
        lane = rollout.lanes().get(record.profile)
        busy = self.busy - {record.id}
        return reasons.wave(lane, record, busy) if lane is not None and not lane.room(busy) else None

    def held(self, record: Record) -> Reason | None:
        """Why this attempt may not touch its node, even if its turn had come."""
        if _goes_on(record):
            return None
        pause = self.pause_of(record.deployment)
        if pause is not None:
            return reasons.paused(pause)
        rollout = self.open.get(record.deployment or "")
        if rollout is None:
            return None
        mark = self.marks.get(rollout.release)
        if mark is not None:
            return reasons.marked(mark)
        why = rollout.stopped() if rollout.plan.waves else None
        return reasons.stopped(why, rollout.request.id) if why is not None else None

    async def tell_stops(self) -> None:
        """Write down, and tell, which rollouts have stopped by themselves since the last call."""
        for name, rollout in list(self.open.items()):
            if rollout.plan.waves:
                rollout.stopped()
            if rollout.untold:
                try:
                    await self._tell_stop(name, rollout)
                except TenderError as error:  # a full disk; it is stopped all the same
                    log.warning("deployment=%s stop not written: %s", name, error.code)

    async def _tell_stop(self, name: str, rollout: Rollout) -> None:
        why = rollout.concluded.stop
        if why is None:
            return
        why = replace(why, since=self._site.clock())
        waiting = [record for record in rollout.records if not record.done and not _goes_on(record)]
        waiting = [record for record in waiting if record.id not in self.busy]
        finishing = {record.node for record in rollout.records if not record.done} - {
            record.node for record in waiting
        }
        data: dict[str, object] = {
            "release": rollout.release,
            "code": why.code,
            "message": why.message,
            "remedy": reasons.stopped(why, name).remedy,
            "profile": why.profile,
            "nodes": list(why.nodes),
            "finishing": sorted(finishing),
            "waiting": len(waiting),
        }
        concluded = replace(rollout.concluded, stop=why)
        await self._site.journal.save_concluded(
            name, concluded, [Told("rollout.stopped", deployment=name, data=data)]
        )
        rollout.conclude(concluded)
        rollout.untold = False
        log.warning("deployment=%s stopped=%s %s", name, why.code, why.message)

    # Recalled releases

    def recall_changed(self) -> None:
        """Work out anew which artifacts are never used again, and let the inventory know."""
        self._site.inventory.banned = frozenset(self._banned())

    def _banned(self) -> set[Digest]:
        """The artifacts of recalled releases, but for those that another release still vouches for."""
        gone = {name: mark for name, mark in self.marks.items() if mark.mark is Mark.RECALLED}
        recalled = {Digest.parse(text) for mark in gone.values() for text in mark.artifacts}
        others = (release.manifest for release in self._site.shelf if release.id not in gone)
        return recalled - {artifact.digest for manifest in others for artifact in manifest.artifacts}


def _goes_on(record: Record) -> bool:
    """Whether the node was touched, by this attempt or by the one that it mends.

    One that has its image and waits to be started is as good as untouched: it may wait on.
    """
    waits = record.staged and record.cancel is None and record.direction is Direction.FORWARD
    if record.activations > 0 or record.origin is Origin.RECOVERY:
        return True
    return record.touched and not waits
