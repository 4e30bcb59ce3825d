"""Each verb on nodes of every mode: what it does, what it leaves alone, what it refuses."""

import asyncio
import json

import pytest

from flashers.api import (
    Activate,
    Backup,
    Component,
    EvidenceKind,
    Exposure,
    Firmware,
    FirmwareImage,
    ImageMismatch,
    NodeRefused,
    NodeSilent,
    NotSupported,
    Of,
    Preflight,
    Probe,
    ResetKind,
    Revert,
    Role,
    RollbackKind,
    Slot,
    Transfer,
)
from flashers.mcuboot_smp import PLUGIN
from flashers.mcuboot_smp.errors import BadCommand, ModeContradicted, SlotBusy, SmpRefused
from flashers.mcuboot_smp.make import make_image
from flashers.mcuboot_smp.params import Mode, SmpParams
from flashers.sim import Behaviour
from tests.flashers.mcuboot_smp.world import (
    BOTH,
    NEW,
    OLD,
    SMALL,
    World,
    image_file,
    in_virtual_time,
    on_a_line,
    parsed,
    world,
)

MEDIA = BOTH

NEWER = image_file("3.0.0")
REVERT = Revert((Component(),))


def digest_of(data: bytes) -> bytes:
    identity = parsed(data).firmware.identity
    assert identity is not None
    return identity.value


def slot(there: Slot | None) -> Slot:
    assert there is not None
    return there


async def updated(there: World, *files: bytes) -> World:
    """Everything but the confirmation."""
    for number, data in enumerate(files):
        await there.transfer(data, number)
    await there.activate(*files)
    await there.answering()
    return there


# Probing


@in_virtual_time
async def test_a_probe_tells_what_runs_and_how_that_is_known() -> None:
    there = world(SMALL)
    seen = await there.probe()
    active = slot(seen.active(0))
    assert seen.role is Role.APP
    assert active.firmware == parsed(OLD).firmware
    assert (active.confirmed, active.pending, active.bootable) == (True, False, True)
    assert [(e.of, e.kind) for e in seen.evidence] == [(Of.BOOT, EvidenceKind.REPORTED_HASH)]
    assert seen.standby(0) is None
    assert seen.facts == {
        "mode": "swap",
        "buf_size": 384,
        "buf_count": 4,
        "bootloader_mode": "swap using scratch",
    }
    assert there.node.operations == 0


@in_virtual_time
async def test_a_node_that_does_not_answer_is_silent_and_no_error() -> None:
    seen = await world(SMALL | {"silent": ""}).probe()
    assert (seen.role, seen.slots, seen.evidence) == (Role.SILENT, (), ())


@pytest.mark.parametrize("options", [{}, {"frugal": ""}, {"legacy": ""}, {"no-params": "", "no-info": ""}])
@in_virtual_time
async def test_an_update_goes_well_with_servers_of_every_kind(options: dict[str, str]) -> None:
    there = await updated(world(SMALL | options), NEW)
    seen = await there.answering()
    assert slot(seen.active(0)).firmware == parsed(NEW).firmware
    assert not slot(seen.active(0)).confirmed
    assert slot(seen.standby(0)).firmware == parsed(OLD).firmware
    confirmed = await there.confirm(NEW)
    assert confirmed is not None
    assert slot(confirmed.active(0)).confirmed
    assert there.runs(NEW)
    assert there.node.truth().confirmed


@in_virtual_time
async def test_a_transfer_returns_the_node_with_its_evidence() -> None:
    there = world(SMALL)
    seen = await there.transfer(NEW)
    assert seen is not None
    assert seen.proves(Of.TRANSFER, (EvidenceKind.REPORTED_HASH,))
    assert slot(seen.standby(0)).firmware == parsed(NEW).firmware
    assert not slot(seen.standby(0)).pending
    assert there.runs(OLD)


# Swap


@in_virtual_time
async def test_activation_is_the_same_when_it_is_done_again() -> None:
    there = world(SMALL)
    await there.transfer(NEW)
    await there.activate(NEW)
    boots = there.node.counts.boots
    seen = await there.activate(NEW)
    assert seen is not None
    assert there.node.counts.boots == boots
    assert there.runs(NEW)


