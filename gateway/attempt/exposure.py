"""Whether a node may be without firmware that runs at this moment.

The journal says that its window was opened (``touched``); only the node, or a
transfer that came to its end, says that it is closed again.  A pause between two
tries is inside the window, and so is everything before the first look after a start.
"""

from flashers.api import Role, Seen
from gateway.attempt import facts
from gateway.attempt.steps import Activate, Step, Transfer
from gateway.model.records import Record
from transports.errors import TenderError


class Held(TenderError):
    """Nothing new is begun on a node just now; this one was left as it was found."""

    code = "draining"
    remedy = "`tender undrain` ends that; `tender drain` says who asked for it, and for how long."
    retryable = True


class Staged(TenderError):
    """The node has what it is to run, and is not started yet; it is left like that, and nothing is held."""

    code = "staged"
    remedy = "`tender deployment show` says when it is started; `tender deployment activate` does it now."
    retryable = True


def opened(record: Record) -> bool:
    """Whether the window was opened, by the journal alone.  With two slots there is none."""
    return record.touched and _has_a_window(record) and not record.done


def _has_a_window(record: Record) -> bool:
    rules = record.rules
    return not rules.separate if rules.exposes is None else rules.exposes


class Exposure:
    """Of one node, during one attempt."""

    def __init__(self, record: Record) -> None:
        self.open = opened(record)

    def begins(self, record: Record, step: Step, *, held: bool) -> None:
        """A step is about to be done.

        Raises:
            Held: it would be the first that changes the node, and nothing new is to be begun.
        """
        if not isinstance(step, Transfer | Activate):
            return
        if held and not record.touched:
            raise Held(f"{record.node} was not touched yet, and nothing new is begun")
        if isinstance(step, Transfer) and _has_a_window(record):
            self.open = True

    def done(self, step: Step) -> None:
        """A step came to its end."""
        if isinstance(step, Transfer):
            self.open = False

    def seen(self, record: Record, seen: Seen) -> None:
        """The node was looked at: whole firmware in its flash closes the window."""
        if seen.role in (Role.APP, Role.LOADER) and all(
            facts.holds_want(record, part, seen) or facts.holds_back(record, part, seen)
            for part in record.parts
        ):
            self.open = False
