"""A node is brought to an image, and back, by a flasher that only believes what it says it runs."""

import asyncio
from collections.abc import Awaitable

import pytest

from flashers.api import (
    Activate,
    DowngradeRefused,
    EvidenceKind,
    ImageMismatch,
    NotSupported,
    Of,
    Preflight,
    Probe,
    Role,
)
from flashers.sim import SimApp
from flashers.zigbee_ota.server.errors import (
    ImageInvalid,
    NeedsMoreImages,
    NodeAsleep,
    NoRoom,
    NotifyIgnored,
)
from tests.flashers.zigbee_ota.site import Site, image, play
from tests.flashers.zigbee_ota.world import NEW, OLD
from transports.errors import TenderError

FORTH, BACK = image(NEW), image(OLD)


async def _error_of(work: Awaitable[object]) -> TenderError | None:
    try:
        await work
    except TenderError as error:
        return error
    return None


async def _reached(site: Site, offset: int) -> None:
    """The node has so much of its image."""
    there = asyncio.Event()
    site.session.on_progress = lambda done, _: there.set() if done >= offset else None
    await there.wait()


async def _forth(site: Site) -> None:
    seen = await site.bring(FORTH)
    assert seen.proves(Of.BOOT, (EvidenceKind.VERSION,))
    assert site.runs(FORTH)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"asks": "pages"},
        {"asks": "pages", "spacing_ms": "20"},
        {"asks": "pages", "block": "32", "page_size": "1024"},
        {"layout": "external"},
        {"block": "255"},
        {"block": "7"},
        {"check_s": "50"},
        {"period": "false"},
        {"no_waiting": "true"},
        {"sleepy": "true"},
        {"sleepy": "true", "asks": "pages"},
        {"mute_after_boot": "40"},
        {"beyond_end": "true"},
        {"other_image": "true"},
        {"floods": "5"},
        {"repeats_tsn": "true"},
        {"floods": "3", "repeats_tsn": "true", "asks": "pages"},
        {"impatient": "true"},
        {"drops_reports": "true"},
        {"starts_alone": "false"},
        {"reports_version": "advertised"},
        {"only_if_asked": "true"},
        {"aborts": "true"},
        {"hides_type": "true"},
        {"single_minded": "true"},
    ],
    ids=lambda options: "-".join(f"{name}={value}" for name, value in options.items()) or "plain",
)
def test_every_kind_of_node_is_updated_and_proved(options: dict[str, str]) -> None:
    play(_forth, **options)


@pytest.mark.parametrize("loss", [0.1, 0.3])
@pytest.mark.parametrize("asks", ["blocks", "pages"])
@pytest.mark.parametrize("hops", [1, 2])
def test_a_node_is_updated_though_much_is_lost(loss: float, asks: str, hops: int) -> None:
    play(_forth, loss=loss, hops=hops, asks=asks, seed=hops)


@pytest.mark.parametrize("largest", [82, 70, 58, 50, 46])
@pytest.mark.parametrize("asks", ["blocks", "pages"])
def test_a_route_that_carries_less_is_served_with_smaller_blocks(largest: int, asks: str) -> None:
    play(_forth, largest=largest, asks=asks, block="64")


def test_a_bent_image_is_never_started_and_sent_again() -> None:
    async def story(site: Site) -> None:
        with pytest.raises(ImageInvalid):
            await site.transfer(FORTH)
        assert site.runs(BACK)
        await _forth(site)

    play(story, bent="true")


def test_a_transfer_starts_nothing_and_stays_until_it_is_activated() -> None:
    async def story(site: Site) -> None:
        seen = await site.transfer(FORTH)
        assert seen is not None
        await site.lease()
        await asyncio.sleep(5 * 3600)  # the node asks every hour, and is told to wait by whoever is there
        assert site.runs(BACK)
        looked = await site.probe(FORTH, BACK)
        standby = looked.standby(0)
        assert standby is not None
        assert FORTH.firmware.same(standby.firmware)
        await site.flasher.activate(Activate((FORTH,)))
        await site.settled(FORTH)
        assert site.runs(FORTH)
        assert site.sent <= FORTH.size * 1.1

    play(story)


def test_an_image_that_is_nowhere_is_not_activated() -> None:
    async def story(site: Site) -> None:
        with pytest.raises(ImageMismatch):
            await site.flasher.activate(Activate((FORTH,)))
        await site.transfer(FORTH)
        with pytest.raises(ImageMismatch):
            await site.flasher.activate(Activate((image(NEW, seed="5", version="999999999"),)))
        assert site.runs(BACK)

    play(story)


def test_activating_what_runs_changes_nothing() -> None:
    async def story(site: Site) -> None:
        await site.bring(FORTH)
        operations = site.node.operations
        seen = await site.flasher.activate(Activate((FORTH,)))
        assert seen is not None
        assert seen.proves(Of.BOOT, (EvidenceKind.VERSION,))
        assert site.node.operations == operations

    play(story)


