"""What holds for the whole run: the order of the tests, and where Debian's programs are.

The quick part goes first, so that whoever broke something hears of it in seconds and
not after the long matrices.
"""

import os
from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, settings

from tests.peers import debian

pytest_plugins = ("tests.peers.avr", "tests.peers.mosquitto")

MARKS_BY_DURATION = ("house", "matrix", "peer", "slow")
"""What carries none of these runs first; what carries several runs with the last of them."""

# A machine that is busy with other work is no reason for a property test to fail.
settings.register_profile("tender", deadline=None, print_blob=True, derandomize="CI" in os.environ)
settings.register_profile(
    "fuzz",
    parent=settings.get_profile("tender"),
    max_examples=int(os.environ.get("TENDER_FUZZ_EXAMPLES", "20000")),
    derandomize=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("tender")


def pytest_configure(config: pytest.Config) -> None:
    """Let programs that `tools/debian-packages` unpacked be found by everything we start."""
    os.environ.update(debian.environment())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order by how long it takes, and within that as written."""
    items.sort(key=lambda item: duration_class(mark.name for mark in item.iter_markers()))


def duration_class(marks: Iterable[str]) -> int:
    """The later the slower."""
    return max((MARKS_BY_DURATION.index(mark) + 1 for mark in marks if mark in MARKS_BY_DURATION), default=0)
