"""What can be asked about a node that does not answer, and done to it from outside."""

from dataclasses import dataclass
from typing import Literal, Protocol

from flashers.api import Reason, Stamp

Action = Literal["cycle", "reset"]


@dataclass(frozen=True, slots=True)
class StepView:
    """A step that was taken, as it is shown."""

    node: str
    name: str
    kind: str
    effect: str
    result: str
    """``begun``, ``done``, ``answered``, ``silent``, ``failed`` or ``interrupted``."""
    by: str
    affects: tuple[str, ...] = ()
    code: str = ""
    message: str = ""
    remedy: str = ""
    at: Stamp | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class RungView:
    """A step that a node's ladder has; times in seconds from now."""

    name: str
    kind: str
    effect: str
    affects: tuple[str, ...]
    wait: float
    """How long the node has to be silent before it."""
    left_today: int
    allowed_in: float
    tried: bool
    """Whether it was tried since the node fell silent."""


@dataclass(frozen=True, slots=True)
class Rescued:
    """A node, what it takes to have it back, what was tried, and what happens next."""

    node: str
    state: str
    recoverable: str
    """``remote``, ``power-cycle``, ``site-visit``; empty for a node that needs nothing."""
    reason: str
    silent: bool
    steps: tuple[StepView, ...] = ()
    """Newest first."""
    ladder: tuple[RungView, ...] = ()
    next: str = ""
    next_in: float | None = None
    """Seconds until then, None if nothing happens by itself."""
    gate: Reason | None = None
    """What the next step waits for, if it is due."""
    attempt: int | None = None
    reset_by: str = ""
    way_back: str = ""
    working: bool = False
    """Whether a step is under way, or a look."""


@dataclass(frozen=True, slots=True)
class Shown:
    """How a node was asked to show itself."""

    node: str
    how: str


class RescueVerbs(Protocol):
    """Physical rescue."""

    async def power(
        self, node: str, action: Action, *, step: str | None, force: bool, yes_all: bool, asked_by: str
    ) -> StepView:
        """Take a step on a node: the first that cuts its power, or resets it, or the one that is named.

        Raises NodeUnknown, NoSuchStep, NodeInAttempt, NodeExposed, NeighbourInAttempt,
        OthersHit, StepBounded, LinkInUse, or a PowerError if the switch fails.
        """
        ...

    async def recover(self, node: str) -> Rescued:
        """What is known of a node's rescue.  Raises NodeUnknown."""
        ...

    async def recover_now(self, node: str, *, asked_by: str) -> Rescued:
        """Look at the node at once, and climb without waiting; the answer is how things stand now.

        Raises NodeUnknown, or NodeInAttempt.
        """
        ...

    async def identify(self, node: str, *, asked_by: str) -> Shown:
        """Have a node show itself to somebody in front of it.

        Raises NodeUnknown, NodeInAttempt, LinkInUse, or NotSupported if it has no way.
        """
        ...