def test_a_node_that_boots_back_is_seen_with_its_old_firmware() -> None:
    async def story(site: Site) -> float:
        await site.once(FORTH)
        seen = await site.settled(FORTH, BACK)
        active = seen.active(0)
        assert active is not None
        assert BACK.firmware.same(active.firmware)
        assert seen.standby(0) is None
        return asyncio.get_running_loop().time()

    assert play(story, boots_back="true") < 120


# Back


@pytest.mark.parametrize("asks", ["blocks", "pages"])
def test_an_older_image_is_taken_under_a_higher_number_and_proved_by_its_own(asks: str) -> None:
    async def story(site: Site) -> None:
        seen = await site.bring(BACK)
        assert seen.proves(Of.BOOT, (EvidenceKind.VERSION,))
        assert site.runs(BACK)
        # And forth again.
        seen = await site.bring(FORTH)
        assert seen.proves(Of.BOOT, (EvidenceKind.VERSION,))
        assert site.runs(FORTH)

    play(story, running=NEW, asks=asks)


def test_a_node_that_reports_the_number_it_was_told_is_back_without_proof() -> None:
    async def story(site: Site) -> None:
        seen = await site.bring(BACK)
        assert not seen.proves(Of.BOOT, (EvidenceKind.VERSION,))
        assert site.runs(BACK)
        seen = await site.bring(FORTH)
        assert site.runs(FORTH)
        await site.bring(BACK)
        assert site.runs(BACK)

    play(story, running=NEW, reports_version="advertised")


def test_a_build_id_proves_it_all_the_same() -> None:
    params: dict[str, object] = {"build_id": "{header}", "proof": ["file-version", "build-id"]}

    async def story(site: Site) -> None:
        before = await site.probe(FORTH, BACK)
        if not before.proves(Of.BOOT, (EvidenceKind.VERSION,)):
            pytest.fail(f"{before.facts}")
        seen = await site.bring(BACK)
        assert seen.proves(Of.BOOT, (EvidenceKind.VERSION,)), seen.facts
        assert site.runs(BACK)

    play(story, params, running=NEW, reports_version="advertised")


@pytest.mark.parametrize("how", ["no_old_header", "strict_version"])
def test_a_node_that_will_not_go_back_says_so_and_stays(how: str) -> None:
    async def story(site: Site) -> None:
        error = await _error_of(site.transfer(BACK))
        if isinstance(error, ImageInvalid):  # once it may have been a bit on the way
            error = await _error_of(site.transfer(BACK))
        assert isinstance(error, DowngradeRefused)
        assert site.runs(FORTH)

    play(story, running=NEW, **{how: "true"})


def test_a_node_that_only_takes_what_is_advertised_higher_is_told_higher() -> None:
    async def story(site: Site) -> None:
        await site.bring(BACK)
        assert site.runs(BACK)

    play(story, running=NEW, no_downgrade="true")


# Sleepy nodes


def test_a_node_that_only_wakes_to_check_in_is_updated_then() -> None:
    async def story(site: Site) -> None:
        began = asyncio.get_running_loop().time()
        while not site.runs(FORTH):
            error = await _error_of(site.once(FORTH))
            assert error is None or isinstance(error, NodeAsleep)
            await site.lease()
            await asyncio.sleep(5)
        assert asyncio.get_running_loop().time() - began < 2 * 1800

    play(story, sleepy="true", deep="true", check_in="1800")


def test_a_sleepy_node_that_does_not_answer_is_asleep_and_another_is_silent() -> None:
    async def story(site: Site) -> Role:
        site.place.set_reach(reach=False)
        return (await site.probe()).role

    assert play(story) is Role.SILENT
    assert play(story, sleepy="true") is Role.ASLEEP


def test_a_button_wakes_a_node_that_is_waited_for() -> None:
    async def story(site: Site) -> None:
        served = asyncio.ensure_future(site.transfer(FORTH))
        await asyncio.sleep(30)
        site.node.wake()
        await served

    play(story, sleepy="true", deep="true", check_in="0")


# Nodes that ask by themselves


def test_a_node_that_ignores_notifies_is_served_when_it_asks() -> None:
    async def story(site: Site) -> None:
        with pytest.raises(NotifyIgnored):
            await site.transfer(FORTH)
        served = asyncio.ensure_future(site.transfer(FORTH))
        await asyncio.sleep(20)
        site.node.wake()
        await served

    play(story, ignores_notify="true")


