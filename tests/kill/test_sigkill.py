"""The real service is killed at random moments, hundreds of times, while it updates nodes.

Nobody helps it: real ports (PTYs), a real broker, SQLite on a real disk, SIGKILL.
Whatever happened is then told twice, by the nodes' own flashes and by what upstream
was told, and the two stories have to agree.
"""

import asyncio
import json
import os
import random
import signal
import sys
from collections import Counter
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest

from gateway.api.client import Client, ServiceLost, ServiceNotRunning
from gateway.clock import now
from gateway.journal import Database, Journal
from tests.kill.logbook import violations
from tests.kill.site import PRODUCT, VERSIONS, HailSite, identities, make_hail_site
from tests.peers.listener import Listener
from tests.peers.mosquitto import Broker

KILLS = int(os.environ.get("TENDER_KILLS", "200"))
SITES, NODES = 5, 5
"""Gateways that are killed at the same time, and nodes of each: a life of one is mostly waiting."""
SEED = int(os.environ.get("TENDER_KILL_SEED", "20"))
CALM_S = 150.0
READY_S = 60.0


class Upstream:
    """Wants one release after another on every node, and writes down what it is told."""

    def __init__(self, listener: Listener, gateway: str, nodes: int) -> None:
        self._listener = listener
        self._prefix = f"tender/{gateway}"
        self._nodes = nodes
        self._read = 0
        self.revision = 0
        self.events: dict[tuple[int, int], dict[str, Any]] = {}
        self.firsts: list[tuple[int, int]] = []
        self.doubles = 0
        self._ended: dict[str, set[str]] = {}

    @property
    def version(self) -> str:
        """What is wanted now."""
        return VERSIONS[self.revision % len(VERSIONS)]

    @property
    def deployment(self) -> str:
        """The name of what is wanted now."""
        return f"d{self.revision}"

    def want_next(self) -> None:
        """Want the next release everywhere."""
        self.revision += 1
        wanted = {
            "schema": 1,
            "revision": self.revision,
            "deployments": [
                {
                    "id": self.deployment,
                    "release": {"product": PRODUCT, "version": self.version},
                    "select": {"all": True},
                }
            ],
        }
        self._listener.publish(f"{self._prefix}/desired", json.dumps(wanted), retain=True)

    def read(self) -> None:
        """Take what was heard since the last time."""
        heard = self._listener.on(f"{self._prefix}/event")
        for message in heard[self._read :]:
            event = message.json
            key = (event["epoch"], event["sequence"])
            if key in self.events:
                self.doubles += 1
                assert self.events[key] == event, f"event {key} was told in two ways"
                continue
            self.events[key] = event
            self.firsts.append(key)
            if event["kind"] == "attempt.done":
                self._ended.setdefault(event["deployment"], set()).add(event["node"])
        self._read = len(heard)

    async def hear(self, more: int, *, within: float) -> None:
        """Let so many more events come, or so much time pass: what is slow here is slow there, too."""
        topic = f"{self._prefix}/event"
        enough = self._listener.count(topic) + more
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                while self._listener.count(topic) < enough:  # noqa: ASYNC110 - told in paho's thread
                    await asyncio.sleep(0.01)

    @property
    def all_ended(self) -> bool:
        """Whether every node has come to an end of what is wanted."""
        self.read()
        return len(self._ended.get(self.deployment, ())) == self._nodes

    def of_node(self, name: str) -> list[dict[str, Any]]:
        """Everything that was told of a node, each once, in order."""
        return [self.events[key] for key in sorted(self.events) if self.events[key].get("node") == name]


class Service:
    """`tender serve`, started again and again."""

    def __init__(self, site: HailSite) -> None:
        self._site = site
        self._process: asyncio.subprocess.Process | None = None
        self._ready = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._ready = asyncio.Event()
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "serve", "--config", str(self._site.config)),
            stderr=asyncio.subprocess.PIPE,
        )
        self._reader = asyncio.create_task(self._read_log())

    async def ready(self) -> None:
        """Wait until it says that it is."""
        async with asyncio.timeout(READY_S):
            await self._ready.wait()
        assert self._process is not None
        assert self._process.returncode is None, "the service ended by itself; see its log"

    async def end(self, how: signal.Signals) -> int:
        """Send a signal, and wait for the end; the answer is the exit status."""
        assert self._process is not None
        assert self._process.returncode is None, "the service ended by itself; see its log"
        self._process.send_signal(how)
        status = await self._process.wait()
        if self._reader is not None:
            await self._reader
        self._process = None
        return status

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None and self._process.returncode is None:
            await self.end(signal.SIGKILL)

    async def _read_log(self) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        with (self._site.folder / "service.log").open("ab") as log:
            async for line in self._process.stderr:
                log.write(line)
                log.flush()
                if b" ready: " in line:
                    self._ready.set()
        self._ready.set()


@pytest.mark.slow
@pytest.mark.peer
@pytest.mark.timeout(1500)
async def test_two_hundred_kills_leave_no_node_in_between_and_no_report_untrue(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "mosquitto", extra="max_queued_messages 0")
    with broker, Listener(broker.port, "tender/#", qos=1) as listener:
        stories = await asyncio.gather(
            *(_story(tmp_path / f"g{n}", broker.url, listener, SEED + n) for n in range(SITES))
        )
    told = sum((story.outcomes for story in stories), Counter[str]())
    sys.stdout.write(
        f"\n{sum(story.kills for story in stories)} kills "
        f"({sum(story.under_way for story in stories)} while nodes were being updated), "
        f"{sum(story.releases for story in stories)} deployments, {told.total()} attempts: {dict(told)}; "
        f"{sum(story.events for story in stories)} events, {sum(story.doubles for story in stories)} twice; "
        f"{sum(story.operations for story in stories)} flash operations\n"
    )
    assert sum(story.under_way for story in stories) >= KILLS
    assert told["succeeded"] >= SITES * NODES * 2, "hardly anything was ever updated"


