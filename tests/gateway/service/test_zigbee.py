"""Nodes of a Zigbee network with a real service: updated and proved, lost and found, over restarts."""

import asyncio

import pytest

from flashers.api import Role
from gateway.model.links import Culprit
from gateway.service.links.errors import LinkNotLent
from gateway.verbs.links import LeaseRequest
from tests.gateway.service.site import LAMP, NEW, OLD, Piece, outcomes
from tests.gateway.service.zigbeesite import HALL, ZigbeeBench, ZigbeeRunning, on_zigbee, running_versions
from transports.zigbee.errors import CoordinatorLost, NetworkTrouble


async def ready(bench: ZigbeeBench, running: ZigbeeRunning, *pieces: Piece) -> None:
    """A release that these nodes may have, also where nothing is known to go back to."""
    await running.gateway.add_release(bench.release(NEW, *(pieces or (Piece(LAMP),))), asked_by="test")


@on_zigbee
async def test_a_lamp_is_updated_and_proved_by_the_version_that_it_tells(bench: ZigbeeBench) -> None:
    bench.on_network("l1")
    async with bench.gateway() as running:
        await ready(bench, running)
        await running.deploy(no_rollback="allow")
        (record,) = await running.ended()
        assert outcomes([record]) == ["succeeded"]
        assert running_versions(bench)["l1"] == NEW
        view = await running.view("l1")
        assert (view.identity, view.identity_strength) == (bench.places["l1"].ieee, "hw-id")
        link = await running.link()
        assert link.traffic.bytes_down > 3000
        assert link.traffic.bytes_up > 500
        assert link.finding.culprit is Culprit.NOTHING
        assert link.network is not None
        assert (link.network.up, link.network.members, link.network.concurrent) == (True, 1, 4)
        assert [(node.name, node.joined, node.sleepy) for node in link.network.nodes] == [("l1", True, False)]


@on_zigbee
async def test_what_passed_is_kept_of_an_attempt_that_did_not_succeed(bench: ZigbeeBench) -> None:
    bench.on_network("l1", options={"boots-back": ""})
    async with bench.gateway() as running:
        await ready(bench, running)
        await running.deploy(no_rollback="allow")
        (record,) = await running.ended()
        assert outcomes([record]) != ["succeeded"]
        assert running_versions(bench)["l1"] == OLD
        trace = (await running.gateway.attempt(record.id)).trace
        assert any("cluster 0019" in line for line in trace)
        assert any(" > " in line for line in trace)
        assert any(" < " in line for line in trace)


@on_zigbee
async def test_four_of_sixteen_are_updated_at_a_time_and_all_are_proved(bench: ZigbeeBench) -> None:
    names = [f"l{number:02}" for number in range(16)]
    for name in names:
        bench.on_network(name, hops=2)
    bench.settings["rollout"] = {"waves": []}
    async with bench.gateway() as running:
        await ready(bench, running)
        most = 0

        async def count() -> None:
            nonlocal most
            while True:
                held = running.gateway.site.leases.held.get(f"zigbee:{HALL}", ())
                most = max(most, len(held))
                await asyncio.sleep(0.05)

        counting = asyncio.create_task(count())
        await running.deploy(no_rollback="allow")
        records = await running.ended()
        counting.cancel()
        assert outcomes(records) == ["succeeded"] * 16
        assert most == 4
        assert running_versions(bench) == dict.fromkeys(names, NEW)