@in_virtual_time
async def test_an_image_that_is_pending_already_only_needs_the_restart() -> None:
    there = world(SMALL)
    await there.transfer(NEW)
    await there.flasher.node.write_state({"hash": digest_of(NEW), "confirm": False})
    assert slot((await there.probe()).standby(0)).pending
    assert await there.activate(NEW) is None
    await there.answering()
    assert there.runs(NEW)


@on_a_line
@in_virtual_time
async def test_the_node_is_left_in_peace_while_it_boots() -> None:
    there = world(SMALL, quiet_after_reset=1.2)
    await there.transfer(NEW)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await there.activate(NEW)
    assert loop.time() - began >= 1.2
    said = [line for line in there.session.console.lines_since(0) if line[0] > " "]
    assert said == ["*** boot ***", "fw 2.0.0"]


@in_virtual_time
async def test_what_no_slot_holds_cannot_be_activated() -> None:
    there = world(SMALL)
    with pytest.raises(ImageMismatch):
        await there.activate(NEW)
    assert there.node.counts.boots == 0


@in_virtual_time
async def test_an_image_on_trial_is_taken_back_by_a_restart() -> None:
    there = await updated(world(SMALL), NEW)
    await there.flasher.rollback(REVERT)
    await there.answering()
    assert there.runs(OLD)
    assert there.node.truth().confirmed


@in_virtual_time
async def test_a_confirmed_image_is_not_taken_back() -> None:
    there = await updated(world(SMALL), NEW)
    await there.confirm(NEW)
    with pytest.raises(NotSupported):
        await there.flasher.rollback(REVERT)
    assert there.runs(NEW)


@on_a_line
@in_virtual_time
async def test_a_hung_image_is_taken_back_by_the_reset_line() -> None:
    hangs = image_file("2.0.0", Behaviour.HANGS)
    there = world(SMALL, reset=ResetKind.DTR)
    await there.transfer(hangs)
    await there.activate(hangs)
    assert (await there.probe()).role is Role.SILENT
    await there.flasher.rollback(REVERT)
    await there.answering()
    assert there.session.resets == [ResetKind.DTR]
    assert there.runs(OLD)


@in_virtual_time
async def test_a_hung_image_without_a_reset_line_stays_silent() -> None:
    hangs = image_file("2.0.0", Behaviour.HANGS)
    there = world(SMALL)
    await there.transfer(hangs)
    await there.activate(hangs)
    with pytest.raises(NodeSilent):
        await there.flasher.rollback(REVERT)


@in_virtual_time
async def test_the_old_image_is_chosen_again_from_the_other_slot() -> None:
    there = await updated(world(SMALL), NEW)
    await there.confirm(NEW)
    sent = there.session.bytes_sent
    await updated(there, OLD)
    await there.confirm(OLD)
    assert there.session.bytes_sent == sent
    assert there.runs(OLD)
    assert there.node.truth().confirmed


@in_virtual_time
async def test_activating_the_old_image_during_a_trial_ends_the_trial() -> None:
    there = await updated(world(SMALL), NEW)
    await updated(there, OLD)
    assert there.runs(OLD)
    assert there.node.truth().confirmed


@pytest.mark.parametrize("reject", ["boot", "key"])
@in_virtual_time
async def test_an_image_that_the_bootloader_rejects_is_gone_after_the_restart(reject: str) -> None:
    options = {"reject": "boot"} if reject == "boot" else {"worn-flash": ""}
    there = await updated(world(SMALL | options), NEW)
    seen = await there.answering()
    assert there.runs(OLD)
    assert seen.standby(0) is None


# Confirming


@in_virtual_time
async def test_only_the_running_slot_is_confirmed() -> None:
    there = await updated(world(SMALL), NEW)
    await there.flasher.rollback(REVERT)
    await there.answering()
    with pytest.raises(ImageMismatch):
        await there.confirm(NEW)
    await there.flasher.node.restart()
    assert there.runs(OLD)


