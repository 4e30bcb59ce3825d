"""What was done to a node from outside, and what is left to do: the words of physical rescue."""

from dataclasses import dataclass
from enum import StrEnum

from flashers.api import Stamp
from transports.power.circuits import Circuit


class ResetBy(StrEnum):
    """What really restarts a node whose firmware hangs while it is on trial."""

    WATCHDOG = "watchdog"
    """The node itself: a watchdog runs before, and while, the new image starts."""
    GATEWAY = "gateway"
    """Tender, by a line; nothing happens while the gateway is gone."""
    POWER = "power"
    """The loss of its power, which comes by itself or by hand."""
    NONE = "none"
    """Nothing."""


class Effect(StrEnum):
    """What a step does to the nodes that it hits."""

    RESET = "reset"
    POWER = "power"


class Recoverable(StrEnum):
    """What it takes to have a node back."""

    REMOTE = "remote"
    """Nothing but the link, or a reset: Tender does it."""
    POWER_CYCLE = "power-cycle"
    """Its power has to be cut, and Tender can."""
    SITE_VISIT = "site-visit"
    """All that can be done from here was done: somebody has to go there."""


class StepResult(StrEnum):
    """What came of a step."""

    BEGUN = "begun"
    """It was begun, and its end is not known: power may be off."""
    DONE = "done"
    """It was done; nobody has looked at the node since."""
    ANSWERED = "answered"
    SILENT = "silent"
    FAILED = "failed"
    """The switch did not do what it was told."""
    INTERRUPTED = "interrupted"
    """Tender ended in the middle of it; power was given again at its next start."""


@dataclass(frozen=True, slots=True)
class StepTaken:
    """One step on one node, written down before it is done.

    ``circuit`` is what has to be put on again, ``climb`` the number of the climb that it
    belongs to, None if somebody asked for the step itself.
    """

    node: str
    name: str
    kind: str
    effect: Effect
    by: str
    id: int = 0
    climb: int | None = None
    affects: tuple[str, ...] = ()
    circuit: Circuit | None = None
    result: StepResult = StepResult.BEGUN
    code: str = ""
    message: str = ""
    remedy: str = ""
    at: Stamp | None = None
    seconds: float = 0.0
    """How long it took, in seconds."""


@dataclass(frozen=True, slots=True)
class Climb:
    """The steps from mild to hard for a node that does not answer, from its silence to its answer.

    ``why`` is ``wounded``, ``silent`` or ``asked``.  It stays open while the node is silent,
    also after the last step.
    """

    node: str
    why: str
    id: int = 0
    began: Stamp | None = None
    exhausted: bool = False
    ended: Stamp | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What it takes, and why; ``by`` is None for a node that needs nothing."""

    by: Recoverable | None
    reason: str = ""
