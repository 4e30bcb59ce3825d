"""The virtual node, spoken to in bytes as the SDK documents them, without the codec and the flasher."""

import asyncio
import binascii

import pytest

from flashers.nordic_dfu.virtual.legacy import Where
from flashers.nordic_dfu.virtual.legacy_options import FAULTS, BadOption, LegacyOptions
from flashers.sim import SimApp, build_app
from tests.flashers.nordic_dfu.legacy_world import ADDRESS, NEXT, OLD, World, in_virtual_time, world
from transports.ble.errors import GattRefused
from transports.errors import LinkLost
from transports.gatt import GattLink
from transports.virtual.memory_gatt import at

CONTROL = "00001531-1212-efde-1523-785feabcd123"
PACKET = "00001532-1212-efde-1523-785feabcd123"
REVISION = "00001534-1212-efde-1523-785feabcd123"
IMAGE = build_app(SimApp("3.0.0"), 300)
CRC = binascii.crc_hqx(IMAGE, 0xFFFF).to_bytes(2, "little")
INIT = bytes.fromhex("ffffffff 30750000 0100 feff") + CRC
SIZES = bytes(8) + len(IMAGE).to_bytes(4, "little")


async def in_loader(it: World) -> GattLink:
    """Send it there by hand."""
    link = await it.air.connect(at(ADDRESS), within=1.0)
    assert await link.read(REVISION) == b"\x01\x00"
    await link.subscribe(CONTROL)
    await link.write(CONTROL, b"\x01\x04", response=True)
    with pytest.raises(LinkLost):
        await link.heard()
    link = await it.air.connect(at(NEXT), within=5.0)
    assert await link.read(REVISION) == b"\x05\x00"
    await link.subscribe(CONTROL)
    return link


async def told(link: GattLink) -> str:
    characteristic, value = await asyncio.wait_for(link.heard(), 5.0)
    assert characteristic == CONTROL
    return value.hex(" ")


async def asked(link: GattLink, command: str) -> str:
    await link.write(CONTROL, bytes.fromhex(command), response=True)
    return await told(link)


async def started(link: GattLink, sizes: bytes = SIZES, kind: str = "04") -> str:
    await link.write(CONTROL, bytes.fromhex(f"01 {kind}"), response=True)
    await link.write(PACKET, sizes, response=False)
    return await told(link)


async def prepared(link: GattLink, init: bytes = INIT) -> str:
    await link.write(CONTROL, b"\x02\x00", response=True)
    await link.write(PACKET, init, response=False)
    return await asked(link, "02 01")


@in_virtual_time
async def test_a_whole_update_as_it_is_written_down() -> None:
    it = world()
    link = await in_loader(it)
    assert await started(link) == "10 01 01"
    assert await prepared(link) == "10 02 01"
    await link.write(CONTROL, b"\x08\x05\x00", response=True)
    await link.write(CONTROL, b"\x03", response=True)
    for start in range(0, len(IMAGE), 20):
        await link.write(PACKET, IMAGE[start : start + 20], response=False)
    assert await told(link) == "11 64 00 00 00"
    assert await told(link) == "11 c8 00 00 00"
    assert await told(link) == "10 03 01", "no receipt for the last packet"
    assert await asked(link, "07") == "10 07 01 2c 01 00 00"
    assert await asked(link, "04") == "10 04 01"
    await link.write(CONTROL, b"\x05", response=True)
    with pytest.raises(LinkLost):
        await link.heard()
    await asyncio.sleep(1)
    assert it.node.where is Where.APP
    assert it.node.banks.application() == IMAGE


@pytest.mark.parametrize(
    ("sizes", "kind", "answer"),
    [
        (SIZES[:8], "04", "10 01 03"),  # the first form of the protocol, with one size
        (bytes(8) + (298).to_bytes(4, "little"), "04", "10 01 03"),  # no whole words
        (bytes(12), "04", "10 01 03"),
        (SIZES, "01", "10 01 03"),
        (bytes(4) + SIZES[8:] + SIZES[8:], "04", "10 01 03"),  # an application and a loader at once
        (bytes(8) + (4096).to_bytes(4, "little"), "04", "10 01 04"),
    ],
)
@in_virtual_time
async def test_a_start_that_cannot_be_is_refused_and_nothing_is_erased(
    sizes: bytes, kind: str, answer: str
) -> None:
    it = world()
    assert await started(await in_loader(it), sizes, kind) == answer
    assert it.node.operations == 0


