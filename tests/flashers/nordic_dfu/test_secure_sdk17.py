"""What loaders of nRF5 SDK 17.1.0 do that a host would not expect: their flash, their clock, their bonds."""

import asyncio
from dataclasses import replace

import pytest

from flashers.api import Calling, Exposure, ImageMismatch, Resume, Role
from flashers.nordic_dfu.package.secure_init import read_init, write_init
from flashers.nordic_dfu.package.zipped import pick, read_package
from flashers.nordic_dfu.params import Banks, Entry, Keeps, NordicParams, VersionRule
from flashers.nordic_dfu.secure import codec
from flashers.nordic_dfu.secure.build import bench_key
from flashers.nordic_dfu.secure.declare import declare
from flashers.nordic_dfu.secure.door import loader_name
from flashers.nordic_dfu.secure.words import BUTTONLESS, CONTROL, PACKET, Extended, Object, Op, Result
from tests.flashers.nordic_dfu.legacy_world import in_virtual_time
from tests.flashers.nordic_dfu.secure_world import (
    ADDRESS,
    NEW,
    NEXT,
    OLD,
    PAGE,
    World,
    package,
    world,
)
from transports.ble.errors import GattRefused, PairingFailed
from transports.errors import LinkLost, TenderError
from transports.gatt import GattLink
from transports.virtual.memory_gatt import MemoryAir, either


class ByHand:
    """The loader's control point, one question at a time; receipts are kept apart."""

    def __init__(self, link: GattLink) -> None:
        self.link = link
        self.receipts: list[codec.Response] = []

    async def ask(self, request: bytes) -> codec.Response:
        await self.link.write(CONTROL, request, response=True)
        return await self.answer(request[0])

    async def answer(self, op: int) -> codec.Response:
        while True:
            said = codec.read_response((await self.link.heard())[1])
            assert said is not None
            if said.op == op:
                return said
            self.receipts.append(said)

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            await self.link.write(PACKET, piece, response=False)

    async def offer(self, init: bytes) -> codec.Response:
        """An init packet, to its execute."""
        await self.ask(codec.create(Object.COMMAND, len(init)))
        size = self.link.room(PACKET)
        await self.send(*(init[at : at + size] for at in range(0, len(init), size)))
        return await self.ask(codec.plain(Op.EXECUTE))


async def by_hand(here: World) -> ByHand:
    """Be in the loader, with nobody in between."""
    await here.flasher.enter_loader()
    link = await here.session.connect(Role.LOADER)
    return ByHand(link)


def init_of(data: bytes) -> bytes:
    return pick(read_package(data)).init


def image_of(data: bytes) -> bytes:
    return pick(read_package(data)).image


# What is left after a disconnect


@pytest.mark.parametrize(
    ("keeps", "image"), [(Keeps.NOTHING, 0), (Keeps.LINK, PAGE + 64), (Keeps.PROGRESS, PAGE)]
)
@in_virtual_time
async def test_a_disconnect_takes_the_loader_back_to_its_settings(keeps: Keeps, image: int) -> None:
    here = world(keeps=keeps)
    hand = await by_hand(here)
    init, data = init_of(NEW), image_of(NEW)
    assert (await hand.offer(init)).ok
    await hand.ask(codec.create(Object.DATA, PAGE))
    await hand.send(*(data[at : at + 64] for at in range(0, PAGE, 64)))
    assert (await hand.ask(codec.plain(Op.EXECUTE))).ok
    await hand.ask(codec.create(Object.DATA, PAGE))
    await hand.send(data[PAGE : PAGE + 64])
    await asyncio.sleep(0.1)
    await here.session.close()
    await asyncio.sleep(0.1)
    link = await here.session.connect(Role.LOADER)
    await link.subscribe(CONTROL)
    hand = ByHand(link)
    command = await hand.ask(codec.select(Object.COMMAND))
    assert command.place == codec.Place(len(init), codec.crc32(init)), "what was taken is in flash"
    left = await hand.ask(codec.select(Object.DATA))
    assert left.place == codec.Place(image, codec.crc32(data[:image]))


