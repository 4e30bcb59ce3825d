"""The virtual AVR is right: avrdude, which never heard of us, writes, verifies and reads it."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from flashers.api import Component, VirtualSetup
from flashers.images import write_ihex
from flashers.sim import SimApp, build_app
from flashers.stk500 import PLUGIN
from flashers.stk500.params import Stk500Params
from flashers.stk500.parts import Loader
from flashers.stk500.virtual import VirtualStk500
from tests.peers.avrdude import run_avrdude
from transports.virtual.pty import PtyHost

pytestmark = pytest.mark.peer

OLD = build_app(SimApp("1.0.0"), 2000)
NEW = build_app(SimApp("1.2.0"), 6100)
BAUD = {Loader.OPTIBOOT: 115200, Loader.ATMEGABOOT: 57600}
AVRDUDE_NAMES = {"atmega328p": "m328p", "atmega8": "m8", "atmega168": "m168", "atmega1280": "m1280"}


class Bench:
    """A virtual node behind a PTY, and avrdude in front of it."""

    def __init__(self, node: VirtualStk500, port: Path, params: Stk500Params) -> None:
        self.node = node
        self.port = port
        self.params = params

    async def avrdude(self, *operations: str) -> "subprocess.CompletedProcess[str]":
        return await asyncio.to_thread(
            run_avrdude,
            self.port,
            *operations,
            baud=BAUD[self.params.loader],
            part=AVRDUDE_NAMES[self.params.part],
        )


@asynccontextmanager
async def bench(
    folder: Path, part: str = "atmega328p", loader: Loader = Loader.OPTIBOOT, **options: str
) -> AsyncIterator[Bench]:
    params = Stk500Params(part=part, loader=loader, boot_line=r"^fw (?P<version>\S+)$")
    said = {name.replace("_", "-"): value for name, value in options.items()}
    node = VirtualStk500(VirtualSetup(params, flash={"app": OLD}, options=said))
    async with PtyHost(node, link=folder / "pty") as host:
        yield Bench(node, host.path, params)


def hex_file(folder: Path, params: Stk500Params) -> Path:
    file = folder / "new.hex"
    file.write_bytes(write_ihex(PLUGIN.parse(NEW, "raw", Component(), params).segments))
    return file


@pytest.mark.parametrize(
    ("part", "loader"),
    [
        ("atmega328p", Loader.OPTIBOOT),
        ("atmega328p", Loader.ATMEGABOOT),
        ("atmega168", Loader.OPTIBOOT),
        ("atmega8", Loader.ATMEGABOOT),
        ("atmega1280", Loader.ATMEGABOOT),
    ],
)
async def test_avrdude_writes_verifies_and_reads_back(part: str, loader: Loader, tmp_path: Path) -> None:
    async with bench(tmp_path, part, loader) as at:
        written = await at.avrdude(f"flash:w:{hex_file(tmp_path, at.params)}:i")
        assert written.returncode == 0, written.stderr
        assert f"{len(NEW)} bytes of flash verified" in written.stderr
        image = PLUGIN.parse(NEW, "raw", Component(), at.params)
        read = await at.avrdude(f"flash:r:{tmp_path / 'read.bin'}:r")
        assert read.returncode == 0, read.stderr
        assert (tmp_path / "read.bin").read_bytes().startswith(NEW)
        await asyncio.sleep(1.2)  # until the loader has let the application run
        assert at.node.truth().running == {0: image.firmware.identity}


async def test_avrdude_sees_a_bit_that_was_stored_wrong(tmp_path: Path) -> None:
    async with bench(tmp_path, flip_bit="7") as at:
        result = await at.avrdude(f"flash:w:{hex_file(tmp_path, at.params)}:i")
    assert result.returncode != 0
    assert "verification" in result.stderr


async def test_avrdude_refuses_another_part(tmp_path: Path) -> None:
    async with bench(tmp_path, wrong_signature="") as at:
        result = await at.avrdude(f"flash:w:{hex_file(tmp_path, at.params)}:i")
        assert at.node.operations == 0
    assert result.returncode != 0
    assert "signature" in result.stderr


async def test_avrdude_gets_along_with_an_application_that_always_talks(tmp_path: Path) -> None:
    async with bench(tmp_path, text_noise="") as at:
        result = await at.avrdude(f"flash:w:{hex_file(tmp_path, at.params)}:i")
    assert result.returncode == 0, result.stderr
