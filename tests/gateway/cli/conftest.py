"""The command as somebody types it, against a gateway in memory behind a real socket."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.api.server import ApiServer
from gateway.cli.main import main
from tests.gateway.api.world import World


@dataclass(frozen=True, slots=True)
class Said:
    """What a command ended with, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its output, read as JSON."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        """Its output by lines."""
        return self.out.splitlines()


Tender = Callable[..., Awaitable[Said]]


@pytest.fixture(autouse=True)
def nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No configuration and no variable of whoever runs the tests."""
    for name in ("TENDER_CONFIG", "TENDER_SOCKET", "TENDER_STATE", "NO_COLOR", "NOTIFY_SOCKET"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "gateway.toml"
    file.write_text("")
    monkeypatch.setenv("TENDER_CONFIG", str(file))


@pytest.fixture
async def world() -> World:
    """Three nodes and a release for all."""
    return World("attic", "barn", "cellar")


@pytest.fixture
def socket_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the service listens, and commands look for it."""
    path = tmp_path / "tender.sock"
    monkeypatch.setenv("TENDER_SOCKET", str(path))
    return path


@pytest.fixture
async def service(world: World, socket_path: Path, tmp_path: Path) -> AsyncIterator[ApiServer]:
    """The local API of that gateway."""
    server = ApiServer(world, socket_path, spool=tmp_path / "spool")
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def tender(capsys: pytest.CaptureFixture[str]) -> Tender:
    """Run a command, in a thread since it blocks."""

    async def run(*arguments: str) -> Said:
        code = await asyncio.to_thread(main, arguments)
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return run
