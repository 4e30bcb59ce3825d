"""Fetching over lines that break and from servers that err: the right bytes, once, or a named error."""

import asyncio
import os
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flashers.api.data import Digest
from gateway.artifacts.errors import (
    DiskFull,
    FetchDigestMismatch,
    FetchError,
    FetchFailed,
    FetchRefused,
    FetchTooLarge,
    StoreFull,
)
from gateway.artifacts.fetch import Fetcher
from gateway.artifacts.line import FetchLimits
from gateway.artifacts.store import ArtifactStore
from tests.gateway.artifacts import server as acts
from tests.gateway.artifacts.server import FileServer, serving
from transports.errors import TenderError

PROJECT = Path(__file__).resolve().parents[3]
FIRMWARE = b"".join(b"%07d\n" % number for number in range(20_000))
SIZE = len(FIRMWARE)
DIGEST = Digest.sha256(FIRMWARE)
OTHER = FIRMWARE[::-1]
QUICK = FetchLimits(reply_timeout=5, stall_timeout=5, tries=4, backoff_first=0.001, backoff_most=0.01)


class BudgetUsedUp(TenderError):
    """The month's data is used up."""

    code = "budget-used-up"


@dataclass
class World:
    """A store, a fetcher and as many servers as a test wants."""

    root: Path
    stack: AsyncExitStack
    store: ArtifactStore
    fetcher: Fetcher
    wire: list[int] = field(default_factory=list)

    async def server(self, content: bytes = FIRMWARE, *script: acts.Behave) -> FileServer:
        return await self.stack.enter_async_context(serving(FileServer(content, script=list(script))))

    async def fetch(self, *servers: FileServer) -> None:
        await self.fetcher.artifact(DIGEST, SIZE, [server.url for server in servers])

    async def arrived(self) -> None:
        """Safety and liveness at once: it is here, it is right, and nothing else is left."""
        assert await self.store.open_verified(DIGEST) == FIRMWARE
        assert not list((self.root / "partial").iterdir())
        assert self.store.room.used == self.store.usage().stored

    def nothing_stored(self) -> None:
        assert not self.store.has(DIGEST)
        assert self.store.usage().stored == 0

    async def restart(self, limits: FetchLimits = QUICK) -> None:
        await self.fetcher.close()
        self.store = await ArtifactStore.open(self.root, cap=1 << 24, keep_free=0)
        self.fetcher = Fetcher(self.store, limits=limits, spend=self.wire.append)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A gateway without any artifact; nothing of it runs on afterwards."""
    async with AsyncExitStack() as stack:
        store = await ArtifactStore.open(tmp_path, cap=1 << 24, keep_free=0)
        world = World(tmp_path, stack, store, Fetcher(store))
        await world.restart()
        yield world
        await world.fetcher.close()
        assert not world.fetcher._flights


async def test_a_file_is_fetched_once_and_counted(world: World) -> None:
    server = await world.server()
    await world.fetch(server)
    await world.arrived()
    await world.fetch(server)
    assert len(server.requests) == 1
    assert sum(world.wire) == server.sent == SIZE


async def test_an_interrupted_download_goes_on_where_it_stopped(world: World) -> None:
    server = await world.server(FIRMWARE, acts.cut_after(50_000), acts.cut_after(50_000))
    await world.fetch(server)
    await world.arrived()
    assert len(server.requests) == 3
    assert [request.get("Range") for request in server.requests] == [None, "bytes=50000-", "bytes=100000-"]
    assert server.sent == SIZE, "no byte was sent twice"


async def test_a_download_goes_on_after_a_restart(world: World) -> None:
    server = await world.server(FIRMWARE, acts.cut_after(90_000), *[acts.status(503)] * 8)
    with pytest.raises(FetchFailed) as caught:
        await world.fetch(server)
    assert caught.value.retryable
    world.nothing_stored()
    await world.restart()
    assert world.store.usage().partial == 90_000
    server.script.clear()
    await world.fetch(server)
    await world.arrived()
    assert server.requests[-1]["Range"] == "bytes=90000-"
    assert server.requests[-1]["If-Range"] == '"v1"'
    assert server.sent == SIZE


async def test_a_server_that_ignores_ranges_starts_anew(world: World) -> None:
    server = await world.server(FIRMWARE, acts.cut_after(50_000), acts.ignore_range)
    await world.fetch(server)
    await world.arrived()
    assert server.sent == 50_000 + SIZE


async def test_a_file_that_changed_meanwhile_starts_anew(world: World) -> None:
    server = await world.server(OTHER, acts.cut_after(50_000), acts.change(FIRMWARE, '"v2"'))
    await world.fetch(server)
    await world.arrived()


async def test_a_changed_file_is_noticed_even_if_the_server_ignores_if_range(world: World) -> None:
    server = await world.server(
        OTHER, acts.cut_after(50_000), acts.change(FIRMWARE, '"v2"', acts.ignore_if_range)
    )
    await world.fetch(server)
    await world.arrived()


async def test_a_file_that_changed_under_the_same_mark_is_noticed_at_the_end(world: World) -> None:
    server = await world.server(OTHER, acts.cut_after(50_000), acts.change(FIRMWARE, '"v1"'))
    await world.fetch(server)
    await world.arrived()
    assert server.sent == SIZE + SIZE


async def test_without_any_mark_a_download_is_resumed_all_the_same(world: World) -> None:
    server = await world.server(FIRMWARE, acts.cut_after(50_000))
    server.etag = None
    await world.fetch(server)
    await world.arrived()
    assert server.sent == SIZE


async def test_a_weak_mark_is_not_used_to_resume_by(world: World) -> None:
    server = await world.server(FIRMWARE, acts.cut_after(50_000))
    server.etag, server.last_modified = 'W/"v1"', "Fri, 21 Nov 2025 07:00:00 GMT"
    await world.fetch(server)
    await world.arrived()
    assert server.requests[1]["If-Range"] == "Fri, 21 Nov 2025 07:00:00 GMT"


async def test_an_answer_that_starts_elsewhere_is_not_put_together(world: World) -> None:
    server = await world.server(FIRMWARE, acts.cut_after(50_000), acts.wrong_start(8))
    await world.fetch(server)
    await world.arrived()


async def test_a_mirror_goes_on_where_another_server_broke_off(world: World) -> None:
    first = await world.server(FIRMWARE, acts.cut_after(50_000))
    mirror = await world.server()
    mirror.etag = '"another mark for the same file"'
    await world.fetch(first, mirror)
    await world.arrived()
    assert mirror.sent == SIZE - 50_000
    assert "If-Range" not in mirror.requests[0]


async def test_a_mirror_with_other_bytes_does_not_spoil_the_download(world: World) -> None:
    first = await world.server(FIRMWARE, acts.cut_after(50_000))
    bad = await world.server(OTHER)
    await world.fetch(bad, first)
    await world.arrived()


@pytest.mark.parametrize("code", [401, 403, 404, 410])
async def test_an_address_that_refuses_is_asked_once_and_the_next_one_serves(world: World, code: int) -> None:
    refusing = await world.server(FIRMWARE, *[acts.status(code)] * 9)
    good = await world.server(FIRMWARE, acts.cut_after(10_000))
    await world.fetch(refusing, good)
    await world.arrived()
    assert len(refusing.requests) == 1


async def test_a_file_that_nobody_has_is_refused_without_waiting(world: World) -> None:
    servers = [await world.server(FIRMWARE, acts.status(404)) for _ in range(2)]
    with pytest.raises(FetchRefused, match="404"):
        await world.fetch(*servers)
    assert [len(server.requests) for server in servers] == [1, 1]


async def test_no_address_is_an_error_of_its_own(world: World) -> None:
    with pytest.raises(FetchRefused, match="no address"):
        await world.fetch()


async def test_a_server_in_trouble_is_asked_again_but_not_for_ever(world: World) -> None:
    server = await world.server(FIRMWARE, acts.status(503, Retry_After="0"), acts.status(500))
    await world.fetch(server)
    await world.arrived()
    dead = await world.server(b"", *[acts.status(503)] * 99)
    with pytest.raises(FetchFailed, match="without headway"):
        await world.fetcher.artifact(Digest.sha256(b"x"), 1, [dead.url])
    assert len(dead.requests) == QUICK.tries


async def test_a_line_that_breaks_all_the_time_but_brings_something_gets_there(world: World) -> None:
    server = await world.server(FIRMWARE, *[acts.cut_after(5_000)] * 31)
    await world.fetch(server)
    await world.arrived()
    assert len(server.requests) == 32
    assert server.sent == SIZE


async def test_nobody_listening_is_a_failed_fetch(world: World) -> None:
    server = FileServer(FIRMWARE)
    async with serving(server):
        pass
    with pytest.raises(FetchFailed):
        await world.fetch(server)


async def test_other_bytes_are_thrown_away_and_named(world: World) -> None:
    server = await world.server(OTHER)
    with pytest.raises(FetchDigestMismatch) as caught:
        await world.fetch(server)
    assert not caught.value.retryable
    assert len(server.requests) == 1
    world.nothing_stored()


@pytest.mark.parametrize("script", [[acts.answer_well], [acts.endless]], ids=["announced", "not announced"])
async def test_more_bytes_than_wanted_are_not_taken(world: World, script: list[acts.Behave]) -> None:
    server = await world.server(FIRMWARE + bytes(5 << 20), *script)
    with pytest.raises(FetchTooLarge):
        await world.fetch(server)
    world.nothing_stored()
    assert sum(world.wire) < SIZE + (1 << 20)


async def test_fewer_bytes_than_wanted_are_another_file(world: World) -> None:
    with pytest.raises(FetchDigestMismatch, match="bytes instead of"):
        await world.fetch(await world.server(FIRMWARE[:-1]))


async def test_an_answer_without_a_length_is_taken_by_its_digest(world: World) -> None:
    server = await world.server(FIRMWARE, acts.without_length(70_000), acts.without_length())
    await world.fetch(server)
    await world.arrived()


async def test_a_compressed_answer_is_refused(world: World) -> None:
    server = await world.server(FIRMWARE, acts.status(200, Content_Encoding="gzip"))
    with pytest.raises(FetchRefused, match="gzip"):
        await world.fetch(server)
    assert server.requests[0]["Accept-Encoding"] == "identity"


async def test_a_server_that_falls_silent_is_left_and_what_came_is_kept(world: World) -> None:
    done = asyncio.Event()
    await world.restart(FetchLimits(reply_timeout=5, stall_timeout=0.5, tries=2, backoff_first=0.001))
    server = await world.server(FIRMWARE, acts.silent_after(50_000, done), acts.silent_after(40_001, done))
    await world.fetch(server)
    done.set()
    await world.arrived()
    assert [request.get("Range") for request in server.requests] == [None, "bytes=50000-", "bytes=90001-"]


async def test_a_server_that_never_answers_is_left(world: World) -> None:
    done = asyncio.Event()
    await world.restart(FetchLimits(reply_timeout=0.1, stall_timeout=5, tries=2, backoff_first=0.001))
    server = await world.server(FIRMWARE, *[acts.mute(done)] * 2)
    with pytest.raises(FetchFailed, match="no answer within"):
        await world.fetch(server)
    done.set()


async def test_redirects_are_followed_a_few_times(world: World) -> None:
    target = await world.server()
    first = await world.server(b"", acts.redirect(target.url))
    await world.fetch(first)
    await world.arrived()


@pytest.mark.parametrize("location", ["/round", "file:///etc/passwd", "ftp://127.0.0.1/x", "http://["])
async def test_redirects_in_circles_or_elsewhere_are_refused(world: World, location: str) -> None:
    server = await world.server(b"", *[acts.redirect(location)] * 20)
    with pytest.raises(FetchRefused):
        await world.fetch(server)
    assert len(server.requests) <= QUICK.redirects + 1


@pytest.mark.parametrize(
    "url", ["", "file:///etc/passwd", "http://", "http://[", "http://x:99999/", "nonsense"]
)
async def test_what_is_no_address_is_refused(world: World, url: str) -> None:
    with pytest.raises(FetchRefused):
        await world.fetcher.artifact(DIGEST, SIZE, [url])


async def test_fifty_nodes_cause_one_download(world: World) -> None:
    server = await world.server(FIRMWARE, acts.cut_after(50_000))
    await asyncio.gather(*(world.fetch(server) for _ in range(50)))
    await world.arrived()
    assert server.sent == SIZE


async def test_one_who_gives_up_does_not_take_the_download_from_the_others(world: World) -> None:
    go = asyncio.Event()

    async def wait_then_answer(server: FileServer, request: web.Request) -> web.StreamResponse:
        await go.wait()
        return await acts.answer_well(server, request)

    server = await world.server(FIRMWARE, wait_then_answer)
    first, second = (asyncio.create_task(world.fetch(server)) for _ in range(2))
    await until(lambda: bool(server.requests))
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    go.set()
    await second
    await world.arrived()


async def test_the_last_who_gives_up_ends_the_download_and_it_can_be_taken_up(world: World) -> None:
    never = asyncio.Event()
    server = await world.server(FIRMWARE, acts.silent_after(60_000, never))
    task = asyncio.create_task(world.fetch(server))
    await until(lambda: sum(world.wire) > 50_000)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    world.nothing_stored()
    kept = world.store.usage().partial
    assert kept == sum(world.wire)
    await world.fetch(server)
    never.set()
    await world.arrived()
    assert server.requests[1]["Range"] == f"bytes={kept}-"


async def test_stopping_the_service_ends_downloads_without_cancelling_who_waits(world: World) -> None:
    never = asyncio.Event()
    server = await world.server(FIRMWARE, acts.silent_after(60_000, never))
    waiting = [asyncio.create_task(world.fetch(server)) for _ in range(3)]
    await until(lambda: sum(world.wire) > 50_000)
    await world.fetcher.close()
    for task in waiting:
        with pytest.raises(FetchFailed, match="stopped"):
            await task
    never.set()
    assert world.store.usage().partial == sum(world.wire)


async def test_a_download_cancelled_before_it_began_leaves_no_trace(world: World) -> None:
    server = await world.server()
    task = asyncio.create_task(world.fetch(server))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await world.fetch(server)
    await world.arrived()


async def test_who_joins_brings_more_addresses(world: World) -> None:
    joined = asyncio.Event()

    async def refuse_late(server: FileServer, request: web.Request) -> web.StreamResponse:
        await joined.wait()
        return web.Response(status=503)

    bad = await world.server(FIRMWARE, refuse_late, *[acts.status(503)] * 50)
    good = await world.server()
    first = asyncio.create_task(world.fetch(bad))
    await until(lambda: bool(bad.requests))
    second = asyncio.create_task(world.fetch(good))
    await asyncio.sleep(0)
    joined.set()
    await asyncio.gather(first, second)
    await world.arrived()
    assert len(good.requests) == 1


async def test_a_used_up_budget_stops_the_download_and_keeps_what_was_paid_for(world: World) -> None:
    server = await world.server(FIRMWARE, *[acts.cut_after(50_000)] * 2)
    left = 80_000

    def spend(count: int) -> None:
        nonlocal left
        left -= count
        if left < 0:
            raise BudgetUsedUp

    fetcher = Fetcher(world.store, limits=QUICK, spend=spend)
    with pytest.raises(BudgetUsedUp):
        await fetcher.artifact(DIGEST, SIZE, [server.url])
    assert len(server.requests) == 2
    assert world.store.usage().partial == 80_000 - left
    left = 1 << 30
    await fetcher.artifact(DIGEST, SIZE, [server.url])
    await fetcher.close()
    await world.arrived()
    assert server.sent == SIZE


async def test_what_does_not_fit_is_not_even_asked_for(world: World) -> None:
    server = await world.server()
    for cap, keep_free, error in ((SIZE - 1, 0, StoreFull), (1 << 30, 1 << 60, DiskFull)):
        store = await ArtifactStore.open(world.root, cap=cap, keep_free=keep_free)
        fetcher = Fetcher(store, limits=QUICK)
        with pytest.raises(error):
            await fetcher.artifact(DIGEST, SIZE, [server.url])
        await fetcher.close()
    assert not server.requests


async def test_rubbish_that_a_crash_left_in_a_download_is_found_out(world: World) -> None:
    server = await world.server(FIRMWARE, acts.cut_after(90_000), *[acts.status(503)] * 8)
    with pytest.raises(FetchFailed):
        await world.fetch(server)
    partial = world.root / "partial" / f"{DIGEST.value.hex()}.part"
    for damaged in (b"\0" * 90_000, FIRMWARE[:100] + bytes(100), FIRMWARE + b"more", bytes(SIZE)):
        server.script.clear()
        partial.write_bytes(damaged)
        partial.with_suffix(".json").write_text(
            f'{{"url":"{server.url}","validator":"\\"v1\\"","size":{SIZE}}}'
        )
        await world.restart()
        await world.fetch(server)
        await world.arrived()
        (world.root / "sha256" / DIGEST.value.hex()[:2] / DIGEST.value.hex()).unlink()
        await world.restart()


@pytest.mark.parametrize("sidecar", ["", "{", '{"url":5}', '{"url":"x","new":1}', "\udcff"])
async def test_a_damaged_note_on_a_download_starts_it_anew(world: World, sidecar: str) -> None:
    for suffix, text in (("part", "rubbish"), ("json", sidecar)):
        path = world.root / "partial" / f"{DIGEST.value.hex()}.{suffix}"
        path.write_text(text, errors="surrogateescape")
    await world.restart()
    await world.fetch(await world.server())
    await world.arrived()


async def test_proxies_of_the_environment_are_not_used_unless_asked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = await world.server(FIRMWARE)
    server = await world.server()
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    await world.fetch(server)
    assert not proxy.requests
    await world.arrived()


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    folder = tmp_path / "tls"
    folder.mkdir()
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-subj", "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "30"]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    return folder / "cert.pem", folder / "key.pem"


async def test_a_server_that_cannot_prove_itself_gets_no_request(
    world: World, certificate: tuple[Path, Path]
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    server = await world.stack.enter_async_context(serving(FileServer(FIRMWARE), tls=context))
    with pytest.raises(FetchFailed, match="certificate"):
        await world.fetch(server)
    assert not server.requests
    trusting = Fetcher(world.store, limits=QUICK, tls=ssl.create_default_context(cafile=str(certificate[0])))
    await trusting.artifact(DIGEST, SIZE, [server.url])
    await world.arrived()
    plain = await world.server()
    server.script.append(acts.redirect(plain.url))
    with pytest.raises(FetchRefused, match="from https to http"):
        await trusting.artifact(Digest.sha256(b"x"), 1, [server.url])
    await trusting.close()


async def until(condition: Callable[[], bool]) -> None:
    """Let others run until it holds; the test's own time-out ends it if never."""
    while not condition():  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(0.001)


