"""Begin nothing new, finish what is exposed, and say when the plug may be pulled."""

import asyncio
from dataclasses import replace

import pytest

from gateway.errors import NodeUnknown
from gateway.model.outcomes import Outcome
from gateway.service.gateway import Gateway
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
from transports.virtual.memory import MemoryLine


async def stocked(bench: Bench, running: Running) -> Gateway:
    """A gateway with a release, and with what relays can go back to."""
    gateway = running.gateway
    await gateway.add_release(bench.release(NEW), asked_by="test")
    file = bench.folder / "old.hex"
    file.write_bytes(firmware(RELAY, OLD))
    await gateway.add_baseline(file, profile=RELAY, component="app", version=OLD)
    return gateway


def waits_for(gateway: Gateway, attempt: int) -> set[str]:
    return {reason.code for reason in gateway.supervisor.gates(attempt)}


@virtual
async def test_a_drained_gateway_begins_nothing_until_it_is_undrained(bench: Bench) -> None:
    bench.node("sensor", SENSOR)
    bench.node("relay", RELAY)
    async with bench.gateway() as running:
        gateway = running.gateway
        view = await gateway.standing.drain(for_s=None, asked_by="alice")
        assert view.draining is not None
        assert (view.draining.by, view.draining.left_s) == ("alice", None)
        assert view.power_off.ok
        await stocked(bench, running)
        await running.deploy(all_at_once=True)
        await asyncio.sleep(300)
        assert runs(bench, "sensor", SENSOR, OLD)
        assert runs(bench, "relay", RELAY, OLD)
        assert all(waits_for(gateway, record.id) == {"draining"} for record in await running.records())
        view = await gateway.standing.undrain(asked_by="bob")
        assert view.draining is None
        assert outcomes(await running.ended()) == ["succeeded", "succeeded"]
        assert [event.data for event in running.told("gateway.draining")] == [{"by": "alice"}]
        assert [event.data for event in running.told("gateway.undrained")] == [{"by": "bob"}]


@virtual
async def test_draining_survives_a_restart_and_says_who_asked(bench: Bench) -> None:
    bench.node("sensor", SENSOR)
    async with bench.gateway(killed=True) as running:
        await running.gateway.standing.drain(for_s=None, asked_by="alice")
    async with bench.gateway() as running:
        status = await running.gateway.status()
        assert status.draining is not None
        assert status.draining.by == "alice"
        await stocked(bench, running)
        await running.deploy(all_at_once=True)
        await asyncio.sleep(60)
        assert runs(bench, "sensor", SENSOR, OLD)
        await running.gateway.standing.undrain(asked_by="alice")
        assert outcomes(await running.ended()) == ["succeeded"]
    async with bench.gateway() as running:
        assert (await running.gateway.status()).draining is None


@virtual
async def test_draining_ends_when_its_time_is_over(bench: Bench) -> None:
    bench.node("sensor", SENSOR)
    async with bench.gateway() as running:
        await stocked(bench, running)
        view = await running.gateway.standing.drain(for_s=7200, asked_by="alice")
        assert view.draining is not None
        assert view.draining.left_s == pytest.approx(7200, abs=1)
        await running.deploy(all_at_once=True)
        await asyncio.sleep(7100)
        assert runs(bench, "sensor", SENSOR, OLD)
        assert outcomes(await running.ended()) == ["succeeded"]
        assert [event.data["by"] for event in running.told("gateway.undrained")] == [""]


@virtual
async def test_time_in_which_the_gateway_was_off_does_not_shorten_draining(bench: Bench) -> None:
    async with bench.gateway(killed=True) as running:
        await running.gateway.standing.drain(for_s=3600, asked_by="alice")
        await asyncio.sleep(1800)
    await asyncio.sleep(50_000)
    async with bench.gateway() as running:
        draining = (await running.gateway.status()).draining
        assert draining is not None
        assert draining.left_s is not None
        assert 1800 <= draining.left_s <= 1861


@virtual
async def test_an_exposed_node_is_finished_while_the_gateway_drains(bench: Bench) -> None:
    bench.node("relay", RELAY)
    bench.node("later", RELAY, link="memory:relay")
    async with bench.gateway() as running:
        gateway = running.gateway
        await stocked(bench, running)
        assert (await gateway.status()).safe_to_power_off
        await running.deploy("d", "relay", all_at_once=True)
        await running.until(lambda: gateway.supervisor.exposed)
        view = await gateway.standing.drain(for_s=None, asked_by="alice")
        assert not view.power_off.ok
        assert view.power_off.exposed == ("relay",)
        assert "1 node has no firmware that runs just now: relay" in view.power_off.why
        status = await gateway.status()
        assert not status.safe_to_power_off
        assert outcomes(await running.ended()) == ["succeeded"]
        assert (await gateway.status()).safe_to_power_off
        assert runs(bench, "relay", RELAY, NEW)


