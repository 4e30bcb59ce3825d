"""The disk is lost in the middle of a rollout on twenty nodes: what becomes of them, by their own word.

Each case loses everything that the gateway had, at another moment, and brings up a new one
from an export or from nothing.  What the virtual nodes really hold decides.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from flashers.sim import Operation
from gateway.service.rebuilding.keeping import Memory
from gateway.upstream.messages import NodeState
from tests.gateway.service.site import NEW, OLD, RELAY, SENSOR, Bench, Running, runs
from tests.gateway.service.test_state import Vault
from tests.matrix.guard import Node, flash_of
from transports.virtual.clock import run_virtual

pytestmark = pytest.mark.matrix

SENSORS = [f"s{number}" for number in range(10)]
RELAYS = [f"r{number}" for number in range(10)]
FLEET = {**dict.fromkeys(SENSORS, SENSOR), **dict.fromkeys(RELAYS, RELAY)}


class Fleet:
    """Twenty nodes of both families, their releases, and what was ever written to their flash."""

    def __init__(self, folder: Path) -> None:
        self.bench = Bench(folder)
        self.bench.settings = {
            "rollout": {"max_in_parallel": 3},
            "rebuild": {"auto": True, "patience": 5},
            "upstream": {"mqtt": {"url": "mqtt://127.0.0.1"}},
        }
        for name, kind in FLEET.items():
            self.bench.node(name, kind)
        self.releases = [self.bench.release(version) for version in (OLD, NEW)]
        self.vault = Vault(self.bench)
        self.written: list[str] = []
        self.opened = asyncio.Event()
        """A single-slot node has no firmware at this moment."""
        for name, node in self.bench.nodes.items():
            flash_of(cast(Node, node)).watch = self._watch(name)

    def _watch(self, name: str) -> Callable[[Operation], None]:
        node = self.bench.nodes[name]

        def watch(_: Operation) -> None:
            self.written.append(name)
            if FLEET[name] == RELAY and not node.truth().bootable:
                self.opened.set()

        return watch

    async def half_written(self) -> None:
        """Wait until a single-slot node is in the middle of being written."""
        while not self.without_firmware():
            self.opened.clear()
            async with asyncio.timeout(600):
                await self.opened.wait()

    def on(self, version: str) -> set[str]:
        """The nodes that run it, by their own word."""
        return {name for name, kind in FLEET.items() if runs(self.bench, name, kind, version)}

    def settled_on(self, version: str) -> set[str]:
        """Those that run it and would after a reset."""
        return {name for name in self.on(version) if self.bench.nodes[name].truth().confirmed}

    def without_firmware(self) -> set[str]:
        return {name for name, node in self.bench.nodes.items() if not node.truth().bootable}

    async def add_releases(self, running: Running) -> None:
        for file in self.releases:
            await running.gateway.add_release(file, asked_by="test")

    async def first_life(self, running: Running) -> None:
        """Every node is brought to the old release, so that there is something to go back to."""
        await self.add_releases(running)
        await running.deploy("first", version=OLD, all_at_once=True)
        await running.ended()
        assert self.settled_on(OLD) == set(FLEET)

    async def wanted(self, running: Running) -> None:
        """What upstream wants, as it says it to every gateway of this name."""
        await running.deploy("second", version=NEW, all_at_once=True)

    def remembered(self, running: Running) -> Memory:
        """What the broker would remember: the last state that was published of each node."""
        views = [running.gateway.site.inventory.view(name) for name in FLEET]
        return Memory({view.name: NodeState.of("gw", view).payload().decode() for view in views})


# The moments at which everything is lost


async def nothing_begun(fleet: Fleet, running: Running) -> None:
    """It was wanted, and nothing had happened."""


async def single_slot_half_written(fleet: Fleet, running: Running) -> None:
    await fleet.half_written()
    assert fleet.without_firmware() <= set(RELAYS)


async def some_done(fleet: Fleet, running: Running) -> None:
    await running.until(lambda: len(fleet.settled_on(NEW)) >= 5)


async def some_done_and_one_half_written(fleet: Fleet, running: Running) -> None:
    await running.until(lambda: len(fleet.settled_on(NEW)) >= 4)
    await fleet.half_written()


MOMENTS = (nothing_begun, single_slot_half_written, some_done, some_done_and_one_half_written)


def the_truth_is_told(fleet: Fleet, running: Running, left_alone: set[str]) -> None:
    """Every node runs what was wanted, and those that did before were not written again."""
    assert fleet.settled_on(NEW) == set(FLEET)
    again = left_alone & set(fleet.written)
    assert not again, f"flashed twice: {again}"
    for name in FLEET:
        view = running.gateway.site.inventory.view(name)
        assert view.state == "ok", (name, view.next_step)
        assert view.components[0].firmware is not None
        told = view.components[0].firmware.identity
        assert told == fleet.bench.nodes[name].truth().running[0], name


def show(test: Callable[..., Any], folder: Path, *rest: Any) -> None:
    async def main() -> None:
        await test(Fleet(folder), *rest)

    run_virtual(main())


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.__name__)
@pytest.mark.parametrize("exported", ["before it was wanted", "as it began"])
def test_a_rollout_goes_on_from_an_export(tmp_path: Path, moment: Any, exported: str) -> None:
    show(_from_an_export, tmp_path, moment, exported)


async def _from_an_export(fleet: Fleet, moment: Any, exported: str) -> None:
    bench, vault = fleet.bench, fleet.vault
    async with bench.gateway() as running:
        await fleet.first_life(running)
        if exported == "before it was wanted":
            await vault.export(running)
    async with bench.gateway(killed=True) as running:
        await fleet.wanted(running)
        if exported == "as it began":
            await vault.export(running)
        await moment(fleet, running)
        done = fleet.settled_on(NEW)
    vault.lose_disk()
    fleet.written.clear()
    await vault.bring_back()
    async with bench.gateway() as running:
        await running.gateway.state.before_upstream(_forbidden)
        if exported == "before it was wanted":
            await fleet.wanted(running)
        records = await running.ended()
        the_truth_is_told(fleet, running, done)
        ends = {record.node: record.result for record in records if record.deployment == "second"}
        for name in done:
            end = ends[name]
            assert end is not None
            assert end.outcome in ("already-there", "succeeded"), name
        assert not running.told("deployment.refused")
        asked = running.gateway.state.asker.asked.values()
        await running.until(lambda: all(each.answer is not None for each in asked))


async def _forbidden() -> Memory:
    raise AssertionError("an imported gateway has no need of what upstream remembers")


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.__name__)
def test_a_rollout_goes_on_without_any_export(tmp_path: Path, moment: Any) -> None:
    show(_from_nothing, tmp_path, moment)


async def _from_nothing(fleet: Fleet, moment: Any) -> None:
    bench = fleet.bench
    async with bench.gateway() as running:
        await fleet.first_life(running)
    async with bench.gateway(killed=True) as running:
        await fleet.wanted(running)
        await moment(fleet, running)
        done, bare = fleet.settled_on(NEW), fleet.without_firmware()
        memory = fleet.remembered(running)
    fleet.vault.lose_disk()
    fleet.written.clear()

    async def read() -> Memory:
        return memory

    async with bench.gateway() as running:
        # What a gateway fetches from the addresses in its configuration.
        await fleet.add_releases(running)
        await running.gateway.state.before_upstream(read)
        await fleet.wanted(running)
        await running.ended()
        the_truth_is_told(fleet, running, done)
        (told,) = running.told("state.rebuilt")
        assert told.data["nodes"] == told.data["remembered"] == len(FLEET)
        view = await running.gateway.state.show()
        assert {each.node: each.state for each in view.asked} == dict.fromkeys(FLEET, "asked")
        for name in FLEET.keys() - bare:
            assert running.gateway.site.inventory.known_goods(name), name


def test_a_node_that_runs_nothing_is_brought_back_though_nobody_wants_anything(tmp_path: Path) -> None:
    show(_nobody_wants_anything, tmp_path)


async def _nobody_wants_anything(fleet: Fleet) -> None:
    """The deployment that half-wrote it is not in the export, and is not asked for again."""
    bench, vault = fleet.bench, fleet.vault
    async with bench.gateway() as running:
        await fleet.first_life(running)
        await vault.export(running)
    async with bench.gateway(killed=True) as running:
        await fleet.wanted(running)
        await single_slot_half_written(fleet, running)
        bare = fleet.without_firmware()
    vault.lose_disk()
    await vault.bring_back()
    async with bench.gateway() as running:
        await running.until(lambda: not fleet.without_firmware(), within=600)
        await running.until(lambda: running.gateway.supervisor.depth == 0)
        for name in bare:
            assert runs(bench, name, RELAY, OLD), "it was brought to its known-good"
            found, back = (await running.records(name))[-2:]
            assert found.result is not None
            assert back.result is not None
            assert (found.result.outcome, found.result.code) == ("wounded", "found-without-firmware")
            assert back.result.outcome == "succeeded"
            assert back.recovers == found.id
