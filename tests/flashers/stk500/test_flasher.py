"""What happens to a node, and what is said of it."""

import asyncio
import re

import pytest

from flashers.api import (
    Activate,
    Backup,
    Component,
    ComponentKind,
    Confirm,
    Digest,
    EvidenceKind,
    Firmware,
    FirmwareImage,
    ImageMismatch,
    NodeSilent,
    NotSupported,
    Of,
    Preflight,
    Probe,
    ProbeCost,
    Reason,
    ResetKind,
    Revert,
    Role,
    Seen,
    Segment,
    WrongHardware,
)
from flashers.sim import Behaviour
from flashers.stk500 import PLUGIN, declare
from flashers.stk500.params import Stk500Params
from flashers.stk500.parts import Loader
from tests.flashers.stk500.world import (
    NEW,
    OLD,
    PAGE,
    PARAMS,
    RESTART,
    image,
    node_with,
    parsed,
    run,
    world_of,
)
from transports.errors import LinkError

_BOOT = re.compile("^fw |.fw ")
LINELESS = PARAMS.model_copy(update={"boot_line": None})


def runs(seen: Seen) -> Firmware | None:
    """What the node was seen to run, if that is proved."""
    slot = seen.active(0)
    proved = seen.proves(Of.BOOT, (EvidenceKind.VERSION, EvidenceKind.ANNOUNCE))
    return slot.firmware if slot is not None and proved and seen.role is Role.APP else None


def facts(seen: Seen, *names: str) -> tuple[object, ...]:
    return tuple(seen.facts.get(name) for name in names)


# Looking


def test_what_runs_is_read_and_heard() -> None:
    async def story() -> None:
        world = world_of(node_with(OLD))
        seen = await world.look(NEW, OLD)
        assert runs(seen) == Firmware(OLD.firmware.identity, "1.0.0")
        assert seen.proves(Of.TRANSFER, (EvidenceKind.READBACK,))
        assert seen.proves(Of.BOOT, (EvidenceKind.VERSION,))
        assert seen.cost is RESTART
        (slot,) = seen.slots
        assert (slot.image, slot.slot, slot.active, slot.confirmed, slot.pending, slot.bootable) == (
            *(0, 0, True, True, False, True),
        )
        assert facts(seen, "signature", "loader", "boot_line", "boot_version") == (
            *("1e950f", "optiboot 4.4", "fw 1.0.0", "1.0.0"),
        )
        assert world.session.resets == []  # opening the port was the reset
        assert world.node.truth().running == {0: OLD.firmware.identity}

    run(story)


@pytest.mark.parametrize("allowed", [ProbeCost.NONE, ProbeCost.WAKES])
def test_a_look_that_may_not_restart_the_node_leaves_it_alone(allowed: ProbeCost) -> None:
    async def story() -> None:
        world = world_of(node_with(OLD))
        assert await world.flasher.probe(Probe(allowed, (OLD,))) == Seen(Role.UNKNOWN)
        assert world.session.opens == 0

    run(story)


def test_unknown_firmware_is_known_by_the_version_that_it_says() -> None:
    async def story() -> None:
        seen = await world_of(node_with(OLD)).look(NEW)
        assert runs(seen) == Firmware(None, "1.0.0")
        assert not seen.proves(Of.TRANSFER, (EvidenceKind.READBACK,))
        assert seen.proves(Of.BOOT, (EvidenceKind.VERSION,))

    run(story)


@pytest.mark.parametrize("answer", range(2, 16))
def test_a_node_that_falls_silent_while_it_is_looked_at_is_silent(answer: int) -> None:
    """At any answer, and whatever text was read out of its flash before."""

    async def story() -> None:
        body = parsed(b"\r\nfw 1.0.0\r\n" * 30)
        world = world_of(node_with(body, drop_from=str(answer)))
        seen = await world.look(OLD, body)
        assert seen.role in {Role.SILENT, Role.LOADER}
        assert not seen.proves(Of.BOOT, tuple(EvidenceKind))

    run(story)


