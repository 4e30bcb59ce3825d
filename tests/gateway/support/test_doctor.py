"""What keeps a gateway from working is found, with what would mend it, whether the service runs or not."""

import asyncio
import json
import os
import pty
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.api.server import ApiServer
from gateway.cli.main import main
from gateway.support.checks import links
from gateway.support.doctor import CHECKS, examine
from gateway.support.ground import Ailment, Badness, Ground, Machine, Owner, look_around
from tests.gateway.api.world import World
from tests.gateway.cli.commands import can_be_typed


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own, and no variable of whoever runs the tests."""
    for name in list(os.environ):
        if name.startswith("TENDER_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TENDER_SOCKET", str(tmp_path / "sock"))
    return tmp_path


@pytest.fixture
def port() -> Iterator[Path]:
    """A port that is there."""
    ours, theirs = pty.openpty()
    yield Path(os.ttyname(theirs))
    for descriptor in (ours, theirs):
        with suppress(OSError):
            os.close(descriptor)


def ground(folder: Path, text: str = "", *, machine: Machine | None = None) -> Ground:
    file = folder / "gateway.toml"
    file.write_text(f"state = {json.dumps(str(folder / 'state'))}\n{text}")
    return look_around(file, folder / "sock", machine or Machine(proc=folder / "proc", sys=folder / "sys"))


def found(of: Ground) -> dict[str, Ailment]:
    return {each.code: each for each in examine(of).found}


def node(port: object) -> str:
    return f'[nodes.n]\nprofile = "optiboot-atmega328p"\nlink = "uart:{port}"\n'


def process(folder: Path, pid: int, name: str, *opened: Path) -> None:
    own = folder / "proc" / str(pid)
    (own / "fd").mkdir(parents=True)
    (own / "comm").write_text(f"{name}\n")
    for number, file in enumerate(opened, 3):
        (own / "fd" / str(number)).symlink_to(file)


def test_every_finding_has_a_code_a_remedy_and_a_command(folder: Path) -> None:
    text = f'{node("/dev/ttyUSB77")}[trust]\nunsigned = "allow"\n'
    diagnosis = examine(ground(folder, text))
    assert {"service-not-running", "link-not-found", "unsigned-allowed"} <= {
        each.code for each in diagnosis.found
    }
    for each in diagnosis.found:
        assert each.code
        assert each.remedy
        assert each.next
        assert can_be_typed(each.next)
    assert diagnosis.level is Badness.BROKEN
    assert diagnosis.checked == tuple(name for name, _ in CHECKS)


def test_a_configuration_that_cannot_be_read_is_told_with_its_line(folder: Path) -> None:
    ailment = found(ground(folder, "\nstop_bugdet = 3\n"))["config-unknown-key"]
    assert "gateway.toml:3" in ailment.message
    assert "stop_budget" in ailment.remedy


def test_a_port_in_somebody_elses_hands_is_told_with_the_program(folder: Path, port: Path) -> None:
    process(folder, 4711, "minicom", port)
    ailment = found(ground(folder, node(port)))["link-busy"]
    assert "process 4711 (minicom)" in ailment.message
    assert ailment.next == f"fuser -v {port}"


def test_a_port_that_is_free_and_ours_to_open_is_no_finding(folder: Path, port: Path) -> None:
    (folder / "proc").mkdir()
    of = ground(folder, node(port))
    assert [each.code for each in links.check(replace(of, owner=Owner(os.getuid(), frozenset())))] == []


def test_a_port_that_the_services_user_may_not_open_names_the_group(folder: Path, port: Path) -> None:
    (folder / "proc").mkdir()
    port.chmod(0o660)
    of = replace(ground(folder, node(port)), owner=Owner(64_999, frozenset({64_999})))
    (ailment,) = links.check(of)
    assert ailment.code == "link-denied"
    assert ailment.next.startswith("usermod -aG ")
    mine = replace(of, owner=Owner(64_999, frozenset({port.stat().st_gid})))
    assert [each.code for each in links.check(mine)] == []


def test_programs_that_take_ports_uninvited_are_named(folder: Path, port: Path) -> None:
    process(folder, 300, "ModemManager")
    process(folder, 301, "brltty")
    told = [each for each in examine(ground(folder, node(port))).found if each.code == "port-grabber"]
    assert {each.next.split()[-1] for each in told} == {"ModemManager", "brltty"}


def test_a_slow_adapter_is_told_of_with_how_to_quicken_it(folder: Path, port: Path) -> None:
    file = folder / "sys" / "class" / "tty" / port.name / "device" / "latency_timer"
    file.parent.mkdir(parents=True)
    file.write_text("16\n")
    assert found(ground(folder, node(port)))["latency-timer"].next == f"echo 1 > {file}"
    file.write_text("1\n")
    assert "latency-timer" not in found(ground(folder, node(port)))


def test_a_password_that_everybody_can_read_and_a_file_that_is_not_there_are_found(folder: Path) -> None:
    secret = folder / "password"
    secret.write_text("x")
    secret.chmod(0o644)
    mqtt = f'[upstream.mqtt]\nurl = "mqtts://localhost:1"\nusername = "u"\npassword_file = "{secret}"\n'
    told = found(ground(folder, f'{mqtt}ca_file = "/nowhere/ca.pem"\n'))
    assert told["secret-readable"].next == f"chmod o-rwx {secret}"
    assert "/nowhere/ca.pem" in told["file-missing"].message
    assert "localhost:1" in told["upstream-unreachable"].message


def test_a_profile_that_a_node_needs_and_nobody_has_is_found(folder: Path) -> None:
    told = found(ground(folder, '[nodes.n]\nprofile = "sensr"\nlink = "uart:/dev/null"\n'))
    assert "Profile sensr of node n cannot be used" in told["profile-unknown"].message


def test_a_journal_that_is_no_database_is_found_and_left_as_it_is(folder: Path) -> None:
    state = folder / "state"
    state.mkdir(mode=0o700)
    (state / "journal.sqlite").write_bytes(b"not a database at all, " * 400)
    before = {file: file.read_bytes() for file in state.iterdir()}
    ailment = found(ground(folder))["journal-damaged"]
    assert ailment.next == "tender support-bundle"
    assert {file: file.read_bytes() for file in state.iterdir()} == before


def test_a_state_folder_that_is_open_to_all_or_anothers_is_found(folder: Path) -> None:
    state = folder / "state"
    state.mkdir()
    state.chmod(0o755)
    of = replace(ground(folder), owner=Owner(64_999, frozenset()))
    told = {each.code: each for each in examine(of).found}
    assert told["state-open"].next == f"chmod o-rwx {state}"
    assert told["state-owner"].next == f"chown -R 64999 {state}"


def test_a_check_that_fails_itself_keeps_no_other_from_being_made(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(_: Ground) -> list[Ailment]:
        raise RuntimeError("a bug")

    monkeypatch.setattr("gateway.support.doctor.CHECKS", (("one", breaks), *CHECKS))
    told = found(ground(folder, node("/dev/ttyUSB77")))
    assert "RuntimeError('a bug')" in told["check-failed"].message
    assert "link-not-found" in told


async def test_beside_a_running_service_its_own_word_counts(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = folder / "gateway.toml"
    file.write_text(f"state = {json.dumps(str(folder / 'state'))}\n")
    (folder / "state").mkdir(mode=0o700)
    monkeypatch.setenv("TENDER_CONFIG", str(file))
    server = ApiServer(World("attic"), folder / "sock", spool=folder / "spool")
    await server.start()
    try:
        code = await asyncio.to_thread(main, ["doctor", "--json"])
    finally:
        await server.stop()
    told = json.loads(capsys.readouterr().out)
    assert "service-not-running" not in {each["code"] for each in told["found"]}
    assert code == {"fine": 0, "waits": 1, "broken": 2}[told["level"]]
    assert code < 2, told