@on_zigbee
async def test_a_coordinator_unplugged_in_mid_transfer_costs_time_and_nothing_else(
    bench: ZigbeeBench,
) -> None:
    node = bench.on_network("l1")
    async with bench.gateway() as running:
        await ready(bench, running)
        await running.deploy(no_rollback="allow")
        await running.in_phase("l1", "transferring")
        await running.until(lambda: node.counts.taken >= 10)
        assert bench.network is not None
        bench.network.unplug()
        await running.until(lambda: running.waits_for("l1") == [CoordinatorLost.code], within=60.0)
        assert not running.gateway.site.leases.held
        assert CoordinatorLost.code in {each.code for each in (await running.gateway.status()).degraded}
        finding = (await running.link()).finding
        assert finding.culprit is Culprit.ADAPTER
        assert "says nothing of the nodes" in finding.message
        await asyncio.sleep(7200.0)
        assert running_versions(bench)["l1"] == OLD
        assert node.counts.gave_up <= 1, "it may stop asking, and is never told to"
        taken = node.counts.taken
        bench.network.replug()
        assert outcomes(await running.ended(within=7200.0)) == ["succeeded"]
        assert running_versions(bench)["l1"] == NEW
        assert node.counts.taken - taken < 60, "it went on where it was"
        codes = {each.code for each in (await running.gateway.status()).degraded}
        assert CoordinatorLost.code not in codes
        assert [event.data["code"] for event in running.told("gateway.degraded")] == [CoordinatorLost.code]


@on_zigbee
async def test_a_lamp_that_was_switched_off_waits_holding_nothing_and_begins_when_it_is_heard(
    bench: ZigbeeBench,
) -> None:
    node = bench.on_network("l1")
    async with bench.gateway() as running:
        await ready(bench, running)
        node.power_off()
        await running.deploy(no_rollback="allow")
        await running.until(lambda: running.waits_for("l1") == ["zigbee-not-heard"], within=120.0)
        assert not running.gateway.site.leases.held
        assert "Give it power" in running.says("l1")
        await asyncio.sleep(5 * 3600.0)
        (record,) = await running.records()
        assert (record.starts, record.touched) == ({}, False)
        finding = (await running.link()).finding
        assert (finding.culprit, finding.nodes) == (Culprit.NODE, ("l1",))
        node.power_on()
        assert outcomes(await running.ended(within=300.0)) == ["succeeded"]


@on_zigbee
async def test_one_that_loses_its_power_in_the_transfer_is_waited_for_and_goes_on(bench: ZigbeeBench) -> None:
    node = bench.on_network("l1")
    async with bench.gateway() as running:
        await ready(bench, running)
        await running.deploy(no_rollback="allow")
        await running.in_phase("l1", "transferring")
        await running.until(lambda: node.counts.taken >= 10)
        node.power_off()
        await running.until(lambda: running.waits_for("l1") == ["zigbee-not-heard"], within=900.0)
        assert not running.gateway.site.leases.held
        await asyncio.sleep(7200.0)
        node.power_on()
        assert outcomes(await running.ended(within=600.0)) == ["succeeded"]
        assert running_versions(bench)["l1"] == NEW


@on_zigbee
async def test_a_gateway_that_was_killed_in_mid_image_goes_on_at_the_offset(bench: ZigbeeBench) -> None:
    node = bench.on_network("l1")
    async with bench.gateway(killed=True) as running:
        await ready(bench, running)
        await running.deploy(no_rollback="allow")
        await running.until(lambda: node.counts.taken >= 20)
    taken = node.counts.taken
    await asyncio.sleep(20.0)
    async with bench.gateway() as running:
        assert outcomes(await running.ended(within=7200.0)) == ["succeeded"]
        assert running_versions(bench)["l1"] == NEW
        assert taken + node.counts.taken < 2 * taken + 45, "what it had was not sent again"


@on_zigbee
async def test_a_node_in_mid_image_is_told_to_wait_while_its_attempt_waits(bench: ZigbeeBench) -> None:
    node = bench.on_network("l1")
    async with bench.gateway(killed=True) as running:
        await ready(bench, running)
        await running.deploy(no_rollback="allow")
        await running.until(lambda: node.counts.taken >= 20)
    await asyncio.sleep(5.0)
    bench.settings["networks"][HALL]["concurrent"] = 1
    async with bench.gateway() as running:
        # Its place is taken by somebody else, so nobody is with it when it asks.
        lease = running.gateway.site.leases.take(f"zigbee:{HALL}", "somebody else")
        assert lease is not None
        waits, gave_up = node.counts.waits, node.counts.gave_up
        await asyncio.sleep(300.0)
        assert node.counts.waits > waits
        assert node.counts.gave_up == gave_up
        running.gateway.site.leases.give_back(lease)
        assert outcomes(await running.ended(within=600.0)) == ["succeeded"]
        assert running_versions(bench)["l1"] == NEW


