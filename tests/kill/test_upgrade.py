"""Tender itself is replaced while it updates nodes, and an older one meets a newer one's journal.

The older one is the program as it was when the spine stood, taken from this repository's
history and run as a process of its own with this environment's libraries.
"""

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

import pytest

from flashers.sim import Operation
from gateway.api.client import Client
from gateway.clock import now
from gateway.journal import Database, Journal
from gateway.journal.database import newest_shape
from gateway.model.records import Record
from gateway.model.views import Event
from tests.kill.site import PRODUCT, SENSOR, VERSIONS, HailSite, identities, make_hail_site
from tests.matrix.guard import flash_of

OLD_COMMIT = "29f944a247aac27779b21fe8fc15a48785967c32"
"""The newest commit whose journal has the first shape."""
ROOT = Path(__file__).parents[2]
NEW = VERSIONS[0]
NEWER_KEYS = ("waves", "budget")
READY_S, CALM_S = 60.0, 120.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def old_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program as it was then."""
    tree = tmp_path_factory.mktemp("old-tender")
    archive = subprocess.run(["git", "archive", OLD_COMMIT], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        pytest.fail(
            f"commit {OLD_COMMIT[:7]} is not in this clone, and no upgrade can be tried without it: "
            f"fetch the whole history (`git fetch --unshallow`).  {archive.stderr.decode().strip()}"
        )
    subprocess.run(["tar", "-x", "-C", str(tree)], input=archive.stdout, check=True)
    shutil.rmtree(tree / "tests")
    return tree


class Tender:
    """`tender serve` of one tree, before the site's nodes."""

    def __init__(self, tree: Path, site: HailSite) -> None:
        self._tree = tree
        self._site = site
        self.process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        environment = os.environ | {"PYTHONPATH": str(self._tree)}
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "serve", "--config", str(self._site.config)),
            cwd=self._tree,
            env=environment,
            stderr=asyncio.subprocess.PIPE,
        )
        self.log = b""
        self._reader = asyncio.create_task(self._read())
        async with asyncio.timeout(READY_S):
            while b" ready: " not in self.log:
                assert self.process.returncode is None, self.log.decode()
                await asyncio.sleep(0.02)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.end(signal.SIGKILL)

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)

    async def end(self, how: signal.Signals) -> int:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(how)
        status = await self.process.wait()
        await self._reader
        return status

    async def _read(self) -> None:
        assert self.process is not None
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.log += line


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[HailSite]:
    """Two nodes of each family, on what they ran first; nobody listens upstream."""
    async with AsyncExitStack() as stack:
        site = await make_hail_site(tmp_path, "gw", "mqtt://127.0.0.1:9", 4, stack)
        lines = site.config.read_text().splitlines(keepends=True)
        # A configuration from the old days: whoever upgrades changes the program, and nothing else.
        site.config.write_text("".join(line for line in lines if not line.startswith(NEWER_KEYS)))
        # The older one's first request of an upload is up to 12 bytes longer than it believes.
        profile = site.folder / "profiles" / f"{SENSOR}.toml"
        profile.write_text(f"{profile.read_text()}buf_size = 360\n")
        yield site


async def ask(site: HailSite, question: Callable[[Client], Any]) -> Any:
    """Ask the service that runs, from a thread, since its nodes live in this loop."""
    return await asyncio.to_thread(question, Client(site.socket))


async def deploy(site: HailSite) -> None:
    await ask(site, lambda client: client.upload(site.releases[0], "releases"))
    body = {"id": "d1", "product": PRODUCT, "version": NEW, "select": {"all": True}}
    await ask(site, lambda client: client.post("deployments", body=body))


async def all_ended(site: HailSite) -> None:
    async with asyncio.timeout(CALM_S):
        while (await ask(site, lambda client: client.get("status")))["attempts_open"]:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


