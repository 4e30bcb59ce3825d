"""May the plug be pulled?  Which nodes are exposed, and for how many seconds more.

The seconds are the bytes that are left by the speed of this very transfer, or that of
the node's last one; where neither is known, nothing is claimed.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gateway.control import Progress
from gateway.model.records import Record
from gateway.model.standing import SAFE, PowerOff

_LEAST_S = 0.5
"""A speed taken over less than this says nothing."""


@dataclass(slots=True)
class _Run:
    """One transfer as it was seen: where it began, and where it is."""

    attempt: int
    began: float
    first: int
    at: float
    done: int
    total: int

    @property
    def speed(self) -> float | None:
        """Bytes per second; None while it is too early to say."""
        spent, sent = self.at - self.began, self.done - self.first
        return sent / spent if spent >= _LEAST_S and sent > 0 else None


class Meter:
    """How fast the transfers under way are."""

    def __init__(self) -> None:
        self._runs: dict[str, _Run] = {}

    def progressed(self, progress: Progress) -> None:
        """A transfer went on."""
        now = asyncio.get_running_loop().time()
        run = self._runs.get(progress.node)
        same = run is not None and run.attempt == progress.attempt and run.total == progress.total
        if run is None or not same or progress.done < run.done:
            begun = _Run(progress.attempt, now, progress.done, now, progress.done, progress.total)
            self._runs[progress.node] = begun
        else:
            run.at, run.done = now, progress.done

    def bytes_left(self, record: Record) -> int:
        """Of the transfer under way; of all of them where none was seen yet."""
        run = self._runs.get(record.node)
        if run is not None and run.attempt == record.id:
            return run.total - run.done
        return sum(part.want.size for part in record.parts)

    def speed(self, node: str) -> float | None:
        """Bytes per second of the last transfer to this node that was seen."""
        run = self._runs.get(node)
        return run.speed if run is not None else None

    def ended(self, record: Record) -> float | None:
        """Forget a transfer; its speed."""
        run = self._runs.get(record.node)
        if run is None or run.attempt != record.id:
            return None
        return self._runs.pop(record.node).speed


def power_off(
    exposed: Iterable[Record],
    bytes_left: Callable[[Record], int],
    speeds: dict[str, float | None],
    channel: Callable[[str], str],
) -> PowerOff:
    """The answer; nodes of one channel have their turn one after another."""
    records = sorted(exposed, key=lambda record: record.node)
    if not records:
        return SAFE
    seconds: dict[str, float] = defaultdict(float)
    known = True
    for record in records:
        speed = speeds.get(record.node)
        if speed is None:
            known = False
        else:
            seconds[channel(record.node)] += bytes_left(record) / speed
    left = max(seconds.values()) if known else None
    names = tuple(dict.fromkeys(record.node for record in records))
    return PowerOff(False, _sentence(names, left), names, left)


def _sentence(names: tuple[str, ...], left: float | None) -> str:
    some = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    subject = "1 node has" if len(names) == 1 else f"{len(names)} nodes have"
    wait = "how long it takes is not known yet" if left is None else f"about {max(left, 1.0):.0f} s are left"
    return f"{subject} no firmware that runs just now: {some}; {wait}."
