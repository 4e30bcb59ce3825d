"""Sleepy Zigbee nodes with a real service: waited for over weeks and restarts, begun when they are heard."""

import asyncio

import pytest

from gateway.errors import NodeAsleep
from gateway.model.links import Culprit
from gateway.service.nodes.errors import BadNode
from gateway.verbs.nodes import AdoptRequest
from tests.gateway.service.site import DOOR, LAMP, NEW, OLD, Piece, outcomes
from tests.gateway.service.test_zigbee import ready
from tests.gateway.service.zigbeesite import DAY, HALL, ZigbeeBench, on_zigbee, running_versions

DEEP = {"deep": "", "asks-every": "0"}
"""Between its check-ins it cannot be reached at all, and it asks for nothing by itself."""


def every(seconds: float) -> dict[str, str]:
    """One that checks in so often."""
    return {**DEEP, "check-in": f"{seconds:g}"}


@on_zigbee
async def test_a_sleepy_node_is_waited_for_over_days_and_restarts_and_begun_when_it_checks_in(
    bench: ZigbeeBench,
) -> None:
    bench.on_network("d1", DOOR, options=every(6 * DAY))
    async with bench.gateway() as running:
        await ready(bench, running, Piece(DOOR))
        await running.until(lambda: running.gateway.site.zigbee.hearing.news, within=7 * DAY)
        await asyncio.sleep(3600.0)  # it has checked in once, and sleeps again
        await running.deploy(no_rollback="allow")
        await running.until(lambda: running.waits_for("d1") == ["zigbee-not-heard"], within=60.0)
        assert not running.gateway.site.leases.held
        await asyncio.sleep(2 * DAY)
        assert "was heard 2 days ago" in running.says("d1")
    async with bench.gateway() as running:
        await running.until(lambda: running.waits_for("d1") == ["zigbee-not-heard"], within=60.0)
        await asyncio.sleep(DAY)
        assert "was heard 3 days ago" in running.says("d1")
        assert "Press its button" in running.says("d1")
        (record,) = await running.records()
        assert (record.starts, record.seconds, record.touched) == ({}, 0.0, False)
    async with bench.gateway() as running:
        assert outcomes(await running.ended(within=4 * DAY)) == ["succeeded"]
        assert running_versions(bench)["d1"] == NEW


@on_zigbee
async def test_one_that_is_not_heard_until_its_deadline_was_not_reached(bench: ZigbeeBench) -> None:
    bench.on_network("d1", DOOR, options=every(30 * DAY))
    await bench.quiet()
    async with bench.gateway() as running:
        await ready(bench, running, Piece(DOOR))
        await running.deploy(no_rollback="allow", deadline_s=2 * DAY)
        assert outcomes(await running.ended(within=3 * DAY)) == ["not-reached"]
        assert running_versions(bench)["d1"] == OLD
        assert bench.places["d1"].counts.down == 0, "nobody woke it"


@on_zigbee
async def test_what_wakes_it_is_said_in_the_words_of_its_profile(bench: ZigbeeBench) -> None:
    bench.profile(DOOR, zigbee='wake = "Open and close the window"')
    bench.on_network("d1", DOOR, options=every(30 * DAY))
    await bench.quiet()
    async with bench.gateway() as running:
        await ready(bench, running, Piece(DOOR))
        await running.deploy(no_rollback="allow")
        await running.until(lambda: running.waits_for("d1") == ["zigbee-not-heard"], within=60.0)
        assert "Open and close the window, or wait" in running.says("d1")
        assert "was never heard" in running.says("d1")
        explained = await running.gateway.explain("d1")
        assert "sleeps" in explained.summary