def test_what_survives_is_declared_as_the_profile_says() -> None:
    said = {keeps: declare(NordicParams(keeps=keeps)).resume for keeps in Keeps}
    assert said == {
        Keeps.NOTHING: Resume.NONE,
        Keeps.LINK: Resume.SURVIVES_LINK,
        Keeps.PROGRESS: Resume.SURVIVES_RESET,
    }


@in_virtual_time
async def test_a_complete_image_that_was_lost_with_its_link_is_sent_again_at_its_activation() -> None:
    here = world()
    await here.flasher.enter_loader()
    await here.transfer(NEW)
    sent = here.session.bytes_sent
    await here.session.close()
    await here.activate(NEW)
    assert here.runs(NEW)
    assert here.session.bytes_sent == 2 * sent


# Where it is found


@in_virtual_time
async def test_a_loader_that_a_button_brought_up_is_found_at_the_next_address() -> None:
    here = world(entry=Entry.NONE)
    assert (await here.probe()).role is Role.APP
    assert here.callings[Role.LOADER].address == NEXT
    here.node.press_button()
    await asyncio.sleep(0.2)
    here.lease()
    assert (await here.probe()).role is Role.LOADER
    await here.update(NEW)
    assert here.runs(NEW)


@in_virtual_time
async def test_a_loader_that_a_button_brought_up_is_found_by_who_never_saw_the_application() -> None:
    here = world(entry=Entry.NONE, running=None)
    assert (await here.probe()).role is Role.LOADER
    await here.update(NEW)
    assert here.runs(NEW)


@in_virtual_time
async def test_a_name_is_given_once_and_the_loader_found_under_it_all_the_same() -> None:
    here = world(entry=Entry.NAMED)
    link = await here.session.connect(Role.APP)
    await link.subscribe(BUTTONLESS)
    for name, said in (loader_name(here.session), "success"), ("Dfu00000", "failed"):
        await link.write(BUTTONLESS, codec.set_name(name), response=True)
        answer = codec.read_door((await link.heard())[1])
        assert answer is not None
        assert answer.said == said
    await here.session.close()
    here.lease()  # somebody died between the name and the way in
    await here.update(NEW)
    assert here.runs(NEW)


# Banks


def test_only_what_surely_has_room_beside_the_old_is_declared_to_leave_it_alone() -> None:
    def exposure(**params: object) -> Exposure:
        return declare(NordicParams.model_validate(params)).exposure

    assert exposure() is Exposure.WINDOW
    assert exposure(force_dual=True) is Exposure.NONE
    assert exposure(max_size=100_000) is Exposure.NONE
    assert exposure(banks="single", max_size=100_000) is Exposure.WINDOW


@in_virtual_time
async def test_an_image_that_has_no_room_beside_the_old_one_takes_its_place() -> None:
    large = package("2.0.0", size=10 * PAGE)
    here = world()
    hand = await by_hand(here)
    assert here.node.truth().bootable
    assert (await hand.offer(init_of(large))).ok
    assert not here.node.truth().bootable, "the old one is gone before a byte has come"
    await here.transfer(large)
    await here.activate(large)
    assert here.runs(large)


@in_virtual_time
async def test_a_loader_that_is_forced_to_two_banks_refuses_it_and_keeps_the_old_one() -> None:
    large = package("2.0.0", size=10 * PAGE)
    here = world(force_dual=True)
    with pytest.raises(TenderError) as error:
        await here.update(large)
    assert error.value.code == "image-too-large"
    await here.end()
    assert (await here.probe()).role is Role.APP
    assert here.runs(OLD)


@pytest.mark.parametrize("size", [5 * PAGE + 40, 9 * PAGE, 12 * PAGE])
@in_virtual_time
async def test_power_may_fail_at_every_step_of_a_copy_that_overlaps_itself(size: int) -> None:
    """The second bank begins where the application ends, so a larger image is copied over itself."""
    large = package("2.0.0", size=size)
    quiet = world()
    await quiet.update(large)
    operations = quiet.node.operations
    for operation in range(operations - 24, operations + 1):
        here = world()
        here.node.cut_power_at(operation, torn=operation % 2 == 0)
        await here.brought(large)
        assert here.runs(large), f"power lost at operation {operation}"


