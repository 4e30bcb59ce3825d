"""Hooks are real programs, units are asked of a program with systemctl's words, locks are real files."""

import fcntl
import os
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import now
from gateway.config.links import LinkTable
from gateway.journal import Database, Journal
from gateway.model.links import Borrowed
from gateway.service.links.errors import (
    HookFailed,
    HookOverran,
    LinkLocked,
    LinkStillHeld,
    LockTrouble,
    UnitUnknown,
)
from gateway.service.links.locks import drop_lock_file, prepare_lock_file, take_lock_file
from gateway.service.links.neighbour import Neighbour
from gateway.service.links.programs import LocalPrograms

LINK = "uart:/dev/ttyUSB7"
SYSTEMCTL = """#!{python} -S
import pathlib, sys
state, log = pathlib.Path({folder!r}, "state"), pathlib.Path({folder!r}, "log")
words = sys.argv[1:]
log.open("a").write(" ".join(words) + "\\n")
if words == ["show", "--property=LoadState,ActiveState", "reader.service"]:
    print("LoadState=loaded")
    print("ActiveState=" + state.read_text())
elif words[0] == "show":
    print("LoadState=not-found")
    print("ActiveState=inactive")
elif words[:2] == ["--no-ask-password", "stop"]:
    state.write_text("inactive")
elif words[:2] == ["--no-ask-password", "start"]:
    if pathlib.Path({folder!r}, "refuse").exists():
        sys.exit("Job for reader.service failed.")
    state.write_text("active")
else:
    sys.exit("Unknown command verb")
"""


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    journal = Journal(Database(tmp_path / "journal.sqlite"), "gw", now)
    await journal.open()
    yield journal
    await journal.close()


@pytest.fixture
def programs(tmp_path: Path) -> LocalPrograms:
    return LocalPrograms(tmp_path / "hooks")


