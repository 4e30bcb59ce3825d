"""What the end of an attempt says of the release that it was about.

Only what a node did with the release counts against it.  What nobody touched says
nothing; a reset or a link that came in between says too little to be held against a
release, and too much to go on as if nothing had been.
"""

from enum import StrEnum

from flashers.api import RollbackKind
from gateway.model.outcomes import Outcome
from gateway.model.records import Record, Result


class Bearing(StrEnum):
    """What is counted of an attempt."""

    OPEN = "open"
    PROOF = "proof"
    """The target ran, stayed through the soak, was confirmed; where no boot can be proved: its bytes."""
    FINE = "fine"
    """It was there before: no harm, and no proof."""
    AGAINST = "against"
    """The release was tried on this node, and did not succeed."""
    DOUBT = "doubt"
    """Something came in between.  It is not held against the release, unless nothing was proved yet and it
    keeps coming."""
    NOTHING = "nothing"
    """The node was not touched, or somebody changed their mind."""


IN_BETWEEN = frozenset(
    {
        "reverted-by-reset",
        "link-error",
        "link-lost",
        "link-busy",
        "link-not-found",
        "link-denied",
        "lines-unsupported",
        "node-silent",
        "stalled",
        "protocol-error",
        "plugin-bug",
        "no-progress",
    }
)
"""Codes of what came in between: a reset from outside, the line, its adapter, a bug of a plugin.

The node is proved to run what it had before, so nothing was lost by it.
"""


def bearing(record: Record) -> Bearing:
    """What this attempt says of its release."""
    result = record.result
    if result is None:
        return Bearing.OPEN
    match result.outcome:
        case Outcome.SUCCEEDED:
            return Bearing.PROOF
        case Outcome.ALREADY_THERE:
            return Bearing.FINE
        case Outcome.FLASHED:
            return _flashed(record, result)
        case Outcome.ROLLED_BACK | Outcome.FAILED:
            tried = record.touched and result.code not in IN_BETWEEN
            return Bearing.AGAINST if tried else Bearing.DOUBT
        case Outcome.WOUNDED | Outcome.CHANGED_BY_OTHERS:
            return Bearing.AGAINST
        case Outcome.REFUSED | Outcome.CANCELLED | Outcome.SUPERSEDED | Outcome.NOT_REACHED:
            return Bearing.NOTHING


def _flashed(record: Record, result: Result) -> Bearing:
    if result.rollback is not RollbackKind.NONE:  # it was taken back, and that cannot be proved either
        return Bearing.DOUBT if result.code in IN_BETWEEN else Bearing.AGAINST
    if record.rules.boot:
        return Bearing.AGAINST  # it should have proved its boot
    return Bearing.PROOF if record.touched else Bearing.FINE