@in_virtual_time
async def test_a_second_start_is_refused_until_a_reset() -> None:
    it = world()
    link = await in_loader(it)
    assert await started(link) == "10 01 01"
    assert await started(link) == "10 01 02"
    await link.aclose()
    link = await it.air.connect(at(NEXT), within=5.0)
    await link.subscribe(CONTROL)
    assert await started(link) == "10 01 02", "what was begun outlives the connection"
    await link.write(CONTROL, b"\x06", response=True)
    with pytest.raises(LinkLost):
        await link.heard()
    link = await it.air.connect(at(NEXT), within=5.0)
    await link.subscribe(CONTROL)
    assert await started(link) == "10 01 01"


@in_virtual_time
async def test_what_comes_out_of_turn_is_refused() -> None:
    it = world()
    link = await in_loader(it)
    assert await asked(link, "04") == "10 04 02"
    assert await asked(link, "02 01") == "10 02 02"
    assert await asked(link, "09") == "10 09 03"
    assert await asked(link, "01") == "10 01 06"
    assert await asked(link, "08 01") == "10 08 03"
    await link.write(CONTROL, b"\x03", response=True)
    await link.write(PACKET, bytes(20), response=False)
    assert await told(link) == "10 03 02"
    assert await started(link) == "10 01 01"
    assert await prepared(link, INIT[:12]) == "10 02 06"
    assert await prepared(link, bytes(8)) == "10 02 06"
    assert await prepared(link) == "10 02 01", "after a wrong one the right one is taken"
    await link.write(CONTROL, b"\x03", response=True)
    await link.write(PACKET, bytes(18), response=False)
    assert await told(link) == "10 03 03", "no whole words"


@in_virtual_time
async def test_more_than_was_announced_spoils_it() -> None:
    it = world()
    link = await in_loader(it)
    await started(link)
    await prepared(link)
    await link.write(CONTROL, b"\x03", response=True)
    for start in range(0, len(IMAGE), 20):
        await link.write(PACKET, IMAGE[start : start + 20], response=False)
    await link.write(PACKET, bytes(20), response=False)
    assert await told(link) == "10 03 01"
    assert await told(link) == "10 03 04"
    assert await asked(link, "04") == "10 04 02"


@in_virtual_time
async def test_an_image_with_another_checksum_is_not_started() -> None:
    it = world()
    link = await in_loader(it)
    await started(link)
    await prepared(link)
    await link.write(CONTROL, b"\x03", response=True)
    for start in range(0, len(IMAGE), 20):
        await link.write(PACKET, bytes(len(IMAGE[start : start + 20])), response=False)
    assert await told(link) == "10 03 01"
    assert await asked(link, "04") == "10 04 05"
    await link.write(CONTROL, b"\x05", response=True)
    with pytest.raises(LinkLost):
        await link.heard()
    await asyncio.sleep(1)
    assert it.node.where is Where.LOADER


@in_virtual_time
async def test_who_does_not_listen_may_not_command() -> None:
    it = world()
    link = await it.air.connect(at(ADDRESS), within=1.0)
    with pytest.raises(GattRefused) as caught:
        await link.write(CONTROL, b"\x01\x04", response=True)
    assert caught.value.att_error == 0xFD
    assert it.runs(OLD)


@in_virtual_time
async def test_a_loader_keeps_so_much_of_an_init_packet_and_no_more() -> None:
    it = world()
    link = await in_loader(it)
    await started(link)
    await link.write(CONTROL, b"\x02\x00", response=True)
    for _ in range(7):
        await link.write(PACKET, bytes(20), response=False)
    assert await told(link) == "10 02 06"


def test_options_are_told_and_unknown_ones_refused() -> None:
    assert all(text.endswith("(legacy)") for text in FAULTS.values())
    with pytest.raises(BadOption):
        LegacyOptions.parse({"colour": "red"})
    with pytest.raises(BadOption):
        LegacyOptions.parse({"page": "1"})
    assert LegacyOptions.parse({"silent": ""}).silent
