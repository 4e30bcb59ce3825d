"""The real service, killed while a relay is off: whoever comes next gives the power first."""

import asyncio
import json
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

_TIMES = 4
_RELAY = '#!/bin/sh\necho "$1" > "{0}.new" && mv "{0}.new" "{0}"\necho "$1" >> "{0}.log"\n'


def configure(folder: Path) -> Path:
    """One node without a port, and a relay that is off for longer than any test."""
    relay = folder / "relay"
    relay.write_text(_RELAY.format(folder / "power"))
    relay.chmod(0o755)
    file = folder / "gateway.toml"
    file.write_text(
        f'state = "{folder}/state"\nsocket = "{folder}/tender.sock"\n'
        '[nodes.a]\nprofile = "demo-relay"\nlink = "uart:/dev/no-such-port"\n'
        '[[nodes.a.ladder]]\nkind = "relay"\noff_for = 3000.0\npause = 0\nper_day = 100\n'
        f'off = ["{relay}", "off"]\non = ["{relay}", "on"]\n'
    )
    return file


@asynccontextmanager
async def process(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A `tender` that is killed at the end, if it has not ended before."""
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", *arguments),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.send_signal(signal.SIGKILL)
        await started.wait()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something outside to become true."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - processes tell nobody of their files
            await asyncio.sleep(0.02)


def said(file: Path) -> str:
    """What the relay was told last."""
    return file.read_text().strip() if file.exists() else ""


def told(file: Path) -> list[str]:
    """All that it was told."""
    return file.read_text().split() if file.exists() else []


def results(journal: Path) -> list[str]:
    """What the journal says of each step, oldest first."""
    connection = sqlite3.connect(f"file:{journal}?mode=ro", uri=True)
    try:
        rows = connection.execute("SELECT step FROM rescue_steps ORDER BY id").fetchall()
    finally:
        connection.close()
    return [json.loads(text)["result"] for (text,) in rows]


async def test_nobody_is_left_without_power_by_a_service_that_was_killed(tmp_path: Path) -> None:
    config, power, listening = configure(tmp_path), tmp_path / "power", tmp_path / "tender.sock"
    for turn in range(_TIMES):
        async with process("serve", "--config", str(config)):
            await until(listening.exists)
            async with process("power", "a", "cycle", "--socket", str(listening)):
                await until(lambda: said(power) == "off")
        assert said(power) == "off", "it was not killed while the relay was off"
        listening.unlink(missing_ok=True)
        async with process("serve", "--config", str(config)):
            await until(lambda: said(power) == "on")
            await until(listening.exists)
        assert told(tmp_path / "power.log") == ["off", "on"] * (turn + 1)
        listening.unlink(missing_ok=True)
    assert results(tmp_path / "state" / "journal.sqlite") == ["interrupted"] * _TIMES


async def test_a_service_that_is_asked_to_end_gives_power_before_it_does(tmp_path: Path) -> None:
    config, power, listening = configure(tmp_path), tmp_path / "power", tmp_path / "tender.sock"
    async with process("serve", "--config", str(config)) as service:
        await until(listening.exists)
        async with process("power", "a", "cycle", "--socket", str(listening)):
            await until(lambda: said(power) == "off")
            os.kill(service.pid, signal.SIGTERM)
            async with asyncio.timeout(60):
                await service.wait()
    assert said(power) == "on"
