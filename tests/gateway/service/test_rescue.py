"""Nodes that do not answer are brought back from outside, and no neighbour pays for it."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from flashers.api import Stamp
from gateway.model.rescue import Effect, StepResult, StepTaken
from gateway.service.rescue.errors import (
    NodeExposed,
    NodeInAttempt,
    NoSuchStep,
    OthersHit,
    StepBounded,
)
from gateway.verbs.rescue import StepView
from tests.gateway.service.rescues import Relays, deaf, hang
from tests.gateway.service.site import NEW, OLD, RELAY, SENSOR, Bench, Running, outcomes, runs, virtual
from transports.power import Circuit, CommandSwitch
from transports.virtual.memory import MemoryLine

DTR = {"kind": "dtr", "wait": 10.0}


def steps(running: Running, node: str) -> list[tuple[Any, Any]]:
    """What was told of the steps on a node: name and result, in order."""
    return [(e.data["step"], e.data["result"]) for e in running.told("rescue.step") if e.node == node]


async def power(running: Running, node: str, action: Any = "cycle", **more: Any) -> StepView:
    """As `tender power` asks for it."""
    given: dict[str, Any] = {"step": None, "force": False, "yes_all": False, "asked_by": "test", **more}
    return await running.gateway.rescue.power(node, action, **given)


@virtual
async def test_a_node_that_hangs_until_its_power_is_cut_comes_back_by_the_relay(bench: Bench) -> None:
    relays = Relays(bench)
    node = bench.node("s1")
    bench.tables["s1"]["ladder"] = [DTR, relays.step("r1")]
    relays.feeds("r1", "s1")
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        deaf(node)
        await running.deploy("d", "s1")
        assert outcomes(await running.ended()) == ["not-reached"]
        await running.until(lambda: running.told("rescue.step"))
        view = await running.view("s1")
        assert (view.recoverable, view.state) == ("power-cycle", "silent")
        await running.until(lambda: len(running.told("rescue.step")) == 2)
        assert steps(running, "s1") == [("dtr", "silent"), ("relay", "answered")]
        assert relays.told("r1") == ["off s1", "on s1"]
        assert (await running.view("s1")).recoverable == ""
        assert runs(bench, "s1", SENSOR, OLD)


@virtual
async def test_a_node_that_needs_no_more_than_its_reset_line_is_not_cut_off(bench: Bench) -> None:
    relays = Relays(bench)
    node = bench.node("s1")
    bench.tables["s1"]["ladder"] = [DTR, relays.step("r1")]
    relays.feeds("r1", "s1")
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        hang(node)
        await running.deploy("d", "s1")
        await running.until(lambda: running.told("rescue.step"))
        assert steps(running, "s1") == [("dtr", "answered")]
        await asyncio.sleep(600)
        assert steps(running, "s1") == [("dtr", "answered")]
        assert relays.told("r1") == []
        assert (await running.gateway.rescue.recover("s1")).recoverable == ""


@virtual
async def test_a_dead_node_is_left_to_a_visit_with_every_step_that_was_tried(bench: Bench) -> None:
    relays = Relays(bench)
    bench.node("s1", options={"silent": "true"})
    bench.tables["s1"]["ladder"] = [DTR, {"kind": "rts", "wait": 5.0}, relays.step("r1")]
    relays.feeds("r1", "s1")
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy("d", "s1")
        await running.until(lambda: running.told("rescue.exhausted"))
        tried = [("dtr", "silent"), ("rts", "silent"), ("relay", "silent")]
        assert steps(running, "s1") == tried
        (told,) = running.told("rescue.exhausted")
        assert told.data["recoverable"] == "site-visit"
        assert told.data["steps"] == [{"step": name, "result": result} for name, result in tried]
        found = await running.gateway.rescue.recover("s1")
        assert (found.recoverable, found.silent) == ("site-visit", True)
        assert [step.name for step in found.steps] == ["relay", "rts", "dtr"]
        assert "all 3 steps" in found.reason
        assert all(rung.tried for rung in found.ladder)
        assert (await running.view("s1")).recoverable == "site-visit"
        # And it is said once, and nothing is tried again by itself.
        await asyncio.sleep(7200)
        assert len(running.told("rescue.exhausted")) == 1
        assert steps(running, "s1") == tried


@virtual
async def test_what_was_tried_is_known_after_a_restart_and_not_tried_again(bench: Bench) -> None:
    relays = Relays(bench)
    bench.node("s1", options={"silent": "true"})
    bench.tables["s1"]["ladder"] = [DTR, relays.step("r1", wait=300.0)]
    relays.feeds("r1", "s1")
    async with bench.gateway(killed=True) as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy("d", "s1")
        await running.until(lambda: running.told("rescue.step"))
    async with bench.gateway() as running:
        found = await running.gateway.rescue.recover("s1")
        assert (found.recoverable, [step.name for step in found.steps]) == ("power-cycle", ["dtr"])
        await running.until(lambda: running.told("rescue.exhausted"))
        assert steps(running, "s1") == [("relay", "silent")]


@virtual
async def test_a_wounded_node_is_restarted_and_its_attempt_goes_on(bench: Bench) -> None:
    relays = Relays(bench)
    node = bench.node("s1")
    bench.lines.lines["s1"] = MemoryLine(node, baud=9600)
    bench.tables["s1"]["ladder"] = [DTR, relays.step("r1")]
    relays.feeds("r1", "s1")
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy("d", "s1")
        await running.in_phase("s1", "transferring")
        deaf(node)
        await running.until(lambda: running.told("attempt.done"))
        assert outcomes(await running.records())[:1] == ["wounded"]
        assert (await running.view("s1")).recoverable == "remote"
        await running.until(lambda: runs(bench, "s1", SENSOR, NEW))
        assert outcomes(await running.ended()) == ["wounded", "succeeded"]
        # The attempt's own restart comes first, and is counted as any other.
        assert steps(running, "s1") == [("dtr", "done"), ("dtr", "silent"), ("relay", "answered")]
        assert (await running.view("s1")).recoverable == ""


# Neighbours


@virtual
async def test_a_shared_relay_never_cuts_a_neighbour_that_has_no_firmware(bench: Bench) -> None:
    relays = Relays(bench)
    bench.node("dead", SENSOR, options={"silent": "true"})
    writes = bench.node("writes", RELAY)
    bench.lines.lines["writes"] = MemoryLine(writes, baud=2400)
    for name in ("dead", "writes"):
        bench.tables[name]["ladder"] = [relays.step("shared", wait=5.0)]
    relays.feeds("shared", "dead", "writes")
    exposed_when_cut: list[bool] = []
    async with bench.gateway() as running:
        supervisor = running.gateway.supervisor
        relays.when_cut = lambda name: exposed_when_cut.append(name in supervisor.exposed)
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy("a", "writes", no_rollback="allow")
        await running.until(lambda: supervisor.exposed)
        with pytest.raises(NodeExposed, match="writes has no firmware"):
            await power(running, "dead", force=True, yes_all=True)
        await running.gateway.rescue.recover_now("dead", asked_by="ada")
        await running.until(lambda: (climb := running.gateway.rescue.climbs.of("dead")) and climb.gate)
        gate = (await running.gateway.rescue.recover("dead")).gate
        assert gate is not None
        assert gate.code in ("node-exposed", "neighbour-in-attempt")
        assert "writes" in gate.message
        assert relays.told("shared") == []
        await running.until(lambda: running.told("rescue.step"))
        assert [e.data["affects"] for e in running.told("rescue.step")] == [["writes"]]
        assert exposed_when_cut == [False, False]
        assert runs(bench, "writes", RELAY, NEW)


@virtual
async def test_no_attempt_begins_on_a_node_whose_power_is_cut_just_now(bench: Bench) -> None:
    relays = Relays(bench)
    for name in ("s1", "s2"):
        bench.node(name)
        bench.tables[name]["ladder"] = [relays.step("shared", off_for=30.0)]
    relays.feeds("shared", "s1", "s2")
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        cycle = asyncio.create_task(power(running, "s1", yes_all=True))
        await running.until(lambda: not relays.is_on("shared"))
        await running.deploy("d", "s2", all_at_once=True)
        (record,) = await running.records("s2")
        await running.until(lambda: running.gateway.supervisor.gates(record.id))
        (gate,) = running.gateway.supervisor.gates(record.id)
        assert (gate.code, "s2" in gate.message) == ("power-step", True)
        assert (await cycle).result == "done"
        assert outcomes(await running.ended()) == ["succeeded"]


@virtual
async def test_who_else_is_hit_is_said_before_anybody_is(bench: Bench) -> None:
    relays = Relays(bench)
    for name in ("s1", "s2", "s3"):
        bench.node(name)
    bench.tables["s1"]["ladder"] = [relays.step("r1", affects=["s3"])]
    bench.tables["s2"]["ladder"] = [relays.step("r1")]
    async with bench.gateway() as running:
        with pytest.raises(OthersHit, match="s2, s3"):
            await power(running, "s1")
        assert relays.told("r1") == []
        assert (await power(running, "s1", yes_all=True)).affects == ("s2", "s3")


@virtual
async def test_two_dead_nodes_on_one_relay_are_cut_once_for_both(bench: Bench) -> None:
    relays = Relays(bench)
    for name in ("s1", "s2"):
        bench.node(name, options={"silent": "true"})
        bench.tables[name]["ladder"] = [relays.step("shared", pause=0.0)]
    relays.feeds("shared", "s1", "s2")
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy("d", all_at_once=True)
        await running.until(lambda: len(running.told("rescue.exhausted")) == 2)
        assert len(relays.told("shared")) == 2
        for name in ("s1", "s2"):
            found = await running.gateway.rescue.recover(name)
            assert found.recoverable == "site-visit"
            assert [step.name for step in found.steps] == ["relay"]


@virtual
async def test_nodes_behind_one_hub_are_found_without_being_named(bench: Bench) -> None:
    """The kernel's own picture says who loses power with a port, also through further hubs."""
    sysfs, devices = bench.folder / "sys", bench.folder / "dev"
    devices.mkdir()
    bus = sysfs / "bus" / "usb" / "devices" / "1-1"
    port = bus / "1-1:1.0" / "1-1-port2"
    port.mkdir(parents=True)
    (port / "disable").write_text("0")
    for tty, place in (("ttyUSB0", "1-1.2"), ("ttyUSB1", "1-1.2.4"), ("ttyUSB2", "1-1.3")):
        real = sysfs / "devices" / place / f"{place}:1.0"
        real.mkdir(parents=True)
        (sysfs / "class" / "tty" / tty).mkdir(parents=True)
        (sysfs / "class" / "tty" / tty / "device").symlink_to(real)
        name = f"n{tty[-1]}"
        (devices / tty).touch()
        bench.tables[name] = {"profile": SENSOR, "link": f"uart:{devices / tty}"}
    bench.tables["n0"]["ladder"] = [{"kind": "usb", "off_for": 1.0}]
    bench.settings["rescue"] = {"sysfs": str(sysfs)}
    async with bench.gateway() as running:
        with pytest.raises(OthersHit, match=r"also cuts the power of n1$"):
            await power(running, "n0")
        cycle = asyncio.create_task(power(running, "n0", yes_all=True))
        await running.until(lambda: (port / "disable").read_text() == "1")
        assert (await cycle).result == "done"
        assert (port / "disable").read_text() == "0"