@pytest.mark.parametrize("lost", [0, 1, 2, 3])
@in_virtual_time
async def test_a_revert_while_confirming_never_makes_the_bad_image_permanent(lost: int) -> None:
    """The node restarts exactly when the confirmation is under way."""
    there = await updated(world(SMALL | {"boot-time": "0.3"}), NEW)
    requests = there.node.counts.requests
    honest, node = there.node.receive, there.node

    def restarts(data: bytes) -> None:
        if node.counts.requests == requests + lost:
            node.power_off()
            node.power_on()
            node.counts.requests = 10_000
        honest(data)

    there.overhear(restarts)
    try:
        await there.confirm(NEW)
        assert there.runs(NEW)
    except ImageMismatch:
        assert there.runs(OLD)
    assert there.node.truth().confirmed
    await there.flasher.node.restart()
    await there.answering()
    assert (there.runs(NEW), there.runs(OLD)).count(True) == 1


@in_virtual_time
async def test_a_confirmation_that_was_done_is_not_done_again() -> None:
    there = await updated(world(SMALL), NEW)
    await there.confirm(NEW)
    operations = there.node.operations
    assert await there.confirm(NEW) is not None
    assert there.node.operations == operations


@in_virtual_time
async def test_a_refused_confirmation_is_said() -> None:
    there = await updated(world(SMALL | {"reject": "confirm"}), NEW)
    with pytest.raises(SmpRefused, match="confirmation denied"):
        await there.confirm(NEW)


@in_virtual_time
async def test_an_image_that_no_node_could_name_is_not_sent() -> None:
    there = world(SMALL)
    plain = parsed(NEW)
    nameless = FirmwareImage(plain.format, plain.artifact, Firmware(version="2.0.0"), plain.segments)
    with pytest.raises(ImageMismatch):
        await there.flasher.transfer(Transfer(nameless))
    assert there.node.operations == 0


@in_virtual_time
async def test_a_server_that_is_busy_is_asked_again_and_one_that_stays_so_is_heard() -> None:
    there = await updated(world(SMALL | {"busy": "3"}), NEW)
    await there.confirm(NEW)
    assert there.runs(NEW)
    with pytest.raises(SmpRefused, match="busy"):
        await world(SMALL | {"busy": "1"}).probe()


# A slot that cannot be had


@in_virtual_time
async def test_nothing_is_sent_while_another_image_is_pending() -> None:
    there = world(SMALL)
    await there.transfer(NEW)
    await there.flasher.node.write_state({"hash": digest_of(NEW), "confirm": False})
    sent = there.session.bytes_sent
    with pytest.raises(SlotBusy):
        await there.transfer(NEWER)
    assert there.session.bytes_sent == sent
    assert await there.reasons(NEWER) == {"slot-busy"}
    assert await there.reasons(NEW) == set()


@in_virtual_time
async def test_nothing_is_sent_while_another_image_is_on_trial() -> None:
    there = await updated(world(SMALL), NEW)
    with pytest.raises(SlotBusy):
        await there.transfer(NEWER)
    assert await there.reasons(NEWER) == {"slot-busy"}


@in_virtual_time
async def test_a_server_that_will_not_take_the_image_is_heard() -> None:
    with pytest.raises(SlotBusy):
        await world(SMALL | {"reject": "upload"}).transfer(NEW)
    with pytest.raises(SlotBusy):
        await world(SMALL | {"reject": "upload", "legacy": ""}).transfer(NEW)
    there = world(SMALL | {"reject": "pending"})
    await there.transfer(NEW)
    with pytest.raises(NodeRefused):
        await there.activate(NEW)
    assert there.runs(OLD)


# Preflight


@in_virtual_time
async def test_every_reason_against_an_image_is_given_at_once() -> None:
    large = make_image(bytes(6 * 256), "2.0.0")
    there = world(SMALL | {"no-downgrade": "", "says-mode": "6"}, running=NEW)
    assert await there.reasons(make_image(bytes(6 * 256), "1.0.0")) == {
        "mode-contradicted",
        "downgrade-refused",
        "image-too-large",
    }
    assert await world(SMALL).reasons(large) == {"image-too-large"}
    assert await world(SMALL).reasons(NEW) == set()


