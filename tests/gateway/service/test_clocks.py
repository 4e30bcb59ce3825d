"""The wall clock may jump, stand still or never have been set: it decides nothing."""

import asyncio
import random
from collections.abc import Callable

import pytest

from flashers.api import Stamp
from tests.gateway.service.site import (
    NEW,
    OLD,
    RELAY,
    SENSOR,
    Bench,
    Running,
    firmware,
    outcomes,
    runs,
    virtual,
)

YEAR_MS = 365 * 86_400_000


def jumping() -> Callable[[], Stamp]:
    """Years forward and back, from one moment to the next."""
    chance = random.Random(11)
    return lambda: Stamp(chance.randrange(0, 90 * YEAR_MS), synchronised=chance.random() < 0.5)


def never_set() -> Stamp:
    """A board without a battery, before anybody told it the time."""
    return Stamp(3_000, synchronised=False)


def give(running: Running, clock: Callable[[], Stamp]) -> None:
    running.gateway.site.clock = clock
    running.gateway.site.journal._clock = clock


@pytest.mark.parametrize("clock", [jumping(), never_set])
def test_whatever_the_wall_clock_says_nodes_are_updated_as_ever(
    tmp_path_factory: pytest.TempPathFactory, clock: Callable[[], Stamp]
) -> None:
    @virtual
    async def test(bench: Bench) -> None:
        bench.node("sensor", SENSOR)
        bench.node("relay", RELAY)
        async with bench.gateway(killed=True) as running:
            give(running, clock)
            await running.gateway.add_release(bench.release(NEW), asked_by="test")
            file = bench.folder / "old.hex"
            file.write_bytes(firmware(RELAY, OLD))
            await running.gateway.add_baseline(file, profile=RELAY, component="app", version=OLD)
            await running.deploy(all_at_once=True, soak=20.0)
            await running.until(lambda: running.gateway.supervisor.exposed)
        async with bench.gateway() as running:
            give(running, clock)
            assert set(outcomes(await running.ended(within=300))) == {"succeeded"}
            assert runs(bench, "sensor", SENSOR, NEW)
            assert runs(bench, "relay", RELAY, NEW)
            events = await running.gateway.site.journal.events()
            numbers = [event.id.sequence for event in events]
            assert numbers == sorted(set(numbers)), "told in order, whatever their stamps say"

    test(tmp_path_factory.mktemp("clock"))


@virtual
async def test_draining_lasts_as_long_as_was_asked_whatever_the_wall_clock_does(bench: Bench) -> None:
    async with bench.gateway() as running:
        give(running, jumping())
        await running.gateway.standing.drain(for_s=600, asked_by="alice")
        await asyncio.sleep(598)
        assert (await running.gateway.status()).draining is not None
        await asyncio.sleep(4)
        assert (await running.gateway.status()).draining is None


@virtual
async def test_times_of_a_clock_that_was_never_set_say_so(bench: Bench) -> None:
    bench.node("sensor", SENSOR)
    async with bench.gateway() as running:
        give(running, never_set)
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy(all_at_once=True)
        (record,) = await running.ended()
        assert record.ended == never_set()
        assert not any(event.at.synchronised for event in running.told("attempt.done"))
        view = await running.view("sensor")
        assert view.seen_at is not None
        assert not view.seen_at.synchronised