def kill_in_mid_transfer(site: HailSite, tender: Tender, name: str) -> asyncio.Event:
    """End the process at the third operation on a node's flash: the page after it never comes."""
    node, killed = site.nodes[name], asyncio.Event()
    flash = flash_of(node)
    book, count = flash.watch, 0

    def watch(operation: Operation) -> None:
        nonlocal count
        count += 1
        if count == 3 and not killed.is_set():
            tender.kill()
            killed.set()
        if book is not None:
            book(operation)

    flash.watch = watch
    return killed


async def story(site: HailSite) -> tuple[list[Event], list[Record], int]:
    """What the journal holds: everything that is still to be told, every attempt, and the epoch."""
    journal = Journal(Database(site.state / "journal.sqlite"), "gw", now)
    await journal.open()
    try:
        return await journal.unsent(100_000), await journal.attempts(limit=1000), journal.epoch
    finally:
        await journal.close()


def shape(site: HailSite) -> int:
    """The journal's shape, as whoever opens it finds it; looked at in a copy, with what is in its log."""
    copy = site.folder / "copy"
    copy.mkdir(exist_ok=True)
    for name, data in contents(site.state).items():
        (copy / name).write_bytes(data)
    connection = sqlite3.connect(copy / "journal.sqlite")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    connection.close()
    shutil.rmtree(copy)
    return int(version)


@pytest.mark.parametrize("caught", ["r00", "s01"], ids=["one slot", "two slots"])
async def test_an_attempt_begun_by_an_older_tender_is_brought_to_its_end_by_this_one(
    old_tree: Path, site: HailSite, caught: str
) -> None:
    async with Tender(old_tree, site) as older:
        killed = kill_in_mid_transfer(site, older, caught)
        await deploy(site)
        async with asyncio.timeout(CALM_S):
            await killed.wait()
        assert await older.end(signal.SIGKILL) == -signal.SIGKILL
    assert shape(site) == 1
    assert site.books[caught].boots() != identities(site, NEW)[caught]
    async with Tender(ROOT, site) as newer:
        await all_ended(site)
        assert await newer.end(signal.SIGTERM) == 0
    assert shape(site) == newest_shape()
    assert {name: book.boots() for name, book in site.books.items()} == identities(site, NEW)
    events, records, epoch = await story(site)
    assert {record.node: record.result.outcome for record in records if record.result} == dict.fromkeys(
        site.nodes, "succeeded"
    )
    assert [event.id.sequence for event in events] == list(range(1, len(events) + 1)), "one is lost"
    assert {event.id.epoch for event in events} == {epoch}, "an upgrade begins no new epoch"
    phases = [event.data.get("phase") or event.kind for event in events if event.node == caught]
    assert phases.count("attempt.done") == 1
    assert phases[-1] == "attempt.done"
    starts = [event for event in events if event.kind == "gateway.started"]
    assert len(starts) == 2
    assert starts[1].data["resumed"]


async def test_an_older_tender_leaves_a_newer_ones_journal_exactly_as_it_is(
    old_tree: Path, site: HailSite
) -> None:
    async with Tender(ROOT, site) as newer:
        killed = kill_in_mid_transfer(site, newer, "r00")
        await deploy(site)
        async with asyncio.timeout(CALM_S):
            await killed.wait()
    before = contents(site.state)
    assert "journal.sqlite-wal" in before, "it was killed with something still in its log"
    older = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "serve", "--config", str(site.config)),
        cwd=old_tree,
        env=os.environ | {"PYTHONPATH": str(old_tree)},
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await older.communicate()
    assert older.returncode == 2
    assert b"journal-too-new" in said
    assert b"Install the newer Tender again" in said
    assert contents(site.state) == before
    async with Tender(ROOT, site) as newer:
        await all_ended(site)
        assert await newer.end(signal.SIGTERM) == 0
    assert {name: book.boots() for name, book in site.books.items()} == identities(site, NEW)


def contents(state: Path) -> dict[str, bytes]:
    """The journal, byte for byte; the index that readers share beside it is made anew by each."""
    files = (path for path in state.glob("journal.sqlite*") if path.suffix != ".sqlite-shm")
    return {path.name: path.read_bytes() for path in files}
