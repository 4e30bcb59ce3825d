"""What can be asked of rollouts: to wait, to go on, and never to use a release again."""

from typing import Protocol

from gateway.model.rollout import ActivateAnswer, BudgetView, PauseAnswer, RecallAnswer, ReleaseMark
from gateway.model.views import DeploymentView


class RolloutVerbs(Protocol):
    """The verbs of ``control.rollout``; each may be asked twice without harm."""

    async def deployment(self, name: str) -> DeploymentView:
        """One deployment, with its waves.  Raises DeploymentUnknown."""
        ...

    async def pause(self, deployment: str | None, *, asked_by: str, why: str = "") -> PauseAnswer:
        """Begin nothing new, of one deployment or (None) of everything; it survives restarts.

        A node that was touched is still brought to its end; the answer says which.
        Raises DeploymentUnknown.
        """
        ...

    async def resume(self, deployment: str | None, *, asked_by: str) -> PauseAnswer:
        """End a pause, and let a rollout that stopped by itself go on.

        None ends the pause of everything, and no other.  Raises DeploymentUnknown.
        """
        ...

    async def activate(self, deployment: str, *, asked_by: str) -> ActivateAnswer:
        """Start its nodes that have their image and wait, and from now on those that get it.

        A pause, a hold or a stop still keeps them.  Raises DeploymentUnknown.
        """
        ...

    async def hold(self, release: str, *, asked_by: str, why: str = "") -> ReleaseMark:
        """Begin no node with ``PRODUCT:VERSION`` until :meth:`unhold`.

        Raises ReleaseUnknown, ReleaseRecalled.
        """
        ...

    async def unhold(self, release: str, *, asked_by: str) -> None:
        """Take a hold back.  Raises ReleaseUnknown; ReleaseRecalled, since that is for good."""
        ...

    async def recall(self, release: str, *, back: bool, asked_by: str, why: str = "") -> RecallAnswer:
        """Never again use ``PRODUCT:VERSION``, as a target or as a known-good.

        ``back`` takes the nodes that run it to their known-good.  Raises ReleaseUnknown.
        """
        ...

    async def marks(self) -> list[ReleaseMark]:
        """Every release that is held or recalled."""
        ...

    async def budget(self, node: str) -> BudgetView:
        """What a node was asked to bear within the last 30 days.  Raises NodeUnknown."""
        ...