@on_zigbee
async def test_a_node_in_mid_image_that_nobody_updates_hears_nothing_and_is_noted_once(
    bench: ZigbeeBench,
) -> None:
    node = bench.on_network("l1")
    async with bench.gateway(killed=True) as running:
        await ready(bench, running)
        await running.deploy(no_rollback="allow")
        await running.until(lambda: node.counts.taken >= 20)
    bench.tables = {}  # it is nobody's any more
    async with bench.gateway() as running:
        assert bench.network is not None
        down = bench.places["l1"].counts.down
        await asyncio.sleep(30.0)
        assert bench.places["l1"].counts.down == down
        assert running_versions(bench)["l1"] == OLD


@on_zigbee
async def test_one_that_comes_back_after_it_was_given_up_is_looked_at_when_it_announces_itself(
    bench: ZigbeeBench,
) -> None:
    node = bench.on_network("l1", options={"mute-after-boot": "5400"})
    async with bench.gateway() as running:
        await ready(bench, running)
        await running.deploy(no_rollback="allow")
        await running.until(lambda: running.told("attempt.done"), within=7200.0)
        assert outcomes(await running.records()) == ["wounded"]
        await running.until(lambda: bench.places["l1"].on, within=7200.0)
        back = asyncio.get_running_loop().time()
        await running.until(lambda: len(running.told("attempt.done")) == 2, within=120.0)
        assert outcomes(await running.records()) == ["wounded", "succeeded"]
        assert asyncio.get_running_loop().time() - back < 60.0, "not at its next look, minutes later"
        assert node.counts.updates == 1


@on_zigbee
async def test_a_network_that_cannot_be_opened_is_the_gate_and_is_opened_by_itself_later(
    bench: ZigbeeBench,
) -> None:
    bench.on_network("l1")
    bench.broken[HALL] = NetworkTrouble("the database is of another coordinator")
    async with bench.gateway() as running:
        await ready(bench, running)
        await running.deploy(no_rollback="allow")
        await running.until(lambda: running.waits_for("l1") == [NetworkTrouble.code], within=60.0)
        assert "of another coordinator" in running.says("l1")
        assert NetworkTrouble.code in {each.code for each in (await running.gateway.status()).degraded}
        bench.broken.clear()
        assert outcomes(await running.ended(within=900.0)) == ["succeeded"]
        assert (await running.gateway.status()).degraded == ()


@on_zigbee
async def test_a_node_that_never_joined_waits_for_that(bench: ZigbeeBench) -> None:
    node = bench.on_network("l1", joined=False)
    async with bench.gateway() as running:
        await ready(bench, running)
        await running.deploy(no_rollback="allow")
        await running.until(lambda: running.waits_for("l1") == ["zigbee-not-joined"], within=60.0)
        assert "tender zigbee permit hall" in running.says("l1")
        assert (await running.link()).finding.nodes == ("l1",)
        assert bench.network is not None
        await bench.network.permit(120.0)
        node.power_off()
        node.power_on()
        assert outcomes(await running.ended(within=600.0)) == ["succeeded"]


@on_zigbee
async def test_a_look_costs_a_lamp_two_questions(bench: ZigbeeBench) -> None:
    bench.on_network("l1")
    async with bench.gateway() as running:
        down = bench.places["l1"].counts.down
        view = await running.gateway.probe("l1", allow_restart=False)
        assert view.role is Role.APP
        assert bench.places["l1"].counts.down - down == 2


@on_zigbee
async def test_a_configured_network_is_open_though_no_node_is_on_it(bench: ZigbeeBench) -> None:
    async with bench.gateway() as running:
        await running.until(lambda: bench.made == [HALL], within=5.0)
        link = await running.link()
        assert link.network is not None
        assert link.network.up


@on_zigbee
async def test_a_network_is_not_lent(bench: ZigbeeBench) -> None:
    bench.on_network("l1")
    async with bench.gateway() as running:
        with pytest.raises(LinkNotLent):
            await running.gateway.links.lease(LeaseRequest("l1", 60.0, "ann"))
