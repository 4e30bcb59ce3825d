"""Whether trouble with a node followed something that we did, read off the records.

A node that falls silent while an attempt is changing it may have been unplugged at
that moment.  So nothing here says "because of": it says what had been done before the
trouble was found, and by whom, and where the records do not say it, that.
"""

from gateway.journal import Journal
from gateway.model.outcomes import Outcome
from gateway.model.records import Record
from gateway.verbs.seeing import Cause


async def first_of(record: Record, journal: Journal) -> Record:
    """The attempt that a chain of recoveries goes back to."""
    for _ in range(64):
        if record.recovers is None:
            break
        earlier = await journal.attempt(record.recovers)
        if earlier is None:
            break
        record = earlier
    return record


def of_wound(first: Record) -> tuple[Cause, str]:
    """Whether the attempt after which a node was wounded had changed it."""
    name = name_of(first)
    if first.touched and first.activations:
        return Cause.OURS, f"{name} had written to it and started the target"
    if first.touched:
        return Cause.OURS, f"{name} had begun to write to it"
    if first.activations or first.resets:
        return Cause.OURS, f"{name} had restarted it"
    return Cause.NOT_OURS, f"{name} found it so before it had changed anything"


def of_changed(last: Record | None) -> tuple[Cause, str]:
    """Firmware that is neither the target nor what was there before did not come from us."""
    if last is None:
        return Cause.NOT_OURS, "no attempt of ours was ever made on it"
    return Cause.NOT_OURS, f"what it runs is not what {name_of(last)} brought, nor what it found"


def of_silence(last: Record | None) -> tuple[Cause, str]:
    """A node that answers no more, while no attempt is open on it."""
    if last is None or last.result is None:
        return Cause.NOT_OURS, "no attempt of ours was ever made on it"
    outcome = last.result.outcome
    if outcome is Outcome.FLASHED:
        return Cause.UNKNOWN, f"{name_of(last)} wrote to it, and its boot cannot be proved"
    if not (last.touched or last.activations):
        return Cause.NOT_OURS, f"{name_of(last)} ended {outcome} without having changed anything"
    return Cause.NOT_OURS, f"it answered when {name_of(last)} ended {outcome}, its soak included"


def name_of(record: Record) -> str:
    """The attempt with its deployment and whoever asked."""
    parts = [f"deployment {record.deployment}"] if record.deployment is not None else []
    parts += [f"asked by {record.asked_by}"] if record.asked_by else []
    return f"attempt {record.id}" + (f" ({', '.join(parts)})" if parts else "")
