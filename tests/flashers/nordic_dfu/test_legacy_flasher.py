"""The flasher on a virtual node: an update, whatever is refused, and whatever is lost on the way."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from flashers.api import (
    Backup,
    Component,
    Confirm,
    Digest,
    EvidenceKind,
    FlashError,
    ImageMismatch,
    ImageTooLarge,
    NodeSilent,
    NotSupported,
    Of,
    Probe,
    Revert,
    Role,
    RollbackKind,
    Transfer,
    TransferRefused,
)
from flashers.nordic_dfu.legacy.declare import declare
from flashers.nordic_dfu.legacy.errors import (
    InitRefused,
    LoaderRefused,
    NoWayIn,
    PacketsLost,
    StaysInApplication,
    WrongDeviceType,
)
from flashers.nordic_dfu.params import Banks, Entry, VersionRule
from flashers.nordic_dfu.virtual.legacy import Where
from flashers.sim import Behaviour
from tests.flashers.nordic_dfu.legacy_world import (
    ADDRESS,
    NEW,
    NEXT,
    OLD,
    PAGE,
    PARAMS,
    in_virtual_time,
    package,
    parsed,
    world,
)
from transports.ble.errors import GattRefused
from transports.errors import TenderError

BANKS = pytest.mark.parametrize("banks", list(Banks))


@BANKS
@in_virtual_time
async def test_an_update_arrives_is_checked_by_the_loader_and_says_its_version(banks: Banks) -> None:
    it = world(banks=banks)
    seen = await it.update(NEW)
    assert it.runs(NEW)
    assert seen is not None
    assert seen.proves(Of.TRANSFER, (EvidenceKind.CHECKSUM,))
    assert seen.proves(Of.BOOT, (EvidenceKind.VERSION,))
    (arrived, _) = seen.evidence
    assert "CRC-16" in arrived.detail
    assert "unsigned" in arrived.detail
    slot = seen.active(0)
    assert slot is not None
    assert slot.confirmed
    assert parsed(NEW).firmware.same(slot.firmware)
    assert it.session.reports[-1] == (parsed(NEW).size,) * 2
    assert it.callings[Role.APP].address == ADDRESS, "its table is to be read anew"
    await it.end()


@in_virtual_time
async def test_how_the_loader_is_called_is_said_before_the_node_goes_there() -> None:
    it = world()
    await it.flasher.enter_loader()
    calling = it.callings[Role.LOADER]
    assert not calling.unique
    assert calling.fits(NEXT, "DfuTarg", calling.services)
    assert calling.fits(ADDRESS, "DfuTarg", calling.services), "it may have kept its address"
    assert not calling.fits(ADDRESS, "sensor", ())
    assert it.node.where is Where.LOADER
    await it.end()
    it.lease()
    assert (await it.probe()).role is Role.APP, "nothing was changed, so the application goes on"
    await it.end()


@in_virtual_time
async def test_a_loader_that_shares_a_bond_keeps_its_address() -> None:
    it = world(entry=Entry.BONDED)
    await it.update(NEW)
    assert it.runs(NEW)
    assert it.callings[Role.LOADER].address == ADDRESS
    assert it.callings[Role.LOADER].unique
    await it.end()


@in_virtual_time
async def test_a_microbit_goes_into_its_loader_by_its_own_door() -> None:
    it = world(entry=Entry.MICROBIT)
    await it.update(NEW)
    assert it.runs(NEW)
    await it.end()


@in_virtual_time
async def test_a_node_before_sdk_7_is_told_apart_by_what_else_it_has() -> None:
    for entry in Entry.UNBONDED, Entry.BONDED:
        it = world({"no-revision": ""}, entry=entry)
        assert (await it.probe()).role is Role.APP
        await it.update(NEW)
        assert it.runs(NEW)
        await it.end()


@in_virtual_time
async def test_a_node_without_a_version_ends_as_flashed() -> None:
    it = world({"no-information": ""}, version_characteristic=None)
    seen = await it.probe()
    assert not seen.evidence
    seen = await it.update(NEW) or seen
    slot = seen.active(0)
    assert slot is not None
    assert parsed(NEW).firmware.same(slot.firmware)
    assert seen.proves(Of.TRANSFER, (EvidenceKind.CHECKSUM,))
    assert not seen.proves(Of.BOOT, tuple(EvidenceKind))
    assert not declare(it.params).boot_evidence
    await it.end()


@BANKS
@in_virtual_time
async def test_an_image_that_names_another_version_is_known_and_not_believed(banks: Banks) -> None:
    it = world(banks=banks)
    liar = package("2.0.0", Behaviour.LIES, claims="7.7.7")
    await it.probe()
    seen = await it.update(liar)
    for _ in range(2):
        slot = seen.active(0) if seen else None
        assert slot is not None
        assert slot.firmware is not None
        assert slot.firmware.identity == parsed(liar).firmware.identity, "nobody else can have put it there"
        assert slot.firmware.version == "7.7.7"
        seen = await it.probe()
    await it.end()
    it.lease()
    slot = (await it.probe()).active(0)
    assert slot is not None
    assert not parsed(liar).firmware.same(slot.firmware)
    await it.end()


@in_virtual_time
async def test_an_application_that_may_be_the_old_one_is_not_taken_for_the_new_one() -> None:
    whole = world(banks=Banks.DUAL)
    await whole.update(NEW)
    await whole.end()
    size = parsed(NEW).size
    received = (
        -(-size // PAGE) + -(-size // 20) + 2
    )  # what comes before the copy, pages that are crossed included
    it = world(banks=Banks.DUAL)
    it.node.cut_power_at(received + 1, off_for=1.0)
    seen = await it.update(NEW)
    assert it.runs(OLD), "the copy was not begun"
    slot = (seen or await it.probe()).active(0)
    assert slot is not None
    assert parsed(OLD).firmware.same(slot.firmware)
    assert not parsed(NEW).firmware.same(slot.firmware)
    await it.end()


@in_virtual_time
async def test_an_image_that_never_says_anything_leaves_a_silent_node_and_no_claim() -> None:
    it = world()
    assert await it.update(package("2.0.0", Behaviour.HANGS)) is None
    assert (await it.probe()).role is Role.SILENT
    await it.end()


# Refused before anything is touched


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"device_type": 5}, "wrong-device-type"),
        ({"device_revision": 5}, "wrong-device-revision"),
        ({"softdevice": 0x64}, "wrong-softdevice"),
        ({"max_size": 100}, "image-too-large"),
        ({"version_rule": VersionRule.LOWER}, "downgrade-refused"),
    ],
)
@in_virtual_time
async def test_a_package_that_does_not_fit_is_refused_and_the_node_is_untouched(
    params: dict[str, Any], code: str
) -> None:
    it = world(running=package("9.0.0"), **params)
    against = package("2.0.0", softdevice="0x80", device_type="1", device_revision="1")
    assert code in await it.reasons(against)
    if code != "downgrade-refused":  # what it ran before is the host's to know
        with pytest.raises(TenderError):
            await it.transfer(against)
    assert it.node.operations == 0
    assert it.node.where is Where.APP
    assert it.node.counts.loader_visits == 0
    await it.end()


@in_virtual_time
async def test_a_good_package_on_a_good_node_has_no_reasons_against_it() -> None:
    it = world()
    assert await it.reasons(NEW) == set()
    await it.end()


# Refused by the loader


@in_virtual_time
async def test_what_a_profile_keeps_to_itself_costs_a_single_bank_its_application() -> None:
    for banks, bootable in (Banks.SINGLE, False), (Banks.DUAL, True):
        it = world({"device-type": "5"}, banks=banks)
        with pytest.raises(InitRefused) as caught:
            await it.update(NEW)
        assert not caught.value.retryable
        assert it.node.truth().bootable is bootable
        await it.end()


@pytest.mark.parametrize(
    ("step", "error"), [("start", LoaderRefused), ("init", InitRefused), ("validate", ImageMismatch)]
)
@in_virtual_time
async def test_a_loader_that_says_no_is_believed_by_name(step: str, error: type[FlashError]) -> None:
    it = world({"refuse": step})
    with pytest.raises(error):
        await it.update(NEW)
    assert not it.runs(NEW)
    await it.end()


@in_virtual_time
async def test_an_image_that_is_too_large_for_the_bank_costs_nothing() -> None:
    it = world()
    with pytest.raises(ImageTooLarge):
        await it.update(package("2.0.0", size=1100))
    assert it.node.operations == 0
    await it.end()
    it.lease()
    assert (await it.probe()).role is Role.APP
    await it.end()


@in_virtual_time
async def test_an_image_that_was_bent_on_its_way_is_not_started_and_sent_again() -> None:
    it = world({"flip-bit": ""})
    with pytest.raises(ImageMismatch):
        await it.update(NEW)
    assert not it.node.truth().bootable
    await it.brought(NEW)
    assert it.runs(NEW)
    await it.end()


@in_virtual_time
async def test_an_application_that_does_not_leave_is_named_and_goes_on() -> None:
    it = world({"stays-in-app": ""})
    with pytest.raises(StaysInApplication):
        await it.update(NEW)
    assert it.runs(OLD)
    assert it.node.operations == 0
    await it.end()


@in_virtual_time
async def test_a_node_without_a_door_wants_somebody_at_its_button() -> None:
    it = world(entry=Entry.NONE)
    with pytest.raises(NoWayIn):
        await it.update(NEW)
    await it.end()
    it = world({"secured": ""})
    with pytest.raises(GattRefused):
        await it.update(NEW)
    assert it.node.operations == 0
    await it.end()


@in_virtual_time
async def test_a_loader_that_answers_nothing_is_silent() -> None:
    it = world({"mute-loader": ""})
    with pytest.raises(NodeSilent):
        await it.update(NEW)
    await it.end()


# Lost on the way


@pytest.mark.parametrize("options", [{}, {"silent-loss": ""}])
@in_virtual_time
async def test_a_loader_that_writes_slowly_loses_packets_and_gets_fewer_at_a_time(
    options: Mapping[str, str],
) -> None:
    it = world({"buffer": "2", "write-time": "0.002", **options}, spacing=0.001)
    await it.update(NEW)
    assert it.runs(NEW)
    assert it.node.counts.dropped > 0
    assert it.node.counts.starts > 1, "what is lost is begun anew"
    assert it.session.notes
    await it.end()


@in_virtual_time
async def test_a_loader_with_the_usual_buffers_loses_nothing() -> None:
    # An nRF51 writes five words in 0.23 ms and erases a page in 22.3 ms (product specification 3.4).
    it = world({"write-time": "0.00023", "erase-time": "0.0223"}, spacing=0.0005)
    await it.update(NEW)
    assert it.runs(NEW)
    assert it.node.counts.dropped == 0
    assert it.node.counts.starts == 1
    await it.end()


@in_virtual_time
async def test_a_packet_that_is_lost_for_whatever_reason_is_noticed_by_its_receipt() -> None:
    packets = -(-parsed(NEW).size // 20)
    for lost in range(1, packets + 1):
        it = world({"lose": str(lost)})
        await it.update(NEW)
        assert it.runs(NEW), f"packet {lost} of {packets} was lost"
        assert it.node.counts.starts == 2
        await it.end()


@in_virtual_time
async def test_a_loader_that_always_loses_is_given_up_by_name() -> None:
    it = world({"buffer": "1", "write-time": "5", "silent-loss": ""}, reply_timeout=0.2)
    with pytest.raises(PacketsLost):
        await it.flasher.transfer(Transfer(parsed(NEW)))
    await it.end()


@in_virtual_time
async def test_a_slow_erase_of_the_whole_bank_is_waited_for() -> None:
    it = world({"erase-time": "10"})
    await it.update(NEW)
    assert it.runs(NEW)
    await it.end()


@BANKS
@in_virtual_time
async def test_an_update_that_somebody_else_began_is_ended_by_a_reset(banks: Banks) -> None:
    it = world(banks=banks, drops=(40,))
    with pytest.raises(TenderError):
        await it.update(NEW)
    it.lease()
    assert (await it.probe()).role is Role.LOADER, "a connection that ends does not end an update"
    await it.update(NEW)
    assert it.runs(NEW)
    assert it.node.counts.starts == 2
    await it.end()


@in_virtual_time
async def test_what_was_started_in_this_lease_is_not_sent_again() -> None:
    it = world()
    await it.update(NEW)
    sent = it.session.bytes_sent
    await it.flasher.enter_loader()
    seen = await it.transfer(NEW)
    assert seen is not None
    assert seen.role is Role.APP
    assert it.session.bytes_sent == sent
    assert it.session.reports[-1] == (parsed(NEW).size,) * 2
    await it.end()


@pytest.mark.parametrize("banks", [Banks.DUAL, Banks.SINGLE])
@in_virtual_time
async def test_other_bytes_of_the_same_version_are_sent_and_proved_only_where_the_old_ones_are_gone(
    banks: Banks,
) -> None:
    again = package("1.0.0", size=900)
    it = world(banks=banks)
    seen = await it.flasher.probe(Probe(candidates=(parsed(again, it.params), parsed(OLD, it.params))))
    slot = seen.active(0)
    assert slot is not None
    assert slot.firmware is None, "it may be either"
    assert not seen.evidence
    after = await it.update(again)
    assert it.runs(again)
    assert after is not None
    slot = after.active(0)
    assert slot is not None
    assert slot.firmware == parsed(again, it.params).firmware
    assert after.proves(Of.TRANSFER, (EvidenceKind.CHECKSUM,))
    assert after.proves(Of.BOOT, (EvidenceKind.VERSION,)) is (banks is Banks.SINGLE)
    await it.end()


@in_virtual_time
async def test_a_node_that_was_left_in_its_loader_finds_back_by_itself() -> None:
    it = world()
    await it.flasher.enter_loader()
    await it.session.close()  # the gateway is gone, and nobody cleans up
    await asyncio.sleep(250)
    assert it.runs(OLD)


@in_virtual_time
async def test_a_node_in_its_loader_is_restarted_by_an_activation() -> None:
    it = world()
    await it.flasher.enter_loader()
    seen = await it.activate(OLD)
    assert seen is not None
    assert seen.role is Role.APP
    assert it.runs(OLD)
    await it.end()


@in_virtual_time
async def test_what_such_loaders_cannot_do_is_said() -> None:
    it = world()
    with pytest.raises(NotSupported):
        await it.flasher.backup(Backup(Component()))
    with pytest.raises(NotSupported):
        await it.flasher.rollback(Revert((Component(),)))
    with pytest.raises(NotSupported):
        await it.flasher.command(b"?", reply_timeout=1.0)
    with pytest.raises(NotSupported):
        await it.flasher.identify()
    assert await it.flasher.confirm(Confirm(Component(), Digest.sha256(b""))) is None
    it.node.power_off()
    assert (await it.flasher.probe(Probe())).role is Role.SILENT
    await it.end()


def test_going_back_is_promised_only_where_the_loader_takes_it() -> None:
    assert declare(PARAMS).rollback == {RollbackKind.REFLASH}
    assert not declare(PARAMS.model_copy(update={"version_rule": VersionRule.LOWER})).rollback
    assert issubclass(WrongDeviceType, TransferRefused)
