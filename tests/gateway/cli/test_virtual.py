"""A virtual node on a real medium: a program opens it like any port."""

import argparse
import asyncio
import json
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from flashers.api import Segment
from flashers.images import write_ihex
from flashers.sim import SimApp, build_app
from gateway.cli.faults import LINK, POWER, PowerCut, sort_faults
from gateway.cli.parsing import UsageError
from gateway.cli.virtual import _node as virtual_node
from gateway.profiles.load import load_profiles
from tests.gateway.cli.conftest import Tender
from transports.links import LinkSpec
from transports.open import open_link
from transports.virtual.faults import BadFault, FaultKind

NODE = {"mute": "it says nothing", "flip-bit": "the Nth page is bent"}


@pytest.fixture
def firmware(tmp_path: Path) -> Path:
    """What a relay runs."""
    file = tmp_path / "relay.hex"
    file.write_bytes(write_ihex((Segment(0, build_app(SimApp("1.2.3"), 2048)),)))
    return file


@asynccontextmanager
async def virtual(*arguments: str) -> AsyncIterator[tuple[Process, dict[str, Any]]]:
    """The command as a process of its own, with what it said first; it ends when it is asked to."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "virtual", *arguments, "--json", stdout=PIPE, stderr=PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            yield process, json.loads(await process.stdout.readline())
    finally:
        if process.returncode is None:
            process.terminate()
        _, said = await process.communicate()
    assert process.returncode == 0, said.decode()


async def hear(link_name: str, pattern: bytes) -> bytes:
    """Open the link and read until something is said."""
    link = await open_link(LinkSpec.parse(link_name))
    heard = b""
    try:
        async with asyncio.timeout(15):
            while not re.search(pattern, heard):
                heard += await link.read()
    finally:
        await link.aclose()
    return heard


@pytest.mark.parametrize("medium", ["--pty", "--tcp", "--rfc2217"])
async def test_any_program_can_talk_to_a_virtual_node(medium: str, firmware: Path, tmp_path: Path) -> None:
    place = str(tmp_path / "port") if medium == "--pty" else "127.0.0.1:0"
    async with virtual("demo-relay", medium, place, "--flash", str(firmware)) as (_, said):
        assert said["profile"] == "demo-relay"
        assert b"fw 1.2.3" in await hear(said["link"], rb"fw \S+\r\n")
    assert not (tmp_path / "port").is_symlink()


async def test_a_node_that_nobody_gave_firmware_runs_a_healthy_application() -> None:
    async with virtual("demo-relay", "--tcp", "127.0.0.1:0") as (_, said):
        assert b"fw 1.0.0" in await hear(said["link"], rb"fw \S+\r\n")


@pytest.mark.parametrize("profile", ["demo-relay", "demo-th-sensor"])
@pytest.mark.parametrize("blank", [False, True])
def test_a_node_is_blank_if_that_is_asked_for(profile: str, blank: bool) -> None:
    profiles = load_profiles(())
    node = virtual_node(
        argparse.Namespace(flash=[], blank=blank),
        profiles.get(profile),
        profiles.resolve(profile),
        sort_faults([], {}),
    )
    assert node.truth().bootable is not blank


async def test_it_ends_at_ctrl_c_and_tells_what_its_line_did(firmware: Path) -> None:
    flash = ("--flash", f"app={firmware}")
    async with virtual("demo-relay", "--tcp", "127.0.0.1:0", *flash, "--fault", "corrupt@3;dir=up") as (
        process,
        said,
    ):
        assert b"fw 1.2.3" not in await hear(said["link"], rb"\r\n")
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert b"corrupt@3" in await process.stderr.readline()
        await process.wait()  # a second signal would find it without its handlers


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "no medium"),
        (("--tcp", "nowhere"), "HOST:PORT"),
        (("--tcp", "127.0.0.1:99999"), "HOST:PORT"),
        (("--tcp", "192.0.2.1:1"), "Choose another place"),
        (("--pty", "/no/such/folder/port"), "Choose another place"),
        (("--pty", "/tmp/x", "--tcp", "127.0.0.1:0"), "not allowed with"),
        (("--tcp", "127.0.0.1:0", "--flash", "/no/such/file"), "No such file"),
        (("--tcp", "127.0.0.1:0", "--flash", "radio=/dev/null"), "Its components are: app"),
        (("--tcp", "127.0.0.1:0", "--fault", "flip-bits=3"), "Did you mean 'flip-bit'?"),
        (("--tcp", "127.0.0.1:0", "--fault", "pages=x"), "--list-faults"),
        (("--tcp", "127.0.0.1:0", "--fault", "power-cut"), "power-cut@40"),
        (("--tcp", "127.0.0.1:0", "--fault", "drop"), "position"),
    ],
)
async def test_what_cannot_be_made_is_said(tender: Tender, arguments: tuple[str, ...], says: str) -> None:
    said = await tender("virtual", "demo-relay", *arguments)
    assert said.code == 2
    assert says in said.err


async def test_all_faults_are_listed_by_whom_they_befall(tender: Tender) -> None:
    said = await tender("virtual", "demo-th-sensor", "--list-faults", "--json")
    assert set(said.json) == {"node", "power", "line"}
    assert set(said.json["line"]) == set(FaultKind)
    assert "drop-reply" in (await tender("virtual", "demo-relay", "--list-faults")).out


def test_faults_are_sorted_by_whom_they_befall() -> None:
    faults = sort_faults(["mute", "flip-bit=3", "drop@10:2;dir=up", "noise=0.1", "torn-write@7=2.5"], NODE)
    assert faults.node == {"mute": "", "flip-bit": "3"}
    assert str(faults.link) == "drop@10:2;dir=up,noise=0.1"
    assert faults.power == PowerCut(7, torn=True, off_for=2.5)
    assert sort_faults([], NODE).power is None
    assert sort_faults(["power-cut@7"], NODE).power == PowerCut(7, torn=False, off_for=1.0)


@pytest.mark.parametrize("text", ["", "@", "=", "power-cut@x", "torn-write", "mutee", "flip bit=1"])
def test_a_fault_of_no_kind_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        sort_faults([text], NODE)


def test_a_fault_of_a_kind_that_is_wrongly_written_is_refused() -> None:
    for text in ("drop", "noise@3", "delay@3"):
        with pytest.raises(BadFault):
            sort_faults([text], NODE)
    with pytest.raises(UsageError):
        sort_faults(["power-cut@1", "torn-write@2"], NODE)


def test_every_kind_of_fault_is_explained() -> None:
    assert set(LINK) == set(FaultKind)
    assert set(POWER) == {"power-cut", "torn-write"}
