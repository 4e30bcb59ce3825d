"""The real Optiboot and ATmegaBOOT on a simulated AVR are updated, proved and brought back by our flasher."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from flashers.api import (
    Backup,
    Component,
    EvidenceKind,
    Firmware,
    FirmwareImage,
    Flasher,
    NodeSilent,
    Of,
    Preflight,
    Probe,
    ProbeCost,
    Role,
    Seen,
    Segment,
    Transfer,
    WrongHardware,
)
from flashers.images import ImageOverlap, IntoBootSection, parse_ihex, write_ihex
from flashers.stk500 import PLUGIN
from flashers.stk500.params import Stk500Params
from flashers.stk500.parts import Loader
from tests.flashers.session import FakeSession
from tests.peers import debian
from tests.peers.avr import Board, SimulatedAvr, atmegaboot_board, optiboot_board
from tests.peers.simavr import build
from transports.errors import LinkError
from transports.links import LinkSpec
from transports.open import open_link

pytestmark = pytest.mark.peer

BOARDS: dict[Loader, Callable[[], Board]] = {
    Loader.OPTIBOOT: optiboot_board,
    Loader.ATMEGABOOT: atmegaboot_board,
}


def params(loader: Loader, part: str = "atmega328p") -> Stk500Params:
    return Stk500Params(part=part, loader=loader, boot_line=r"^fw (?P<version>\S+)$")


def application(version: str, loader: Loader = Loader.OPTIBOOT, **traits: int) -> FirmwareImage:
    baud = {Loader.OPTIBOOT: 115200, Loader.ATMEGABOOT: 57600}[loader]
    file = build.application(version, baud=baud, **traits)  # type: ignore[arg-type]
    return PLUGIN.parse(file.read_bytes(), "ihex", Component(), params(loader))


@asynccontextmanager
async def flasher_at(
    node: SimulatedAvr, settings: Stk500Params
) -> AsyncIterator[tuple[Flasher, FakeSession]]:
    """A lease of the node's port."""
    spec = LinkSpec.parse(f"uart:{node.pty}?{node.board.link}")
    session = FakeSession(lambda: open_link(spec))
    flasher = PLUGIN.open(session, settings)
    try:
        yield flasher, session
    finally:
        await flasher.cleanup()
        await session.close()


def board_with(folder: Path, loader: Loader, version: str | None = "1.0.0") -> SimulatedAvr:
    board = BOARDS[loader]()
    old = None if version is None else build.application(version, baud=board.baud)
    return SimulatedAvr(board, folder / loader, application=old)


def runs(seen: Seen | None, image: FirmwareImage, version: str) -> bool:
    """Whether it was proved to run this image, by read-back and by what it said."""
    assert seen is not None
    slot = seen.active(0)
    return (
        seen.role is Role.APP
        and seen.proves(Of.TRANSFER, (EvidenceKind.READBACK,))
        and seen.proves(Of.BOOT, (EvidenceKind.VERSION,))
        and slot is not None
        and slot.firmware == Firmware(image.firmware.identity, version)
    )


def look(*candidates: FirmwareImage) -> Probe:
    return Probe(ProbeCost.RESTARTS_APPLICATION, candidates)


def flash_holds(node: SimulatedAvr, image: FirmwareImage) -> bool:
    return all(node.flash[s.address : s.end] == s.data for s in image.segments)


@pytest.mark.parametrize("loader", Loader)
async def test_the_real_loader_is_updated_and_its_boot_is_proved(loader: Loader, tmp_path: Path) -> None:
    old, new = application("1.0.0", loader), application("1.2.0", loader, pad=3000)
    with board_with(tmp_path, loader) as node:
        section = node.flash[node.board.boot_address :]
        async with flasher_at(node, params(loader)) as (flasher, session):
            seen = await flasher.probe(look(new, old))
            assert runs(seen, old, "1.0.0")
            assert await flasher.preflight(Preflight(new, seen)) == ()
            assert runs(await flasher.transfer(Transfer(new)), new, "1.2.0")
            assert flash_holds(node, new)
            assert await flasher.command(b"v", reply_timeout=5) == b"fw 1.2.0"
            assert session.notes == []  # nothing had to be done twice
        async with flasher_at(node, params(loader)) as (flasher, _):
            assert runs(await flasher.probe(look(old, new)), new, "1.2.0")
        assert node.flash[node.board.boot_address :] == section


async def test_the_loader_is_named_by_its_own_version(tmp_path: Path) -> None:
    said = {}
    for loader in Loader:
        with board_with(tmp_path, loader) as node:
            async with flasher_at(node, params(loader)) as (flasher, _):
                said[loader] = (await flasher.probe(look())).facts["loader"]
    assert said == {Loader.OPTIBOOT: "optiboot 4.4", Loader.ATMEGABOOT: "atmegaboot 1.16"}


@pytest.mark.parametrize("torn", [False, True])
@pytest.mark.parametrize("loader", Loader)
async def test_a_power_cut_in_the_middle_is_finished_from_there(
    loader: Loader, torn: bool, tmp_path: Path
) -> None:
    new = application("1.2.0", loader, pad=6000)
    with board_with(tmp_path, loader) as node:
        async with flasher_at(node, params(loader)) as (flasher, session):
            node.cut_after_page(20, torn=torn)
            with pytest.raises((NodeSilent, LinkError)):
                await flasher.transfer(Transfer(new))
            await asyncio.to_thread(node.wait_for_power_loss)
            assert session.bytes_sent >= 20 * 128
        assert not flash_holds(node, new)
        node.start()
        async with flasher_at(node, params(loader)) as (flasher, session):
            assert not runs(await flasher.probe(look(new)), new, "1.2.0")
            assert runs(await flasher.transfer(Transfer(new)), new, "1.2.0")
            assert session.bytes_sent <= new.size - 19 * 128 + 128
        assert flash_holds(node, new)


