"""How often a switch was used, by this process's own clock.

The wall clock may jump, so it is believed for one thing only: how long ago a step of an
earlier process was, and only if it was synchronised then and is now.  Otherwise the
step counts as if it had just been taken.
"""

from collections import defaultdict

from flashers.api import Stamp

DAY_S = 86_400.0


class Uses:
    """When each switch was used, in seconds of the loop's clock."""

    def __init__(self) -> None:
        self._times: dict[str, list[float]] = defaultdict(list)

    def note(self, key: str, now: float) -> None:
        """It is used now."""
        recent = [time for time in self._times[key] if time > now - DAY_S]
        self._times[key] = [*recent, now]

    def remember(self, key: str, at: Stamp | None, clock: Stamp, now: float) -> None:
        """It was used by an earlier process."""
        age = 0.0
        if at is not None and at.synchronised and clock.synchronised:
            age = max(0.0, (clock.unix_ms - at.unix_ms) / 1000)
        self._times[key] = sorted([*self._times[key], now - age])

    def today(self, key: str, now: float) -> int:
        """How often in the last 24 hours."""
        return sum(1 for time in self._times[key] if time > now - DAY_S)

    def allowed_at(self, key: str, *, per_day: int, pause: float, now: float) -> float:
        """The earliest time at which it may be used again; not in the future if it may be now."""
        recent = [time for time in self._times[key] if time > now - DAY_S]
        earliest = recent[-1] + pause if recent else now
        if len(recent) >= per_day:
            earliest = max(earliest, recent[len(recent) - per_day] + DAY_S)
        return earliest