# Flow


@in_virtual_time
async def test_a_create_is_answered_before_its_page_is_erased_and_packets_find_no_room_meanwhile() -> None:
    here = world({"erase-time": "1.0", "att-mtu": "23"})
    hand = await by_hand(here)
    loop = asyncio.get_running_loop()
    await hand.offer(init_of(NEW))
    await asyncio.sleep(3.0)  # its settings are written
    data = image_of(NEW)
    await hand.ask(codec.receipts(1))
    began = loop.time()
    assert (await hand.ask(codec.create(Object.DATA, PAGE))).ok
    assert loop.time() - began < 0.5
    await hand.send(*(data[at : at + 4] for at in range(0, 4 * 17, 4)))
    said = [(await hand.answer(Op.CRC)).place for _ in range(17)]
    assert said[:15] == [codec.Place(4 * n, codec.crc32(data[: 4 * n])) for n in range(1, 16)]
    assert said[15:] == [codec.Place(0, 0)] * 2, "the sixteenth was not queued, and is told so"
    assert (await hand.ask(codec.plain(Op.CRC))).place == said[14]
    assert loop.time() - began < 0.5, "and all of that while the page is erased"


@pytest.mark.parametrize("write", ["0.0025", "0.004"])
@in_virtual_time
async def test_no_packet_is_lost_in_a_loader_that_takes_its_time(write: str) -> None:
    """Pages of 4096 bytes and packets of 244 as they are, erase and write times of the two chips."""
    image = package("2.0.0", size=5 * 4096 + 100)
    options = {"page": "4096", "pages": "8", "att-mtu": "247", "erase-time": "0.0897", "write-time": write}
    for keeps in Keeps:
        here = world(options, spacing=0.003, keeps=keeps)
        await here.update(image)
        assert here.runs(image)
        assert here.session.bytes_sent == len(image_of(image)), keeps


@in_virtual_time
async def test_a_receipt_for_what_was_not_queued_is_not_waited_out() -> None:
    options = {"page": "4096", "pages": "8", "att-mtu": "247", "erase-time": "0.3", "write-time": "0.004"}
    image = package("2.0.0", size=4096)
    here = world(options, spacing=0.003)
    await here.flasher.enter_loader()
    loop = asyncio.get_running_loop()
    began = loop.time()
    await here.transfer(image)
    assert here.session.bytes_sent > len(image_of(image)), "its erase takes longer than any should"
    assert loop.time() - began < 6.0
    await here.activate(image)
    assert here.runs(image)


# Its clock


@in_virtual_time
async def test_questions_do_not_keep_a_loader_awake() -> None:
    here = world({"idle": "10"})
    hand = await by_hand(here)
    await hand.offer(init_of(NEW))
    for _ in range(9):
        await asyncio.sleep(1.0)
        assert (await hand.ask(codec.select(Object.DATA))).ok
    await asyncio.sleep(1.0)
    with pytest.raises(LinkLost):
        await hand.ask(codec.select(Object.DATA))
    await asyncio.sleep(0.2)
    assert (await here.probe()).role is Role.APP


@in_virtual_time
async def test_objects_that_are_executed_keep_a_loader_awake() -> None:
    here = world({"idle": "10"})
    hand = await by_hand(here)
    await hand.offer(init_of(NEW))
    data = image_of(NEW)
    for at in range(0, 2 * PAGE, PAGE):
        await asyncio.sleep(8.0)
        await hand.ask(codec.create(Object.DATA, PAGE))
        await hand.send(*(data[at + n : at + n + 64] for n in range(0, PAGE, 64)))
        assert (await hand.ask(codec.plain(Op.EXECUTE))).ok
    await asyncio.sleep(8.0)
    assert (await hand.ask(codec.select(Object.DATA))).ok


# What it says no to


