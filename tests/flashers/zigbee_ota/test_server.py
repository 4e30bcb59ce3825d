"""What a node is answered, byte by byte, whatever it asks and whenever it asks it."""

import asyncio

import pytest

from flashers.api import (
    Activate,
    DowngradeRefused,
    EvidenceKind,
    Firmware,
    NodeRefused,
    NodeSilent,
    Of,
    Preflight,
    Probe,
    Role,
    Seen,
    Stalled,
    Transfer,
    WrongHardware,
)
from flashers.zigbee_ota.codec import (
    Command,
    File,
    ImageBlockRequest,
    ImageBlockResponse,
    ImagePageRequest,
    QueryNextImageRequest,
    QueryNextImageResponse,
    Status,
    UpgradeEndResponse,
)
from flashers.zigbee_ota.codec.words import BASIC, FOREVER, General, OtaAttribute, UpgradeStatus
from flashers.zigbee_ota.server.errors import (
    ActivationIgnored,
    CheckSilent,
    ImageDeclined,
    ImageInvalid,
    NeedsMoreImages,
    NodeAsleep,
    NodeGaveUp,
    NotifyIgnored,
    OfferDeclined,
)
from tests.flashers.zigbee_ota.hand import IEEE, MANUFACTURER, TYPE, World, image, play
from transports.errors import LinkLost, TenderError

NEW = image(2)


async def _staged(world: World, task: "asyncio.Task[object]") -> Seen:
    world.hand.end()
    said = await world.hand.hears(Command.UPGRADE_END_RESPONSE)
    assert UpgradeEndResponse.decode(said.payload).upgrade_at == FOREVER
    seen = await task
    assert isinstance(seen, Seen)
    return seen


def test_a_node_is_notified_offered_served_and_told_to_wait() -> None:
    async def story(world: World) -> None:
        task = world.transfer(NEW)
        await world.hand.hears(Command.IMAGE_NOTIFY)
        tsn = world.hand.query()
        offer = await world.hand.hears(Command.QUERY_NEXT_IMAGE_RESPONSE)
        assert offer.tsn == tsn
        said = QueryNextImageResponse.decode(offer.payload)
        assert said == QueryNextImageResponse(Status.SUCCESS, File(MANUFACTURER, TYPE, 2), NEW.size)
        assert await world.hand.takes(NEW.payload) == NEW.payload
        seen = await _staged(world, task)
        assert seen.proves(Of.TRANSFER, (EvidenceKind.CHECKSUM,))
        standby, active = seen.standby(0), seen.active(0)
        assert standby is not None
        assert standby.firmware == Firmware(version="2")
        assert active is not None
        assert active.firmware == Firmware(version="1")
        assert world.session.reports[-1] == (NEW.size, NEW.size)
        assert world.session.bytes_sent == NEW.size

    play(story)


def test_a_block_is_a_function_of_its_offset() -> None:
    async def story(world: World) -> None:
        task = world.transfer(NEW)
        await world.hand.hears(Command.IMAGE_NOTIFY)
        for offset in (700, 0, 350, 999, 350, 1):
            data = await world.hand.gets(offset)
            assert data == NEW.payload[offset : offset + 50]
        assert await world.hand.takes(NEW.payload, start=500) == NEW.payload[500:]
        await _staged(world, task)

    play(story)


def test_an_answer_has_the_number_of_its_question_and_the_same_question_is_answered_again() -> None:
    async def story(world: World) -> None:
        task = world.transfer(NEW)
        await world.hand.hears(Command.IMAGE_NOTIFY)
        for _ in range(3):
            world.hand.block(0, tsn=77)
            answer = await world.hand.hears(Command.IMAGE_BLOCK_RESPONSE)
            assert answer.tsn == 77
            assert ImageBlockResponse.decode(answer.payload).data == NEW.payload[:50]
            await asyncio.sleep(5)
        await world.hand.takes(NEW.payload)
        await _staged(world, task)

    play(story)