@virtual
async def test_a_step_that_cannot_be_taken_is_told_and_the_next_one_is(bench: Bench) -> None:
    relays = Relays(bench)
    node = bench.node("s1")
    gone = {"kind": "gpio", "line": "RESET", "chip": "/dev/gpiochip-none", "wait": 5.0}
    bench.tables["s1"]["ladder"] = [gone, relays.step("r1")]
    relays.feeds("r1", "s1")
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        deaf(node)
        await running.deploy("d", "s1")
        await running.until(lambda: len(steps(running, "s1")) == 2)
        assert steps(running, "s1") == [("gpio", "failed"), ("relay", "answered")]
        told = running.told("rescue.step")[0].data
        assert (told["code"], "gpioinfo" in str(told["remedy"])) == ("switch-missing", True)


# Asked for by somebody


@virtual
async def test_a_node_inside_an_attempt_is_only_cut_by_force_and_only_where_it_is_safe(bench: Bench) -> None:
    relays = Relays(bench)
    two, one = bench.node("two", SENSOR), bench.node("one", RELAY)
    bench.lines.lines["two"] = MemoryLine(two, baud=9600)
    bench.lines.lines["one"] = MemoryLine(one, baud=2400)
    for name in ("two", "one"):
        bench.tables[name]["ladder"] = [relays.step(name)]
        relays.feeds(name, name)
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy("d", no_rollback="allow", all_at_once=True)
        await running.in_phase("two", "transferring")
        await running.until(lambda: running.gateway.supervisor.exposed == ("one",))
        for name in ("two", "one"):
            with pytest.raises((NodeInAttempt, NodeExposed)):
                await power(running, name)
        with pytest.raises(NodeExposed):
            await power(running, "one", force=True)
        assert relays.told("one") == []
        assert (await power(running, "two", force=True)).result == "done"
        assert sorted(outcomes(await running.ended())) == ["succeeded", "succeeded"]


