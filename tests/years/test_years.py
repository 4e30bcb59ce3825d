"""A gateway and its nodes over years: every promise at every step, and nothing that grows."""

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.years.town import Walked, walk

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600 if os.environ.get("TENDER_YEARS") else 600)]

FULL = os.environ.get("TENDER_YEARS") == "full"
DAYS = int(os.environ.get("TENDER_YEARS_DAYS", "1000"))
"""A script is made for its number of days."""
NODES = 200
_ONE = os.environ.get("TENDER_YEARS_SEED")
SEEDS = [int(_ONE)] if _ONE else list(range(3, 3 + int(os.environ.get("SEEDS", "8" if FULL else "1"))))
MEMORY_MAY_GROW = 48 << 20
"""Bytes between day 100 and the last; what a year brings is far less than what a leak would."""
DISK_PER_DAY = 24 << 10
"""Bytes that a day may add to the state folder: attempts are history, and are kept."""
LIVELY = 100
"""Updates that succeeded in a thousand days; a gateway that does nothing breaks no promise either."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory, where there is one: thousands of syncs are not what is tried here."""
    shared = Path("/dev/shm")
    made = Path(tempfile.mkdtemp(prefix="tender-years-", dir=shared if shared.is_dir() else None))
    logging.disable(logging.WARNING)  # a year of a broker that comes and goes
    yield made
    logging.disable(logging.NOTSET)
    shutil.rmtree(made)


def again(seed: int, days: float) -> str:
    """How a walk is walked again."""
    which = f"TENDER_YEARS_SEED={seed} TENDER_YEARS_DAYS={int(days)}"
    return f"{which} .venv/bin/pytest tests/years -k years_keep"


@pytest.mark.parametrize("seed", SEEDS)
def test_years_keep_every_promise_and_fill_nothing_up(seed: int, folder: Path) -> None:
    walked = walk(seed, DAYS, folder / "town", nodes=NODES)
    assert not walked.wrong, "\n" + walked.text(again(seed, DAYS))
    assert walked.outcomes["succeeded"] > LIVELY * DAYS / 1000, walked.outcomes
    _nothing_grows(walked)


def _nothing_grows(walked: Walked) -> None:
    days = sorted(walked.memory_by_day)
    if len(days) < 2:
        return
    first, last = days[0], days[-1]
    assert walked.memory_by_day[last] - walked.memory_by_day[first] < MEMORY_MAY_GROW, walked.memory_by_day
    assert walked.bytes_by_day[last] < (16 << 20) + DISK_PER_DAY * last, walked.bytes_by_day


def test_the_same_seed_is_the_same_story(folder: Path) -> None:
    first, second = (walk(4, 60, folder / name, nodes=40) for name in ("one", "two"))
    assert first.marks == second.marks
    assert first.digest == second.digest
    assert first.outcomes["succeeded"] > 0
