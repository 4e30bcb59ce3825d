"""What can be asked of a running gateway, by whatever door it is asked.

The local API and every upstream call these methods and no others; none of them can
flash what is not in a verified release.  Each raises nothing but
:class:`~transports.errors.TenderError`.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from gateway.model.views import (
    AttemptDetail,
    AttemptView,
    DeploymentView,
    Event,
    Explanation,
    NodeView,
    ReleaseView,
    Status,
)
from gateway.verbs.discovery import DiscoveryVerbs
from gateway.verbs.links import LinkVerbs
from gateway.verbs.nodes import NodeVerbs
from gateway.verbs.rescue import RescueVerbs
from gateway.verbs.rollout import RolloutVerbs
from gateway.verbs.seeing import SeeingVerbs
from gateway.verbs.standing import StandingVerbs
from gateway.verbs.state import StateVerbs
from gateway.verbs.zigbee import ZigbeeVerbs


@dataclass(frozen=True, slots=True)
class Selector:
    """Which nodes: all conditions that are given must hold; an empty one selects nothing.

    ``all`` selects every node that the release has an artifact for.
    """

    nodes: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    all: bool = False


@dataclass(frozen=True, slots=True)
class DeploymentPolicy:
    """How a deployment goes about it; None takes the configuration's or the profile's value."""

    no_rollback: str | None = None
    """``refuse`` or ``allow`` nodes that cannot go back; ``canary-only``: one of a type until it is
    proved."""
    soak: float | None = None
    soak_after: float | None = None
    deadline_s: float | None = None
    """Seconds after which nodes that were not begun are ``not-reached``."""
    max_in_parallel: int | None = None
    all_at_once: bool = False
    """No waves, and nothing stops it by itself."""
    waves: tuple[int, ...] | None = None
    stop_in_a_row: int | None = None
    stop_share: float | None = None
    beyond_budget: bool = False
    """Nodes whose budget is used up are updated all the same."""
    activate: str | None = None
    """When staged nodes are started: ``at-once``, ``held``, ``HH:MM-HH:MM``, or a moment (RFC 3339)."""


@dataclass(frozen=True, slots=True)
class DeployRequest:
    """Bring the selected nodes to a release.

    ``id`` is the asker's own name for it: asking again with the same id is the same
    deployment.  ``manifest_url`` is where the release is fetched if it is not here.
    """

    id: str
    product: str
    version: str
    select: Selector
    policy: DeploymentPolicy = DeploymentPolicy()
    revision: int | None = None
    asked_by: str = ""
    manifest_url: str | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Latest wins: how far the transfer on a node is, in bytes."""

    node: str
    attempt: int
    phase: str
    done: int
    total: int


class Control(Protocol):
    """The gateway's own verbs."""

    @property
    def links(self) -> LinkVerbs:
        """Who has which link, who may have it, and whose fault it is."""
        ...

    @property
    def rescue(self) -> RescueVerbs:
        """Steps from outside, for nodes that do not answer."""
        ...

    @property
    def rollout(self) -> RolloutVerbs:
        """Waves, pauses, holds and budgets."""
        ...

    @property
    def roster(self) -> NodeVerbs:
        """Who belongs here, and what of it is still true."""
        ...

    @property
    def standing(self) -> StandingVerbs:
        """Draining, switching off, and what nodes are heard to say."""
        ...

    @property
    def state(self) -> StateVerbs:
        """Exports of the state, and what is not known since it came from elsewhere."""
        ...

    @property
    def seeing(self) -> SeeingVerbs:
        """Whether anything is broken, what happened, and what passed on a link."""
        ...

    @property
    def discovery(self) -> DiscoveryVerbs:
        """Who is heard on the air, and whose each node is."""
        ...

    @property
    def zigbee(self) -> ZigbeeVerbs:
        """Who joined which Zigbee network, who may, and what is kept of it."""
        ...

    async def status(self) -> Status:
        """The gateway at a glance."""
        ...

    async def nodes(self) -> list[NodeView]:
        """Every known node, by name."""
        ...

    async def node(self, name: str) -> NodeView:
        """One node.  Raises NodeUnknown."""
        ...

    async def probe(self, name: str, *, allow_restart: bool) -> NodeView:
        """Look at a node now.

        Raises NodeUnknown, NodeBusy (an attempt holds it) or ProbeCosts (it would
        restart the application and that was not allowed).
        """
        ...

    async def deploy(self, request: DeployRequest) -> DeploymentView:
        """Take a deployment.

        Raises ReleaseUnknown, NothingSelected, or the errors of trust.
        """
        ...

    async def desired(self, revision: int, requests: tuple[DeployRequest, ...]) -> None:
        """The whole desired state from upstream, idempotent; an older revision is ignored.

        A deployment that is no longer in it is cancelled.  What cannot be taken is told
        by an event ``deployment.refused`` and does not keep the others from being taken.
        """
        ...

    async def deployments(self) -> list[DeploymentView]:
        """Every deployment, newest first."""
        ...

    async def attempts(self, *, node: str | None = None, open_only: bool = False) -> list[AttemptView]:
        """Attempts, newest first."""
        ...

    async def attempt(self, attempt_id: int) -> AttemptDetail:
        """One attempt.  Raises AttemptUnknown."""
        ...

    async def rollback(self, node: str, *, asked_by: str) -> AttemptView:
        """Bring a node back to its known-good, as an attempt of its own.  Raises NoKnownGood."""
        ...

    async def cancel(self, target: str, *, asked_by: str) -> list[AttemptView]:
        """End an attempt (its number) or a deployment (its id) early, as far as that is possible.

        The answer is how they stand now; the end itself is told by events.
        """
        ...

    async def explain(self, node: str) -> Explanation:
        """Why the node is as it is, and what comes next."""
        ...

    async def add_release(self, file: Path, *, asked_by: str) -> ReleaseView:
        """Verify a release file and take it into the store."""
        ...

    async def releases(self) -> list[ReleaseView]:
        """Every release in the store."""
        ...

    async def add_baseline(
        self, file: Path, *, profile: str, component: str, version: str | None
    ) -> ReleaseView:
        """Take a known-good that the operator vouches for, for nodes flashed before we came."""
        ...

    def watch(self) -> AsyncIterator[Event | Progress]:
        """Everything from now on, as it happens; a slow reader loses progress, never events."""
        ...

    async def command_refused(self, verb: str, code: str, message: str, remedy: str) -> None:
        """Tell upstream that something it asked was not understood."""
        ...
