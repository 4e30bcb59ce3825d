"""Spans of time in the words of gates."""


def span(seconds: float) -> str:
    """As exact as it is interesting: ``40 s``, ``9 min``, ``3 h``, ``5 days``."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 172_800:
        return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
    return f"{seconds / 86400:.0f} days"