class Units:
    """What stands for the service manager: an executable, and the state that it keeps."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.program = folder / "systemctl"
        self.program.write_text(SYSTEMCTL.format(python=sys.executable, folder=str(folder)))
        self.program.chmod(self.program.stat().st_mode | stat.S_IXUSR)
        self.set("active")

    def set(self, state: str) -> None:
        (self.folder / "state").write_text(state)

    @property
    def state(self) -> str:
        return (self.folder / "state").read_text()

    @property
    def asked(self) -> list[str]:
        """The verbs that it was called with."""
        lines = (self.folder / "log").read_text().splitlines()
        return [line.split()[1] if line.startswith("--no-ask") else line.split()[0] for line in lines]


@pytest.fixture
def units(tmp_path: Path) -> Units:
    return Units(tmp_path / "units")


def neighbour(
    journal: Journal, programs: LocalPrograms, holder: str | None = None, **table: Any
) -> Neighbour:
    made = LinkTable.model_validate({"link": LINK, **table})
    return Neighbour(LINK, made, journal, programs, now, lambda _: holder)


# Units


async def test_a_unit_is_stopped_and_started_again(
    journal: Journal, programs: LocalPrograms, units: Units
) -> None:
    other = neighbour(journal, programs, unit="reader.service", systemctl=units.program)
    await other.ask_off()
    assert units.state == "inactive"
    (borrowed,) = await journal.borrowed()
    assert (borrowed.unit, borrowed.unit_was_active) == ("reader.service", True)
    await other.let_back()
    assert units.state == "active"
    assert units.asked == ["show", "stop", "start"]
    assert await journal.borrowed() == []


async def test_a_unit_that_was_off_stays_off(journal: Journal, programs: LocalPrograms, units: Units) -> None:
    units.set("inactive")
    other = neighbour(journal, programs, unit="reader.service", systemctl=units.program)
    await other.ask_off()
    await other.let_back()
    assert units.state == "inactive"
    assert units.asked == ["show"]


async def test_a_unit_that_does_not_exist_is_said_so(
    journal: Journal, programs: LocalPrograms, units: Units
) -> None:
    other = neighbour(journal, programs, unit="raeder.service", systemctl=units.program)
    with pytest.raises(UnitUnknown, match=r"raeder\.service"):
        await other.ask_off()
    assert await journal.borrowed() == []


async def test_a_unit_is_started_by_the_next_life_also_with_another_configuration(
    journal: Journal, programs: LocalPrograms, units: Units
) -> None:
    await neighbour(journal, programs, unit="reader.service", systemctl=units.program).ask_off()
    (borrowed,) = await journal.borrowed()
    later = Neighbour(LINK, None, journal, programs, now, lambda _: None)
    later.borrowed = borrowed
    (units.folder / "refuse").touch()
    with pytest.raises(HookFailed, match=r"Job for reader\.service failed"):
        await later.let_back(after_crash=True)
    assert await journal.borrowed() == [borrowed], "it is still out, and will be tried again"
    (units.folder / "refuse").unlink()
    await later.let_back(after_crash=True)
    assert units.state == "active"


# Programs


async def test_a_hook_is_told_its_link_and_none_of_our_secrets(
    programs: LocalPrograms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TENDER_UPSTREAM__MQTT__PASSWORD", "tulip-7")
    said = await programs.run(LINK, ("/usr/bin/env",), deadline=10.0, hook="before")
    lines = said.splitlines()
    assert {"TENDER_PORT=/dev/ttyUSB7", "TENDER_HOOK=before", f"TENDER_LINK={LINK}"} <= set(lines)
    assert "tulip-7" not in said


async def test_no_shell_sees_a_hooks_words(programs: LocalPrograms, tmp_path: Path) -> None:
    said = await programs.run(
        LINK, ("/bin/echo", "$HOME;", f"> {tmp_path / 'x'}"), deadline=10.0, hook="before"
    )
    assert said == f"$HOME; > {tmp_path / 'x'}\n"
    assert not (tmp_path / "x").exists()


async def test_a_hook_that_fails_is_told_with_its_last_words(programs: LocalPrograms) -> None:
    with pytest.raises(HookFailed, match="ended with 3: no such bus"):
        await programs.run(LINK, ("/bin/sh", "-c", "echo no such bus; exit 3"), deadline=10.0, hook="before")
    with pytest.raises(HookFailed, match="cannot be started"):
        await programs.run(LINK, ("/nowhere/hook",), deadline=10.0, hook="before")


async def test_a_hook_that_overruns_is_killed_with_its_children(
    programs: LocalPrograms, tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    script = f"sleep 300 & echo $! > {pid}; wait"
    with pytest.raises(HookOverran):
        await programs.run(LINK, ("/bin/sh", "-c", script), deadline=2.0, hook="before")
    assert await programs.orphans_gone(LINK, deadline=10.0), "its lock is free: nobody of it is left"
    assert _state_of(int(pid.read_text())) in {"", "Z"}


async def test_what_a_hook_leaves_in_the_background_keeps_nobody_waiting(programs: LocalPrograms) -> None:
    started = await programs.run(LINK, ("/bin/sh", "-c", "sleep 300 & echo $!"), deadline=60.0, hook="after")
    assert not await programs.orphans_gone(LINK, deadline=0.0), "and yet it is known of"
    os.kill(int(started), signal.SIGKILL)
    assert await programs.orphans_gone(LINK, deadline=30.0)


# Locks


async def test_the_port_must_be_free_once_the_other_was_asked_off(
    journal: Journal, programs: LocalPrograms
) -> None:
    other = neighbour(journal, programs, "process 7 (reader)", before=("/bin/true",), hook_deadline=0.3)
    with pytest.raises(LinkStillHeld, match="still held by process 7"):
        await other.ask_off()
    assert other.borrowed is not None, "it has to be let back"


async def test_a_lock_file_says_who_we_are_and_goes_with_us(
    journal: Journal, programs: LocalPrograms, tmp_path: Path
) -> None:
    other = neighbour(journal, programs, uucp_lock=True, lock_folder=tmp_path)
    await other.ask_off()
    assert (tmp_path / "LCK..ttyUSB7").read_text() == f"{os.getpid():10d}\n"
    await other.let_back()
    assert _locks(tmp_path) == []


def test_a_living_process_keeps_its_lock_and_a_dead_one_does_not(tmp_path: Path) -> None:
    port, file = Path("/dev/ttyUSB7"), tmp_path / "LCK..ttyUSB7"
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        file.write_text(f"{sleeper.pid:10d}\n")
        mark = prepare_lock_file(tmp_path, port)
        with pytest.raises(LinkLocked, match=str(sleeper.pid)):
            take_lock_file(mark)
        drop_lock_file(mark)
        drop_lock_file(replace(mark, pid=sleeper.pid))
        assert file.read_text() == f"{sleeper.pid:10d}\n", "what is not ours stays"
        sleeper.kill()
    take_lock_file(prepare_lock_file(tmp_path, port))
    assert file.read_text() == f"{os.getpid():10d}\n"


async def test_after_a_crash_only_our_own_lock_file_is_removed(
    journal: Journal, programs: LocalPrograms, tmp_path: Path
) -> None:
    file = tmp_path / "LCK..ttyUSB7"
    await neighbour(journal, programs, uucp_lock=True, lock_folder=tmp_path).ask_off()
    (borrowed,) = await journal.borrowed()
    later = Neighbour(LINK, None, journal, programs, now, lambda _: None)
    # Somebody took our stale lock away, and made one with the process id that was ours.
    file.unlink()
    (tmp_path / "other").touch()
    file.write_text(f"{os.getpid():10d}\n")
    os.utime(file, ns=(1, 1))
    later.borrowed = borrowed
    await later.let_back(after_crash=True)
    assert file.exists()
    again = neighbour(journal, programs, uucp_lock=True, lock_folder=tmp_path)
    await again.ask_off()
    later.borrowed = (await journal.borrowed())[0]
    await later.let_back(after_crash=True)
    assert not file.exists(), "our own is"


def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(LockTrouble, match="nowhere"):
        prepare_lock_file(tmp_path / "nowhere", Path("/dev/ttyUSB7"))


async def test_an_flock_is_held_by_whoever_has_the_link(
    journal: Journal, programs: LocalPrograms, tmp_path: Path
) -> None:
    file = tmp_path / "bus.lock"
    other = neighbour(journal, programs, flock=file)
    theirs = os.open(file, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        with pytest.raises(LinkLocked):
            await other.ask_off()
        await other.let_back()
        fcntl.flock(theirs, fcntl.LOCK_UN)
        await other.ask_off()
        with pytest.raises(BlockingIOError):
            fcntl.flock(theirs, fcntl.LOCK_EX | fcntl.LOCK_NB)
        await other.let_back()
        fcntl.flock(theirs, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(theirs)


async def test_it_is_in_the_journal_before_the_first_hook_runs(journal: Journal, tmp_path: Path) -> None:
    seen: list[list[Borrowed]] = []

    class Looks(LocalPrograms):
        async def run(self, channel: str, words: Any, *, deadline: float, hook: str) -> str:
            seen.append(await journal.borrowed())
            return await super().run(channel, words, deadline=deadline, hook=hook)

    other = neighbour(journal, Looks(tmp_path), before=("/bin/true",), after=("/bin/true",))
    await other.ask_off()
    await other.let_back()
    assert [len(each) for each in seen] == [1, 1], "and until the last one has ended"


def _locks(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir() if ".." in each.name]


def _state_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