@pytest.mark.parametrize("asks", ["blocks", "pages"])
@pytest.mark.parametrize("gap", [1.0, 40.0, 400.0, 4000.0])
def test_a_restarted_gateway_goes_on_at_the_nodes_offset(asks: str, gap: float) -> None:
    large = image(NEW, 12_000)

    async def story(site: Site) -> int:
        served = asyncio.ensure_future(site.transfer(large))
        await _reached(site, 7000)
        first = site.session.bytes_sent
        site.network.die()
        with pytest.raises(TenderError):
            await served
        await asyncio.sleep(gap / 2)
        site.host()  # whoever answers now knows nothing but that an attempt is open
        await asyncio.sleep(gap / 2)
        site.sent += first
        await site.transfer(large)
        assert site.node.counts.gave_up <= 1
        await site.flasher.activate(Activate((large,)))
        await site.settled()
        assert site.runs(large)
        return first + site.session.bytes_sent

    sent = play(story, asks=asks, slot_pages="64")
    assert sent < 1.35 * large.size


def test_a_node_in_mid_image_is_never_told_to_give_up_while_nobody_is_with_it() -> None:
    async def story(site: Site) -> None:
        served = asyncio.ensure_future(site.transfer(FORTH))
        await _reached(site, 1000)
        served.cancel()
        await asyncio.gather(served, return_exceptions=True)
        site.open = False
        await site.lease()
        await asyncio.sleep(3600)
        assert site.node.store.offset >= 1000, "it threw away what it had"
        site.open = True
        await _forth(site)

    play(story)


# Lies and limits


def test_a_node_that_lies_about_its_version_is_found_by_what_else_it_says() -> None:
    async def story(site: Site) -> None:
        seen = await site.probe(BACK)
        assert not seen.proves(Of.BOOT, (EvidenceKind.VERSION,))
        assert "not-proved" in seen.facts

    play(story, {"build_id": "{header}", "proof": ["file-version", "build-id"]}, lies="1")


def test_a_node_without_room_says_so() -> None:
    async def story(site: Site) -> None:
        with pytest.raises(NoRoom):
            await site.transfer(FORTH)
        assert site.runs(BACK)

    play(story, room="1000")


def test_a_node_that_wants_more_files_says_so() -> None:
    async def story(site: Site) -> None:
        with pytest.raises(NeedsMoreImages):
            await site.transfer(FORTH)
        assert site.runs(BACK)

    play(story, wants_more="true")


def test_a_node_that_has_another_image_half_is_brought_to_this_one() -> None:
    """What it has of the other one is of no use to anybody: it is told that there is none, and asks anew."""
    other, newest = image(NEW, 3800), image(SimApp("3.0.0"))

    async def story(site: Site) -> None:
        served = asyncio.ensure_future(site.transfer(other))
        await _reached(site, 2000)
        served.cancel()
        await asyncio.gather(served, return_exceptions=True)
        await site.lease()
        seen = await site.bring(newest)
        assert seen.proves(Of.BOOT, (EvidenceKind.VERSION,))
        assert site.runs(newest)

    play(story)
    play(story, asks="pages")
    # It only asks what there is once it has given up the other one by itself, which takes it an hour.
    play(story, {"stall_timeout": 400}, single_minded="true")


def test_a_node_that_waits_with_another_image_is_brought_to_this_one() -> None:
    newest = image(SimApp("3.0.0"))

    async def story(site: Site) -> None:
        await site.transfer(FORTH)
        await site.lease()
        await site.bring(newest)
        assert site.runs(newest)

    play(story)


def test_what_speaks_against_an_image_is_said_before_the_node_is_told() -> None:
    async def story(site: Site) -> None:
        seen = await site.probe()
        ask = site.flasher.preflight
        assert await ask(Preflight(FORTH, seen)) == ()
        for other, code in (
            (image(NEW, manufacturer="0x4321"), "wrong-manufacturer"),
            (image(NEW, image_type="0x0009"), "wrong-image-type"),
            (image(NEW, hardware="7-9"), "wrong-hardware"),
        ):
            reasons = await ask(Preflight(other, seen))
            assert [each.code for each in reasons] == [code]
        assert not site.node.operations

    play(story, {"hardware": 1, "image_type": 1, "model": "virtual-node"})


def test_another_model_is_another_node() -> None:
    async def story(site: Site) -> list[str]:
        seen = await site.probe()
        return [each.code for each in await site.flasher.preflight(Preflight(FORTH, seen))]

    assert play(story, {"model": ["a", "b"]}, model="c") == ["wrong-model"]


def test_a_health_check_can_read_an_attribute_and_people_can_find_the_node() -> None:
    async def story(site: Site) -> None:
        value = await site.flasher.command(b"read 0x0402/0x0000", reply_timeout=5)
        assert int(value) != 0
        assert await site.flasher.command(b"read 1:0/5", reply_timeout=5) == b"virtual-node"
        for wrong in (b"read 0x0402/0x7777", b"echo", b"read 1/2/3"):
            with pytest.raises(NotSupported):
                await site.flasher.command(wrong, reply_timeout=5)
        await site.flasher.identify()
        await asyncio.sleep(1)
        assert site.node.counts.identified == 1
        seen = await site.flasher.probe(Probe())
        assert seen.facts["model"] == "virtual-node"
        assert seen.facts["file-version"] == "0x01000000"

    play(story)
