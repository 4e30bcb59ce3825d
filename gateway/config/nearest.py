"""Guess what somebody meant who misspelt a name."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that looks most like this one, if any does; case and ``-_.`` count little."""
    by_shape = {_shape(each): each for each in known}
    close = get_close_matches(_shape(name), by_shape, n=1, cutoff=0.6)
    return by_shape[close[0]] if close else None


def _shape(name: str) -> str:
    return name.casefold().replace("-", "_").replace(".", "_")
