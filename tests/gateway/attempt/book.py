"""What the walk remembers of a record: enough for everything that can still come, and no more.

Two records that no later decision can tell apart are one, or the walk would never
end.  That nothing is forgotten that matters is a test of its own.
"""

from collections.abc import Callable, Hashable
from dataclasses import replace

from gateway.attempt.steps import Kind, Step
from gateway.model.outcomes import Direction, Phase, Verdict
from gateway.model.records import Record, Trouble

TURNED = Trouble("turned", "the walk does not ask why")
SICK = Trouble("health-failed", "it fails")

_FORWARD = frozenset({Kind.TRANSFER, Kind.ACTIVATE, Kind.HEALTH, Kind.CONFIRM})


def essence(record: Record) -> Record:
    """The record without what nothing that can still come depends on."""
    back = record.direction is Direction.BACK
    starts = {
        kind: count
        for kind, count in sorted(record.starts.items())
        if count
        and not (record.prepared and kind == Kind.PREPARE)
        and not (back and kind.partition(":")[0] in _FORWARD)
    }
    return replace(
        record,
        turns=0,
        phase=Phase.QUEUED,
        evidence=(),
        cancel_by="",
        starts=starts,
        turned=record.turned and TURNED,
        error=None if back else record.error,
        activations=min(record.activations, 1) if back else record.activations,
        late_verdict=Verdict.OPEN if back else record.late_verdict,
        verdict=Verdict.OPEN if back and record.verdict is Verdict.PASSED else record.verdict,
    )


class Book:
    """Every record met in one world, each once, by number."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._numbers: dict[Hashable, int] = {}
        self._known: dict[Hashable, int] = {}

    def number(self, record: Record) -> int:
        """The number of this record among all that are alike."""
        record = essence(record)
        key = _key(record)
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self.records)
            self.records.append(record)
        return found

    def becomes(self, number: int, what: str, step: Step, change: Callable[[Record], Record]) -> int:
        """The number of what a record becomes; ``what`` and ``step`` name the change, which is made once."""
        key = (number, what, step)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self.number(change(self.records[number]))
        return found


def _key(record: Record) -> Hashable:
    """What tells apart two records of one world; what is the same in all of them is left out."""
    return (
        record.prepared,
        tuple((part.before and part.before.version, part.known_good) for part in record.parts),
        record.touched,
        record.direction,
        record.back_kind,
        record.activations,
        record.resets,
        record.tried,
        record.verdict,
        record.late_verdict,
        record.verdict_why and record.verdict_why.code,
        record.cancel,
        tuple(record.starts.items()),
        record.mark,
        record.error and record.error.code,
        record.turned is None,
        record.origin,
    )