def test_a_query_in_mid_image_is_answered_as_before_and_the_node_may_begin_anew() -> None:
    async def story(world: World) -> None:
        task = world.transfer(NEW)
        await world.hand.hears(Command.IMAGE_NOTIFY)
        await world.hand.gets(0)
        await world.hand.gets(600)
        world.hand.query()
        said = await world.hand.hears(Command.QUERY_NEXT_IMAGE_RESPONSE)
        assert QueryNextImageResponse.decode(said.payload).status == Status.SUCCESS
        assert await world.hand.takes(NEW.payload) == NEW.payload
        await _staged(world, task)
        done = [each for each, _ in world.session.reports]
        assert done == sorted(done)

    play(story)


def test_another_life_of_the_gateway_goes_on_at_the_offset_where_the_node_is() -> None:
    async def story(world: World) -> None:
        task = world.transfer(NEW)
        await world.hand.hears(Command.IMAGE_NOTIFY)
        await world.hand.takes(NEW.payload[:500])
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        world.hand.told.clear()
        assert not [each for each in world.hand.told if each.command == Command.IMAGE_BLOCK_RESPONSE]
        again = world.transfer(NEW)
        assert await world.hand.takes(NEW.payload, start=500) == NEW.payload[500:]
        await _staged(world, again)
        assert world.session.reports[-1] == (NEW.size, NEW.size)

    play(story)


@pytest.mark.parametrize("asked_for", [True, False])
def test_a_cancelled_transfer_aborts_a_node_only_if_people_asked_for_the_end(asked_for: bool) -> None:
    async def story(world: World) -> list[int]:
        task = world.transfer(NEW)
        await world.hand.hears(Command.IMAGE_NOTIFY)
        await world.hand.gets(0)
        world.session.cancelled = asked_for
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(1)
        told = [each for each in world.hand.told if each.command == Command.IMAGE_BLOCK_RESPONSE]
        return [ImageBlockResponse.decode(each.payload).status for each in told]

    assert play(story) == ([Status.ABORT] if asked_for else [])


def test_a_cancel_does_not_wait_for_a_node_that_is_gone() -> None:
    async def story(world: World) -> float:
        task = world.transfer(NEW)
        await world.hand.hears(Command.IMAGE_NOTIFY)
        await world.hand.gets(0)
        world.node.set_reach(reach=False)
        world.session.cancelled = True
        loop = asyncio.get_running_loop()
        began = loop.time()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return loop.time() - began

    assert play(story) < 5


def test_an_image_that_the_node_has_already_is_not_sent_again() -> None:
    async def story(world: World) -> None:
        world.hand.ota[OtaAttribute.DOWNLOADED_FILE_VERSION] = 2
        world.hand.ota[OtaAttribute.IMAGE_UPGRADE_STATUS] = UpgradeStatus.WAITING
        seen = await world.transfer(NEW)
        assert isinstance(seen, Seen)
        assert seen.proves(Of.TRANSFER, (EvidenceKind.CHECKSUM,))
        assert world.session.bytes_sent == 0
        assert world.hand.told == []

    play(story)


# An older image


def test_an_older_image_is_offered_above_what_runs_and_that_is_written_down_first() -> None:
    old = image(2)

    async def story(world: World) -> None:
        task = world.transfer(old)
        await world.hand.hears(Command.IMAGE_NOTIFY)
        assert "10" in world.words["zigbee-ota-given"]
        world.hand.query()
        said = await world.hand.hears(Command.QUERY_NEXT_IMAGE_RESPONSE)
        offered = QueryNextImageResponse.decode(said.payload).file
        assert offered == File(MANUFACTURER, TYPE, 10)
        # The bytes have their own number in them.
        assert await world.hand.takes(old.payload, version=10) == old.payload
        world.hand.end(version=10)
        await world.hand.hears(Command.UPGRADE_END_RESPONSE)
        await task

    play(story, runs=9)


