"""Nodes that ask for their firmware themselves, in a real service: staged, taken back, refusing, judged."""

import asyncio
from dataclasses import replace

import pytest

from flashers.api import RollbackKind
from flashers.zigbee_ota.codec import general
from flashers.zigbee_ota.codec.words import General
from gateway.model.outcomes import CancelReason
from gateway.model.records import Record
from tests.gateway.service.site import LAMP, NEW, OLD, Piece, firmware, outcomes
from tests.gateway.service.test_zigbee import ready
from tests.gateway.service.zigbeesite import DAY, ZigbeeBench, ZigbeeRunning, on_zigbee, running_versions
from transports.zcl import Zcl

TEMPERATURE, I16 = 0x0402, 0x29


async def updated(bench: ZigbeeBench, running: ZigbeeRunning, *, no_rollback: str = "allow") -> Record:
    """The node's attempt, at its end."""
    await ready(bench, running)
    await running.deploy(no_rollback=no_rollback)
    return (await running.ended(within=DAY))[-1]


async def known(bench: ZigbeeBench, running: ZigbeeRunning) -> None:
    """What such nodes run is known to be good."""
    file = bench.folder / "old.ota"
    file.write_bytes(firmware(LAMP, OLD))
    await running.gateway.add_baseline(file, profile=LAMP, component="app", version=OLD)


def with_check(bench: ZigbeeBench, text: str) -> None:
    """Have lamps judged by this, too."""
    file = bench.profiles / f"{LAMP}.toml"
    file.write_text(file.read_text().replace("[zigbee]\n", f"[[health]]\n{text}\n[zigbee]\n", 1))


# What a node comes back with


@on_zigbee
async def test_a_node_whose_loader_takes_images_back_is_rolled_back_by_it_and_not_tried_for_ever(
    bench: ZigbeeBench,
) -> None:
    bench.profile(LAMP, params="reverts = true")
    bench.on_network("l1", options={"boots-back": ""})
    async with bench.gateway() as running:
        record = await updated(bench, running)
        assert record.result is not None
        assert outcomes([record]) == ["rolled-back"]
        assert (record.result.rollback, record.result.code) == (RollbackKind.BOOTLOADER, "did-not-stay")
        assert record.activations == 1
        assert running_versions(bench)["l1"] == OLD


@on_zigbee
async def test_a_node_that_did_not_start_its_image_is_told_once_more_and_then_has_failed(
    bench: ZigbeeBench,
) -> None:
    bench.on_network("l1", options={"boots-back": ""})
    async with bench.gateway() as running:
        record = await updated(bench, running)
        assert record.result is not None
        assert outcomes([record]) == ["failed"]
        assert record.result.code == "did-not-start"
        assert record.activations == 2
        assert running_versions(bench)["l1"] == OLD


# Started later


@on_zigbee
async def test_a_lamp_has_its_image_and_starts_it_when_somebody_says_so_days_and_a_restart_later(
    bench: ZigbeeBench,
) -> None:
    bench.on_network("l1")
    async with bench.gateway() as running:
        await ready(bench, running)
        await running.deploy(no_rollback="allow", activate="held")
        await running.until(lambda: running.waits_for("l1") == ["staged"])
        assert not running.gateway.site.leases.held
        await asyncio.sleep(DAY)
        assert running_versions(bench)["l1"] == OLD, "it asks again and again, and is told to wait"
    async with bench.gateway(killed=True) as running:
        await running.until(lambda: running.waits_for("l1") == ["staged"])
        await asyncio.sleep(DAY)
        assert running_versions(bench)["l1"] == OLD
        before = bench.places["l1"].counts.down
        await running.gateway.rollout.activate("d", asked_by="ann")
        (record,) = await running.ended()
        assert outcomes([record]) == ["succeeded"]
        assert running_versions(bench)["l1"] == NEW
        assert bench.places["l1"].counts.down - before < 40, "it had its image"


@on_zigbee
async def test_a_lamp_that_is_given_up_while_it_waits_stays_on_what_it_ran(bench: ZigbeeBench) -> None:
    bench.on_network("l1")
    async with bench.gateway() as running:
        await ready(bench, running)
        await running.deploy(no_rollback="allow", activate="held")
        await running.until(lambda: running.waits_for("l1") == ["staged"])
        await running.gateway.supervisor.cancel(1, CancelReason.CANCELLED, "ann")
        (record,) = await running.ended()
        assert outcomes([record]) == ["cancelled"]
        await asyncio.sleep(3 * DAY)
        assert running_versions(bench)["l1"] == OLD