@pytest.mark.parametrize("candidates", [(NEW,), ()])
def test_unknown_firmware_that_says_nothing_is_unknown(candidates: tuple[FirmwareImage, ...]) -> None:
    async def story() -> None:
        seen = await world_of(node_with(b"something else")).look(*candidates)
        (slot,) = seen.slots
        assert (seen.role, slot.firmware, slot.bootable, seen.evidence) == (Role.LOADER, None, True, ())

    run(story)


@pytest.mark.parametrize("loader", Loader)
def test_an_erased_part_has_nothing_that_boots(loader: Loader) -> None:
    async def story() -> None:
        params = PARAMS.model_copy(update={"loader": loader})
        seen = await world_of(node_with(None, params), params).look(NEW, OLD)
        (slot,) = seen.slots
        assert (seen.role, slot.firmware, slot.bootable, seen.evidence) == (Role.LOADER, None, False, ())

    run(story)


def test_firmware_in_flash_that_does_not_say_that_it_started_is_no_boot() -> None:
    async def story() -> None:
        hung = image("1.0.0", Behaviour.HANGS)
        seen = await world_of(node_with(hung)).look(hung)
        assert seen.role is Role.LOADER
        assert [(each.of, each.kind) for each in seen.evidence] == [(Of.TRANSFER, EvidenceKind.READBACK)]
        slot = seen.active(0)
        assert slot is not None
        assert slot.firmware == hung.firmware

    run(story)


def test_without_a_boot_line_in_the_profile_only_the_bytes_are_proved() -> None:
    async def story() -> None:
        seen = await world_of(node_with(OLD, LINELESS), LINELESS).look(OLD)
        assert seen.role is Role.APP
        assert [(each.of, each.kind) for each in seen.evidence] == [(Of.TRANSFER, EvidenceKind.READBACK)]

    run(story)


def test_firmware_that_names_another_version_than_its_own_proves_no_version() -> None:
    async def story() -> None:
        liar = image("1.1.0", Behaviour.LIES)
        named = FirmwareImage(
            liar.format, liar.artifact, Firmware(liar.firmware.identity, "1.1.0"), liar.segments
        )
        seen = await world_of(node_with(liar)).look(OLD, named)
        assert runs(seen) == named.firmware
        assert not seen.proves(Of.BOOT, (EvidenceKind.VERSION,))
        assert facts(seen, "boot_version") == ("9.9.9",)

    run(story)


def test_a_line_without_a_version_announces() -> None:
    async def story() -> None:
        params = PARAMS.model_copy(update={"boot_line": "^fw "})
        seen = await world_of(node_with(OLD, params), params).look(OLD)
        assert runs(seen) == OLD.firmware
        assert [each.kind for each in seen.evidence if each.of is Of.BOOT] == [EvidenceKind.ANNOUNCE]
        assert "boot_version" not in seen.facts

    run(story)


def test_of_two_images_that_are_both_there_the_node_names_the_one() -> None:
    def named(one: FirmwareImage, version: str) -> FirmwareImage:
        return FirmwareImage(one.format, one.artifact, Firmware(one.firmware.identity, version), one.segments)

    async def story() -> None:
        short = named(parsed(b"firmware"), "1.0")
        long = named(parsed(b"firmware with more"), "2.0")
        for line, chosen in (("fw 1.0.0", short), ("fw 2.0", long), ("fw 3.0", long)):
            seen = await world_of(node_with(long, boot_line=line)).look(short, long)
            assert runs(seen) == chosen.firmware

    run(story)


def test_a_boot_line_in_the_flash_is_not_taken_for_one_from_the_console() -> None:
    """The text of a line that is only stored is read out together with the rest."""

    async def story() -> None:
        stored = parsed(b"\x0c\x94 hangs \r\nfw 1.0.0\r\nfw 1.0.0")
        for world in (world_of(node_with(stored)), world_of(node_with(stored, boot_line="stuck"))):
            seen = await world.look(stored)
            assert seen.role is Role.LOADER
            assert not seen.proves(Of.BOOT, tuple(EvidenceKind))
            assert any(line.startswith("fw 1.0.0") for line in world.session.console.lines_since(0))

    run(story)