async def lent(world: World, server: FileServer, limit: int = 1 << 20) -> bytes:
    async with world.fetcher.release_file(server.url, limit=limit) as path:
        return await asyncio.to_thread(path.read_bytes)


async def test_a_release_file_is_lent_and_gone_afterwards(world: World) -> None:
    server = await world.server(FIRMWARE, acts.cut_after(50_000))
    assert await lent(world, server) == FIRMWARE
    assert server.sent == SIZE
    assert not list((world.root / "partial").iterdir())
    assert world.store.room.used == 0


async def test_a_release_file_goes_on_after_a_restart_if_it_is_the_same(world: World) -> None:
    server = await world.server(FIRMWARE, acts.cut_after(50_000), *[acts.status(503)] * 8)
    with pytest.raises(FetchFailed):
        await lent(world, server)
    await world.restart()
    server.script.clear()
    assert await lent(world, server) == FIRMWARE
    assert server.sent == SIZE


@pytest.mark.parametrize("etag", ['"v2"', None])
async def test_a_release_file_that_changed_or_cannot_be_told_apart_starts_anew(
    world: World, etag: str | None
) -> None:
    server = await world.server(OTHER, acts.cut_after(50_000), acts.change(FIRMWARE, etag))
    server.etag = '"v1"' if etag else None
    assert await lent(world, server) == FIRMWARE