@on_zigbee
async def test_a_lamp_that_starts_what_it_has_at_once_is_refused_if_it_is_to_wait(bench: ZigbeeBench) -> None:
    bench.profile(LAMP, params="stages = false")
    bench.on_network("l1", options={"no-waiting": ""})
    async with bench.gateway() as running:
        await ready(bench, running)
        await running.deploy("d", no_rollback="allow", activate="held")
        (refused,) = await running.ended(within=DAY)
        assert refused.result is not None
        assert (outcomes([refused]), refused.result.code) == (["refused"], "activates-with-last-byte")
        await running.deploy("e", no_rollback="allow")
        assert outcomes(await running.ended(within=DAY)) == ["refused", "succeeded"]


# Whether it takes anything older


@on_zigbee
async def test_a_lamp_that_takes_nothing_older_is_remembered_and_the_next_is_refused_untouched(
    bench: ZigbeeBench,
) -> None:
    for name in ("l1", "l2"):
        bench.on_network(name, version=NEW, options={"no-old-header": ""})
    async with bench.gateway() as running:
        await running.gateway.add_release(bench.release(OLD, Piece(LAMP)), asked_by="test")
        await running.deploy("d", "l1", version=OLD, no_rollback="allow")
        (tried,) = await running.ended(within=DAY)
        assert tried.result is not None
        assert (outcomes([tried]), tried.result.code) == (["failed"], "downgrade-refused")
        assert running_versions(bench)["l1"] == NEW
    async with bench.gateway() as running:
        await known(bench, running)
        await running.gateway.probe("l2", allow_restart=False)
        assert (await running.view("l2")).takes_older is False
        await running.deploy("e", "l2", version=OLD)
        refused = (await running.ended(within=DAY))[-1]
        assert refused.result is not None
        assert (outcomes([refused]), refused.result.code) == (["refused"], "downgrade-refused")
        assert "virtual-node" in refused.result.message
        assert (refused.touched, refused.bytes_sent) == (False, 0)
        await running.deploy("f", "l2", version=OLD, no_rollback="allow")
        assert outcomes((await running.ended(within=DAY))[-1:]) == ["failed"], "it was allowed, and tried"


@on_zigbee
async def test_a_way_back_that_is_known_to_be_refused_is_none_and_is_said_before_the_update(
    bench: ZigbeeBench,
) -> None:
    bench.on_network("l1")
    async with bench.gateway() as running:
        await known(bench, running)
        wanted = await _version_of(running, bench)
        await running.gateway.site.journal.keep_downgrade(LAMP, "virtual-node", wanted, None, taken=False)
    async with bench.gateway() as running:
        record = await updated(bench, running, no_rollback="refuse")
        assert record.result is not None
        assert (outcomes([record]), record.result.code) == (["refused"], "downgrade-refused")
        assert "such a node did not take an older image" in record.result.message
        assert running_versions(bench)["l1"] == OLD


@on_zigbee
async def test_a_lamp_that_was_taken_back_shows_that_such_lamps_can_be(bench: ZigbeeBench) -> None:
    with_check(bench, 'kind = "command"\nrequest = "read 0x0000/0x0005"\nexpect = "^another-model$"')
    bench.on_network("l1")
    bench.on_network("l2")
    async with bench.gateway() as running:
        await known(bench, running)
        await ready(bench, running)
        await running.deploy("d", "l1")
        first = (await running.ended(within=DAY))[-1]
        assert first.result is not None
        assert first.result.rollback is RollbackKind.REFLASH
        assert not first.rollback_seen
        assert running_versions(bench)["l1"] == OLD
        await running.deploy("e", "l2")
        second = (await running.ended(within=DAY))[-1]
        assert second.rollback_seen, "it was seen to work on this model and firmware"


async def _version_of(running: ZigbeeRunning, bench: ZigbeeBench) -> str:
    """By what a lamp names the release that it is to get."""
    node_type = bench.types().get(LAMP)
    component = node_type.profile.components[0].value()
    image = node_type.plugin.parse(firmware(LAMP, NEW), "zigbee-ota", component, node_type.params)
    assert image.firmware.version is not None
    return image.firmware.version


# Judged by what it does