@pytest.mark.parametrize("loader", Loader)
async def test_an_image_that_hangs_is_taken_back(loader: Loader, tmp_path: Path) -> None:
    old, hanging = application("1.0.0", loader), application("9.9.9", loader, hangs=True)
    settings = params(loader).model_copy(update={"boot_deadline": 3.0})
    with board_with(tmp_path, loader) as node:
        async with flasher_at(node, settings) as (flasher, _):
            seen = await flasher.transfer(Transfer(hanging))
            assert seen is not None
            assert seen.proves(Of.TRANSFER, (EvidenceKind.READBACK,))
            assert not seen.proves(Of.BOOT, tuple(EvidenceKind))
            assert runs(await flasher.transfer(Transfer(old)), old, "1.0.0")
        assert flash_holds(node, old)


async def test_what_was_there_is_read_and_brought_back(tmp_path: Path) -> None:
    settings = params(Loader.OPTIBOOT)
    with board_with(tmp_path, Loader.OPTIBOOT, "0.7.0") as node:
        before = node.flash
        async with flasher_at(node, settings) as (flasher, _):
            saved = PLUGIN.parse(await flasher.backup(Backup(Component())), "ihex", Component(), settings)
            assert node.pages_written == 0
            await flasher.transfer(Transfer(application("1.2.0")))
            assert runs(await flasher.transfer(Transfer(saved)), saved, "0.7.0")
        end = saved.segments[0].end
        assert node.flash[:end] == before[:end]


async def test_an_image_for_another_part_or_loader_is_refused_and_nothing_written(tmp_path: Path) -> None:
    with board_with(tmp_path, Loader.OPTIBOOT) as node:
        other = params(Loader.OPTIBOOT, "atmega168")
        async with flasher_at(node, other) as (flasher, _):
            image = PLUGIN.parse(b"\x0c\x94", "raw", Component(), other)
            seen = await flasher.probe(look(image))
            assert [reason.code for reason in await flasher.preflight(Preflight(image, seen))] == [
                "wrong-hardware"
            ]
            with pytest.raises(WrongHardware):
                await flasher.transfer(Transfer(image))
        loaders_own = node.board.bootloader.read_bytes()
        with pytest.raises(IntoBootSection):
            PLUGIN.parse(loaders_own, "ihex", Component(), params(Loader.OPTIBOOT))
        assert node.pages_written == 0


async def test_a_mute_node_is_silent_until_it_is_mended(tmp_path: Path) -> None:
    old = application("1.0.0")
    settings = params(Loader.OPTIBOOT).model_copy(update={"boot_deadline": 1.0, "resets": 2})
    with board_with(tmp_path, Loader.OPTIBOOT) as node:
        node.mute()
        async with flasher_at(node, settings) as (flasher, _):
            assert (await flasher.probe(look(old))).role is Role.SILENT
        node.mute(muted=False)
        async with flasher_at(node, settings) as (flasher, _):
            assert runs(await flasher.probe(look(old)), old, "1.0.0")


def test_debians_broken_optiboot_is_recognised_by_its_overlap() -> None:
    settings = params(Loader.OPTIBOOT)
    with pytest.raises(ImageOverlap):
        parse_ihex(build.broken_optiboot().read_bytes(), settings.avr.area(0))
    with pytest.raises(ImageOverlap):
        PLUGIN.parse(build.broken_optiboot().read_bytes(), "ihex", Component(), settings)


ARDUINO = "usr/share/arduino/hardware/arduino/avr/bootloaders/atmega"


def board_of(part: str, loader: Loader) -> Board:
    """Other parts, with the loaders that Debian ships for them."""
    sizes = {"atmega168": (16384, 128), "atmega328": (32768, 128), "atmega1280": (131072, 256)}
    names = {"atmega168": "diecimila", "atmega328": "atmega328_notp", "atmega1280": "atmega1280"}
    start = params(loader, part).area.application.stop
    if loader is Loader.OPTIBOOT:
        return Board(part, *sizes[part], start, 115200, build.optiboot(part, section=start))
    baud = 19200 if part == "atmega168" else 57600
    return Board(part, *sizes[part], start, baud, debian.file(f"{ARDUINO}/ATmegaBOOT_168_{names[part]}.hex"))


@pytest.mark.parametrize(
    ("part", "loader"),
    [
        ("atmega168", Loader.OPTIBOOT),
        ("atmega168", Loader.ATMEGABOOT),
        ("atmega328", Loader.ATMEGABOOT),
        ("atmega1280", Loader.ATMEGABOOT),
    ],
)
async def test_every_page_of_a_part_can_be_reached(part: str, loader: Loader, tmp_path: Path) -> None:
    """The first and the last pages, and on the largest part those on both sides of 64 KiB."""
    settings = params(loader, part).model_copy(update={"boot_line": None})
    end = settings.area.application.stop
    chance = random.Random(part)
    loops_for_ever = b"\xff\xcf"  # rjmp to itself
    pieces = [Segment(0, loops_for_ever + chance.randbytes(300)), Segment(end - 400, chance.randbytes(400))]
    if end > 0x10000:
        pieces.append(Segment(0x10000 - 300, chance.randbytes(600)))
    image = PLUGIN.parse(write_ihex(pieces), "ihex", Component(), settings)
    with SimulatedAvr(board_of(part, loader), tmp_path) as node:
        section = node.flash[end:]
        async with flasher_at(node, settings) as (flasher, _):
            seen = await flasher.transfer(Transfer(image))
        assert seen is not None
        assert seen.facts["signature"] == settings.avr.signature.hex()
        assert flash_holds(node, image)
        assert node.flash[end:] == section
