"""The gateway itself over BlueZ: nodes are discovered, updated, proved and taken back."""

from pathlib import Path

from flashers.sim import Behaviour
from tests.bluez.inside.world import World
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


class BluezBench(RadioBench):
    """A site whose adapter is Linux's, named by its address and nothing else."""

    def __init__(self, folder: Path, world: World) -> None:
        super().__init__(folder)
        self.air = world.air
        self.settings["adapters"] = {MAIN: {"address": world.lent.address}}
        self.profile(swap=_SLOWLY)

    async def _made(self, name: str, settings: AdapterSettings) -> Backend:
        made = await backend_of(name, settings)
        assert isinstance(made, BluezBackend)
        return made


async def test_the_gateway_hears_updates_proves_and_confirms_a_node(world: World, tmp_path: Path) -> None:
    bench = BluezBench(tmp_path, world)
    node = bench.on_air("t1")
    try:
        async with bench.gateway() as running:
            await running.gateway.add_release(bench.release(NEW, Piece(THERMO)), asked_by="test")
            await running.deploy()
            assert outcomes(await running.ended(within=WITHIN_S)) == ["succeeded"]
            assert runs(bench, "t1", THERMO, NEW)
            assert node.truth().confirmed
            link = await running.link()
            assert link.radio is not None
            assert link.radio.hears >= 1
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