@pytest.mark.parametrize("banks", [Banks.DUAL, Banks.SINGLE])
@in_virtual_time
async def test_a_bad_hash_is_said_and_then_the_loader_restarts(banks: Banks) -> None:
    here = world({"flip-bit": ""}, banks=banks)
    await here.flasher.enter_loader()
    boots = here.node.boots
    if banks is Banks.DUAL:
        await here.transfer(NEW)
    with pytest.raises(ImageMismatch):
        await (here.activate(NEW) if banks is Banks.DUAL else here.transfer(NEW))
    await asyncio.sleep(1.0)
    assert here.node.boots == boots + 1
    assert (await here.probe()).role is (Role.APP if banks is Banks.DUAL else Role.LOADER)


@pytest.mark.parametrize(
    ("wanted", "softdevice", "rule", "fits"),
    [
        ("0x0100", 0x0100, "lower", True),
        ("0xB6,0x0100", 0x0100, "lower", True),
        ("0xB6", 0x0100, "off", False),
        ("0", 0x0100, "lower", True),
        ("0,0x0100", 0x0100, "lower", False),
        ("0,0x0100", 0x0100, "off", True),
        ("0", 0, "lower", True),
        ("0x0100", 0, "lower", False),
        ("0,0x0100", 0, "lower", True),
    ],
)
@in_virtual_time
async def test_preflight_and_loader_agree_on_softdevices(
    wanted: str, softdevice: int, rule: str, fits: bool
) -> None:
    data = package("2.0.0", sd_req=wanted)
    here = world(softdevice=softdevice, version_rule=VersionRule(rule))
    assert [reason.code for reason in await here.reasons(data)] == ([] if fits else ["wrong-softdevice"])
    answer = await (await by_hand(here)).offer(init_of(data))
    assert answer.ok is fits
    if not fits:
        assert answer.extended == Extended.SD_VERSION_FAILURE


@in_virtual_time
async def test_signatures_that_are_none_are_told_apart() -> None:
    said = read_init(init_of(NEW))
    signed = write_init(said, bench_key("one"))
    assert said.signature is not None
    short = signed[:-65] + bytes((63,)) + said.signature[:63]
    lengths = _with_lengths(short, -1)
    here = world()
    hand = await by_hand(here)
    assert read_init(lengths).signature == said.signature[:63]
    assert (await hand.offer(lengths)).result == Result.FAILED
    other = replace(said, hash=bytes(32))
    forged = write_init(other, bench_key("two"))
    assert (await hand.offer(forged)).result == Result.INVALID_OBJECT


def _with_lengths(init: bytes, more: int) -> bytes:
    """An envelope whose contents are so many bytes longer: its length is the varint after its tag."""
    size = (init[1] & 0x7F | init[2] << 7) + more
    return init[:1] + bytes((size & 0x7F | 0x80, size >> 7)) + init[3:]


# Bonds


@in_virtual_time
async def test_a_loader_with_bonds_knows_the_application_s_and_pairs_with_nobody() -> None:
    here = world(entry=Entry.BONDED, pair=True)
    await here.update(NEW)
    assert here.callings[Role.LOADER].address == ADDRESS
    assert here.runs(NEW)
    await here.flasher.enter_loader()
    await here.session.close()
    await asyncio.sleep(0.1)
    assert here.radio.calls is not None
    stranger = MemoryAir().add(here.node)
    with pytest.raises(PairingFailed):
        stranger.connected(pair=True)


@in_virtual_time
async def test_a_loader_with_bonds_wants_an_encrypted_link() -> None:
    here = world(entry=Entry.BONDED, pair=True)
    await here.flasher.enter_loader()
    await here.session.close()
    await asyncio.sleep(0.1)
    link = await here.air.connect(either((Calling(address=ADDRESS),)), within=1.0)
    with pytest.raises(GattRefused) as error:
        await link.write(CONTROL, codec.select(Object.DATA), response=True)
    assert error.value.att_error == 0x05


@in_virtual_time
async def test_a_loader_with_bonds_does_not_come_up_without_one() -> None:
    here = world(entry=Entry.BONDED, pair=True)
    here.node.press_button()
    await asyncio.sleep(1.0)
    assert (await here.probe()).role is Role.APP, "it restarted, and the button was let go"
    assert (await world(entry=Entry.BONDED, pair=True, running=None).probe()).role is Role.SILENT
