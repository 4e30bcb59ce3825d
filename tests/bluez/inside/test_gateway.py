"""The gateway itself over BlueZ: nodes are discovered, updated, proved and taken back."""

import random
from pathlib import Path

import pytest

from flashers.mcuboot_smp.wire import SERVICE
from flashers.nordic_dfu.params import Entry
from flashers.sim import Behaviour
from gateway.verbs.nodes import AdoptRequest
from tests.bluez.inside.world import World
from tests.gateway.service import test_secure_dfu
from tests.gateway.service.airsite import MAIN, RadioBench
from tests.gateway.service.site import NEW, OLD, THERMO, Piece, outcomes, runs
from transports.ble.adapters import AdapterSettings, backend_of
from transports.ble.backend import Backend
from transports.ble.bluez import BluezBackend

WITHIN_S = 240.0
_SLOWLY = {
    "reply_timeout = 0.5": "reply_timeout = 3.0",
    "stall_timeout = 3.0": "stall_timeout = 20.0",
    "boot_deadline = 5.0": "boot_deadline = 30.0",
}
"""Real time, on a processor that is emulated."""


_KNOWN_BY = f"""[discovery]
services = ["{SERVICE}"]
name = "t.*"

[params]"""


class BluezBench(RadioBench):
    """A site whose adapter is Linux's, named by its address and nothing else."""

    def __init__(self, folder: Path, world: World) -> None:
        super().__init__(folder)
        self.air = world.air
        self.settings["adapters"] = {MAIN: {"address": world.lent.address}}
        self.profile(swap={**_SLOWLY, "[params]": _KNOWN_BY})

    async def _made(self, name: str, settings: AdapterSettings) -> Backend:
        made = await backend_of(name, settings)
        assert isinstance(made, BluezBackend)
        return made


async def test_a_node_is_discovered_adopted_updated_proved_and_confirmed(
    world: World, tmp_path: Path
) -> None:
    bench = BluezBench(tmp_path, world)
    node = bench.on_air("t1")
    del bench.tables["t1"]
    try:
        async with bench.gateway() as running:
            heard = await running.gateway.discovery.listen(5.0, asked_by="test")
            (candidate,) = heard.candidates
            assert candidate.name == "t1"
            assert THERMO in candidate.profiles
            assert -60 < candidate.rssi < -40
            request = AdoptRequest("t1", THERMO, f"ble:{MAIN}#{candidate.address}")
            await running.gateway.roster.adopt(request, asked_by="test")
            await running.until(lambda: running.gateway.site.not_ours("t1") is None, within=WITHIN_S)
            await running.gateway.add_release(bench.release(NEW, Piece(THERMO)), asked_by="test")
            await running.deploy()
            assert outcomes(await running.ended(within=WITHIN_S)) == ["succeeded"]
            assert runs(bench, "t1", THERMO, NEW)
            assert node.truth().confirmed
    finally:
        await bench.aclose()


async def test_a_release_that_is_not_well_is_taken_back_by_the_bootloader(
    world: World, tmp_path: Path
) -> None:
    bench = BluezBench(tmp_path, world)
    bench.on_air("t1")
    try:
        async with bench.gateway() as running:
            ill = bench.release(NEW, Piece(THERMO, Behaviour.UNHEALTHY))
            await running.gateway.add_release(ill, asked_by="test")
            await running.deploy()
            (record,) = await running.ended(within=WITHIN_S)
            assert outcomes([record]) == ["rolled-back"]
            assert record.result is not None
            assert record.result.rollback.value == "bootloader"
            assert runs(bench, "t1", THERMO, OLD)
    finally:
        await bench.aclose()


@pytest.mark.parametrize("seed", range(3))
async def test_power_is_cut_at_a_flash_operation_and_what_is_told_is_true(
    world: World, tmp_path: Path, seed: int
) -> None:
    """Samples of the crash matrix, over the real BlueZ."""
    chance = random.Random(seed)
    bench = BluezBench(tmp_path, world)
    node = bench.on_air("t1")
    try:
        async with bench.gateway() as running:
            await running.gateway.add_release(bench.release(NEW, Piece(THERMO)), asked_by="test")
            operation = node.operations + chance.randrange(1, 10)
            node.cut_power_at(operation, torn=chance.random() < 0.5, off_for=chance.uniform(0.5, 3.0))
            await running.deploy()
            (record,) = await running.ended(within=WITHIN_S)
            assert node.operations >= operation, "the power was never cut"
            (outcome,) = outcomes([record])
            assert outcome in {"succeeded", "rolled-back"}
            assert runs(bench, "t1", THERMO, NEW if outcome == "succeeded" else OLD)
            assert node.truth().confirmed
    finally:
        await bench.aclose()


async def test_eight_nodes_at_once_all_finish_whatever_bluez_drops(world: World, tmp_path: Path) -> None:
    bench = BluezBench(tmp_path, world)
    names = [f"t{number}" for number in range(1, 9)]
    nodes = [bench.on_air(name) for name in names]
    try:
        async with bench.gateway() as running:
            await running.gateway.add_release(bench.release(NEW, Piece(THERMO)), asked_by="test")
            await running.deploy(all_at_once=True, max_in_parallel=8)
            records = await running.ended(within=2 * WITHIN_S)
            assert all(runs(bench, name, THERMO, NEW) for name in names), outcomes(records)
            assert all(node.truth().confirmed for node in nodes)
            assert {record.node for record in records if outcomes([record]) == ["succeeded"]} == set(names)
    finally:
        await bench.aclose()


@pytest.mark.parametrize("entry", [Entry.UNBONDED, Entry.BONDED])
async def test_a_node_with_nordics_loader_is_updated_and_stays_one(
    world: World, tmp_path: Path, entry: Entry
) -> None:
    """Its loader has another address; or the same, and a bond that BlueZ has with the application only."""
    bench = BluezBench(tmp_path, world)
    node = test_secure_dfu.meter(bench, entry)
    profile = bench.profiles / "meter.toml"
    profile.write_text(
        profile.read_text()
        .replace("boot_deadline = 20.0", "boot_deadline = 60.0")
        .replace("patience = 20.0", "patience = 120.0")
    )
    try:
        async with bench.gateway() as running:
            path = test_secure_dfu.release(bench, "new", NEW, test_secure_dfu.package(NEW))
            await running.gateway.add_release(path, asked_by="test")
            await running.deploy(no_rollback="allow")
            assert outcomes(await running.ended(within=WITHIN_S)) == ["succeeded"]
            assert test_secure_dfu.runs(node, test_secure_dfu.package(NEW))
    finally:
        await bench.aclose()
