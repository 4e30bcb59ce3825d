"""Everything below ``inside`` is run in the small machine; see :mod:`tests.bluez.machine.replay`."""

from pathlib import Path

import pytest

from tests.bluez.machine.replay import Replay

_INSIDE = Path(__file__).parent / "inside"
_TIMEOUT_S = 900
"""For one report: the first one comes when the machine is up, and everybody may be busy."""
_REPLAY = pytest.StashKey[Replay]()


def pytest_configure(config: pytest.Config) -> None:
    """One machine for the whole run."""
    config.stash[_REPLAY] = Replay()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the machine, so that nobody has to remember it."""
    for item in items:
        if item.path.is_relative_to(_INSIDE):
            for mark in (pytest.mark.bluez, pytest.mark.peer, pytest.mark.slow):
                item.add_marker(mark)
            item.add_marker(pytest.mark.timeout(_TIMEOUT_S), append=False)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Report what the machine says."""
    if not item.path.is_relative_to(_INSIDE):
        return None
    wanted = [each.nodeid for each in item.session.items if each.path.is_relative_to(_INSIDE)]
    item.config.stash[_REPLAY].run(item, nextitem, wanted)
    return True


def pytest_unconfigure(config: pytest.Config) -> None:
    """The machine ends with the run."""
    config.stash[_REPLAY].close()