def test_a_boot_line_is_whole_however_much_binary_was_read_before_it() -> None:
    async def story() -> None:
        for extra in range(0, 520, 40):
            body = parsed(b"\x01" * (extra + 8))
            node = node_with(body, boot_line="fw 1.2.3", pages="6")
            assert runs(await world_of(node).look(body)) == Firmware(body.firmware.identity, "1.2.3")

    run(story)


def test_another_part_is_seen_for_what_it_is_and_refused() -> None:
    async def story() -> None:
        world = world_of(node_with(OLD, wrong_signature=""))
        seen = await world.look(OLD)
        assert (seen.role, seen.slots, seen.evidence) == (Role.LOADER, (), ())
        assert facts(seen, "signature", "part") == ("1e9307", "atmega8")
        (reason,) = await world.flasher.preflight(Preflight(NEW, seen))
        assert reason == Reason(
            "wrong-hardware", "The part is an atmega8, not an atmega328p.", WrongHardware.remedy
        )
        before = world.node.operations
        with pytest.raises(WrongHardware, match="atmega8"):
            await world.send(NEW)
        with pytest.raises(WrongHardware):
            await world.flasher.enter_loader()
        with pytest.raises(WrongHardware):
            await world.flasher.backup(Backup(Component()))
        assert world.node.operations == before

    run(story)


def test_a_mute_node_is_silent_and_not_an_error() -> None:
    async def story() -> None:
        world = world_of(node_with(OLD, mute=""))
        assert await world.look(OLD) == Seen(Role.SILENT, cost=RESTART)
        assert world.session.resets == [ResetKind.DTR] * (PARAMS.resets - 1)
        with pytest.raises(NodeSilent):
            await world.send(NEW)

    run(story)


def test_an_application_without_a_loader_is_heard_all_the_same() -> None:
    async def story() -> None:
        world = world_of(node_with(OLD, silent=""))
        seen = await world.look(OLD)
        assert runs(seen) == Firmware(None, "1.0.0")
        assert seen.facts["loader"] == "absent"

    run(story)


def test_a_node_whose_reset_wire_is_loose_is_reset_again() -> None:
    async def story() -> None:
        world = world_of(node_with(OLD, deaf_resets="2"))
        assert runs(await world.look(OLD)) == Firmware(OLD.firmware.identity, "1.0.0")
        assert world.session.resets == [ResetKind.DTR] * 2

    run(story)


@pytest.mark.parametrize(
    ("loader", "led", "resets"),
    [
        (Loader.OPTIBOOT, "0.2", 0),
        (Loader.OPTIBOOT, "0.375", 0),
        (Loader.OPTIBOOT, "0.8", 1),
        (Loader.ATMEGABOOT, "0.2", 0),
        (Loader.ATMEGABOOT, "0.8", 0),
    ],
)
def test_a_loader_that_flashes_its_led_first_is_waited_for(loader: Loader, led: str, resets: int) -> None:
    async def story() -> None:
        params = PARAMS.model_copy(update={"loader": loader})
        world = world_of(node_with(OLD, params, led=led), params)
        assert runs(await world.look(OLD)) == Firmware(OLD.firmware.identity, "1.0.0")
        assert len(world.session.resets) == resets

    run(story)


@pytest.mark.parametrize("led", ["0.375", "0"])
def test_an_application_that_always_talks_does_not_hide_its_loader(led: str) -> None:
    async def story() -> None:
        world = world_of(node_with(OLD, text_noise="", led=led))
        for _ in range(2):
            assert runs(await world.look(OLD)) == Firmware(OLD.firmware.identity, "1.0.0")
        assert runs(await world.send(NEW)) == Firmware(NEW.firmware.identity, "1.1.0")

    run(story)


@pytest.mark.parametrize("reset", ResetKind)
def test_a_line_without_modem_lines_is_opened_anew(reset: ResetKind) -> None:
    async def story() -> None:
        params = PARAMS.model_copy(update={"reset": reset})
        world = world_of(node_with(OLD, params), params, modem_lines=False)
        assert runs(await world.send(NEW)) == Firmware(NEW.firmware.identity, "1.1.0")
        assert runs(await world.look(NEW)) == Firmware(NEW.firmware.identity, "1.1.0")
        assert world.session.opens == 2

    run(story)


