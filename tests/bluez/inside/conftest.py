"""One adapter for all tests in the small machine, and a world of its own for each."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.bluez.inside.world import World, plugged_in
from transports.ble.adapter import Adapter
from transports.ble.bluez import BluezBackend
from transports.virtual.air.air import Air
from transports.virtual.air.timing import RADIO
from transports.virtual.air.vhci import Lent


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def plugged() -> tuple[Air, Lent]:
    """An air, and an adapter on it that Linux has."""
    air = Air()
    return air, await plugged_in(air)


@pytest_asyncio.fixture(loop_scope="session")
async def world(plugged: tuple[Air, Lent]) -> AsyncIterator[World]:
    """Nobody is on the air yet, and BlueZ knows nobody."""
    air, lent = plugged
    air.timing = RADIO
    world = World(air, lent, Adapter(BluezBackend(lent.address), "main"))
    yield world
    await world.aclose()
    assert not world.adapter.open_links


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bleak keeps one connection to the message bus for each event loop, so there is one loop."""
    here = Path(__file__).parent
    for item in (each for each in items if each.path.is_relative_to(here)):
        item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
