"""Durations as people type them: ``90s``, ``10m``, ``2h``, ``1d``; a bare number is seconds."""

import argparse
import re

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
_FORM = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|min|h|d|)")


def duration(text: str) -> float:
    """Seconds; for argparse, which tells the error."""
    found = _FORM.fullmatch(text.strip().lower())
    seconds = float(found[1]) * _UNITS[found[2]] if found else 0.0
    if not 0 < seconds <= 366 * 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration: write 90s, 10m, 2h or 1d")
    return seconds


def spoken(seconds: float) -> str:
    """The same for people, in the unit that fits."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"