def test_a_node_that_took_an_older_image_is_known_by_the_number_that_it_was_told() -> None:
    async def story(world: World) -> None:
        old = image(2)
        task = world.transfer(old)
        await world.hand.hears(Command.IMAGE_NOTIFY)
        world.hand.query()
        await world.hand.takes(old.payload, version=10)
        world.hand.end(version=10)
        await task
        world.hand.ota[OtaAttribute.CURRENT_FILE_VERSION] = 10
        seen = await world.flasher.probe(Probe())
        active = seen.active(0)
        assert active is not None
        assert active.firmware == Firmware(version="2")
        assert not seen.proves(Of.BOOT, (EvidenceKind.VERSION,))
        assert seen.facts["given-as"] == "0x0000000a"

    play(story, runs=9)


@pytest.mark.parametrize(("build", "proved"), [("v2", True), ("v9", False)])
def test_a_build_id_proves_an_older_image_under_a_higher_number(build: str, proved: bool) -> None:
    async def story(world: World) -> bool:
        world.words["zigbee-ota-given"] = '[[10, 2, "sha256:00", "hand"]]'
        world.hand.basic[0x4000] = build
        return (await world.flasher.probe(Probe())).proves(Of.BOOT, (EvidenceKind.VERSION,))

    assert play(story, runs=10, build_id="v{3}", proof=["file-version"]) is proved


def test_what_the_profile_names_has_to_agree() -> None:
    async def story(world: World) -> Seen:
        world.hand.basic[0x4000] = "v8"
        return await world.flasher.probe(Probe())

    seen = play(story, runs=9, build_id="v{3}", proof=["file-version", "build-id"])
    assert not seen.proves(Of.BOOT, (EvidenceKind.VERSION,))
    assert "'v9'" in str(seen.facts["not-proved"])


def test_an_answer_that_was_lost_is_not_taken_for_nothing_to_say() -> None:
    """Else an update that went well would end as one that cannot be proved."""

    async def story(world: World) -> Role:
        world.hand.deaf_to = {BASIC}
        return (await world.flasher.probe(Probe())).role

    assert play(story, build_id="v{3}", proof=["file-version", "build-id"]) is Role.SILENT
    assert play(story) is Role.APP


def test_a_node_that_calls_itself_higher_than_it_said_is_offered_more_still_and_not_for_ever() -> None:
    async def story(world: World) -> None:
        task = world.transfer(NEW)
        await world.hand.hears(Command.IMAGE_NOTIFY)
        for runs in (5, 50, 500):
            world.hand.query(runs)
            said = await world.hand.hears(Command.QUERY_NEXT_IMAGE_RESPONSE)
            file = QueryNextImageResponse.decode(said.payload).file
            assert file is not None
            assert file.version == runs + 1
            assert f"[{runs + 1}, 2," in world.words["zigbee-ota-given"]
        world.hand.query(5000)
        with pytest.raises(OfferDeclined):
            await task

    play(story)


# Endings


@pytest.mark.parametrize(
    ("status", "asked", "error"),
    [
        (Status.INVALID_IMAGE, 1000, ImageInvalid),
        (Status.INVALID_IMAGE, 100, ImageDeclined),
        (Status.ABORT, 500, NodeGaveUp),
        (Status.REQUIRE_MORE_IMAGE, 1000, NeedsMoreImages),
        (Status.FAILURE, 1000, NodeRefused),
    ],
)
def test_each_end_has_an_error_of_its_own(status: Status, asked: int, error: type[TenderError]) -> None:
    async def story(world: World) -> None:
        task = world.transfer(NEW)
        await world.hand.hears(Command.IMAGE_NOTIFY)
        await world.hand.takes(NEW.payload[:asked])
        world.hand.end(status)
        with pytest.raises(error) as caught:
            await task
        assert type(caught.value) is error
        assert caught.value.remedy

    play(story)


def test_a_node_that_will_not_go_back_says_so_by_its_header() -> None:
    async def story(world: World) -> None:
        task = world.transfer(NEW)
        await world.hand.hears(Command.IMAGE_NOTIFY)
        await world.hand.gets(0, version=10)
        world.hand.end(Status.INVALID_IMAGE, version=10)
        with pytest.raises(DowngradeRefused):
            await task

    play(story, runs=9)


