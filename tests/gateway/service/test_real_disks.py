"""The real service on real disks: one that is full, one that turns read-only, and a root that is read-only.

Each has a mount namespace of its own, so that nothing of it is seen by anybody else
and everything is gone with its last process.  That needs root, as the CI has it.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from flashers.mcuboot_smp.make import make_image
from flashers.sim import Behaviour, SimApp
from gateway.releases.keys import PrivateKey, keygen
from gateway.releases.make import make_release, sign_release
from tests.peers.mosquitto import free_port

ROOT = os.geteuid() == 0
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.skipif(not ROOT and "CI" not in os.environ, reason="only root may mount"),
]

PROFILE = """
schema = 1
name = "sensor"
flasher = "mcuboot_smp"
hardware = ["sensor"]
format = "mcuboot"
media = ["uart"]
rollback = ["bootloader", "slot-switch"]
[evidence]
boot = ["reported-hash"]
[timing]
boot_deadline = 10.0
[params]
mode = "swap"
reply_timeout = 2.0
"""


class Place:
    """A site in a folder, whose state folder is whatever the namespace mounts there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.port = free_port()
        self.socket = folder / "run" / "tender.sock"
        for each in ("state", "run", "profiles"):
            (folder / each).mkdir()
        (folder / "profiles" / "sensor.toml").write_text(PROFILE)
        public, _ = keygen(folder / "key.pem")
        (folder / "gateway.toml").write_text(
            f'state = "{self.state}"\nsocket = "{self.socket}"\nprofiles = ["{folder}/profiles"]\n'
            f'[gateway]\nname = "gw"\n[trust]\nkeys.team = "{public}"\n'
            f'[nodes.th-1]\nprofile = "sensor"\nlink = "socket://127.0.0.1:{self.port}"\n'
        )

    def release(self, version: str) -> Path:
        """A signed release with one image."""
        (self.folder / f"{version}.bin").write_bytes(image(version))
        text = f'product = "garden"\nversion = "{version}"\n[[artifact]]\nfile = "{version}.bin"\n'
        text += 'profile = "sensor"\nformat = "mcuboot"\n'
        (self.folder / f"{version}.toml").write_text(text)
        made = make_release(self.folder / f"{version}.toml", self.folder / f"{version}.tender")
        sign_release(made.path, PrivateKey.load(self.folder / "key.pem"))
        return made.path


def image(version: str) -> bytes:
    return make_image(SimApp(version, Behaviour.HEALTHY), size=900)


class Inside:
    """A mount namespace with the service in it."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.holder = 0
        self.log = ""

    async def run(self, *command: str | Path, good: bool = True) -> tuple[int, str]:
        """Run something in there."""
        process = await asyncio.create_subprocess_exec(
            *("nsenter", f"--target={self.holder}", "--mount", "--wd=/", *command),
            stdout=PIPE,
            stderr=PIPE,
        )
        try:
            out, err = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            await process.communicate()
            raise
        assert not good or process.returncode == 0, (command, out, err)
        return process.returncode or 0, out.decode()

    async def tender(self, *arguments: str | Path, good: bool = True) -> Any:
        """A command's answer, as JSON."""
        _, out = await self.run(
            *(sys.executable, "-m", "gateway", *arguments, "--json", "--socket", self.place.socket), good=good
        )
        return json.loads(out)

    async def until(self, question: tuple[str, ...], true: Any, *, within: float = 25) -> Any:
        """Ask again and again until the answer is as it should be."""
        answer: Any = None
        try:
            async with asyncio.timeout(within):
                while True:
                    answer = await self.tender(*question, good=False)
                    if "error" not in answer and true(answer):
                        return answer
                    await asyncio.sleep(0.1)
        except TimeoutError:
            pytest.fail(f"it never came to that: {answer}")


@asynccontextmanager
async def namespace(place: Place, mounts: str) -> AsyncIterator[Inside]:
    """Do ``mounts`` (a shell's text) in a namespace of its own, that lasts as long as this."""
    holder = await asyncio.create_subprocess_exec(
        *("unshare", "--mount", "--propagation=private", "sh", "-ec"),
        f"{mounts}\necho ready\nexec sleep 600",
        stdout=PIPE,
        cwd=place.folder,
    )
    inside = Inside(place)
    try:
        assert holder.stdout is not None
        assert (await holder.stdout.readline()) == b"ready\n"
        inside.holder = holder.pid
        yield inside
    finally:
        holder.kill()
        await holder.communicate()


