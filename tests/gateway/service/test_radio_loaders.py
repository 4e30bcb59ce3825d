"""Nodes whose loader has another name and address: one node all the same, found again after a crash."""

import asyncio

from flashers.api import Role
from tests.gateway.service.airsite import MAIN, AirRunning, RadioBench, on_radio
from tests.gateway.service.site import DFU, NEW, NEWER, OLD, Piece, outcomes, runs


def persona(bench: RadioBench, name: str) -> str:
    """What a node calls itself on the air just now."""
    now = bench.radios[name]._persona
    return "" if now is None else now.advertisement.name


@on_radio
async def test_a_node_is_found_in_its_loader_by_what_its_flasher_said_before(bench: RadioBench) -> None:
    bench.on_air("d1", DFU)
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(OLD, Piece(DFU)), asked_by="test")
        await running.gateway.add_release(bench.release(NEW, Piece(DFU)), asked_by="test")
        await running.deploy("old", version=OLD)
        assert outcomes(await running.ended()) == ["already-there"]
        await running.deploy("new", version=NEW)
        assert outcomes(await running.ended())[-1] == "succeeded"
        assert runs(bench, "d1", DFU, NEW)
        place = running.gateway.site.reach.callings.of(f"ble:{MAIN}#{bench.address('d1')}")
        assert place[Role.LOADER].name == "DfuTarg"
        assert not running.gateway.site.reach.callings.away, "it is back"


@on_radio
async def test_a_gateway_killed_while_a_node_is_in_its_loader_finds_the_same_node_there(
    bench: RadioBench,
) -> None:
    bench.on_air("d1", DFU)
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(OLD, Piece(DFU)), asked_by="test")
        await running.gateway.add_release(bench.release(NEW, Piece(DFU)), asked_by="test")
        await running.deploy("old", version=OLD)
        await running.ended()
    async with bench.gateway(killed=True) as running:
        await running.deploy("new", version=NEW)
        await running.until(lambda: persona(bench, "d1") == "DfuTarg")
        assert running.gateway.site.reach.callings.away
    assert persona(bench, "d1") == "DfuTarg"
    async with bench.gateway() as running:
        assert outcomes(await running.ended())[-1] == "succeeded"
        assert runs(bench, "d1", DFU, NEW)
        assert not running.gateway.site.reach.callings.away


@on_radio
async def test_one_node_at_a_time_is_in_a_loader_that_nobody_can_tell_from_the_next(
    bench: RadioBench,
) -> None:
    for number in range(1, 4):
        bench.on_air(f"d{number}", DFU)
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(OLD, Piece(DFU)), asked_by="test")
        await running.gateway.add_release(bench.release(NEW, Piece(DFU)), asked_by="test")
        await running.deploy("old", version=OLD, waves=())
        await running.ended()
        await running.deploy("new", version=NEW, waves=())
        most, waited = 0, set()
        while running.gateway.supervisor.depth:
            most = max(most, sum(persona(bench, name) == "DfuTarg" for name in bench.radios))
            waited |= {code for name in bench.radios for code in running.waits_for(name)}
            await asyncio.sleep(0.05)
        assert outcomes(await running.records())[-3:] == ["succeeded"] * 3
        assert most == 1
        assert "loader-taken" in waited
        assert all(runs(bench, name, DFU, NEW) for name in bench.radios)


@on_radio
async def test_a_node_that_stays_in_its_loader_keeps_others_out_of_theirs_until_it_is_brought_back(
    bench: RadioBench,
) -> None:
    for number in (1, 2):
        bench.on_air(f"d{number}", DFU)
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(OLD, Piece(DFU)), asked_by="test")
        await running.gateway.add_release(bench.release(NEW, Piece(DFU)), asked_by="test")
        await running.gateway.add_release(bench.release(NEWER, Piece(DFU)), asked_by="test")
        await running.deploy("old", version=OLD, waves=())
        await running.ended()
        await running.deploy("new", "d1", version=NEW)
        await running.until(lambda: persona(bench, "d1") == "DfuTarg")
        bench.nodes["d1"].power_off()
        await running.until(lambda: outcomes_of(running, "d1") == "wounded", within=3600.0)
        bench.nodes["d1"].power_on()
        await running.until(lambda: runs(bench, "d1", DFU, NEW), within=3600.0)
        await running.deploy("newer", "d2", version=NEWER)
        assert outcomes(await running.ended())[-1] == "succeeded"


def outcomes_of(running: AirRunning, node: str) -> str:
    """How a node is shown."""
    views = running.gateway.site.inventory.views()
    return next(view.state for view in views if view.name == node)
