"""What a node was asked to bear within 30 days, and when it may be asked again.

Time is the gateway's own age (see :mod:`gateway.service.rollout.age`), which a clock
that jumps neither turns back nor makes leap.
"""

from collections.abc import Callable

from flashers.api import Reason
from gateway.config.rollout import BudgetTable
from gateway.journal.rollout import Began
from gateway.model.records import Record
from gateway.model.rollout import BudgetView

WINDOW_S = 30 * 86_400.0


class Budgets:
    """What every node has borne, in memory as the journal has it."""

    def __init__(self, allowed: BudgetTable, age: Callable[[], float]) -> None:
        self._allowed = allowed
        self._age = age
        self._began: dict[str, dict[int, Began]] = {}

    def add(self, began: Began) -> None:
        """An attempt began."""
        self._began.setdefault(began.node, {})[began.attempt] = began

    def noticed(self, record: Record) -> None:
        """An attempt went on: what it cost is its record's to say."""
        mine = self._began.get(record.node, {})
        began = mine.get(record.id)
        if began is not None and (began.erases, began.seconds) != (record.erases, record.seconds):
            mine[record.id] = Began(record.id, record.node, began.age_s, record.erases, record.seconds)

    def knows(self, record: Record) -> bool:
        """Whether this attempt is counted already."""
        return record.id in self._began.get(record.node, {})

    def view(self, node: str) -> BudgetView:
        """What it has borne, and what it may."""
        window, allowed = self._window(node), self._allowed
        return BudgetView(
            node=node,
            attempts=len(window),
            attempts_allowed=allowed.attempts,
            erases=sum(each.erases for each in window),
            erases_allowed=allowed.erases,
            air_seconds=round(sum(each.seconds for each in window), 1),
            air_seconds_allowed=allowed.air_seconds,
            free_in_s=self._free_in(window),
        )

    def reason(self, node: str) -> Reason | None:
        """Why no new attempt may begin on this node; None if one may."""
        view = self.view(node)
        if not view.free_in_s:
            return None
        figures = {
            "attempts": (view.attempts, view.attempts_allowed),
            "erases": (view.erases, view.erases_allowed),
            "seconds of air": (round(view.air_seconds), round(view.air_seconds_allowed)),
        }
        used = [f"{had} of {may} {what}" for what, (had, may) in figures.items() if had >= may]
        return Reason(
            "exhausted",
            f"{node} has had {' and '.join(used)} within 30 days; free again in {_span(view.free_in_s)}.",
            "Wait, or deploy with --beyond-budget; [rollout.budget] says how much a node may bear.",
        )

    def _window(self, node: str) -> list[Began]:
        """What counts now, oldest first; what is older is let go."""
        mine = self._began.get(node)
        if not mine:
            return []
        since = self._age() - WINDOW_S
        for old in [each.attempt for each in mine.values() if each.age_s < since]:
            del mine[old]
        return sorted(mine.values(), key=lambda each: each.age_s)

    def _free_in(self, window: list[Began]) -> float:
        """Seconds until one more fits, when the oldest have left the window; 0 if one fits now."""
        free = 0.0
        for gone in range(len(window) + 1):
            left = window[gone:]
            if self._fits(left):
                return free
            free = max(0.0, left[0].age_s + WINDOW_S - self._age()) or 1.0
        return free

    def _fits(self, window: list[Began]) -> bool:
        return (
            len(window) < self._allowed.attempts
            and sum(each.erases for each in window) < self._allowed.erases
            and sum(each.seconds for each in window) < self._allowed.air_seconds
        )


def _span(seconds: float) -> str:
    if seconds < 5_400:
        return f"{max(1, round(seconds / 60))} min"
    return f"{round(seconds / 3600)} h" if seconds < 172_800 else f"{round(seconds / 86_400)} d"