async def test_a_release_file_is_bounded(world: World) -> None:
    for script in (acts.answer_well, acts.without_length()):
        with pytest.raises(FetchTooLarge):
            await lent(world, await world.server(FIRMWARE, script), limit=SIZE - 1)
    assert world.store.room.used == sum(world.store.room.resumable.values())


async def test_a_release_file_that_was_complete_before_a_crash_is_not_sent_again(world: World) -> None:
    server = await world.server()
    async with world.fetcher.release_file(server.url, limit=1 << 20) as path:
        part, note = path.read_bytes(), path.with_suffix(".json").read_bytes()
    path.write_bytes(part)
    path.with_suffix(".json").write_bytes(note)
    await world.restart()
    assert await lent(world, server) == FIRMWARE
    assert server.sent == SIZE


async def test_a_release_file_that_its_reader_cannot_use_is_not_kept(world: World) -> None:
    server = await world.server()

    async def use() -> None:
        async with world.fetcher.release_file(server.url, limit=1 << 20):
            raise BudgetUsedUp

    with pytest.raises(BudgetUsedUp):
        await use()
    assert not list((world.root / "partial").iterdir())


async def test_two_who_want_the_same_release_file_take_turns(world: World) -> None:
    server = await world.server()
    assert await asyncio.gather(*(lent(world, server) for _ in range(3))) == [FIRMWARE] * 3