@asynccontextmanager
async def service(inside: Inside) -> AsyncIterator[Inside]:
    """The service in there, and the virtual node behind a PTY."""
    place = inside.place
    old = place.folder / "old.bin"
    old.write_bytes(image("1.0.0"))
    enter = ("nsenter", f"--target={inside.holder}", "--mount", "--wd=/")
    node = await asyncio.create_subprocess_exec(
        *(*enter, sys.executable, "-m", "gateway", "virtual", "sensor", "--flash", str(old)),
        *("--tcp", f"127.0.0.1:{place.port}", "--config", str(place.folder / "gateway.toml")),
        stdout=subprocess.DEVNULL,
    )
    process = await asyncio.create_subprocess_exec(
        *(*enter, sys.executable, "-m", "gateway", "serve", "--config", str(place.folder / "gateway.toml")),
        stderr=PIPE,
    )
    reading = asyncio.ensure_future(process.stderr.read() if process.stderr else asyncio.sleep(0, b""))
    try:
        await inside.until(("status",), lambda status: status["gateway"] == "gw")
        yield inside
        process.send_signal(signal.SIGTERM)
        code = await process.wait()
        inside.log = (await reading).decode()
        assert code == 0, inside.log
    finally:
        for each in (process, node):
            if each.returncode is None:
                each.kill()
                await each.wait()
        if not inside.log:
            print((await reading).decode())  # noqa: T201 - what a failing test has to say


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def look(inside: Inside) -> None:
    """Know what the node runs, before anything goes wrong."""
    await inside.until(("probe", "th-1"), lambda view: view["components"][0]["firmware"] is not None)


async def runs(inside: Inside, version: str, *verb: str) -> bool:
    """What the gateway says that the node runs."""
    (part,) = (await inside.tender(*(verb or ("node",)), "th-1"))["components"]
    return str(part["firmware"]["version"]).startswith(version)


def attempt_is(outcome: str) -> Any:
    return lambda attempts: [each["outcome"] for each in attempts] == [outcome]


async def test_a_full_disk_is_said_nothing_is_begun_and_it_goes_on_when_there_is_room(place: Place) -> None:
    release = place.release("1.1.0")
    async with (
        namespace(place, f"mount -t tmpfs -o size=48m tmpfs {place.state}") as inside,
        service(inside) as running,
    ):
        await look(running)
        await running.tender("release", "add", release)
        await running.run("sh", "-c", f"cat /dev/zero > {place.state}/filler || true", good=False)
        status = await running.until(("status",), lambda status: status["degraded"])
        assert [reason["code"] for reason in status["degraded"]] == ["disk-full"]
        assert "Free some space" in status["degraded"][0]["remedy"]
        assert status["safe_to_power_off"]
        # It answers as ever, and the node is left alone.
        assert await runs(running, "1.0.0")
        await running.tender("deploy", "garden", "1.1.0", "--all", "--id", "d", good=False)
        await asyncio.sleep(2)
        await running.run("rm", f"{place.state}/filler")
        await running.until(("status",), lambda status: not status["degraded"])
        assert await runs(running, "1.0.0", "probe")
        await running.tender("deploy", "garden", "1.1.0", "--all", "--id", "e", good=False)
        attempts = await running.until(
            ("attempts",), lambda attempts: attempts and attempts[0]["outcome"] is not None
        )
        assert {each["outcome"] for each in attempts} <= {"succeeded", "already-there"}
        assert await runs(running, "1.1.0")
    assert "degraded code=disk-full" in inside.log
    assert "recovered code=disk-full" in inside.log


async def test_a_disk_that_turns_read_only_is_said_and_nothing_is_begun(place: Place) -> None:
    """As the kernel does it when it finds a file system in disorder, under open files."""
    release = place.release("1.1.0")
    disk = place.folder / "disk"
    mounts = (
        f"truncate -s 80M {disk}; mkfs.ext4 -q {disk}"
        f"; mkdir -p {place.state}; mount -o loop,errors=remount-ro {disk} {place.state}"
    )
    async with namespace(place, mounts) as inside, service(inside) as running:
        await look(running)
        await running.tender("release", "add", release)
        device = (await running.run("findmnt", "-no", "SOURCE", place.state))[1].strip().rpartition("/")[2]
        await running.run("sh", "-c", f"echo disorder > /sys/fs/ext4/{device}/trigger_fs_error")
        answer = await running.tender("deploy", "garden", "1.1.0", "--all", "--id", "d", good=False)
        assert answer["error"]["code"] in {"disk-read-only", "disk-error", "disk-full"}
        status = await running.until(("status",), lambda status: status["degraded"])
        assert [reason["code"] for reason in status["degraded"]] == ["disk-read-only"]
        assert (await running.tender("nodes"))[0]["name"] == "th-1"
        assert await runs(running, "1.0.0")
    assert "degraded code=disk-read-only" in inside.log


async def test_a_node_is_updated_on_a_read_only_root_with_one_state_folder(place: Place) -> None:
    release = place.release("1.1.0")
    mounts = f"""
        mount -t tmpfs -o size=64m tmpfs {place.state}
        mount -t tmpfs -o size=1m tmpfs {place.folder}/run
        for each in $(findmnt -rno TARGET | grep -v -e ^/proc -e ^/dev -e ^/sys | tac); do
            case "$each" in {place.state}|{place.folder}/run) ;; *) mount -o remount,bind,ro "$each" ;; esac
        done
    """
    (place.folder / "old.bin").write_bytes(image("1.0.0"))
    async with namespace(place, mounts) as inside, service(inside) as running:
        code, _ = await running.run("sh", "-c", f"touch /tmp/x {place.folder}/x /var/x", good=False)
        assert code != 0, "this root is not read-only"
        await look(running)
        await running.tender("release", "add", release)
        await running.tender("deploy", "garden", "1.1.0", "--all", "--id", "d", good=False)
        await running.until(("attempts",), attempt_is("succeeded"))
        assert await runs(running, "1.1.0")
        assert not (await running.tender("status", good=False))["degraded"]