@pytest.mark.parametrize(
    ("mode", "says", "contradicted"),
    [
        ("swap", "1", False),
        ("swap", "3", False),
        ("swap", "9", False),
        ("swap", "2", True),
        ("swap", "0", True),
        ("swap", "-1", False),
        ("swap", "77", False),
        ("overwrite", "2", False),
        ("overwrite", "1", True),
        ("direct-xip-revert", "5", False),
        ("direct-xip-revert", "4", True),
        ("ram-load", "6", False),
        ("ram-load", "4", True),
    ],
)
@in_virtual_time
async def test_a_node_may_contradict_its_profile(mode: str, says: str, contradicted: bool) -> None:
    there = world(SMALL | {"says-mode": says}, mode=mode)
    assert await there.reasons(NEW) == ({"mode-contradicted"} if contradicted else set())


@in_virtual_time
async def test_a_node_that_takes_no_image_states_contradicts_the_mode() -> None:
    there = world(SMALL | {"no-info": ""}, mode="ram-load", running=OLD)
    there.flasher.node.params = there.flasher.params = SmpParams(mode=Mode.SWAP)
    await there.transfer(NEW)
    with pytest.raises(ModeContradicted) as caught:
        await there.activate(NEW)
    assert caught.value.code == "mode-contradicted"
    assert there.node.counts.boots == 0


@in_virtual_time
async def test_an_image_that_would_start_for_good_contradicts_a_mode_with_trial() -> None:
    there = world(SMALL | {"no-info": ""}, mode="direct-xip")
    there.flasher.node.params = there.flasher.params = SmpParams(mode=Mode.SWAP)
    await there.transfer(NEW)
    with pytest.raises(ModeContradicted):
        await there.activate(NEW)
    assert there.node.counts.boots == 0


@in_virtual_time
async def test_an_image_number_that_the_node_lacks_is_refused() -> None:
    there = world(SMALL)
    ask = Preflight(parsed(NEW, image=1), await there.probe())
    assert [reason.code for reason in await there.flasher.preflight(ask)] == ["no-such-image"]


@in_virtual_time
async def test_a_compressed_image_is_refused_because_its_boot_cannot_be_proved() -> None:
    there = world(SMALL)
    plain = parsed(NEW)
    facts = {"compressed": True, "bootable": False}
    image = FirmwareImage(plain.format, plain.artifact, plain.firmware, plain.segments, facts=facts)
    ask = Preflight(image, await there.probe())
    codes = [reason.code for reason in await there.flasher.preflight(ask)]
    assert codes == ["compressed-image", "not-bootable"]


# The other modes


@in_virtual_time
async def test_overwriting_brings_the_image_and_has_nothing_to_confirm() -> None:
    there = world(SMALL, mode="overwrite")
    await updated(there, NEW)
    seen = await there.confirm(NEW)
    assert seen is not None
    assert slot(seen.active(0)).confirmed
    assert seen.standby(0) is None
    with pytest.raises(NotSupported):
        await there.flasher.rollback(REVERT)
    await updated(there, OLD)
    assert there.runs(OLD)


@pytest.mark.parametrize("mode", ["direct-xip", "ram-load"])
@in_virtual_time
async def test_where_the_highest_version_wins_a_transfer_arms_it(mode: str) -> None:
    there = world(SMALL, mode=mode)
    seen = await there.transfer(NEW)
    assert seen is not None
    assert slot(seen.standby(0)).pending
    assert slot(seen.active(0)).confirmed
    await there.activate(NEW)
    seen = await there.answering()
    assert there.runs(NEW)
    assert slot(seen.active(0)).slot == 1
    assert not slot(seen.standby(0)).pending
    assert await there.confirm(NEW) is not None
    assert await there.reasons(OLD) == {"version-not-higher"}
    with pytest.raises(NotSupported):
        await there.flasher.rollback(REVERT)


@in_virtual_time
async def test_direct_xip_with_revert_takes_back_what_is_not_confirmed() -> None:
    there = await updated(world(SMALL, mode="direct-xip-revert"), NEW)
    seen = await there.answering()
    assert there.runs(NEW)
    assert not slot(seen.active(0)).confirmed
    await there.flasher.rollback(REVERT)
    seen = await there.answering()
    assert there.runs(OLD)
    assert seen.standby(0) is None
    await updated(there, NEW)
    await there.confirm(NEW)
    assert there.node.truth().confirmed
    assert there.runs(NEW)


