"""Rollouts of a gateway in memory: they are paused and resumed, and nobody ever waits for a wave."""

from collections.abc import Mapping

from flashers.api import Stamp
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
from gateway.service.rollout.errors import DeploymentUnknown

NOW = Stamp(1_790_000_000_000, synchronised=True)


class Rollouts:
    """Implements :class:`gateway.verbs.rollout.RolloutVerbs`."""

    def __init__(self, deployments: Mapping[str, DeploymentView]) -> None:
        self._deployments = deployments
        self.pauses: dict[str | None, Pause] = {}
        self.let_go: dict[str, str] = {}
        self.said: dict[str, ReleaseMark] = {}

    async def deployment(self, name: str) -> DeploymentView:
        if name not in self._deployments:
            raise DeploymentUnknown(f"there is no deployment {name!r}")
        return self._deployments[name]

    async def pause(self, deployment: str | None, *, asked_by: str, why: str = "") -> PauseAnswer:
        if deployment is not None:
            await self.deployment(deployment)
        pause = self.pauses.setdefault(deployment, Pause(deployment, asked_by, why, NOW))
        return PauseAnswer(deployment, pause, ("attic",), 2)

    async def resume(self, deployment: str | None, *, asked_by: str) -> PauseAnswer:
        if deployment is not None:
            await self.deployment(deployment)
        self.pauses.pop(deployment, None)
        return PauseAnswer(deployment, None, (), 2)

    async def activate(self, deployment: str, *, asked_by: str) -> ActivateAnswer:
        await self.deployment(deployment)
        self.let_go[deployment] = asked_by
        return ActivateAnswer(deployment, ("attic",))

    async def hold(self, release: str, *, asked_by: str, why: str = "") -> ReleaseMark:
        return self.said.setdefault(release, ReleaseMark(release, Mark.HELD, asked_by, why, NOW))

    async def unhold(self, release: str, *, asked_by: str) -> None:
        self.said.pop(release, None)

    async def recall(self, release: str, *, back: bool, asked_by: str, why: str = "") -> RecallAnswer:
        mark = self.said[release] = ReleaseMark(release, Mark.RECALLED, asked_by, why, NOW)
        going = {"attic": 7} if back else {}
        return RecallAnswer(mark, ("attic", "barn"), (1,), going, ("barn",) if back else ())

    async def marks(self) -> list[ReleaseMark]:
        return list(self.said.values())

    async def budget(self, node: str) -> BudgetView:
        return BudgetView(node, 30, 30, 12, 60, 80.5, 36_000.0, 7_200.0)