@virtual
async def test_a_node_with_two_slots_never_keeps_the_plug_in(bench: Bench) -> None:
    bench.node("sensor", SENSOR)
    async with bench.gateway() as running:
        gateway = running.gateway
        await stocked(bench, running)
        await running.deploy(all_at_once=True)
        seen = list[bool]()
        while gateway.supervisor.depth:
            seen.append((await gateway.status()).safe_to_power_off)
            await asyncio.sleep(0.01)
        assert len(seen) > 50
        assert all(seen)
        assert runs(bench, "sensor", SENSOR, NEW)


@virtual
async def test_the_seconds_left_are_those_that_it_takes(bench: Bench) -> None:
    node = bench.node("relay", RELAY)
    bench.lines.lines["relay"] = MemoryLine(node, baud=9600)
    async with bench.gateway() as running:
        gateway = running.gateway
        loop = asyncio.get_running_loop()
        await stocked(bench, running)
        await running.deploy(all_at_once=True)
        await running.until(lambda: gateway.supervisor.exposed)
        guesses = list[tuple[float, float]]()
        while not (power := (await gateway.standing.standing()).power_off).ok:
            if power.seconds_left is not None:
                guesses.append((loop.time(), power.seconds_left))
            await asyncio.sleep(0.05)
        end = loop.time()
        assert guesses
        at, left = guesses[-1]
        assert abs(end - (at + left)) < 2.0


@virtual
async def test_a_pause_between_two_tries_is_still_inside_the_window(bench: Bench) -> None:
    node = bench.node("relay", RELAY)
    async with bench.gateway() as running:
        gateway = running.gateway
        await stocked(bench, running)
        await running.deploy(all_at_once=True)
        await running.until(lambda: gateway.supervisor.exposed)
        node.power_off()
        moments = list[bool]()
        for _ in range(40):
            await asyncio.sleep(0.1)
            moments.append((await gateway.status()).safe_to_power_off)
        assert not any(moments), "its flash is half written, whatever is being done to it at this moment"
        node.power_on()
        ended = await running.ended()
        assert ended[-1].result is not None
        assert ended[-1].result.outcome in (Outcome.SUCCEEDED, Outcome.ROLLED_BACK)


@virtual
async def test_a_node_left_in_its_window_by_a_kill_keeps_the_plug_in_after_the_start(bench: Bench) -> None:
    bench.node("relay", RELAY)
    async with bench.gateway(killed=True) as running:
        await stocked(bench, running)
        await running.deploy(all_at_once=True)
        await running.until(lambda: running.gateway.supervisor.exposed)
        await running.gateway.standing.drain(for_s=None, asked_by="alice")
    async with bench.gateway() as running:
        assert not (await running.gateway.status()).safe_to_power_off
        assert outcomes(await running.ended()) == ["succeeded"]
        assert (await running.gateway.status()).safe_to_power_off


@virtual
async def test_data_is_counted_for_nodes_that_are_known(bench: Bench) -> None:
    bench.node("sensor", SENSOR)
    async with bench.gateway() as running:
        standing = running.gateway.standing
        with pytest.raises(NodeUnknown):
            await standing.heard("nobody", count=1)
        await standing.heard("sensor", count=3)
        for _ in range(10):
            await asyncio.sleep(30)
            await standing.heard("sensor", count=1)
        view = await standing.data("sensor")
        assert view.count == 13
        assert view.per_minute == pytest.approx(2.0, rel=0.1)
        assert replace(view, count=0).last is not None


@virtual
async def test_what_does_not_fit_the_stop_budget_goes_on_at_the_next_start(bench: Bench) -> None:
    node = bench.node("relay", RELAY)
    bench.lines.lines["relay"] = MemoryLine(node, baud=2400)
    bench.settings["stop_budget"] = 0.5
    loop = asyncio.get_running_loop()
    async with bench.gateway() as running:
        await stocked(bench, running)
        await running.deploy(all_at_once=True)
        await running.until(lambda: running.gateway.supervisor.exposed)
        begun = loop.time()
        await running.gateway.stop()
        assert loop.time() - begun < 3.0
        (record,) = await running.records()
        assert record.touched
        assert not record.done
    async with bench.gateway() as running:
        assert not (await running.gateway.status()).safe_to_power_off
        assert outcomes(await running.ended()) == ["succeeded"]
        assert runs(bench, "relay", RELAY, NEW)
