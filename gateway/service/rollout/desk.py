"""Where people and upstreams ask something of rollouts: to wait, to go on, never to use a release again.

What is asked holds at once, in memory, and is in the journal with its event before the
answer is given.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from gateway.errors import NodeUnknown
from gateway.journal.journal import Told
from gateway.model.records import Record
from gateway.model.rollout import (
    ActivateAnswer,
    BudgetView,
    Mark,
    Pause,
    PauseAnswer,
    RecallAnswer,
    ReleaseMark,
)
from gateway.model.views import DeploymentView
from gateway.service.deployments import Deployments
from gateway.service.rollout.errors import DeploymentUnknown, ReleaseRecalled
from gateway.service.rollout.recall import Recall
from gateway.service.rollout.turns import EVERYTHING
from gateway.service.site import Site
from gateway.service.supervisor import Supervisor


class RolloutDesk:
    """Implements :class:`gateway.verbs.rollout.RolloutVerbs`."""

    def __init__(self, site: Site, supervisor: Supervisor, deployments: Deployments) -> None:
        self._site = site
        self._supervisor = supervisor
        self._deployments = deployments
        self._turns = supervisor.turns
        self._recall = Recall(site, supervisor, deployments)

    async def start(self) -> None:
        """After a start: the power may have gone between a recall and the end of what wanted the release."""
        for mark in self._turns.marks.values():
            if mark.mark is Mark.RECALLED:
                await self._recall.end_what_wants_it(mark, mark.by)

    async def deployment(self, name: str) -> DeploymentView:
        """One deployment.  Raises DeploymentUnknown."""
        view = await self._deployments.find(name)
        if view is None:
            raise DeploymentUnknown(f"there is no deployment {name!r}")
        return view

    async def pause(self, deployment: str | None, *, asked_by: str, why: str = "") -> PauseAnswer:
        """Begin nothing new.  Raises DeploymentUnknown."""
        if deployment is not None:
            await self.deployment(deployment)
        turns, scope = self._turns, deployment or EVERYTHING
        if scope not in turns.pauses:
            pause = Pause(deployment, asked_by, why, self._site.clock())
            turns.pauses[scope] = pause
            data: dict[str, object] = {"by": asked_by, "why": why}
            data["finishing"] = list(self._finishing(deployment))
            told = [Told("rollout.paused", deployment=deployment, data=data)]
            await self._or_undo(
                self._site.journal.save_pause(scope, pause, told), lambda: turns.pauses.pop(scope, None)
            )
        self._supervisor.wake()
        return self._answer(deployment)

    async def resume(self, deployment: str | None, *, asked_by: str) -> PauseAnswer:
        """End a pause, and let a stopped rollout go on.  Raises DeploymentUnknown."""
        if deployment is not None:
            await self.deployment(deployment)
            await self._resume_one(deployment, asked_by)
        elif EVERYTHING in self._turns.pauses:
            told = [Told("rollout.resumed", data={"by": asked_by, "forgiven": []})]
            await self._site.journal.save_pause(EVERYTHING, None, told)
            self._turns.pauses.pop(EVERYTHING, None)
        self._supervisor.wake()
        return self._answer(deployment)

    async def _resume_one(self, deployment: str, asked_by: str) -> None:
        turns = self._turns
        rollout = turns.open.get(deployment)
        why = rollout.stopped() if rollout is not None and rollout.plan.waves else None
        if deployment not in turns.pauses and why is None:
            return
        concluded = turns.concluded(deployment)
        if rollout is not None and why is not None:
            concluded = replace(concluded, stop=None, forgiven=concluded.forgiven | rollout.ended())
        data: dict[str, object] = {"by": asked_by, "forgiven": list(why.nodes) if why is not None else []}
        told = [Told("rollout.resumed", deployment=deployment, data=data)]
        await self._site.journal.save_concluded(deployment, concluded, told, unpause=True)
        turns.pauses.pop(deployment, None)
        if rollout is not None:
            rollout.untold = False
            rollout.conclude(concluded)

    async def activate(self, deployment: str, *, asked_by: str) -> ActivateAnswer:
        """Start what is staged.  Raises DeploymentUnknown."""
        await self.deployment(deployment)
        nodes = await self._supervisor.staging.start(deployment, asked_by)
        staged = [record for record in self._open(deployment) if record.staged]
        held = {reason.code for record in staged if (reason := self._turns.held(record)) is not None}
        self._supervisor.wake()
        return ActivateAnswer(deployment, nodes, tuple(sorted(held)))

    async def hold(self, release: str, *, asked_by: str, why: str = "") -> ReleaseMark:
        """Begin no node with it.  Raises ReleaseUnknown, ReleaseRecalled."""
        self._site.shelf.get(release)
        known = self._not_recalled(release)
        if known is not None:
            return known
        mark = ReleaseMark(release, Mark.HELD, asked_by, why, self._site.clock())
        marks = self._turns.marks
        marks[release] = mark
        told = [Told("release.held", data={"release": release, "by": asked_by, "why": why})]
        await self._or_undo(
            self._site.journal.save_mark(release, mark, told), lambda: marks.pop(release, None)
        )
        self._supervisor.wake()
        return mark

    async def unhold(self, release: str, *, asked_by: str) -> None:
        """Take a hold back.  Raises ReleaseUnknown, ReleaseRecalled."""
        if self._not_recalled(release) is None:
            self._site.shelf.get(release)
            return
        told = [Told("release.unheld", data={"release": release, "by": asked_by})]
        await self._site.journal.save_mark(release, None, told)
        self._turns.marks.pop(release, None)
        self._supervisor.wake()

    def _not_recalled(self, release: str) -> ReleaseMark | None:
        known = self._turns.marks.get(release)
        if known is not None and known.mark is Mark.RECALLED:
            raise ReleaseRecalled(f"{release} was recalled by {known.by}")
        return known

    async def recall(self, release: str, *, back: bool, asked_by: str, why: str = "") -> RecallAnswer:
        """Never again use it.  Raises ReleaseUnknown."""
        return await self._recall.recall(release, back=back, asked_by=asked_by, why=why)

    async def marks(self) -> list[ReleaseMark]:
        """Every release that is held or recalled."""
        return [self._turns.marks[release] for release in sorted(self._turns.marks)]

    async def budget(self, node: str) -> BudgetView:
        """What a node has borne.  Raises NodeUnknown."""
        if node not in self._site.nodes:
            raise NodeUnknown(f"there is no node {node!r}")
        return self._turns.budgets.view(node)

    def _answer(self, deployment: str | None) -> PauseAnswer:
        turns = self._turns
        scope = deployment or EVERYTHING
        finishing = self._finishing(deployment)
        waiting = [record for record in self._open(deployment) if record.node not in finishing]
        held = {reason.message for record in waiting if (reason := turns.held(record)) is not None}
        own = turns.pauses.get(scope)
        return PauseAnswer(
            deployment=deployment,
            paused=own,
            finishing=finishing,
            waiting=len(waiting),
            still_held=() if own is not None else tuple(sorted(held)),
        )

    def _open(self, deployment: str | None) -> list[Record]:
        records = self._supervisor.records()
        return [each for each in records if deployment is None or each.deployment == deployment]

    def _finishing(self, deployment: str | None) -> tuple[str, ...]:
        """Nodes that are brought to their end whatever is asked."""
        touched = (each.node for each in self._open(deployment) if self._turns.goes_on(each))
        return tuple(sorted(set(touched)))

    async def _or_undo(self, writing: Awaitable[None], undo: Callable[[], object]) -> None:
        """What could not be written down does not hold either."""
        try:
            await writing
        except BaseException:
            undo()
            raise