@virtual
async def test_steps_are_bounded_by_day_and_by_pause(bench: Bench) -> None:
    relays = Relays(bench)
    bench.node("s1")
    bench.tables["s1"]["ladder"] = [relays.step("r1", per_day=2, pause=100.0, off_for=1.0)]
    async with bench.gateway() as running:
        await power(running, "s1")
        with pytest.raises(StepBounded, match="less than 100 s ago"):
            await power(running, "s1")
        await asyncio.sleep(100)
        await power(running, "s1")
        await asyncio.sleep(3600)
        with pytest.raises(StepBounded, match="2 times in 24 hours"):
            await power(running, "s1")
    async with bench.gateway() as running:
        with pytest.raises(StepBounded):
            await power(running, "s1")
        (rung,) = (await running.gateway.rescue.recover("s1")).ladder
        assert rung.left_today == 0
        assert rung.allowed_in > 3600
    assert relays.told("r1") == ["off s1", "on s1"] * 2


@virtual
async def test_a_step_that_is_not_there_is_told_with_those_that_are(bench: Bench) -> None:
    relays = Relays(bench)
    bench.node("s1")
    bench.tables["s1"]["ladder"] = [DTR, relays.step("r1")]
    bench.node("s2")
    async with bench.gateway() as running:
        with pytest.raises(NoSuchStep, match="it has dtr, relay"):
            await power(running, "s1", step="poe")
        with pytest.raises(NoSuchStep, match="tender power s1 cycle"):
            await power(running, "s1", "reset", step="relay")
        with pytest.raises(NoSuchStep, match="no step in the ladder of s2 cuts its power"):
            await power(running, "s2")
        # The profile's own reset is a ladder of one step.
        assert (await power(running, "s2", "reset")).name == "dtr"


