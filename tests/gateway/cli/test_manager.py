"""The service as its manager sees it: alive only while the loop turns and the journal's thread works."""

import asyncio
import os
import signal
import socket
import sqlite3
import sys
import textwrap
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.service.standing.manager import ServiceManager, watchdog_period
from tests.gateway.cli.conftest import Tender
from transports.virtual.clock import run_virtual

PERIOD_S = 1.2


class Manager:
    """A datagram socket as systemd has one, and when it was told what."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self.told: list[tuple[float, str]] = []

    async def until(self, text: str, *, within: float = 30.0) -> float:
        """Wait for a message that has this text; when it came."""
        async with asyncio.timeout(within):
            while True:
                message = (await asyncio.get_running_loop().sock_recv(self._socket, 4096)).decode()
                self.told.append((time.monotonic(), message))
                if text in message:
                    return self.told[-1][0]

    async def silence(self) -> None:
        """Wait until a whole period passes without a sign of life; what was under way is let through."""
        async with asyncio.timeout(30):
            while True:
                try:
                    await self.until("WATCHDOG=1", within=PERIOD_S)
                except TimeoutError:
                    return

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path / "notify")
    yield made
    made.close()


@asynccontextmanager
async def started(manager: Manager, folder: Path, *program: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A service under that manager, whose watchdog has the period."""
    text = f'state = "{folder}/state"\nsocket = "{folder}/tender.sock"\n'
    (folder / "gateway.toml").write_text(text)
    environment = {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": str(int(PERIOD_S * 1_000_000))}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *(program or ("-m", "gateway", "serve", "--config", str(folder / "gateway.toml"))),
        env={**os.environ, **environment},
        stderr=PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        _, said = await process.communicate()
    assert process.returncode == 0, said.decode()


async def test_a_service_whose_journal_hangs_is_not_alive(
    tmp_path: Path, manager: Manager, tender: Tender
) -> None:
    """Somebody holds the database: the thread waits, and the loop turns as ever."""
    async with started(manager, tmp_path):
        await manager.until("READY=1")
        await manager.until("WATCHDOG=1")
        other = sqlite3.connect(tmp_path / "state" / "journal.sqlite", isolation_level=None, timeout=30)
        other.execute("BEGIN IMMEDIATE")
        asking = asyncio.ensure_future(tender("drain"))  # something that has to be written
        await manager.silence()
        other.execute("ROLLBACK")
        other.close()
        await manager.until("WATCHDOG=1")
        await asking


async def test_a_service_whose_loop_hangs_is_not_alive(tmp_path: Path, manager: Manager) -> None:
    script = tmp_path / "hangs.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import asyncio, os, signal, sys, time
            from pathlib import Path
            from gateway.app import serve
            from gateway.cli.notify import notify
            from gateway.config.load import load_config
            from gateway.service.standing.manager import ServiceManager, watchdog_period

            def hang(*_):
                notify("STATUS=it hangs")
                time.sleep({PERIOD_S * 3})
                notify("STATUS=it hangs no more")

            async def main():
                asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, hang)
                period = watchdog_period(os.environ, os.getpid())
                return await serve(loaded.config, manager=ServiceManager(notify, period))

            loaded = load_config(Path({str(tmp_path / "gateway.toml")!r}))
            sys.exit(asyncio.run(main()))
            """
        )
    )
    async with started(manager, tmp_path, str(script)) as process:
        await manager.until("READY=1")
        await manager.until("WATCHDOG=1")
        process.send_signal(signal.SIGUSR1)
        await manager.until("it hangs")
        manager.told.clear()
        await manager.until("it hangs no more")
        assert [message for _, message in manager.told] == ["STATUS=it hangs no more"]
        await manager.until("WATCHDOG=1")


async def test_a_stopped_process_is_not_alive_and_a_stopping_one_says_so(
    tmp_path: Path, manager: Manager
) -> None:
    async with started(manager, tmp_path) as process:
        await manager.until("READY=1")
        await manager.until("WATCHDOG=1")
        process.send_signal(signal.SIGSTOP)
        await manager.silence()
        process.send_signal(signal.SIGCONT)
        await manager.until("WATCHDOG=1")
        process.terminate()
        await manager.until("STOPPING=1\nSTATUS=stopping")
        await manager.until("EXTEND_TIMEOUT_USEC=20000000")


def test_the_watchdog_is_fed_thrice_in_its_period() -> None:
    told = list[str]()

    async def main() -> None:
        task = asyncio.create_task(ServiceManager(told.append, 6.0).run(_at_once, lambda: "well"))
        await asyncio.sleep(60.1)
        task.cancel()

    run_virtual(main())
    assert told.count("WATCHDOG=1") == 31
    assert told.count("STATUS=well") == 1, "the same sentence is not told twice"


def test_while_it_stops_a_little_more_time_is_asked_for_again_and_again() -> None:
    told = list[str]()

    async def main() -> None:
        async with ServiceManager(told.append).stopping("bringing th-1 to firmware that runs"):
            await asyncio.sleep(58)

    run_virtual(main())
    assert told[0] == "STOPPING=1\nSTATUS=bringing th-1 to firmware that runs"
    assert told[1:] == ["EXTEND_TIMEOUT_USEC=20000000"] * 12


@pytest.mark.parametrize(
    ("environment", "period"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "17"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "18"}, None),
    ],
)
def test_only_a_watchdog_that_is_ours_is_fed(environment: dict[str, str], period: float | None) -> None:
    assert watchdog_period(environment, 17) == period


async def _at_once() -> None:
    pass