@pytest.mark.parametrize("reset", [ResetKind.DTR, ResetKind.RTS])
def test_either_modem_line_can_be_the_reset(reset: ResetKind) -> None:
    async def story() -> None:
        params = PARAMS.model_copy(update={"reset": reset})
        world = world_of(node_with(OLD, params), params)
        for _ in range(2):
            assert runs(await world.look(OLD)) == Firmware(OLD.firmware.identity, "1.0.0")
        assert (world.session.opens, world.session.resets) == (1, [reset])

    run(story)


# Sending


@pytest.mark.parametrize("loader", Loader)
@pytest.mark.parametrize("before", [OLD, None, b"something else"])
def test_a_node_is_brought_to_the_target_and_proved(
    loader: Loader, before: FirmwareImage | bytes | None
) -> None:
    async def story() -> None:
        params = PARAMS.model_copy(update={"loader": loader})
        world = world_of(node_with(before, params), params)
        seen = await world.send(NEW)
        assert runs(seen) == Firmware(NEW.firmware.identity, "1.1.0")
        assert seen.proves(Of.TRANSFER, (EvidenceKind.READBACK,))
        assert world.node.truth().running == {0: NEW.firmware.identity}
        assert world.session.bytes_sent == NEW.size
        assert world.session.notes == []
        assert runs(await (await world.another()).look(OLD, NEW)) == runs(seen)

    run(story)


def test_progress_rises_to_the_whole_and_never_falls() -> None:
    async def story() -> None:
        world = world_of(node_with(OLD, flip_bit="2"))
        await world.send(NEW)
        done = [done for done, _ in world.session.reports]
        assert {total for _, total in world.session.reports} == {NEW.size}
        assert done == sorted(done)
        assert (done[0], done[-1]) == (0, NEW.size)

    run(story)


def test_an_image_that_is_there_is_not_written_again() -> None:
    async def story() -> None:
        world = world_of(node_with(OLD))
        seen = await world.send(OLD)
        assert runs(seen) == Firmware(OLD.firmware.identity, "1.0.0")
        assert (world.node.operations, world.session.bytes_sent) == (0, 0)
        assert world.session.reports[-1] == (OLD.size, OLD.size)

    run(story)


def test_pages_at_the_beginning_that_are_right_are_left_alone() -> None:
    async def story() -> None:
        half = NEW.payload[: 2 * PAGE]
        world = world_of(node_with(half))
        assert runs(await world.send(NEW)) == Firmware(NEW.firmware.identity, "1.1.0")
        assert world.session.bytes_sent == PAGE
        assert world.node.operations == 2

    run(story)


def test_a_shorter_image_leaves_the_old_tail_which_does_no_harm() -> None:
    async def story() -> None:
        short = image("1.2.0", size=2 * PAGE - 20)
        world = world_of(node_with(NEW))
        assert runs(await world.send(short)) == Firmware(short.firmware.identity, "1.2.0")
        assert world.node.flash.read(2 * PAGE, PAGE) == NEW.payload[2 * PAGE :]
        assert world.node.truth().running == {0: short.firmware.identity}

    run(story)


def test_pieces_with_a_gap_are_written_where_they_belong() -> None:
    async def story() -> None:
        text = PLUGIN.parse(b"code", "raw", Component(), PARAMS).segments[0]
        gapped = FirmwareImage(
            "ihex", Digest.sha256(b""), Firmware(), (text, Segment(3 * PAGE + 7, b"table"), Segment(6, b"x"))
        )
        world = world_of(node_with(OLD))
        await world.send(gapped)
        flash = world.node.flash
        assert flash.read(0, 8) == b"code\xff\xffx\xff"
        assert flash.read(PAGE, 2 * PAGE) == OLD.payload[PAGE:]
        assert flash.read(3 * PAGE, PAGE) == (b"\xff" * 7 + b"table").ljust(PAGE, b"\xff")

    run(story)


