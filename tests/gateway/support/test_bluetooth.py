"""What keeps a gateway from its Bluetooth adapters is found, each with what would mend it."""

import grp
import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.support.checks import bluetooth
from gateway.support.ground import Ailment, Ground, Machine, Owner, look_around
from tests.gateway.cli.commands import can_be_typed

BLUEZ = '[adapters.main]\naddress = "00:1A:7D:DA:71:13"\n'
NODE = '[nodes.n]\nprofile = "mcuboot-uart"\nlink = "ble:00:1a:7d:da:71:13#C0:00:00:00:00:01"\n'
STRANGER = Owner(64_999, frozenset({64_999}))


@pytest.fixture(autouse=True)
def nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("TENDER_"):
            monkeypatch.delenv(name)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """One with an adapter, BlueZ, and a message bus that lets everybody talk to it."""
    policy = tmp_path / "bluetooth.conf"
    policy.write_text(allowing('context="default"'))
    (tmp_path / "sys" / "class" / "bluetooth" / "hci0").mkdir(parents=True)
    daemon = tmp_path / "proc" / "77"
    daemon.mkdir(parents=True)
    (daemon / "comm").write_text("bluetoothd\n")
    return Machine(
        proc=tmp_path / "proc", sys=tmp_path / "sys", bus=tmp_path / "no-bus", bus_policies=(policy,)
    )


def allowing(whom: str) -> str:
    rules = '<policy user="root"><allow own="org.bluez"/><allow send_destination="org.bluez"/></policy>'
    return f'<busconfig>{rules}<policy {whom}><allow send_destination="org.bluez"/></policy></busconfig>'


def found(machine: Machine, text: str = BLUEZ, owner: Owner | None = STRANGER) -> list[Ailment]:
    folder = machine.proc.parent
    file = folder / "gateway.toml"
    file.write_text(f'state = "{folder}/state"\n{text}')
    of: Ground = replace(look_around(file, folder / "sock", machine), owner=owner)
    told = list(bluetooth.check(of))
    for each in told:
        assert each.remedy
        assert can_be_typed(each.next)
    return told


def codes(*told: Ailment) -> list[str]:
    return [each.code for each in told]


def test_an_adapter_that_can_be_used_is_no_finding(machine: Machine) -> None:
    assert found(machine) == []


def test_a_site_without_radios_is_not_asked_for_any(tmp_path: Path) -> None:
    bare = Machine(proc=tmp_path / "proc", sys=tmp_path / "sys", bus=tmp_path / "bus", bus_policies=())
    assert found(bare, "") == []
    assert codes(*found(bare, NODE)) == ["ble-adapter-missing", "ble-no-bluez"]


def test_a_daemon_that_does_not_run_is_told_with_how_to_start_it(machine: Machine) -> None:
    (machine.proc / "77" / "comm").write_text("bash\n")
    (told,) = found(machine)
    assert (told.code, told.next) == ("ble-no-bluez", "systemctl enable --now bluetooth")


def test_an_adapter_that_the_kernel_does_not_know_is_missing(machine: Machine) -> None:
    (machine.sys / "class" / "bluetooth" / "hci0").rmdir()
    (told,) = found(machine)
    assert told.code == "ble-adapter-missing"
    assert "main" in told.message


@pytest.mark.parametrize(
    ("kind", "soft", "hard", "next_step"),
    [
        ("bluetooth", "1", "0", "rfkill unblock bluetooth"),
        ("bluetooth", "0", "1", "rfkill list bluetooth"),
        ("bluetooth", "0", "0", None),
        ("wlan", "1", "1", None),
    ],
)
def test_a_blocked_adapter_is_told_with_what_unblocks_it(
    machine: Machine, kind: str, soft: str, hard: str, next_step: str | None
) -> None:
    switch = machine.sys / "class" / "rfkill" / "rfkill0"
    switch.mkdir(parents=True)
    for name, value in {"type": kind, "soft": soft, "hard": hard, "name": "hci0"}.items():
        (switch / name).write_text(f"{value}\n")
    told = found(machine)
    assert [each.next for each in told] == ([next_step] if next_step else [])
    assert codes(*told) == (["ble-adapter-blocked"] if next_step else [])


def test_a_user_whom_the_bus_does_not_let_is_told_the_group(machine: Machine) -> None:
    (policy,) = machine.bus_policies
    policy.write_text(allowing('group="bin"'))  # a group that every machine has
    (told,) = found(machine)
    assert (told.code, told.next) == (
        "ble-denied",
        "usermod -aG bin tender && systemctl restart tender",
    )
    assert found(machine, owner=Owner(64_999, frozenset({grp.getgrnam("bin").gr_gid}))) == []
    assert found(machine, owner=Owner(0, frozenset())) == []
    assert found(machine, owner=None) == []


def test_a_controller_that_nobody_offers_is_missing(machine: Machine, tmp_path: Path) -> None:
    text = f'[adapters.air]\nhci = "unix:{tmp_path}/air"\n'
    assert codes(*found(machine, text)) == ["ble-adapter-missing"]
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{tmp_path}/air")
        assert found(machine, text) == []
