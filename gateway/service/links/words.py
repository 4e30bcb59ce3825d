"""Spans of time in the words of gates."""


def span(seconds: float) -> str:
    """As exact as it is interesting: ``40 s``, ``9 min``, ``3 h``."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
