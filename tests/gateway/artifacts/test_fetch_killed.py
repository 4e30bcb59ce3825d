"""The process that fetches is killed again and again: it still arrives, and hardly a byte comes twice."""

import asyncio
import random
import signal
import sys
from pathlib import Path

import pytest
from aiohttp import web

from flashers.api.data import Digest
from gateway.artifacts.store import ArtifactStore
from tests.gateway.artifacts.server import FileServer, part, serving

PROJECT = Path(__file__).resolve().parents[3]
FIRMWARE = random.Random(5).randbytes(1_500_000)
DIGEST = Digest.sha256(FIRMWARE)
PIECE = 8192

LOST_PER_KILL = 32 << 10
"""What may be on its way, or waiting for the disk, when the process dies."""


async def start(folder: Path, url: str) -> asyncio.subprocess.Process:
    command = ["-m", "tests.gateway.artifacts.fetching", str(folder), url, str(DIGEST), str(len(FIRMWARE))]
    return await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=PROJECT, stdout=asyncio.subprocess.PIPE
    )


class Killer(FileServer):
    """A slow server that kills its client after so many bytes of an answer."""

    victim: asyncio.subprocess.Process | None = None
    after: int | None = None

    async def send(
        self, response: web.StreamResponse, request: web.Request, data: bytes, *, cut: int | None = None
    ) -> web.StreamResponse:
        await response.prepare(request)
        for start_at in range(0, len(data), PIECE):
            if self.after is not None and start_at >= self.after:
                assert self.victim is not None
                self.victim.send_signal(signal.SIGKILL)
                await self.victim.wait()
                break
            self.sent += len(data[start_at : start_at + PIECE])
            await response.write(data[start_at : start_at + PIECE])
            await asyncio.sleep(0.0005)  # the rate of the line
        return response


async def killed_and_killed_again(folder: Path, kills: int, chance: random.Random) -> Killer:
    async with serving(Killer(FIRMWARE)) as server:
        assert isinstance(server, Killer)
        for _ in range(kills):
            server.after = chance.randint(100_000, 250_000)
            server.victim = await start(folder, server.url)
            await server.victim.communicate()
            assert server.victim.returncode in {-signal.SIGKILL, 0}
            if server.victim.returncode == 0:
                break
        server.after = None
        last = await start(folder, server.url)
        said, _ = await last.communicate()
        assert last.returncode == 0
        assert said.startswith(b"stored")
    return server


async def check(folder: Path, server: Killer) -> None:
    store = await ArtifactStore.open(folder, cap=1 << 26, keep_free=0)
    assert await store.open_verified(DIGEST) == FIRMWARE
    assert not list((folder / "partial").iterdir())
    rounds = len(server.requests)
    assert rounds > 3
    assert sum("Range" in request for request in server.requests) >= rounds // 2
    assert server.sent <= len(FIRMWARE) + rounds * LOST_PER_KILL


async def test_a_fetch_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    await check(tmp_path, await killed_and_killed_again(tmp_path, 5, random.Random(1)))


@pytest.mark.slow
async def test_a_fetch_that_is_killed_twenty_times_goes_on_where_it_was(tmp_path: Path) -> None:
    for seed in range(2):
        folder = tmp_path / str(seed)
        await check(folder, await killed_and_killed_again(folder, 10, random.Random(seed)))


def test_part_serves_what_is_asked() -> None:
    """The server of these tests, itself."""
    request = type("Request", (), {"headers": {"Range": "bytes=4-"}})()
    response, data = part(FileServer(b"firmware"), request)
    assert (response.status, data) == (206, b"ware")
