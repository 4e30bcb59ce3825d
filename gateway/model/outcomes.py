"""How an attempt can end: a closed list, each with what is true of the node.

Nothing else is ever reported as an end, and none of these is reported without the
proof that its line asks for.
"""

from enum import StrEnum


class Outcome(StrEnum):
    """The closed list of ends."""

    SUCCEEDED = "succeeded"
    """Runs the target, with the boot evidence that its profile demands, health passed, confirmed."""
    ALREADY_THERE = "already-there"
    """Ran the target before; no byte was sent."""
    FLASHED = "flashed"
    """The bytes are proved to be in flash; that they boot cannot be proved."""
    ROLLED_BACK = "rolled-back"
    """Runs what it had before, or the known-good, proved."""
    FAILED = "failed"
    """The old firmware still runs, proved; nothing destructive was left."""
    REFUSED = "refused"
    """Untouched; a rule said no."""
    CANCELLED = "cancelled"
    """Untouched, or taken to the nearest proved state first."""
    SUPERSEDED = "superseded"
    """As cancelled, by a newer deployment."""
    NOT_REACHED = "not-reached"
    """Untouched; it did not answer in time."""
    WOUNDED = "wounded"
    """In its loader, silent, half-written, or on firmware it cannot leave; recovery has its next step."""
    CHANGED_BY_OTHERS = "changed-by-others"
    """Runs something that is neither the target nor what it had before."""


EXIT_CODES: dict[Outcome, int] = {
    Outcome.SUCCEEDED: 0,
    Outcome.ALREADY_THERE: 0,
    Outcome.FLASHED: 3,
    Outcome.ROLLED_BACK: 4,
    Outcome.FAILED: 5,
    Outcome.REFUSED: 6,
    Outcome.CANCELLED: 7,
    Outcome.SUPERSEDED: 7,
    Outcome.NOT_REACHED: 7,
    Outcome.WOUNDED: 8,
    Outcome.CHANGED_BY_OTHERS: 9,
}
"""What a command that waited for an attempt exits with."""

ACTS_NEXT: dict[Outcome, str] = {
    Outcome.SUCCEEDED: "nobody",
    Outcome.ALREADY_THERE: "nobody",
    Outcome.FLASHED: "the operator",
    Outcome.ROLLED_BACK: "the release's owner",
    Outcome.FAILED: "by the error's remedy",
    Outcome.REFUSED: "the operator",
    Outcome.CANCELLED: "whoever asked",
    Outcome.SUPERSEDED: "whoever asked",
    Outcome.NOT_REACHED: "whoever asked",
    Outcome.WOUNDED: "recovery, by itself when the node answers",
    Outcome.CHANGED_BY_OTHERS: "the operator",
}
"""Who has to do something about it."""


class Phase(StrEnum):
    """Where an attempt is in its life; the order is that of a life without trouble."""

    QUEUED = "queued"
    WAITING = "waiting"
    PREPARING = "preparing"
    TRANSFERRING = "transferring"
    ACTIVATING = "activating"
    PROVING = "proving"
    SOAKING = "soaking"
    CONFIRMING = "confirming"
    ROLLING_BACK = "rolling-back"
    DONE = "done"


class Verdict(StrEnum):
    """What the health checks said of the target on this node."""

    OPEN = "open"
    PASSED = "passed"
    FAILED = "failed"


class Origin(StrEnum):
    """Why an attempt exists."""

    DEPLOYMENT = "deployment"
    RECOVERY = "recovery"
    OPERATOR = "operator"


class Direction(StrEnum):
    """Whether an attempt still wants the target, or is on its way back."""

    FORWARD = "forward"
    BACK = "back"


class CancelReason(StrEnum):
    """Why an attempt was asked to end early."""

    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"
    DEADLINE = "deadline"