@on_zigbee
async def test_a_lamp_that_reports_as_before_is_well(bench: ZigbeeBench) -> None:
    with_check(bench, 'kind = "reports"\nwithin = 300.0')
    bench.on_network("l1")
    async with bench.gateway() as running:
        await known(bench, running)
        await asyncio.sleep(3600.0)
        record = await updated(bench, running)
        assert outcomes([record]) == ["succeeded"]
        assert record.report_rate == pytest.approx(1 / 60, rel=0.1)
        (said,) = record.judged_by
        assert said.startswith("reports: 3 messages; 3 are 50%")


@on_zigbee
async def test_a_lamp_that_has_forgotten_to_report_is_taken_back(bench: ZigbeeBench) -> None:
    with_check(bench, 'kind = "reports"\nwithin = 300.0')
    bench.on_network("l1", options={"drops-reports": ""})
    async with bench.gateway() as running:
        await known(bench, running)
        await asyncio.sleep(3600.0)
        record = await updated(bench, running)
        assert record.verdict_why is not None
        assert record.verdict_why.message.startswith("reports: nothing within 300 s")
        assert record.result is not None
        assert record.result.rollback is RollbackKind.REFLASH
        assert running_versions(bench)["l1"] == OLD


@on_zigbee
async def test_a_lamp_that_never_reported_is_not_judged_by_it(bench: ZigbeeBench) -> None:
    with_check(bench, 'kind = "reports"\nwithin = 300.0')
    bench.on_network("l1", options={"report-every": "0"})
    async with bench.gateway() as running:
        await asyncio.sleep(2 * 3600.0)
        record = await updated(bench, running)
        assert outcomes([record]) == ["succeeded"]
        assert record.judged_by == ("reports: not asked, since it did not report before the update either",)


@pytest.mark.parametrize("forgets", [True, False])
def test_a_lamp_is_asked_what_it_was_told_to_report_before_and_after(
    forgets: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    @on_zigbee
    async def story(bench: ZigbeeBench) -> None:
        request = f"reporting {TEMPERATURE:#06x}/0x0000"
        with_check(bench, f'kind = "unchanged"\nrequest = "{request}"')
        bench.on_network("l1", options={"drops-reports": ""} if forgets else {})
        async with bench.gateway() as running:
            await known(bench, running)
            await running.until(lambda: bench.network is not None)
            assert bench.network is not None
            link = bench.network.node(bench.places["l1"].ieee)
            wanted = general.encode_reporting([general.Reporting(0, I16, 10, 300, 50)])
            asked = Zcl(TEMPERATURE, General.CONFIGURE_REPORTING, wanted, general=True)
            answer = await link.ask(asked, within=10.0)
            assert answer.payload == b"\x00"
            record = await updated(bench, running)
            assert record.answers == {request: "every 10 to 300 s"}
            if not forgets:
                assert outcomes([record]) == ["succeeded"]
                return
            assert record.verdict_why is not None
            assert "was 'every 10 to 300 s', and is 'none'" in record.verdict_why.message
            assert running_versions(bench)["l1"] == OLD

    story(tmp_path_factory.mktemp("lamp"))


@pytest.mark.parametrize("forgets", [True, False])
def test_a_lamp_is_asked_whom_it_reports_to_before_and_after(
    forgets: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    @on_zigbee
    async def story(bench: ZigbeeBench) -> None:
        with_check(bench, 'kind = "unchanged"\nrequest = "bindings"')
        bench.on_network("l1")
        to_hub = "1:0x0402 > 00:12:4b:00:2a:00:00:01/1"
        bench.places["l1"].bindings.add(to_hub)
        async with bench.gateway() as running:
            await known(bench, running)
            updating = asyncio.create_task(updated(bench, running))
            if forgets:
                await running.in_phase("l1", "activating")
                bench.places["l1"].bindings.clear()
            record = await updating
            assert record.answers == {"bindings": to_hub}
            if not forgets:
                assert outcomes([record]) == ["succeeded"]
                return
            assert record.verdict_why is not None
            assert f"was {to_hub!r}, and is 'none'" in record.verdict_why.message
            assert running_versions(bench)["l1"] == OLD

    story(tmp_path_factory.mktemp("lamp"))


@on_zigbee
async def test_what_a_node_cannot_be_asked_keeps_nothing_from_being_updated(bench: ZigbeeBench) -> None:
    with_check(bench, 'kind = "unchanged"\nrequest = "read 0x0402/0x7777"')
    bench.on_network("l1")
    async with bench.gateway() as running:
        record = await updated(bench, running)
        assert outcomes([record]) == ["succeeded"]
        assert record.answers == {}
        assert "is not known from before the update" in record.judged_by[0]
        assert replace(record, judged_by=()).judged_by == ()