def test_a_node_that_gives_an_older_image_up_at_once_does_so_for_its_age_if_it_does_it_again() -> None:
    async def story(world: World) -> None:
        for asked, error in (900, NodeGaveUp), (50, NodeGaveUp), (50, DowngradeRefused):
            task = world.transfer(NEW)
            await world.hand.hears(Command.IMAGE_NOTIFY)
            await world.hand.takes(NEW.payload[:asked], version=10)
            world.hand.end(Status.ABORT, version=10)
            with pytest.raises(error):
                await task

    play(story, runs=9)


def test_a_node_that_finds_an_older_image_invalid_twice_compares_the_numbers() -> None:
    async def story(world: World) -> None:
        for error in ImageInvalid, DowngradeRefused:
            task = world.transfer(NEW)
            await world.hand.hears(Command.IMAGE_NOTIFY)
            await world.hand.takes(NEW.payload, version=10)
            world.hand.end(Status.INVALID_IMAGE, version=10)
            with pytest.raises(error):
                await task

    play(story, runs=9)


def test_a_node_that_asks_what_there_is_and_never_for_its_bytes_declines_it() -> None:
    async def story(world: World) -> float:
        task = world.transfer(NEW)
        for _ in range(3):
            await world.hand.hears(Command.IMAGE_NOTIFY, within=120)
            world.hand.query()
        with pytest.raises(OfferDeclined):
            await task
        return asyncio.get_running_loop().time()

    assert play(story) < 120


def test_a_node_that_vanishes_after_its_offer_has_declined_nothing() -> None:
    async def story(world: World) -> None:
        task = world.transfer(NEW)
        await world.hand.hears(Command.IMAGE_NOTIFY)
        world.hand.query()
        await world.hand.hears(Command.QUERY_NEXT_IMAGE_RESPONSE)
        world.node.set_reach(reach=False)
        with pytest.raises(NodeSilent) as caught:
            await task
        assert caught.value.retryable

    play(story)
    play(story, runs=9)


def test_hardware_that_the_image_is_not_for_is_named() -> None:
    async def story(world: World) -> None:
        task = world.transfer(image(2, hardware=(3, 5)))
        await world.hand.hears(Command.IMAGE_NOTIFY)
        world.hand.query(hardware=2)
        said = await world.hand.hears(Command.QUERY_NEXT_IMAGE_RESPONSE)
        assert QueryNextImageResponse.decode(said.payload).status == Status.NO_IMAGE_AVAILABLE
        with pytest.raises(WrongHardware, match="3 to 5"):
            await task

    play(story)


# Silence


def test_a_node_that_checks_its_image_for_minutes_is_not_dead() -> None:
    async def story(world: World) -> None:
        task = world.transfer(NEW)
        await world.hand.hears(Command.IMAGE_NOTIFY)
        await world.hand.takes(NEW.payload)
        await asyncio.sleep(590)
        assert not task.done()
        await _staged(world, task)
        assert world.session.waits
        assert "checks its image" in world.session.waits[-1][0]
        assert world.session.waits[-1][1] > 500

    play(story)


def test_a_node_that_never_says_what_it_found_is_told_apart_from_one_that_stopped_asking() -> None:
    async def whole(world: World) -> None:
        task = world.transfer(NEW)
        await world.hand.hears(Command.IMAGE_NOTIFY)
        await world.hand.takes(NEW.payload)
        with pytest.raises(CheckSilent):
            await task

    async def half(world: World) -> None:
        task = world.transfer(NEW)
        await world.hand.hears(Command.IMAGE_NOTIFY)
        await world.hand.takes(NEW.payload[:500])
        with pytest.raises(Stalled, match="at 450 of 1000") as caught:
            await task
        assert type(caught.value) is Stalled
        notices = [each for each in world.hand.told if each.command == Command.IMAGE_NOTIFY]
        assert 1 <= len(notices) <= 8

    play(whole)
    play(half)