@in_virtual_time
async def test_a_lower_version_would_never_be_started_by_direct_xip_with_revert() -> None:
    there = world(SMALL, mode="direct-xip-revert", running=NEW)
    await there.transfer(OLD)
    with pytest.raises(NodeRefused):
        await there.activate(OLD)
    assert there.runs(NEW)


@pytest.mark.parametrize("options", [{}, {"no-hash": ""}, {"trim-tail": "64"}, {"no-params": ""}])
@in_virtual_time
async def test_serial_recovery_writes_the_only_slot(options: dict[str, str]) -> None:
    there = world(SMALL | options, mode="serial-recovery")
    assert (await there.probe()).role is Role.APP
    await there.flasher.enter_loader()
    seen = await there.probe()
    assert seen.role is Role.LOADER
    assert not seen.proves(Of.BOOT, tuple(EvidenceKind))
    seen = await there.transfer(NEW) or seen
    kind = EvidenceKind.VERSION if "no-hash" in options else EvidenceKind.REPORTED_HASH
    assert seen.proves(Of.TRANSFER, (kind,))
    assert there.lies_in(0) == NEW
    await there.activate(NEW)
    seen = await there.answering()
    assert seen.role is Role.APP
    assert seen.proves(Of.BOOT, (EvidenceKind.REPORTED_HASH,))
    assert there.runs(NEW)
    assert await there.confirm(NEW) is not None


@on_a_line
@in_virtual_time
async def test_serial_recovery_is_entered_by_the_reset_line() -> None:
    there = world(
        SMALL, mode="serial-recovery", reset=ResetKind.RTS, running=image_file("1.0.0", Behaviour.HANGS)
    )
    assert (await there.probe()).role is Role.SILENT
    await there.flasher.enter_loader()
    assert there.session.resets == [ResetKind.RTS]
    await there.transfer(NEW)
    await there.activate(NEW)
    await there.answering()
    assert there.runs(NEW)


@on_a_line
@in_virtual_time
async def test_serial_recovery_that_nobody_asks_starts_the_application() -> None:
    there = world(SMALL, mode="serial-recovery", reset=ResetKind.DTR)
    await there.session.reset(ResetKind.DTR)
    await asyncio.sleep(5)
    assert there.runs(OLD)


@in_virtual_time
async def test_a_loader_is_not_entered_twice() -> None:
    there = world(SMALL, mode="serial-recovery")
    await there.flasher.enter_loader()
    boots = there.node.counts.boots
    await there.flasher.enter_loader()
    assert there.node.counts.boots == boots
    swapping = world(SMALL)
    await swapping.flasher.enter_loader()
    assert swapping.node.counts.requests == 0


@in_virtual_time
async def test_a_node_with_two_slots_that_fell_into_its_loader_is_brought_back() -> None:
    there = world(SMALL | {"recovery": ""}, running=b"")
    seen = await there.probe()
    assert (seen.role, seen.slots, seen.evidence) == (Role.LOADER, (), ())
    assert not there.node.truth().bootable
    seen = await there.transfer(NEW) or seen
    assert seen.role is Role.LOADER
    assert seen.proves(Of.TRANSFER, (EvidenceKind.REPORTED_HASH,))
    assert await there.activate(NEW) is None
    seen = await there.answering()
    assert seen.role is Role.APP
    assert there.runs(NEW)
    assert slot(seen.active(0)).confirmed


# Several images


@in_virtual_time
async def test_a_node_with_two_cores_is_updated_as_one() -> None:
    there = await updated(world(SMALL, others=(OLD,)), NEW, NEWER)
    seen = await there.answering()
    assert slot(seen.active(0)).firmware == parsed(NEW).firmware
    assert slot(seen.active(1)).firmware == parsed(NEWER).firmware
    await there.confirm(NEW, 0)
    await there.confirm(NEWER, 1)
    assert there.runs(NEW, 0)
    assert there.runs(NEWER, 1)
    assert there.node.truth().confirmed


@in_virtual_time
async def test_a_restart_for_one_core_does_not_lose_the_trial_of_the_other() -> None:
    there = await updated(world(SMALL, others=(OLD,)), NEW)
    assert there.runs(NEW, 0)
    await there.transfer(NEWER, 1)
    await there.flasher.activate(Activate((parsed(NEWER, 1),)))
    await there.answering()
    assert there.runs(NEW, 0)
    assert there.runs(NEWER, 1)