@on_zigbee
async def test_one_that_asks_by_itself_is_begun_at_once(bench: ZigbeeBench) -> None:
    node = bench.on_network("d1", DOOR, options={"deep": "", "check-in": "0", "asks-every": f"{DAY:g}"})
    await bench.quiet()
    async with bench.gateway() as running:
        await ready(bench, running, Piece(DOOR))
        await running.deploy(no_rollback="allow")
        await running.until(lambda: running.waits_for("d1") == ["zigbee-not-heard"], within=60.0)
        await running.until(lambda: node.counts.queries, within=2 * DAY)
        await running.until(lambda: node.counts.taken, within=10.0)
        assert outcomes(await running.ended(within=DAY)) == ["succeeded"]


@on_zigbee
async def test_a_look_neither_wakes_nor_waits_for_one_that_sleeps(bench: ZigbeeBench) -> None:
    bench.on_network("d1", DOOR, options=every(30 * DAY))
    bench.on_network("l1", LAMP)
    await bench.quiet()
    async with bench.gateway() as running:
        before = asyncio.get_running_loop().time()
        with pytest.raises(NodeAsleep) as asleep:
            await running.gateway.probe("d1", allow_restart=True)
        assert "Press its button" in asleep.value.what_to_do
        assert asyncio.get_running_loop().time() - before < 1.0
        assert bench.places["d1"].counts.down == 0
        assert not running.gateway.site.leases.held


@on_zigbee
async def test_one_that_sleeps_is_told_from_a_coordinator_that_is_gone(bench: ZigbeeBench) -> None:
    bench.on_network("d1", DOOR, options=every(DAY))
    async with bench.gateway() as running:
        await running.until(lambda: running.gateway.site.zigbee.hearing.news, within=2 * DAY)
        await asyncio.sleep(3600.0)
        finding = (await running.link()).finding
        assert finding.culprit is Culprit.NOTHING
        assert any("Sleepy" in line and "d1" in line for line in finding.reasoning)
        bench.reach("d1", reach=False)
        await asyncio.sleep(5 * DAY)
        finding = (await running.link()).finding
        assert (finding.culprit, finding.nodes) == (Culprit.NODE, ("d1",))
        assert "not heard for 5 days" in finding.message
        assert bench.network is not None
        bench.network.unplug()
        assert (await running.link()).finding.culprit is Culprit.ADAPTER


@on_zigbee
async def test_a_battery_with_too_few_volts_is_waited_out_with_its_figure(bench: ZigbeeBench) -> None:
    # Its percentage would do: such nodes round it upwards, so the voltage alone counts.
    volts = "min_battery_volts = 2.8\nmin_battery_percent = 10\nbattery_every = 3600.0"
    bench.profile(DOOR, zigbee=volts)
    bench.settings["rollout"] = {"waves": []}
    bench.on_network("d1", DOOR, options={**every(1800.0), "battery": "26"})
    bench.on_network("d2", DOOR, options={**every(1800.0), "battery": "29"})
    async with bench.gateway() as running:
        await ready(bench, running, Piece(DOOR))
        await running.deploy(no_rollback="allow")
        await running.until(lambda: running.waits_for("d1") == ["battery-low"], within=7200.0)
        assert "2.6 V" in running.says("d1")
        assert "2.8 V" in running.says("d1")
        await running.until(lambda: running.told("attempt.done"), within=7200.0)
        assert running_versions(bench) == {"d1": OLD, "d2": NEW}
        asked = bench.places["d1"].counts.down
        await asyncio.sleep(DAY)
        assert not running.gateway.site.leases.held
        assert bench.places["d1"].counts.down > asked, "it is read again"
        (record,) = await running.records("d1")
        assert (record.starts, record.touched) == ({}, False)


@on_zigbee
async def test_places_are_for_those_that_are_awake(bench: ZigbeeBench) -> None:
    bench.settings["networks"][HALL]["concurrent"] = 1
    bench.settings["rollout"] = {"waves": []}
    for number in range(3):
        bench.on_network(f"d{number}", DOOR, options=every(30 * DAY))
    bench.on_network("l1", LAMP)
    await bench.quiet()
    async with bench.gateway() as running:
        await ready(bench, running, Piece(DOOR), Piece(LAMP))
        await running.deploy(no_rollback="allow")
        await running.until(lambda: running.told("attempt.done"), within=600.0)
        assert running_versions(bench)["l1"] == NEW


