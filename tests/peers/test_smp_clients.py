"""The virtual MCUmgr node is right: smpmgr and mcumgr-toolkit, which never heard of us, update it."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from flashers.api import VirtualSetup
from flashers.mcuboot_smp.make import make_image
from flashers.mcuboot_smp.params import SmpParams
from flashers.mcuboot_smp.virtual import VirtualMcubootNode
from flashers.sim import SimApp
from tests.peers import debian
from transports.virtual.pty import PtyHost

pytestmark = pytest.mark.peer

OLD = make_image(SimApp("1.0.0"), size=6000)
NEW = make_image(SimApp("2.1.0+7"), size=9000)
TIMEOUT = 60.0

TOOLKIT = """
import json, sys, time
from mcumgr_toolkit import MCUmgrClient, mcuboot_get_image_info

port, file = sys.argv[1:]
data = open(file, "rb").read()
said = {}


def connect():
    client = MCUmgrClient.serial(port, timeout_ms=3000)
    client.use_auto_frame_size()
    return client


with connect() as client:
    client.check_connection()
    said["echo"] = client.os_echo("hello")
    parameters = client.os_mcumgr_parameters()
    said["parameters"] = [parameters.buf_size, parameters.buf_count]
    said["loader"] = str(client.os_bootloader_info())
    said["before"] = [[s.slot, s.version, s.active, s.confirmed] for s in client.image_get_state()]
    said["room"] = [s.size for s in client.image_slot_info()[0].slots]
    client.image_upload(data)
    wanted = mcuboot_get_image_info(data).hash
    client.image_set_state(wanted)
    said["pending"] = [[s.slot, s.version, s.pending, s.permanent] for s in client.image_get_state()]
    client.os_system_reset()
time.sleep(0.5)
with connect() as client:
    said["trial"] = [[s.slot, s.version, s.active, s.confirmed] for s in client.image_get_state()]
    client.image_set_state(None, True)
    said["after"] = [[s.slot, s.version, s.active, s.confirmed] for s in client.image_get_state()]
print(json.dumps(said))
"""


class Bench:
    """A virtual node behind a PTY, and other people's clients in front of it."""

    def __init__(self, node: VirtualMcubootNode, port: Path) -> None:
        self.node = node
        self.port = port

    async def run(self, *command: str | Path) -> str:
        """The output of a client; it must succeed."""
        done = await asyncio.to_thread(
            subprocess.run,
            [str(word) for word in command],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
            env={"COLUMNS": "200", "TERM": "dumb"},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    async def smpmgr(self, *arguments: str | Path) -> str:
        """What smpmgr says."""
        return await self.run(debian.client("smpmgr"), "--port", self.port, *arguments)

    def runs(self, data: bytes) -> bool:
        """Whether the node executes this image."""
        running = self.node.bootloader.valid(0, 0)
        truth = self.node.truth()
        return (
            running is not None
            and self.node.slots.contents(0, 0).startswith(data)
            and truth.running == {0: running.image.identity}
        )


@asynccontextmanager
async def bench(
    folder: Path, mode: str = "swap", running: bytes = OLD, options: dict[str, str] | None = None
) -> AsyncIterator[Bench]:
    flash = {"app": running} if running else {}
    setup = VirtualSetup(SmpParams.model_validate({"mode": mode}), flash=flash, options=options or {})
    node = VirtualMcubootNode(setup)
    async with PtyHost(node, link=folder / "pty") as host:
        yield Bench(node, host.path)


def file_of(folder: Path, data: bytes) -> Path:
    file = folder / "image.bin"
    file.write_bytes(data)
    return file


async def test_smpmgr_uploads_tests_and_confirms(tmp_path: Path) -> None:
    image = NEW
    async with bench(tmp_path) as there:
        assert "hello there" in await there.smpmgr("os", "echo", "hello there")
        listed = await there.smpmgr("image", "state-read")
        assert "1.0.0" in listed
        await there.smpmgr("image", "upload", file_of(tmp_path, image))
        found = there.node.bootloader.valid(0, 1)
        assert found is not None
        digest = found.image.identity.value.hex()
        listed = await there.smpmgr("image", "state-read")
        assert "2.1.0.7" in listed
        assert digest.upper() in listed.upper()
        await there.smpmgr("image", "state-write", digest)
        await there.smpmgr("os", "reset")
        await asyncio.sleep(0.3)
        assert there.runs(image)
        assert not there.node.truth().confirmed
        await there.smpmgr("image", "state-write", "--confirm")
        assert there.node.truth().confirmed
        await there.smpmgr("os", "reset")
        await asyncio.sleep(0.3)
        assert there.runs(image)


async def test_a_trial_that_smpmgr_does_not_confirm_is_taken_back(tmp_path: Path) -> None:
    async with bench(tmp_path) as there:
        await there.smpmgr("image", "upload", file_of(tmp_path, NEW))
        found = there.node.bootloader.valid(0, 1)
        assert found is not None
        await there.smpmgr("image", "state-write", found.image.identity.value.hex())
        for expected in (NEW, OLD):
            await there.smpmgr("os", "reset")
            await asyncio.sleep(0.3)
            assert there.runs(expected)


async def test_smpmgr_uploads_into_serial_recovery(tmp_path: Path) -> None:
    async with bench(tmp_path, mode="serial-recovery", running=b"", options={"trim-tail": "8"}) as there:
        await there.smpmgr("image", "upload", file_of(tmp_path, NEW))
        await there.smpmgr("os", "reset")
        await asyncio.sleep(0.3)
        assert there.runs(NEW)


@pytest.mark.parametrize("options", [{}, {"frugal": "", "buf-size": "1024", "latency": "0.005"}])
async def test_mcumgr_toolkit_reads_writes_tests_and_confirms(
    tmp_path: Path, options: dict[str, str]
) -> None:
    async with bench(tmp_path, options=options) as there:
        python = debian.client("python")
        said = json.loads(await there.run(python, "-c", TOOLKIT, there.port, file_of(tmp_path, NEW)))
        assert said["echo"] == "hello"
        assert said["parameters"] == [int(options.get("buf-size", 384)), 4]
        assert "'mode': 1" in said["loader"]
        assert said["before"] == [[0, "1.0.0", True, True]]
        assert said["room"] == [32 * 4096, 32 * 4096]
        assert said["pending"] == [[0, "1.0.0", False, False], [1, "2.1.0.7", True, False]]
        assert said["trial"] == [[0, "2.1.0.7", True, False], [1, "1.0.0", False, True]]
        assert said["after"] == [[0, "2.1.0.7", True, True], [1, "1.0.0", False, False]]
        assert there.runs(NEW)
        assert there.node.truth().confirmed
        assert there.node.counts.dropped == 0
