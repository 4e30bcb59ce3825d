"""Sixteen nodes, two hops, one frame in ten lost, over the real zigpy and zigpy-znp: every outcome is true.

Among them one that sleeps, one that boots back, one that goes mute and returns, one that takes nothing
older, some that behave as no node should, and one in mid-image when the gateway is killed.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.service.zigbeefleet import (
    DOOR,
    HALL,
    LARGE,
    LATE,
    NEW,
    OLD,
    STUBBORN,
    TWIN,
    WANTED,
    Fleet,
    Service,
    firmware,
)
from transports.virtual.zigbee import VirtualNetwork

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

LOSS = 0.1
LAMPS = ("lamp-1", "lamp-2", "lamp-3", "lamp-4", "lamp-5")
ODD = {
    "odd-beyond": ({"beyond_end": ""}, "bytes from"),
    "odd-floods": ({"floods": "3"}, "asks far too often"),
    "odd-image": ({"other_image": ""}, "asks for another image"),
    "odd-number": ({"repeats_tsn": ""}, "one number"),
}
"""Nodes that behave as none should and are well otherwise: how, and what the log says of them."""


@asynccontextmanager
async def fleet(folder: Path) -> AsyncIterator[Fleet]:
    async with VirtualNetwork(seed=7) as network:
        path = str(await network.offer_pty(folder / "coordinator"))
        made = Fleet(folder, network, path)
        await asyncio.to_thread(made.write)
        made.add("a-large", LARGE)
        made.add("b-boots-back", TWIN, boots_back="")
        made.add("c-mute", LATE, mute_after_boot="40")
        made.add("d-sleepy", DOOR)
        for name in LAMPS:
            made.add(name)
        for name, (traits, _) in ODD.items():
            made.add(name, **traits)
        made.add("odd-liar", lies="7")
        made.add("stubborn-1", STUBBORN)
        made.add("stubborn-2", STUBBORN)
        await asyncio.to_thread(made.configure)
        yield made


async def until(so: Callable[[], Any], *, within: float) -> None:
    """Look until it is so; the simulated nodes ring no bell."""
    async with asyncio.timeout(within):
        while not so():  # noqa: ASYNC110 - as it says
            await asyncio.sleep(0.05)


async def all_joined(site: Fleet) -> None:
    """Let every node in, and wait until each is known by name."""
    await site.post("zigbee", HALL, "permit", body={"seconds": 254})
    site.join(hops=2)
    async with asyncio.timeout(120):
        while True:
            joined = await site.get("zigbee", "nodes")
            if sum(bool(each["node"] and each["interviewed"]) for each in joined) == len(site.nodes):
                break
            await asyncio.sleep(0.5)
    await site.post("zigbee", HALL, "permit", body={"seconds": 0})


async def network_up(site: Fleet) -> None:
    async with asyncio.timeout(60):
        while not (await site.get("zigbee"))[0]["up"]:  # noqa: ASYNC110 - asked as a person would
            await asyncio.sleep(0.2)


async def all_ended(site: Fleet, *, within: float) -> dict[str, list[dict[str, Any]]]:
    """Wait until nothing is open or wounded; attempts by node, oldest first."""
    async with asyncio.timeout(within):
        while True:
            status = await site.get("status")
            if not status["attempts_open"] and not status["wounded"]:
                break
            await asyncio.sleep(0.5)
    found: dict[str, list[dict[str, Any]]] = {}
    for attempt in sorted(await site.get("attempts", limit="1000"), key=lambda each: each["id"]):
        found.setdefault(attempt["node"], []).append(attempt)
    return found


async def test_a_fleet_of_sixteen_comes_through_with_every_outcome_true(tmp_path: Path) -> None:
    async with fleet(tmp_path) as site, Service(tmp_path) as service:
        await service.start()
        await network_up(site)
        release = await asyncio.to_thread(site.release)
        await asyncio.to_thread(site.client.upload, release, "releases")
        for kind in WANTED:
            file = tmp_path / f"{kind}-{OLD}.ota"
            query = {"profile": kind, "component": "app", "version": OLD}
            await asyncio.to_thread(partial(site.client.upload, file, "baselines", **query))
        await all_joined(site)
        site.lose(LOSS)
        await site.deploy("first", *sorted(set(site.nodes) - {"odd-liar", "stubborn-2"}))
        await site.deploy("liar", "odd-liar", no_rollback="allow")

        large = site.nodes["a-large"]
        await until(lambda: large.node.store.offset > 2000, within=90)
        await service.end(signal.SIGKILL)
        caught = {name: placed for name, placed in site.nodes.items() if placed.in_mid_image}
        assert "a-large" in caught
        before = {name: len(placed.overheard.asked) for name, placed in caught.items()}
        # It asks on, of a coordinator with nobody behind it.
        await until(lambda: len(large.overheard.asked) > before["a-large"], within=30)
        await service.start()
        attempts = await all_ended(site, within=170)
        ends = {name: (of[-1]["outcome"], of[-1]["code"]) for name, of in attempts.items()}

        good = {"a-large", "c-mute", "d-sleepy", *LAMPS, *ODD}
        assert {name: ends[name][0] for name in good} == dict.fromkeys(good, "succeeded")
        assert all(site.nodes[name].runs(NEW) for name in good)
        assert [each["outcome"] for each in attempts["c-mute"]] == ["wounded", "succeeded"]
        assert ends["b-boots-back"] == ("rolled-back", "did-not-stay")
        assert attempts["b-boots-back"][-1]["rollback_done"] == "bootloader"
        assert site.nodes["b-boots-back"].runs(OLD)
        assert ends["stubborn-1"] == ("failed", "downgrade-refused")
        assert site.nodes["stubborn-1"].runs(OLD)
        assert ends["odd-liar"][0] == "changed-by-others", "nothing proves what it runs"
        assert any("node=odd-liar " in line and "changed-by-others" in line for line in service.log)

        for name, placed in caught.items():
            resumed = placed.overheard.asked[before[name]]
            assert resumed > 0, f"{name} began anew"
        assert large.overheard.bytes < 2 * len(firmware(LARGE, NEW))
        assert not [name for name, placed in site.nodes.items() if placed.overheard.aborts]
        for name, (_, said) in ODD.items():
            assert any(f"node={name} " in line and said in line for line in service.log), name

        # What one of its kind has shown is known before the next one is asked.
        await site.deploy("second", "stubborn-2")
        attempts = await all_ended(site, within=60)
        (refused,) = attempts["stubborn-2"]
        assert (refused["outcome"], refused["code"]) == ("refused", "downgrade-refused")
        assert not site.nodes["stubborn-2"].overheard.asked
        assert site.nodes["stubborn-2"].runs(OLD)