@virtual
async def test_somebody_who_asks_does_not_wait_between_steps(bench: Bench) -> None:
    relays = Relays(bench)
    node = bench.node("s1")
    bench.tables["s1"]["ladder"] = [{"kind": "dtr", "wait": 5000.0}, relays.step("r1", wait=5000.0)]
    bench.settings["rescue"] = {"by_itself": False}
    relays.feeds("r1", "s1")
    async with bench.gateway() as running:
        deaf(node)
        began = asyncio.get_running_loop().time()
        await running.gateway.rescue.recover_now("s1", asked_by="ada")
        await running.until(lambda: len(steps(running, "s1")) == 2)
        assert asyncio.get_running_loop().time() - began < 120
        assert steps(running, "s1") == [("dtr", "silent"), ("relay", "answered")]
        assert {event.data["by"] for event in running.told("rescue.step")} == {"ada"}
        # One that answers needs nothing, and nothing is done to it.
        await running.gateway.rescue.recover_now("s1", asked_by="ada")
        await running.until(lambda: not running.gateway.rescue.climbs.silent())
        assert len(steps(running, "s1")) == 2


@virtual
async def test_a_cable_that_was_pulled_costs_no_node_its_power(bench: Bench) -> None:
    relays = Relays(bench)
    bench.node("s1")
    bench.tables["s1"]["ladder"] = [DTR, relays.step("r1")]
    async with bench.gateway() as running:
        bench.lines.lines["s1"].unplug()
        await running.gateway.rescue.recover_now("s1", asked_by="ada")
        await running.until(lambda: running.gateway.rescue.judgement("s1").by == "site-visit")
        assert "the way to it is dead" in running.gateway.rescue.judgement("s1").reason
        assert relays.told("r1") == []
        bench.lines.lines["s1"].replug()
        await running.until(lambda: running.gateway.rescue.judgement("s1").by is None)


@virtual
async def test_a_step_that_restarts_the_link_itself_is_taken_for_a_dead_link(bench: Bench) -> None:
    relays = Relays(bench)
    bench.node("s1")
    bench.tables["s1"]["ladder"] = [DTR, relays.step("server", revives_link=True)]
    line = bench.lines.lines["s1"]
    relays.feeds("server", "s1")
    relays.when_cut = lambda _: line.replug()
    async with bench.gateway() as running:
        line.unplug()
        await running.gateway.rescue.recover_now("s1", asked_by="ada")
        await running.until(lambda: running.told("rescue.step"))
        assert steps(running, "s1") == [("relay", "answered")]


