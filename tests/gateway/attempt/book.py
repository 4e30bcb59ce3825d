"""What the walk remembers of a record: enough for everything that can still come, and no more.

Two records that no later decision can tell apart are one, or the walk would never
end.  That nothing is forgotten that matters is a test of its own.
"""

from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any

from gateway.attempt.steps import Kind, Step
from gateway.model.outcomes import Direction, Verdict
from gateway.model.records import Record, Trouble

TURNED = Trouble("turned", "the walk does not ask why")
OLDER = Trouble("downgrade-refused", "the node takes nothing older")
SICK = Trouble("health-failed", "it fails")

_FORWARD = frozenset({Kind.TRANSFER, Kind.ACTIVATE, Kind.HEALTH, Kind.CONFIRM})


def _what_matters(record: Record) -> dict[str, Any]:
    """What changes from record to record within one world, less what nothing depends on any more."""
    back = record.direction is Direction.BACK
    starts = {
        kind: count
        for kind, count in sorted(record.starts.items())
        if count
        and not (record.prepared and kind == Kind.PREPARE)
        and not (back and kind.partition(":")[0] in _FORWARD)
    }
    return {
        "origin": record.origin,
        "recovers": record.recovers,
        "prepared": record.prepared,
        "rollback": record.rollback,
        "touched": record.touched,
        "direction": record.direction,
        "turned": record.turned and TURNED,
        "back_kind": record.back_kind,
        "activations": min(record.activations, 1) if back else record.activations,
        "activated": record.activated and record.rules.reverts and not record.tried and not back,
        "resets": record.resets,
        "tried": record.tried,
        "verdict": Verdict.OPEN if back and record.verdict is Verdict.PASSED else record.verdict,
        "late_verdict": Verdict.OPEN if back else record.late_verdict,
        "verdict_why": record.verdict_why,
        "cancel": record.cancel,
        "starts": starts,
        "mark": record.mark,
        "error": None if back and record.error != OLDER else record.error,
    }


class Book:
    """Every record met in one world, each once, by number."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._numbers: dict[Hashable, int] = {}
        self._known: dict[Hashable, int] = {}

    def number(self, record: Record) -> int:
        """The number of this record among all that are alike."""
        matters = _what_matters(record)
        names = tuple((part.before and part.before.version, part.known_good) for part in record.parts)
        key = (names, *(tuple(v.items()) if isinstance(v, dict) else v for v in matters.values()))
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self.records)
            blank = Record(record.id, record.node, record.profile, record.parts, record.rules)
            self.records.append(replace(blank, **matters))
        return found

    def becomes(self, number: int, what: str, step: Step, change: Callable[[Record], Record]) -> int:
        """The number of what a record becomes; ``what`` and ``step`` name the change, which is made once."""
        key = (number, what, step)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self.number(change(self.records[number]))
        return found
