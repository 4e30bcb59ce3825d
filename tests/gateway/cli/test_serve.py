"""The service as a service manager starts it: it says when it is ready, and ends when it is asked to."""

import asyncio
import os
import socket
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.cli.notify import notify
from tests.gateway.cli.conftest import Tender


@pytest.fixture
def manager(tmp_path: Path) -> socket.socket:
    """The socket on which a service manager is told how a service is."""
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    channel.bind(str(tmp_path / "notify"))
    channel.setblocking(False)
    return channel


async def told(manager: socket.socket) -> str:
    """The next thing that it was told."""
    async with asyncio.timeout(30):
        return (await asyncio.get_running_loop().sock_recv(manager, 100)).decode()


@asynccontextmanager
async def served(folder: Path, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The service as a process; it has to end well when it is asked to."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "serve", "--config", str(folder / "gateway.toml")),
        env={**os.environ, **environment},
        stderr=PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        _, said = await process.communicate()
    assert process.returncode == 0, said.decode()


async def test_the_service_says_that_it_is_ready_and_that_it_is_well(
    tmp_path: Path, manager: socket.socket, tender: Tender
) -> None:
    listening = tmp_path / "tender.sock"
    (tmp_path / "gateway.toml").write_text(
        f'state = "{tmp_path}/state"\nsocket = "{listening}"\n[gateway]\nname = "bench"\n'
        '[nodes.a]\nprofile = "demo-relay"\nlink = "uart:/dev/no-such-port"\n'
    )
    with manager:
        manager_path = str(tmp_path / "notify")
        async with served(tmp_path, NOTIFY_SOCKET=manager_path, WATCHDOG_USEC="200000"):
            assert await told(manager) == "READY=1\nSTATUS=0 attempts open"
            assert await told(manager) == "WATCHDOG=1"
            assert await told(manager) == "WATCHDOG=1"
            status = await tender("status", "--json")  # by the socket that the configuration names
            assert status.json["gateway"] == "bench"
            assert (await tender("nodes", "--json")).json[0]["name"] == "a"
            again = await tender("nodes", "--socket", str(listening))
            assert again.code == 0
    assert (await tender("status")).code == 10


async def test_a_second_service_on_the_same_state_does_not_start(
    tmp_path: Path, manager: socket.socket
) -> None:
    (tmp_path / "gateway.toml").write_text(f'state = "{tmp_path}/state"\nsocket = "{tmp_path}/a.sock"\n')
    with manager:
        async with served(tmp_path, NOTIFY_SOCKET=str(tmp_path / "notify")):
            assert (await told(manager)).startswith("READY=1\n")
            second = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "gateway", "serve", "--config", str(tmp_path / "gateway.toml")),
                *("--socket", str(tmp_path / "b.sock")),
                stderr=PIPE,
            )
            _, said = await second.communicate()
            assert second.returncode in {1, 2}
            assert said.splitlines()[-2].startswith(b"tender: ")


def test_without_a_service_manager_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", "/no/such/socket")
    notify("READY=1")


def test_a_service_manager_may_listen_on_an_abstract_name(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"tender-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(f"\0{name}")
        channel.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
        notify("STOPPING=1")
        assert channel.recv(100) == b"STOPPING=1"