def test_a_gateway_that_fetches_nothing_loads_no_http_client_and_no_cryptography() -> None:
    script = (
        "import sys, gateway.artifacts.fetch, gateway.artifacts.backups, gateway.releases.add\n"
        "import gateway.releases.shelf, gateway.trust.policy\n"
        "print([name for name in ('aiohttp', 'cryptography', 'yarl') if name in sys.modules])\n"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, cwd=PROJECT)
    assert done.stdout == "[]\n"


deeds = st.sampled_from(
    [
        acts.answer_well,
        acts.ignore_range,
        acts.ignore_if_range,
        acts.endless,
        acts.without_length(),
        acts.without_length(9_000),
        acts.cut_after(0),
        acts.cut_after(1),
        acts.cut_after(5_000),
        acts.cut_after(40_000),
        acts.wrong_start(1),
        acts.status(500),
        acts.status(404),
        acts.status(416),
        acts.status(206),
        acts.status(206, Content_Range="bytes 5-4/3"),
        acts.change(OTHER, '"v2"'),
        acts.change(OTHER, '"v1"', acts.cut_after(30_000)),
        acts.change(FIRMWARE, '"v1"'),
        acts.change(FIRMWARE, '"v3"', acts.cut_after(30_000)),
        acts.change(FIRMWARE[:70_000], None),
    ]
)


@given(first=st.lists(deeds, max_size=5), second=st.lists(deeds, max_size=5), restart=st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_servers_do_the_right_bytes_come_or_a_named_error(
    tmp_path: Path, first: list[acts.Behave], second: list[acts.Behave], restart: bool
) -> None:
    async def run() -> None:
        root = tmp_path / os.urandom(8).hex()
        async with AsyncExitStack() as stack:
            store = await ArtifactStore.open(root, cap=1 << 24, keep_free=0)
            world = World(root, stack, store, Fetcher(store))
            await world.restart()
            servers = [await world.server(FIRMWARE, *first), await world.server(FIRMWARE, *second)]
            for _ in range(2):
                try:
                    await world.fetch(*servers)
                except FetchError:
                    world.nothing_stored()
                else:
                    await world.arrived()
                if restart:
                    await world.restart()
            for server in servers:  # liveness: once they behave, it comes
                server.content, server.etag = FIRMWARE, '"v9"'
                server.script.clear()
            await world.fetch(*servers)
            await world.arrived()
            await world.fetcher.close()

    asyncio.run(run())
