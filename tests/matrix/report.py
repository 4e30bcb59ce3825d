"""How many combinations were run: told at the end of a test run, where everybody sees it."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.matrix.products import Tally

TALLIES: dict[str, Tally] = {}
"""What was run so far, by heading."""


@contextmanager
def counted(heading: str) -> Iterator[Tally]:
    """A tally that counts under this heading, and demands at its end that no run was bad."""
    tally = Tally(heading)
    try:
        yield tally
    finally:
        TALLIES.setdefault(heading, Tally(heading)).add(tally)
    tally.demand()


def lines() -> Iterator[str]:
    """A line for each heading, and one for all of them."""
    total = Tally("altogether")
    for tally in TALLIES.values():
        yield line(tally)
        total.add(tally)
    if TALLIES:
        yield line(total)


def line(tally: Tally) -> str:
    """One heading's numbers."""
    ends = ", ".join(f"{count} {end}" for end, count in sorted(tally.outcomes.items(), key=lambda e: -e[1]))
    extra = f"; {tally.given_up} given up by their bounds" if tally.given_up else ""
    extra += f"; {tally.unasked} where the line itself wrote" if tally.unasked else ""
    extra += f"; {len(tally.bad)} BAD" if tally.bad else ""
    return f"{tally.runs:7,} runs {tally.seconds:6.1f} s  {tally.name}: {ends}{extra}"