def test_a_bent_bit_in_flash_is_found_and_written_again() -> None:
    async def story() -> None:
        world = world_of(node_with(OLD, flip_bit="2"))
        assert runs(await world.send(NEW)) == Firmware(NEW.firmware.identity, "1.1.0")
        assert world.session.bytes_sent == 4 * PAGE
        assert world.session.notes == ["1 pages read back wrong, the first at 0x80"]

    run(story)


def test_a_worn_cell_is_reported_with_its_page_and_never_as_a_success() -> None:
    async def story() -> None:
        world = world_of(node_with(OLD, bad_cell="0x105"))
        with pytest.raises(ImageMismatch, match=r"1 pages read back wrong, the first at 0x100"):
            await world.send(NEW)
        assert world.session.bytes_sent == 5 * PAGE
        await world.flasher.cleanup()

    run(story)


def test_a_lost_answer_costs_one_page_and_not_the_transfer() -> None:
    async def story() -> None:
        for answer in range(1, 14):
            world = world_of(node_with(OLD, drop_reply=str(answer)))
            assert runs(await world.send(NEW)) == Firmware(NEW.firmware.identity, "1.1.0")
            assert world.session.bytes_sent <= NEW.size + PAGE

    run(story)


def test_a_node_that_falls_silent_is_given_up_and_finished_later() -> None:
    async def story() -> None:
        world = world_of(node_with(OLD, mute_after="2", mute_for="60"))
        with pytest.raises(NodeSilent):
            await world.send(NEW)
        await world.flasher.cleanup()
        assert not world.node.truth().running
        again = await world.another()
        seen = await again.look(OLD, NEW)
        while seen.role is Role.SILENT:
            seen = await again.look(OLD, NEW)
        assert runs(seen) is None
        assert runs(await again.send(NEW)) == Firmware(NEW.firmware.identity, "1.1.0")
        assert again.session.bytes_sent < NEW.size  # continued, not begun again

    run(story)


def test_a_node_that_is_exchanged_in_the_middle_is_not_written_to() -> None:
    async def story() -> None:
        world = world_of(node_with(OLD, drop_reply="8"))
        await world.flasher.enter_loader()
        world.node._signature = b"\x1e\x93\x07"  # from the next reset on
        with pytest.raises(WrongHardware, match="an atmega8 answers instead of an atmega328p"):
            await world.send(NEW)

    run(story)


def test_an_image_beyond_the_application_area_is_not_sent() -> None:
    async def story() -> None:
        world = world_of(node_with(OLD))
        wild = FirmwareImage("raw", Digest.sha256(b""), Firmware(), (Segment(0x7E00, b"loader"),))
        (reason,) = await world.flasher.preflight(Preflight(wild, await world.look(OLD)))
        assert (reason.code, bool(reason.remedy)) == ("into-boot-section", True)
        with pytest.raises(Exception, match="reaches beyond") as caught:
            await world.send(wild)
        assert getattr(caught.value, "code", None) == "into-boot-section"
        assert world.node.operations == 0

    run(story)


# The rest of a lease


def test_a_good_image_for_the_right_node_has_nothing_against_it() -> None:
    async def story() -> None:
        world = world_of(node_with(OLD))
        assert await world.flasher.preflight(Preflight(NEW, await world.look(OLD))) == ()
        assert await world.flasher.preflight(Preflight(NEW, Seen(Role.UNKNOWN))) == ()

    run(story)


def test_a_node_of_other_hardware_by_its_own_word_is_refused() -> None:
    async def story() -> None:
        params = PARAMS.model_copy(
            update={"boot_line": r"^fw (?P<version>\S+) on (?P<hardware>\S+)$", "hardware": "rev-b"}
        )
        for named, codes in (("rev-a", ["wrong-hardware"]), ("rev-b", [])):
            body = parsed(b"firmware")
            world = world_of(node_with(body, params, boot_line=f"fw 1.0 on {named}"), params)
            seen = await world.look(body)
            assert seen.facts["hardware"] == named
            reasons = await world.flasher.preflight(Preflight(NEW, seen))
            assert [reason.code for reason in reasons] == codes

    run(story)


