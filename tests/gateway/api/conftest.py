"""A gateway in memory behind a real socket, and a client in a thread of its own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.api.client import Client
from gateway.api.server import ApiServer
from tests.gateway.api.world import World

Ask = Callable[[Callable[[Client], Any]], Awaitable[Any]]


@pytest.fixture
def socket_path(tmp_path: Path) -> Path:
    """Where the service listens."""
    return tmp_path / "run" / "tender.sock"


@pytest.fixture
async def world() -> World:
    """Two nodes and a release for both."""
    return World("attic", "barn")


@pytest.fixture
async def server(world: World, socket_path: Path, tmp_path: Path) -> AsyncIterator[ApiServer]:
    """Started; it leaves neither a socket nor a file behind."""
    server = ApiServer(world, socket_path, spool=tmp_path / "spool", upload_limit=100_000)
    await server.start()
    yield server
    await server.stop()
    assert left_behind(socket_path.parent, tmp_path / "spool") == []


def left_behind(*folders: Path) -> list[Path]:
    """Files that nobody took away."""
    return [file for folder in folders for file in folder.glob("*")]


@pytest.fixture
async def ask(server: ApiServer, socket_path: Path) -> Ask:
    """Ask by the client, which blocks, from a thread."""

    async def asking(question: Callable[[Client], Any]) -> Any:
        return await asyncio.to_thread(question, Client(socket_path, reply_timeout=20))

    return asking
