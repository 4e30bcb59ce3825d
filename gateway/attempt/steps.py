"""What can come next in an attempt: a closed set of values, none of which acts by itself."""

from dataclasses import dataclass
from enum import StrEnum

from flashers.api import RollbackKind
from gateway.model.outcomes import Direction, Outcome, Phase, Verdict
from gateway.model.records import Record, Trouble


class Kind(StrEnum):
    """The names under which starts of steps are counted; going back is counted apart."""

    PREPARE = "prepare"
    TRANSFER = "transfer"
    ACTIVATE = "activate"
    HEALTH = "health"
    LATE_HEALTH = "late-health"
    CONFIRM = "confirm"
    BACK_TRANSFER = "back-transfer"
    BACK_ACTIVATE = "back-activate"
    BACK_CONFIRM = "back-confirm"
    REVERT = "revert"


@dataclass(frozen=True, slots=True)
class Probe:
    """Look again, and at whatever cost the attempt may have."""


@dataclass(frozen=True, slots=True)
class Await:
    """Wait a little for a node that does not answer, then look again."""


@dataclass(frozen=True, slots=True)
class Prepare:
    """Check everything that can be checked before the node is touched, and pin the way back."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """Send one component's image: the target's, or the known-good's on the way back."""

    component: str
    back: bool = False


@dataclass(frozen=True, slots=True)
class Activate:
    """Start the images of these components.

    ``again`` starts what is armed or in place already: it takes no activation, and switches no slot.
    """

    components: tuple[str, ...]
    back: bool = False
    again: bool = False


@dataclass(frozen=True, slots=True)
class CheckHealth:
    """Ask the profile's health checks, soak, and store a verdict."""

    late: bool = False


@dataclass(frozen=True, slots=True)
class Judge:
    """Store a verdict that follows from what was seen, without asking anything."""

    verdict: Verdict
    why: Trouble


@dataclass(frozen=True, slots=True)
class Confirm:
    """Make what this component runs permanent."""

    component: str
    back: bool = False


@dataclass(frozen=True, slots=True)
class TurnBack:
    """From here on the node is to run what it ran before."""

    why: Trouble


@dataclass(frozen=True, slots=True)
class Revert:
    """Restart the node without confirming, so that its loader takes the target back."""


@dataclass(frozen=True, slots=True)
class Restart:
    """Restart a node that fell silent, by the host's own means."""


@dataclass(frozen=True, slots=True)
class Finish:
    """End the attempt; this is what upstream is told."""

    outcome: Outcome
    why: Trouble | None = None
    rollback: RollbackKind = RollbackKind.NONE


Step = (
    Probe
    | Await
    | Prepare
    | Transfer
    | Activate
    | CheckHealth
    | Judge
    | Confirm
    | TurnBack
    | Revert
    | Restart
    | Finish
)


def kind_of(step: Step) -> Kind | None:
    """What is counted of a step that acts on the node, or None for one that does not."""
    match step:
        case Prepare():
            return Kind.PREPARE
        case Transfer(back=back):
            return Kind.BACK_TRANSFER if back else Kind.TRANSFER
        case Activate(back=back):
            return Kind.BACK_ACTIVATE if back else Kind.ACTIVATE
        case CheckHealth(late=late):
            return Kind.LATE_HEALTH if late else Kind.HEALTH
        case Confirm(back=back):
            return Kind.BACK_CONFIRM if back else Kind.CONFIRM
        case Revert():
            return Kind.REVERT
        case _:
            return None


def counter_of(step: Step) -> str | None:
    """The name under which starts of this step are counted: its kind, and the component if it has one."""
    kind = kind_of(step)
    match step:
        case Transfer(component=component) | Confirm(component=component):
            return f"{kind}:{component}"
        case _:
            return kind


def phase_of(step: Step, record: Record) -> Phase:
    """The phase that a step belongs to; on the way back there is only one."""
    match step:
        case Finish():
            return Phase.DONE
        case _ if record.direction is Direction.BACK:
            return Phase.ROLLING_BACK
        case Prepare():
            return Phase.PREPARING
        case Transfer():
            return Phase.TRANSFERRING
        case Activate() | Revert():  # on the way forward a revert only makes room for the next start
            return Phase.ACTIVATING
        case CheckHealth(late=late):
            return Phase.SOAKING if late else Phase.PROVING
        case Confirm():
            return Phase.CONFIRMING
        case TurnBack():
            return Phase.ROLLING_BACK
        case _:
            return record.phase
