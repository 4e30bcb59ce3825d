"""What keeps a gateway from its Zigbee coordinators is found, each with what would mend it."""

import os
import pty
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.support.checks import zigbee
from gateway.support.ground import Ailment, Machine, Owner, look_around
from tests.gateway.cli.commands import can_be_typed

NODE = '[nodes.lamp]\nprofile = "p"\nlink = "zigbee:hall#00:12:4b:00:1c:aa:bb:cc"\n'


@pytest.fixture
def port() -> Iterator[str]:
    """A port that this user may open, and nobody has."""
    ours, theirs = pty.openpty()
    yield os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


def network(path: str, radio: str = "znp") -> str:
    return f'[networks.hall]\nradio = "{radio}"\npath = "{path}"\n'


def found(folder: Path, text: str) -> list[Ailment]:
    file = folder / "gateway.toml"
    file.write_text(f'state = "{folder}/state"\n{text}')
    machine = Machine(proc=folder / "proc", sys=folder / "sys", lock_files=folder / "locks")
    ground = replace(
        look_around(file, folder / "sock", machine), owner=Owner(os.getuid(), frozenset(os.getgroups()))
    )
    told = list(zigbee.check(ground))
    for each in told:
        assert each.remedy
        assert can_be_typed(each.next)
    return told


def test_a_coordinator_that_can_be_used_is_no_finding(tmp_path: Path, port: str) -> None:
    assert found(tmp_path, network(port) + NODE) == []


def test_one_behind_a_socket_is_not_asked(tmp_path: Path) -> None:
    assert found(tmp_path, network("socket://10.0.0.7:6638", "ezsp") + NODE) == []


def test_a_site_without_networks_is_not_asked_for_any(tmp_path: Path) -> None:
    assert found(tmp_path, "") == []


def test_a_coordinator_that_is_not_plugged_in_is_named_with_its_network(tmp_path: Path) -> None:
    (told,) = found(tmp_path, network(f"{tmp_path}/stick") + NODE)
    assert told.code == "link-not-found"
    assert "network hall" in told.message


def test_a_radio_whose_library_is_not_installed_is_told_with_its_extra(
    tmp_path: Path, port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "zigpy_xbee", None)  # as if it were not there
    (told,) = found(tmp_path, network(port, "xbee") + NODE)
    assert (told.code, told.next) == ("zigbee-not-installed", "pip install 'fleet-tender[zigbee-xbee]'")


def test_a_network_without_nodes_is_mentioned(tmp_path: Path, port: str) -> None:
    (told,) = found(tmp_path, network(port))
    assert (told.code, told.next) == ("zigbee-no-nodes", "tender zigbee nodes hall")