def test_an_image_that_names_other_hardware_than_the_node_is_refused() -> None:
    async def story() -> None:
        params = PARAMS.model_copy(
            update={"boot_line": r"on (?P<hardware>\S+)$", "stamp": r"hw=(?P<hardware>\w+)\x00"}
        )
        body = parsed(b"firmware", params)
        world = world_of(node_with(body, params, boot_line="fw 1.0 on a"), params)
        seen = await world.look(body)
        for image_, codes in ((b"..hw=a\0", []), (b"..hw=b\0", ["wrong-hardware"]), (b"....", [])):
            reasons = await world.flasher.preflight(Preflight(parsed(image_, params), seen))
            assert [reason.code for reason in reasons] == codes

    run(story)


def test_only_firmware_can_be_written() -> None:
    async def story() -> None:
        world = world_of(node_with(OLD))
        loader = Component("boot", ComponentKind.LOADER)
        image_of_loader = FirmwareImage("raw", NEW.artifact, NEW.firmware, NEW.segments, loader)
        (reason,) = await world.flasher.preflight(Preflight(image_of_loader, Seen(Role.UNKNOWN)))
        assert reason.code == "not-supported"

    run(story)


@pytest.mark.parametrize("body", [OLD.payload, b"something else" * 20, b"x"])
def test_a_backup_brings_back_what_was_there(body: bytes) -> None:
    async def story() -> None:
        world = world_of(node_with(body, boot_line="fw 0.9"))
        saved = PLUGIN.parse(await world.flasher.backup(Backup(Component())), "ihex", Component(), PARAMS)
        assert world.node.operations == 0
        assert (await world.look(saved)).active(0).firmware.identity == saved.firmware.identity  # type: ignore[union-attr]
        await world.send(NEW)
        seen = await world.send(saved)
        assert runs(seen) is not None
        assert world.node.flash.read(0, len(body)) == body

    run(story)


def test_there_is_no_backup_of_an_erased_part() -> None:
    async def story() -> None:
        with pytest.raises(NotSupported, match="nothing to go back to"):
            await world_of(node_with(None)).flasher.backup(Backup(Component()))

    run(story)


def test_a_restart_after_a_proved_transfer_reads_nothing_again() -> None:
    async def story() -> None:
        world = world_of(node_with(OLD))
        await world.send(NEW)
        carried = world.line.line.up.carried
        seen = await world.flasher.activate(Activate((NEW,)))
        assert seen is not None
        assert runs(seen) == Firmware(NEW.firmware.identity, "1.1.0")
        assert seen.proves(Of.TRANSFER, (EvidenceKind.READBACK,))
        assert world.line.line.up.carried - carried < PAGE

    run(story)


@pytest.mark.parametrize("asked", [NEW, OLD])
def test_a_restart_of_a_node_that_was_not_read_reads_it(asked: FirmwareImage) -> None:
    async def story() -> None:
        world = world_of(node_with(OLD))
        seen = await world.flasher.activate(Activate((asked,)))
        assert seen is not None
        assert runs(seen) == Firmware(OLD.firmware.identity if asked is OLD else None, "1.0.0")

    run(story)


def test_the_application_answers_a_line() -> None:
    async def story() -> None:
        for behaviour, health in ((Behaviour.HEALTHY, b"ok"), (Behaviour.UNHEALTHY, b"sick")):
            world = world_of(node_with(image("3.0", behaviour)))
            assert await world.flasher.command(b"health?", reply_timeout=1) == health
            assert await world.flasher.command(b"version?", reply_timeout=1) == b"version 3.0"
            assert (world.session.opens, world.session.resets) == (1, [])

    run(story)


def test_asking_after_a_transfer_does_not_restart_the_node() -> None:
    async def story() -> None:
        world = world_of(node_with(OLD))
        await world.send(NEW)
        assert await world.flasher.command(b"version?", reply_timeout=1) == b"version 1.1.0"
        assert world.session.resets == []

    run(story)


