"""When staged nodes are started: at once, in a window of the day, at a moment, or when somebody says so.

One text says which, the same in the configuration, on the command line and upstream:
``at-once``, ``02:00-05:00`` (the gateway's local time, over midnight too),
``2026-11-22T02:00:00+01:00``, ``held``.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from flashers.api import Stamp

AT_ONCE, HELD = "at-once", "held"

_WINDOW = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class AtOnce:
    """As soon as everything is there."""


@dataclass(frozen=True, slots=True)
class Held:
    """When somebody says so."""


@dataclass(frozen=True, slots=True)
class Window:
    """Between two times of the day, in minutes after midnight; the second may be on the next day."""

    begins: int
    ends: int

    def __str__(self) -> str:
        return f"{_clock(self.begins)}-{_clock(self.ends)}"


@dataclass(frozen=True, slots=True)
class At:
    """From this moment on."""

    unix_s: float


When = AtOnce | Held | Window | At


@dataclass(frozen=True, slots=True)
class LetGo:
    """Somebody said that the staged nodes of a deployment may be started."""

    by: str
    since: Stamp | None = None


def parse_when(text: str) -> When:
    """Read one.

    Raises:
        ValueError: it is none of the four, with what they look like.
    """
    if text == AT_ONCE:
        return AtOnce()
    if text == HELD:
        return Held()
    if (found := _WINDOW.fullmatch(text)) is not None:
        hours = [int(part) for part in found.groups()]
        begins, ends = hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]
        if begins == ends:
            raise ValueError(f"{text!r} begins when it ends")
        return Window(begins, ends)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or len(text) < len("2026-11-22T02:00Z"):
        raise ValueError(
            f"{text!r} is no {AT_ONCE}, {HELD}, HH:MM-HH:MM, or moment as 2026-11-22T02:00:00+01:00"
        )
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone: write Z or an offset as +01:00 behind it")
    return At(moment.timestamp())


def checked_when(text: str) -> str:
    """The same text, if it can be read.  Raises as :func:`parse_when`."""
    parse_when(text)
    return text


def opens_in(when: When, unix_s: float) -> float | None:
    """Seconds from a moment until nodes may be started: 0 is now, None that only somebody's word opens it."""
    match when:
        case AtOnce():
            return 0.0
        case Held():
            return None
        case At(unix_s=at):
            return max(0.0, at - unix_s)
        case Window():
            return _until(when, datetime.fromtimestamp(unix_s).astimezone())


def opens_at(when: When, unix_s: float) -> str:
    """The moment of that in words, in the gateway's local time; empty where nobody knows."""
    left = opens_in(when, unix_s)
    if left is None:
        return ""
    then = datetime.fromtimestamp(unix_s + left).astimezone()
    if isinstance(when, Window):
        return f"at {then:%H:%M}"
    return f"at {then:%Y-%m-%d %H:%M:%S %z}"


def _until(window: Window, now: datetime) -> float:
    minute = now.hour * 60 + now.minute
    inside = window.begins <= minute < window.ends
    if window.begins > window.ends:
        inside = minute >= window.begins or minute < window.ends
    if inside:
        return 0.0
    # By the clock on the wall, so that a day with another length has its window at the same time.
    begins = now.replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0)
    begins += timedelta(minutes=window.begins)
    if minute >= window.begins:
        begins += _DAY
    return max(1.0, begins.astimezone().timestamp() - now.timestamp())


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
