"""The real process loses its disk in mid-rollout and has no export: a real broker remembers its nodes.

What it needs comes over real HTTP, and what its nodes run is asked over real ports.
"""

import asyncio
import functools
import json
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from flashers.sim import Operation
from gateway.api.client import Client
from tests.kill.site import VERSIONS, HailSite, identities, make_hail_site
from tests.kill.test_sigkill import CALM_S, Service, Upstream
from tests.matrix.guard import flash_of
from tests.peers.listener import Listener
from tests.peers.mosquitto import Broker

NODES = 20
MOMENTS = ("before the first", "one slot half-written", "some done")

pytestmark = [pytest.mark.slow, pytest.mark.peer, pytest.mark.timeout(400)]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Nobody wants to read that."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The folder's files at an address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_gateway_without_a_past_finds_its_nodes_and_goes_on(tmp_path: Path, moment: str) -> None:
    async with AsyncExitStack() as stack:
        broker = stack.enter_context(Broker(tmp_path / "mosquitto", extra="max_queued_messages 0"))
        listener = stack.enter_context(Listener(broker.port, "tender/#", qos=1))
        site = await make_hail_site(tmp_path / "site", "gw", broker.url, NODES, stack)
        url = stack.enter_context(served(tmp_path / "site"))
        upstream = Upstream(listener, "gw", NODES)
        service = await stack.enter_async_context(Service(site))
        await _first_life(service, site, upstream)
        done = await _lose_it(service, site, upstream, moment)
        written = _watch(site)
        _rebuild_from(site, url)
        await service.start()
        await service.ready()
        await _all_there(site, upstream)
        await listener.until(lambda: bool(_told(upstream, "state.rebuilt")), CALM_S)
        assert not done & set(written), "a node that was done was written again"
        (rebuilt,) = _told(upstream, "state.rebuilt")
        assert rebuilt["data"]["nodes"] == rebuilt["data"]["remembered"] == NODES
        assert len({epoch for epoch, _ in upstream.events}) == 2
        status = await asyncio.to_thread(Client(site.socket).get, "status")
        assert status["wounded"] == []
        assert await service.end(signal.SIGTERM) == 0


async def _first_life(service: Service, site: HailSite, upstream: Upstream) -> None:
    """Everything is on the first release that was wanted, and upstream was told."""
    await service.start()
    await service.ready()
    for release in site.releases:
        await asyncio.to_thread(Client(site.socket).upload, release, "releases")
    upstream.want_next()
    await _all_there(site, upstream)


async def _lose_it(service: Service, site: HailSite, upstream: Upstream, moment: str) -> set[str]:
    """Kill it at that moment, and take its disk; the nodes that had been done by then."""
    wanted = identities(site, _next(upstream))

    def done() -> set[str]:
        return {
            name
            for name, book in site.books.items()
            if book.boots() == wanted[name] and site.nodes[name].truth().confirmed
        }

    if moment == "before the first":
        assert await service.end(signal.SIGKILL) == -signal.SIGKILL
        upstream.want_next()
    else:
        half = asyncio.Event()
        for name, node in site.nodes.items():
            if name.startswith("r"):
                _call_when_open(node, half)
        upstream.want_next()
        async with asyncio.timeout(CALM_S):
            while moment == "some done" and len(done()) < NODES // 4:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            half.clear()
            if moment != "some done":
                await half.wait()
        assert await service.end(signal.SIGKILL) == -signal.SIGKILL
    found = done()
    shutil.rmtree(site.state)
    return found


def _call_when_open(node: Any, half: asyncio.Event) -> None:
    flash = flash_of(node)
    book = flash.watch

    def watch(operation: Operation) -> None:
        if not node.truth().bootable:
            half.set()
        if book is not None:
            book(operation)

    flash.watch = watch


def _watch(site: HailSite) -> list[str]:
    """Whose flash is written from now on."""
    written: list[str] = []
    for name, node in site.nodes.items():
        flash = flash_of(node)

        def watch(operation: Operation, name: str = name, book: Any = flash.watch) -> None:
            written.append(name)
            if book is not None:
                book(operation)

        flash.watch = watch
    return written


def _rebuild_from(site: HailSite, url: str) -> None:
    addresses = json.dumps([f"{url}/{release.name}" for release in site.releases])
    with site.config.open("a") as file:
        file.write(f"[rebuild]\nauto = true\nreleases = {addresses}\n")


def _next(upstream: Upstream) -> str:
    return VERSIONS[(upstream.revision + 1) % len(VERSIONS)]


async def _all_there(site: HailSite, upstream: Upstream) -> None:
    wanted = identities(site, upstream.version)
    try:
        async with asyncio.timeout(CALM_S):
            while not upstream.all_ended or {n: b.boots() for n, b in site.books.items()} != wanted:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
    except TimeoutError:
        behind = [name for name, book in site.books.items() if book.boots() != wanted[name]]
        pytest.fail(
            f"not on {upstream.version}: { ({name: upstream.of_node(name)[-3:] for name in behind}) }"
        )


def _told(upstream: Upstream, kind: str) -> list[dict[str, Any]]:
    upstream.read()
    return [event for event in upstream.events.values() if event["kind"] == kind]
