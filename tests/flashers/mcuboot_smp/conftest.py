"""The same tests over a line and over a radio."""

from collections.abc import Iterator

import pytest

from tests.flashers.mcuboot_smp.world import BOTH, played_on
from transports.links import Medium


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A module that has ``MEDIA`` is run on both, but for its tests about lines."""
    if "medium" in metafunc.fixturenames:
        media = getattr(metafunc.module, "MEDIA", BOTH[:1])
        metafunc.parametrize("medium", getattr(metafunc.function, "media", media), indirect=True, ids=str)


@pytest.fixture(autouse=True)
def medium(request: pytest.FixtureRequest) -> Iterator[Medium]:
    """Where the worlds of this test are."""
    with played_on(request.param):
        yield request.param
