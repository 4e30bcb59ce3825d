"""A node on the air that was left wounded: found again when it is heard, and not by listening more."""

import asyncio

from tests.gateway.service.airsite import MAIN, AirRunning, RadioBench, on_radio
from tests.gateway.service.site import DFU, NEW, OLD, Piece, runs
from tests.gateway.service.test_radio_loaders import outcomes_of, persona


async def wounded(bench: RadioBench, running: AirRunning) -> None:
    """Its power fails in its loader, and it stays away until it is looked at rarely."""
    await running.gateway.add_release(bench.release(OLD, Piece(DFU)), asked_by="test")
    await running.gateway.add_release(bench.release(NEW, Piece(DFU)), asked_by="test")
    await running.deploy("old", version=OLD)
    await running.ended()
    await running.deploy("new", version=NEW)
    await running.until(lambda: persona(bench, "d1") == "DfuTarg")
    bench.nodes["d1"].power_off()
    await running.until(lambda: outcomes_of(running, "d1") == "wounded")
    recovery = running.gateway.recovery
    await running.until(lambda: (recovery.next_look_in("d1") or 0.0) > 550.0, within=7200.0)


@on_radio
async def test_a_wounded_node_is_looked_at_soon_after_somebody_heard_it(bench: RadioBench) -> None:
    bench.on_air("d1", DFU)
    async with bench.gateway() as running:
        await wounded(bench, running)
        bench.nodes["d1"].power_on()
        await asyncio.sleep(5.0)
        await running.gateway.discovery.listen(3.0, asked_by="test")
        await running.until(lambda: runs(bench, "d1", DFU, NEW), within=60.0)


@on_radio
async def test_nobody_listens_for_a_wounded_node(bench: RadioBench) -> None:
    bench.on_air("d1", DFU)
    async with bench.gateway() as running:
        await wounded(bench, running)
        adapter = await running.gateway.site.adapters.get(MAIN)
        listened = 0
        left = running.gateway.recovery.next_look_in("d1") or 0.0
        for _ in range(int(left) - 5):
            listened += adapter._scanner is not None
            await asyncio.sleep(1.0)
        assert listened <= 0.25 * left, "but for candidates, ten seconds a minute"


@on_radio
async def test_one_that_is_heard_and_never_answers_is_looked_at_ever_more_rarely(bench: RadioBench) -> None:
    bench.on_air("d1", DFU)
    async with bench.gateway() as running:
        await wounded(bench, running)
        recovery, loop = running.gateway.recovery, asyncio.get_running_loop()
        looks, began = 0, loop.time()
        at_work = False
        while loop.time() - began < 1800.0:
            recovery._overheard("d1")
            await asyncio.sleep(0.5)
            looks += recovery.working("d1") and not at_work
            at_work = recovery.working("d1")
        assert 4 <= looks <= 10, "after half a minute, a minute, two …, beside its own turns"