@virtual
async def test_a_node_that_recovery_gave_up_is_tried_once_more_for_somebody_who_asks(bench: Bench) -> None:
    profile = bench.profiles / f"{SENSOR}.toml"
    profile.write_text(profile.read_text() + "[bounds]\nrecoveries = 0\n")
    node = bench.node("s1")
    bench.lines.lines["s1"] = MemoryLine(node, baud=9600)
    relays = Relays(bench)
    bench.tables["s1"]["ladder"] = [relays.step("r1")]
    relays.feeds("r1", "s1")
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        await running.deploy("d", "s1")
        await running.in_phase("s1", "transferring")
        deaf(node)
        await running.until(lambda: running.told("attempt.done"))
        await asyncio.sleep(3600)
        assert running.told("rescue.step") == []
        found = await running.gateway.rescue.recover("s1")
        assert "As many recoveries as its profile allows" in found.reason
        assert "recover s1 --now" in found.next
        assert (await running.view("s1")).recoverable_why == found.reason
        await running.gateway.rescue.recover_now("s1", asked_by="ada")
        await running.until(lambda: runs(bench, "s1", SENSOR, NEW))
        assert steps(running, "s1") == [("relay", "answered")]
        assert outcomes(await running.ended()) == ["wounded", "succeeded"]


# Nobody is left without power


@virtual
async def test_power_that_an_earlier_life_took_is_given_before_anything_else(bench: Bench) -> None:
    relays = Relays(bench)
    node = bench.node("s1")
    bench.tables["s1"]["ladder"] = [relays.step("r1")]
    relays.feeds("r1", "s1")
    command = CommandSwitch((str(relays.script), "r1", "on"), (str(relays.script), "r1", "off"), node="s1")
    async with bench.gateway(killed=True) as running:
        step = StepTaken("s1", "relay", "relay", Effect.POWER, "recovery", circuit=Circuit(command=command))
        await running.gateway.site.journal.begin_step(step)
        (relays.folder / "r1").write_text("off")
        await running.until(lambda: not node.truth().powered)
    bench.tables["s1"].pop("ladder")  # nor does it matter what is configured by now
    async with bench.gateway() as running:
        assert relays.told("r1") == ["on s1"]
        await running.until(lambda: node.truth().powered)
        (left,) = await running.gateway.site.journal.steps("s1")
        assert left.result is StepResult.INTERRUPTED
        found = await running.gateway.rescue.recover("s1")
        assert found.steps[0].message.startswith("The gateway ended in the middle")


@virtual
async def test_power_that_cannot_be_given_is_tried_for_ever_and_said(bench: Bench) -> None:
    relays = Relays(bench)
    bench.node("s1")
    bench.tables["s1"]["ladder"] = [relays.step("r1")]
    relays.feeds("r1", "s1")
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(NEW), asked_by="test")
        welded = relays.stick("r1", "on")
        taken = await power(running, "s1")
        assert (taken.result, taken.code) == ("failed", "switch-command-failed")
        assert "welded" in taken.message
        assert "Tender goes on trying" in (await running.view("s1")).recoverable_why
        await running.deploy("d", "s1")
        (record,) = await running.records("s1")
        await running.until(lambda: running.gateway.supervisor.gates(record.id))
        assert [gate.code for gate in running.gateway.supervisor.gates(record.id)] == ["power-off"]
        welded.unlink()
        await running.until(lambda: relays.is_on("r1"), within=120)
        assert outcomes(await running.ended()) == ["succeeded"]


@virtual
async def test_a_service_that_is_stopped_gives_power_first(bench: Bench) -> None:
    relays = Relays(bench)
    bench.node("s1")
    bench.tables["s1"]["ladder"] = [relays.step("r1", off_for=3000.0)]
    async with bench.gateway() as running:
        asked = asyncio.create_task(power(running, "s1"))
        await running.until(lambda: not relays.is_on("r1"))
    assert relays.is_on("r1")
    assert asked.cancelled()


@virtual
async def test_the_wall_clock_sets_no_bound_free(bench: Bench) -> None:
    relays = Relays(bench)
    bench.node("s1")
    bench.tables["s1"]["ladder"] = [relays.step("r1", per_day=1)]
    async with bench.gateway(killed=True) as running:
        journal = running.gateway.site.journal
        circuit = running.gateway.rescue.ladders.rungs("s1")[0].circuit
        step = StepTaken("s1", "relay", "relay", Effect.POWER, "ada", circuit=circuit)
        unsure = await journal.begin_step(replace(step, at=Stamp(1_000, synchronised=False)))
        await journal.save_step(replace(unsure, result=StepResult.DONE))
    async with bench.gateway() as running:
        with pytest.raises(StepBounded):
            await power(running, "s1")
