"""Real other software owns the nodes' ports; it is asked off and comes back, also when we are killed.

Nothing helps: a real process with the port open for itself alone, real hooks, our real
service, SIGKILL.  The owner has its port again after every life of ours, and was never
started while somebody else had it.
"""

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.api.client import Client
from gateway.clock import now
from gateway.journal import Database, Journal
from tests.kill.minder import Minder
from tests.kill.site import FIRST, PRODUCT, VERSIONS, HailSite, identities, make_hail_site
from tests.kill.test_sigkill import Service
from transports.errors import TenderError

KILLS = int(os.environ.get("TENDER_LEASE_KILLS", "50"))
SITES = 5
SEED = int(os.environ.get("TENDER_KILL_SEED", "20"))
BACK_S = 60.0


@dataclass(frozen=True, slots=True)
class Story:
    """What one gateway lived through."""

    kills: int
    while_off: int
    stops: int
    slowest_s: float


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_other_software_is_asked_off_and_always_comes_back(tmp_path: Path) -> None:
    began = asyncio.get_running_loop().time()
    stories = await asyncio.gather(*(_story(tmp_path / f"g{n}", SEED + n) for n in range(SITES)))
    took = asyncio.get_running_loop().time() - began
    kills, while_off = sum(story.kills for story in stories), sum(story.while_off for story in stories)
    sys.stdout.write(
        f"\n{kills} kills, {while_off} of them while the other software was off its port; asked off "
        f"{sum(story.stops for story in stories)} times; back after a kill within "
        f"{max(story.slowest_s for story in stories):.1f} s of the next start; {took:.0f} s\n"
    )
    assert kills >= KILLS
    assert while_off >= KILLS // 10, "hardly ever in between"


async def _story(folder: Path, seed: int) -> Story:
    chance = random.Random(seed)
    async with AsyncExitStack() as stack:
        site = await make_hail_site(folder, folder.name, "mqtt://127.0.0.1:1", 2, stack)
        minders = [
            await stack.enter_async_context(Minder(folder / name, folder, name)) for name in site.nodes
        ]
        _share(site, minders)
        service = await stack.enter_async_context(Service(site))
        client = Client(site.socket)
        await service.start()
        await service.ready()
        for release in site.releases:
            await asyncio.to_thread(client.upload, release, "releases")
        kills = while_off = wanted = 0
        slowest = 0.0
        while kills < -(-KILLS // SITES):
            wanted = await _want(client, wanted)
            await asyncio.sleep(chance.uniform(0.0, 0.8))
            off = not all(minder.has_port for minder in minders)
            await service.end(signal.SIGKILL)
            kills, while_off = kills + 1, while_off + off
            await service.start()
            if chance.random() < 0.5:
                await asyncio.sleep(chance.uniform(0.1, 0.6))  # in the middle of starting, and of giving back
                await service.end(signal.SIGKILL)
                kills += 1
                await service.start()
            back = asyncio.create_task(_back_once(minders))
            await service.ready()
            slowest = max(slowest, await back)
        await _calm(client, site, service, minders, wanted)
        assert all(minder.denied == 0 for minder in minders), "started while somebody else had the port"
        return Story(kills, while_off, sum(minder.stops for minder in minders), slowest)


def _share(site: HailSite, minders: list[Minder]) -> None:
    lines = []
    for name, minder in zip(site.nodes, minders, strict=True):
        lines += [
            f"[links.{name}]",
            f"link = {json.dumps(f'uart:{site.folder / name}')}",
            'shared_with = "the owner"',
            f"before = {json.dumps(minder.before)}",
            f"after = {json.dumps(minder.after)}",
            "uucp_lock = true",
            f"lock_folder = {json.dumps(str(site.folder))}",
            "hook_deadline = 20.0",
        ]
    with site.config.open("a") as config:
        config.write("\n".join(lines) + "\n")


async def _want(client: Client, wanted: int) -> int:
    """Another release for all nodes, once the last one is done with."""
    body = {
        "id": f"d{wanted}",
        "product": PRODUCT,
        "version": VERSIONS[wanted % len(VERSIONS)],
        "select": {"all": True},
        "policy": {"all_at_once": True},
    }
    with suppress(TenderError):
        open_now = await asyncio.to_thread(client.get, "attempts", open="true")
        if not open_now:
            await asyncio.to_thread(client.post, "deployments", body=body)
            return wanted + 1
    return wanted


async def _back_once(minders: list[Minder]) -> float:
    """What was out comes first after a start: each owner has its port again, be it for a moment only."""
    began = asyncio.get_running_loop().time()
    seen: set[int] = set()
    async with asyncio.timeout(BACK_S):
        while len(seen) < len(minders):
            seen |= {number for number, minder in enumerate(minders) if minder.has_port}
            await asyncio.sleep(0.01)
    return asyncio.get_running_loop().time() - began


async def _all(each: Iterable[bool]) -> bool:
    return all(each)


async def _until(true: Callable[[], Awaitable[bool]], otherwise: str) -> None:
    """The other end is another process: asking it is the only way."""
    end = asyncio.get_running_loop().time() + BACK_S
    while not await true():
        assert asyncio.get_running_loop().time() < end, otherwise
        await asyncio.sleep(0.05)


async def _calm(client: Client, site: HailSite, service: Service, minders: list[Minder], wanted: int) -> None:
    """Nobody is killed any more: the updates end well, and the owners have their ports for good."""
    assert wanted, "nothing was ever deployed"
    await _until(
        lambda: asyncio.to_thread(lambda: not client.get("attempts", open="true")), "attempts are open"
    )
    await _until(lambda: _all(minder.has_port for minder in minders), "an owner has not its port")
    # Which version it is, other tests ask: so many kills may well end in a rollback.  An owner's open may
    # just have restarted its node, as an open does.
    known = [identities(site, version) for version in (FIRST, *VERSIONS)]
    await _until(
        lambda: _all(
            node.truth().running.get(0) in [each[name] for each in known] for name, node in site.nodes.items()
        ),
        "a node was left in between",
    )
    assert await service.end(signal.SIGTERM) == 0
    journal = Journal(Database(site.state / "journal.sqlite"), site.gateway, now)
    await journal.open()
    try:
        assert await journal.borrowed() == [], "the journal believes that something is still out"
    finally:
        await journal.close()
    assert list(site.folder.glob("LCK..*")) == [], "a lock file of ours was left behind"
    assert all(minder.has_port for minder in minders)