@in_virtual_time
async def test_both_cores_are_taken_back_together() -> None:
    there = await updated(world(SMALL, others=(OLD,)), NEW, NEWER)
    await there.flasher.rollback(Revert((Component(), Component("core-1", image=1))))
    await there.answering()
    assert there.runs(OLD, 0)
    assert there.runs(OLD, 1)


@in_virtual_time
async def test_a_late_answer_to_somebody_else_is_not_taken_for_ours() -> None:
    """The host gave up on a silent node and asks again, with a new flasher on the same link."""
    there = world(SMALL | {"latency": "7"})
    assert (await there.probe()).role is Role.SILENT
    await asyncio.sleep(0.3)
    fresh = PLUGIN.open(there.session, SmpParams(reply_timeout=0.4))
    assert (await fresh.probe(Probe())).role is Role.SILENT


# Beside the update


@in_virtual_time
async def test_a_command_is_an_echo_or_json() -> None:
    flasher = world(SMALL).flasher
    assert await flasher.command(b"echo:how are you", reply_timeout=2) == b"how are you"
    answer = await flasher.command(b'{"group": 0, "id": 6}', reply_timeout=2)
    assert json.loads(answer) == {"buf_size": 384, "buf_count": 4}
    listed = json.loads(await flasher.command(b'{"op": "read", "group": 1, "id": 0}', reply_timeout=2))
    assert listed["images"][0]["hash"] == digest_of(OLD).hex()


@pytest.mark.parametrize("request_", [b"", b"hello", b"{}", b'{"group": 0, "id": 999}', b"\xff", b'{"a": 1}'])
@in_virtual_time
async def test_a_command_that_is_none_is_refused(request_: bytes) -> None:
    with pytest.raises(BadCommand):
        await world(SMALL).flasher.command(request_, reply_timeout=1)


@in_virtual_time
async def test_a_command_is_waited_for_as_long_as_said() -> None:
    flasher = world(SMALL | {"silent": ""}).flasher
    loop = asyncio.get_running_loop()
    with pytest.raises(NodeSilent):
        await flasher.command(b"echo:hi", reply_timeout=3)
    assert loop.time() == pytest.approx(3, abs=0.01)
    with pytest.raises(SmpRefused):
        await world(SMALL).flasher.command(b'{"group": 77, "id": 1}', reply_timeout=3)


@in_virtual_time
async def test_a_node_shows_itself_if_its_profile_says_how() -> None:
    with pytest.raises(NotSupported):
        await world(SMALL).flasher.identify()
    there = world(SMALL, identify="echo:blink")
    await there.flasher.identify()
    assert there.node.counts.requests == 1


@in_virtual_time
async def test_nothing_can_be_read_out() -> None:
    there = world(SMALL)
    with pytest.raises(NotSupported):
        await there.flasher.backup(Backup(Component()))
    await there.flasher.cleanup()


# What is declared


@pytest.mark.parametrize(
    ("mode", "rollback", "trial"),
    [
        (Mode.SWAP, {RollbackKind.BOOTLOADER, RollbackKind.SLOT_SWITCH}, True),
        (Mode.OVERWRITE, {RollbackKind.REFLASH}, False),
        (Mode.DIRECT_XIP, set(), False),
        (Mode.DIRECT_XIP_REVERT, {RollbackKind.BOOTLOADER}, True),
        (Mode.RAM_LOAD, set(), False),
        (Mode.SERIAL_RECOVERY, {RollbackKind.REFLASH}, False),
    ],
)
def test_the_way_back_is_said_before_the_start(mode: Mode, rollback: set[RollbackKind], trial: bool) -> None:
    declared = PLUGIN.declare(SmpParams(mode=mode))
    assert declared.rollback == rollback
    assert declared.trial_boot is trial
    single = mode is Mode.SERIAL_RECOVERY
    assert declared.exposure is (Exposure.WINDOW if single else Exposure.NONE)
    assert EvidenceKind.REPORTED_HASH in declared.boot_evidence