def test_a_node_that_does_not_ask_is_told_apart_from_one_that_is_not_there() -> None:
    async def ignores(world: World) -> None:
        with pytest.raises(NotifyIgnored):
            await world.transfer(NEW)

    async def away(world: World) -> None:
        world.node.set_reach(reach=False)
        with pytest.raises(NodeSilent) as caught:
            await world.transfer(NEW)
        assert type(caught.value) is NodeSilent

    async def asleep(world: World) -> None:
        world.hand.answers_reads = False
        with pytest.raises(NodeAsleep):
            await world.transfer(NEW)

    play(ignores)
    play(away)
    play(asleep, sleepy=True)


def test_between_two_polls_a_sleepy_node_may_say_nothing_for_an_hour() -> None:
    async def story(world: World) -> None:
        task = world.transfer(NEW)
        await world.hand.hears(Command.IMAGE_NOTIFY)
        await world.hand.takes(NEW.payload[:500])
        await asyncio.sleep(3000)
        assert not task.done()
        assert await world.hand.takes(NEW.payload, start=500) == NEW.payload[500:]
        await _staged(world, task)

    play(story, sleepy=True)


def test_a_coordinator_that_goes_away_ends_the_verb_by_name_and_nothing_is_left() -> None:
    async def story(world: World) -> None:
        task = world.transfer(NEW)
        await world.hand.hears(Command.IMAGE_NOTIFY)
        await world.hand.gets(0)
        world.network.unplug()
        with pytest.raises(LinkLost):
            await task
        await world.session.close()
        left = [each for each in asyncio.all_tasks() if each is not asyncio.current_task()]
        assert not left

    play(story)


# Other questions


def test_what_cannot_be_answered_is_declined_by_the_status_for_it_and_never_by_abort() -> None:
    async def story(world: World) -> None:
        hand, file = world.hand, File(MANUFACTURER, TYPE, 2)
        task = world.transfer(NEW)
        await hand.hears(Command.IMAGE_NOTIFY)
        other = File(MANUFACTURER, 0x0777, 2)
        for ask, command, status in (
            (ImageBlockRequest(file, 1000, 50), 3, Status.MALFORMED_COMMAND),
            (ImageBlockRequest(file, 0xFFFFFFFF, 50), 3, Status.MALFORMED_COMMAND),
            (ImageBlockRequest(file, 0, 0), 3, Status.MALFORMED_COMMAND),
            (ImagePageRequest(file, 1000, 50, 512, 0), 4, Status.MALFORMED_COMMAND),
            (ImagePageRequest(file, 0, 50, 0, 0), 4, Status.MALFORMED_COMMAND),
            (ImageBlockRequest(other, 0, 50), 3, Status.NO_IMAGE_AVAILABLE),
            (ImageBlockRequest(File(MANUFACTURER, TYPE, 3), 0, 50), 3, Status.NO_IMAGE_AVAILABLE),
        ):
            tsn = hand.ask(ask)
            said = await hand.hears(General.DEFAULT_RESPONSE, general=True)
            assert said.tsn == tsn
            assert said.payload == bytes((command, status))
        hand.ask(QueryNextImageRequest(other))
        said = await hand.hears(Command.QUERY_NEXT_IMAGE_RESPONSE)
        assert said.payload == bytes((Status.NO_IMAGE_AVAILABLE,))
        notes = " ".join(world.session.notes)
        assert "from 1000 of 1000" in notes
        assert "0x0777" in notes
        assert await hand.takes(NEW.payload) == NEW.payload
        await _staged(world, task)
        assert "beyond 4" in world.session.notes[-1]

    play(story)