@dataclass(frozen=True, slots=True)
class Story:
    """What one gateway lived through."""

    kills: int
    under_way: int
    releases: int
    events: int
    doubles: int
    operations: int
    outcomes: Counter[str]


async def _story(folder: Path, broker_url: str, listener: Listener, seed: int) -> Story:
    """One gateway from its first start to calm weather, with everything that must be true of it then."""
    gateway = folder.name
    async with AsyncExitStack() as stack:
        site = await make_hail_site(folder, gateway, broker_url, NODES, stack)
        upstream = Upstream(listener, gateway, NODES)
        service = await stack.enter_async_context(Service(site))
        await _bring_releases(site, service)
        kills, under_way = await _hail(service, upstream, random.Random(seed))
        await _calm(service, upstream, site)
        records = await _journalled(site)
        found = [
            wrong
            for name, book in site.books.items()
            for wrong in violations(name, book, upstream.of_node(name))
        ]
    assert not found, "\n".join(found[:20])
    assert upstream.firsts == sorted(upstream.firsts), "first deliveries came out of order"
    assert [key[1] for key in upstream.firsts] == list(range(1, len(upstream.firsts) + 1)), "one was lost"
    done = [event for event in upstream.events.values() if event["kind"] == "attempt.done"]
    told = {event["attempt"]: event["data"]["outcome"] for event in done}
    assert len(told) == len(done), "an attempt ended twice"
    assert told == records, "upstream was told other ends than the journal has"
    return Story(
        kills,
        under_way,
        upstream.revision,
        len(upstream.events),
        upstream.doubles,
        sum(len(book.written) for book in site.books.values()),
        Counter(told.values()),
    )


async def _bring_releases(site: HailSite, service: Service) -> None:
    await service.start()
    await service.ready()
    client = Client(site.socket)
    for release in site.releases:
        await asyncio.to_thread(client.upload, release, "releases")
    assert await service.end(signal.SIGTERM) == 0


async def _hail(service: Service, upstream: Upstream, chance: random.Random) -> tuple[int, int]:
    """Kill it, again and again; the answer is how often, and how often nodes were being updated."""
    upstream.want_next()
    kills = under_way = 0
    while under_way < -(-KILLS // SITES):
        await service.start()
        if chance.random() < 0.15:
            await asyncio.sleep(chance.uniform(0.2, 1.0))  # in the middle of starting
        else:
            await service.ready()
            await upstream.hear(
                chance.randrange(chance.choice((3, 10, 30))), within=chance.choice((1.0, 4.0, 8.0))
            )
            await asyncio.sleep(chance.uniform(0.0, 0.1))
        busy = not upstream.all_ended
        assert await service.end(signal.SIGKILL) == -signal.SIGKILL
        kills += 1
        under_way += busy
        if upstream.all_ended:
            upstream.want_next()
    return kills, under_way


async def _calm(service: Service, upstream: Upstream, site: HailSite) -> None:
    """Left alone, the service brings every node to what is wanted, and tells the rest of it."""
    await service.start()
    await service.ready()
    upstream.want_next()
    wanted = identities(site, upstream.version)
    client = Client(site.socket)

    async def settled() -> bool:
        there = {name: book.boots() for name, book in site.books.items()} == wanted
        return upstream.all_ended and there and not await _left_to_tell(client)

    try:
        async with asyncio.timeout(CALM_S):
            while not await settled():  # noqa: ASYNC110 - a node's flash rings no bell
                await asyncio.sleep(0.1)
    except TimeoutError:
        behind = [name for name, book in site.books.items() if book.boots() != wanted[name]]
        ends = {name: [_short(e) for e in upstream.of_node(name)[-6:]] for name in behind}
        pytest.fail(f"in calm weather these did not come to {upstream.version}: {ends}")
    for name, node in site.nodes.items():
        assert node.truth().confirmed, f"{name} would not stay on it"
    assert await service.end(signal.SIGTERM) == 0
    upstream.read()


async def _left_to_tell(client: Client) -> int:
    try:
        status = await asyncio.to_thread(client.get, "status")
    except (ServiceLost, ServiceNotRunning):
        return 1
    return int(status["outbox_depth"]) + int(status["attempts_open"]) + len(status["wounded"])


async def _journalled(site: HailSite) -> dict[int, str]:
    """How every attempt ended, as the journal has it."""
    journal = Journal(Database(site.state / "journal.sqlite"), site.gateway, now)
    await journal.open()
    try:
        records = await journal.attempts(limit=1_000_000)
    finally:
        await journal.close()
    assert all(record.result is not None for record in records)
    return {record.id: record.result.outcome.value for record in records if record.result is not None}


def _short(event: dict[str, Any]) -> str:
    data = event["data"]
    what = data.get("phase") or f"{data.get('outcome')} {data.get('code')}"
    return f"{event['sequence']} {event['kind']} #{event['attempt']} {what}"