@on_zigbee
async def test_one_that_was_started_as_the_gateway_died_is_proved_when_it_is_heard_and_never_wounded(
    bench: ZigbeeBench,
) -> None:
    node = bench.on_network("d1", DOOR, options=every(3600.0))
    async with bench.gateway(killed=True) as running:
        await ready(bench, running, Piece(DOOR))
        await running.deploy(no_rollback="allow")
        await running.until(lambda: node.counts.updates, within=7200.0)
    await bench.quiet()
    async with bench.gateway() as running:
        await running.until(lambda: running.waits_for("d1") == ["zigbee-not-heard"], within=300.0)
        assert not running.gateway.site.leases.held
        assert outcomes(await running.ended(within=DAY)) == ["succeeded"]
        assert running_versions(bench)["d1"] == NEW


@on_zigbee
async def test_one_that_does_not_come_back_is_wounded_in_time_and_recovered_when_it_speaks(
    bench: ZigbeeBench,
) -> None:
    bench.profile(DOOR, zigbee="missing_after = 7200.0")
    bench.on_network("d1", DOOR, options={**every(1800.0), "mute-after-boot": f"{2 * DAY:g}"})
    async with bench.gateway() as running:
        await ready(bench, running, Piece(DOOR))
        await running.deploy(no_rollback="allow")
        await running.until(lambda: running.told("attempt.done"), within=DAY)
        (record,) = await running.records()
        assert outcomes([record]) == ["wounded"]
        assert record.result is not None
        assert "was heard 2 h ago" in record.result.message
        assert "press its button" in record.result.remedy
        view = await running.view("d1")
        assert view.components[0].firmware is not None, "what it ran last is not forgotten because it sleeps"
        await asyncio.sleep(DAY)
        assert not running.told("rescue.step")
        await running.until(lambda: len(running.told("attempt.done")) == 2, within=3 * DAY)
        assert outcomes(await running.records()) == ["wounded", "succeeded"]


@on_zigbee
async def test_a_machine_that_took_anothers_place_asks_a_sleepy_node_when_it_is_heard(
    bench: ZigbeeBench,
) -> None:
    bench.on_network("d1", DOOR, options=every(DAY))
    await bench.quiet()
    async with bench.gateway() as running:
        await running.gateway.site.journal.begin_anew("import", {}, costly=False)
    async with bench.gateway() as running:
        asker = running.gateway.state.asker
        await running.until(lambda: asker.asked["d1"].tries >= 5)
        assert bench.places["d1"].counts.down == 0
        await running.until(lambda: asker.asked["d1"].answer is not None, within=DAY + 60.0)
        view = await running.view("d1")
        assert [str(each.firmware and each.firmware.version) for each in view.components] == ["16777216"]


@on_zigbee
async def test_a_node_is_taken_in_at_run_time_on_a_network_that_there_is(bench: ZigbeeBench) -> None:
    bench.on_network("d1", DOOR, options=every(DAY))
    link = str(bench.tables.pop("d1")["link"])
    async with bench.gateway() as running:
        roster = running.gateway.roster
        with pytest.raises(BadNode, match="no Zigbee network 'yard'"):
            await roster.adopt(AdoptRequest("d1", DOOR, link.replace("hall", "yard")), asked_by="ann")
        label = link.upper().replace("ZIGBEE:HALL", "zigbee:hall")  # as it stands on the node's back
        await roster.adopt(AdoptRequest("d1", DOOR, label), asked_by="ann")
        assert (await running.view("d1")).link == link
        await ready(bench, running, Piece(DOOR))
        await running.deploy(no_rollback="allow")
        assert outcomes(await running.ended(within=2 * DAY)) == ["succeeded"]