def test_a_transfer_knows_what_runs_from_the_host_where_the_node_does_not_say() -> None:
    async def story(world: World) -> None:
        world.hand.answers_reads = False
        ask = Transfer(NEW, replaces=Firmware(version="7"), back=True)
        task = asyncio.ensure_future(world.flasher.transfer(ask))
        await world.hand.hears(Command.IMAGE_NOTIFY)
        world.hand.query(7)
        said = await world.hand.hears(Command.QUERY_NEXT_IMAGE_RESPONSE)
        file = QueryNextImageResponse.decode(said.payload).file
        assert file is not None
        assert file.version == 8
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    play(story)


# Starting


async def _has_it(world: World) -> "asyncio.Task[object]":
    world.hand.ota[OtaAttribute.DOWNLOADED_FILE_VERSION] = 2
    world.hand.ota[OtaAttribute.IMAGE_UPGRADE_STATUS] = UpgradeStatus.WAITING

    async def run() -> object:
        return await world.flasher.activate(Activate((NEW,)))

    return asyncio.ensure_future(run())


def test_a_node_is_told_to_start_without_having_asked_until_it_is_gone() -> None:
    async def story(world: World) -> None:
        starting = await _has_it(world)
        for _ in range(2):
            said = await world.hand.hears(Command.UPGRADE_END_RESPONSE)
            assert UpgradeEndResponse.decode(said.payload) == UpgradeEndResponse(
                File(MANUFACTURER, TYPE, 2), 0, 0
            )
        world.node.set_reach(reach=False)
        assert await starting is None

    play(story)


def test_a_node_that_only_listens_when_it_asks_is_told_then() -> None:
    async def story(world: World) -> None:
        starting = await _has_it(world)
        await asyncio.sleep(1800)
        world.hand.told.clear()
        tsn = world.hand.end()
        said = await world.hand.hears(Command.UPGRADE_END_RESPONSE)
        assert said.tsn == tsn
        assert UpgradeEndResponse.decode(said.payload).upgrade_at == 0
        world.hand.ota = {
            OtaAttribute.CURRENT_FILE_VERSION: 2,
            OtaAttribute.IMAGE_UPGRADE_STATUS: UpgradeStatus.NORMAL,
        }
        seen = await starting
        assert isinstance(seen, Seen)
        assert seen.proves(Of.BOOT, (EvidenceKind.VERSION,))
        why, seconds = world.session.waits[0]
        assert "asks by itself" in why
        assert seconds > 3600

    play(story)


def test_a_node_that_never_starts_is_left_after_it_must_have_asked() -> None:
    async def story(world: World) -> float:
        starting = await _has_it(world)
        with pytest.raises(ActivationIgnored):
            await starting
        told = [each for each in world.hand.told if each.command == Command.UPGRADE_END_RESPONSE]
        assert len(told) == 4
        return asyncio.get_running_loop().time()

    assert 3600 < play(story) < 4000


def test_a_node_without_the_attributes_is_believed_to_wait_if_it_was_told_to() -> None:
    async def story(world: World) -> None:
        task = world.transfer(NEW)
        await world.hand.hears(Command.IMAGE_NOTIFY)
        await world.hand.takes(NEW.payload)
        await _staged(world, task)
        seen = await world.flasher.probe(Probe())
        standby = seen.standby(0)
        assert standby is not None
        assert standby.firmware == Firmware(version="2")

        async def run() -> object:
            return await world.flasher.activate(Activate((NEW,)))

        starting = asyncio.ensure_future(run())
        await world.hand.hears(Command.UPGRADE_END_RESPONSE)
        world.hand.ota[OtaAttribute.CURRENT_FILE_VERSION] = 2
        assert isinstance(await starting, Seen)
        assert (await world.flasher.probe(Probe())).standby(0) is None

    play(story)


def test_an_image_that_is_for_one_node_alone_is_no_other_nodes() -> None:
    async def story(world: World) -> None:
        seen = await world.flasher.probe(Probe())
        for destination, codes in (IEEE, []), ("00:12:4b:00:00:00:00:99", ["only-for-another-node"]):
            only = image(2, destination=int(destination.replace(":", ""), 16))
            reasons = await world.flasher.preflight(Preflight(only, seen))
            assert [each.code for each in reasons] == codes

    play(story)