@pytest.mark.parametrize("loader", Loader)
def test_an_application_without_boot_line_is_given_time_to_start(loader: Loader) -> None:
    async def story() -> None:
        params = LINELESS.model_copy(update={"loader": loader})
        world = world_of(node_with(OLD, params), params)
        assert await world.flasher.command(b"version?", reply_timeout=1) == b"version 1.0.0"

    run(story)


def test_an_application_without_a_loader_can_be_asked() -> None:
    async def story() -> None:
        world = world_of(node_with(OLD, silent=""))
        assert await world.flasher.command(b"version?", reply_timeout=1) == b"version 1.0.0"

    run(story)


def test_an_application_that_does_not_answer_is_silent() -> None:
    async def story() -> None:
        world = world_of(node_with(image("1.0.0", Behaviour.HANGS)))
        with pytest.raises(NodeSilent, match=r"within 2 s after b'health\?'"):
            await world.flasher.command(b"health?", reply_timeout=2)

    run(story)


def test_a_lost_link_is_told_and_then_opened_anew() -> None:
    async def story() -> None:
        world = world_of(node_with(OLD))
        await world.look(OLD)
        world.line.unplug()
        with pytest.raises(LinkError):
            await world.flasher.command(b"health?", reply_timeout=2)
        with pytest.raises(LinkError):
            await world.look(OLD)
        world.line.replug()
        assert await world.flasher.command(b"health?", reply_timeout=2) == b"ok"
        world.line.unplug()
        world.line.replug()
        assert runs(await world.send(NEW)) == Firmware(NEW.firmware.identity, "1.1.0")

    run(story)


def test_what_these_loaders_cannot_do_is_said() -> None:
    async def story() -> None:
        flasher = world_of(node_with(OLD)).flasher
        with pytest.raises(NotSupported):
            await flasher.rollback(Revert((Component(),)))
        with pytest.raises(NotSupported):
            await flasher.identify()
        assert await flasher.confirm(Confirm(Component(), Digest.sha256(b""))) is None

    run(story)


def test_cleaning_up_starts_the_application_and_never_raises() -> None:
    async def story() -> None:
        world = world_of(node_with(OLD))
        await world.flasher.cleanup()
        assert world.session.opens == 0
        await world.flasher.enter_loader()
        assert not world.node.truth().running
        await world.flasher.cleanup()
        link = await world.session.tapped()
        assert "fw 1.0.0" in await link.wait_for(_BOOT, timeout=0.2)
        await world.flasher.enter_loader()
        world.line.unplug()
        await world.flasher.cleanup()

    run(story)


def test_entering_the_loader_before_a_transfer_spares_a_reset() -> None:
    async def story() -> None:
        world = world_of(node_with(OLD))
        await world.look(OLD)
        await world.flasher.enter_loader()
        assert runs(await world.send(NEW)) == Firmware(NEW.firmware.identity, "1.1.0")
        assert len(world.session.resets) == 1

    run(story)


def test_a_loader_that_went_away_meanwhile_is_entered_again() -> None:
    async def story() -> None:
        world = world_of(node_with(OLD))
        for pause in (0.3, 0.9, 1.5, 30.0):
            await world.flasher.enter_loader()
            await asyncio.sleep(pause)
            assert runs(await world.send(NEW)) == Firmware(NEW.firmware.identity, "1.1.0")
        assert world.session.notes == []

    run(story)


# What it declares


@pytest.mark.parametrize(
    ("line", "evidence"),
    [
        (None, set()),
        ("^ready", {EvidenceKind.ANNOUNCE}),
        (r"^fw (?P<version>\S+)", {EvidenceKind.VERSION}),
        (r"^fw on (?P<hardware>\S+)", {EvidenceKind.ANNOUNCE}),
    ],
)
def test_a_boot_can_be_proved_as_well_as_the_profile_lets_it(
    line: str | None, evidence: set[EvidenceKind]
) -> None:
    assert declare(Stk500Params(part="atmega328p", boot_line=line)).boot_evidence == evidence
