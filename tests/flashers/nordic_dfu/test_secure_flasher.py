"""The secure flasher on a node in memory: the way in, objects, resumption, the way out."""

import asyncio

import pytest

from flashers.api import EvidenceKind, ImageMismatch, NodeRefused, NodeSilent, NotSupported, Of, Role
from flashers.nordic_dfu.params import Banks, Entry, Keeps, VersionRule
from tests.flashers.nordic_dfu.legacy_world import in_virtual_time
from tests.flashers.nordic_dfu.secure_world import ADDRESS, NEW, NEXT, OLD, PAGE, package, parsed, world
from transports.errors import TenderError

BOTH_BANKS = pytest.mark.parametrize("banks", [Banks.DUAL, Banks.SINGLE])


@BOTH_BANKS
@in_virtual_time
async def test_an_update_runs_and_is_proved_by_its_version(banks: Banks) -> None:
    here = world(banks=banks)
    seen = await here.update(NEW)
    assert here.runs(NEW)
    assert seen is not None
    assert seen.role is Role.APP
    assert seen.proves(Of.BOOT, (EvidenceKind.VERSION,))
    slot = seen.active(0)
    assert slot is not None
    assert parsed(NEW).firmware.same(slot.firmware)
    await here.end()


@in_virtual_time
async def test_the_host_is_told_how_the_loader_is_found_before_the_node_goes_there() -> None:
    here = world()
    boots = here.node.boots
    told: list[int] = []
    will_call = here.session.will_call

    async def noted(*args: object) -> None:
        told.append(here.node.boots)
        await will_call(*args)  # type: ignore[arg-type]

    here.session.will_call = noted  # type: ignore[method-assign,assignment]
    await here.flasher.enter_loader()
    assert told == [boots]
    assert here.callings[Role.LOADER].address == NEXT, "the last byte counts on, without a carry"
    assert here.node.boots > boots


@in_virtual_time
async def test_a_loader_may_be_given_a_name_that_no_other_has() -> None:
    here = world(entry=Entry.NAMED)
    await here.update(NEW)
    calling = here.callings[Role.LOADER]
    assert calling.name is not None
    assert calling.name.startswith("Dfu")
    assert calling.address is None
    assert here.runs(NEW)


@in_virtual_time
async def test_a_bonded_node_keeps_its_address_in_its_loader() -> None:
    here = world(entry=Entry.BONDED, pair=True)
    await here.update(NEW)
    assert here.callings[Role.LOADER].address == ADDRESS
    assert here.runs(NEW)


@in_virtual_time
async def test_the_image_waits_in_the_loader_until_it_is_activated() -> None:
    here = world()
    await here.flasher.enter_loader()
    seen = await here.transfer(NEW)
    assert seen is not None
    assert seen.role is Role.LOADER
    looked = await here.probe(OLD, NEW)
    for one in (seen, looked):
        slot = one.standby(0)
        assert slot is not None
        assert slot.firmware == parsed(NEW).firmware
    assert here.node.store.application() is not None, "the old one is still there"
    assert not here.runs(NEW)


@BOTH_BANKS
@in_virtual_time
async def test_a_node_without_a_version_is_proved_to_have_the_bytes_and_no_more(banks: Banks) -> None:
    here = world(version_characteristic="", banks=banks)
    seen = await here.update(NEW)
    assert here.runs(NEW)
    assert seen is not None
    slot = seen.active(0)
    assert slot is not None
    assert slot.firmware == parsed(NEW, here.params).firmware
    assert seen.proves(Of.TRANSFER, (EvidenceKind.COMPUTED_HASH,))
    assert not seen.proves(Of.BOOT, (EvidenceKind.VERSION,))


@pytest.mark.parametrize("options", [{}, {"strict": ""}])
@pytest.mark.parametrize("keeps", list(Keeps))
@BOTH_BANKS
@in_virtual_time
async def test_a_transfer_goes_on_with_what_the_loader_keeps_after_the_link_was_lost(
    banks: Banks, keeps: Keeps, options: dict[str, str]
) -> None:
    quiet = world(options, banks=banks, keeps=keeps)
    await quiet.update(NEW)
    packets = quiet.radio.counts.packets
    whole = quiet.session.bytes_sent
    again = whole if keeps is Keeps.NOTHING else PAGE
    most = 0
    for drop in range(1, packets + 1):
        here = world(options, drops=(drop,), banks=banks, keeps=keeps)
        await here.brought(NEW)
        assert here.runs(NEW), f"a drop at packet {drop}"
        if here.node.boots == quiet.node.boots:
            assert here.session.bytes_sent <= whole + again, f"a drop at packet {drop} sends too much again"
            most = max(most, here.session.bytes_sent)
        await here.end()
    if keeps is Keeps.NOTHING:
        assert most > whole + PAGE, "the loader went back to its settings"


@pytest.mark.parametrize("options", [{}, {"keeps": "progress"}])
@pytest.mark.parametrize("torn", [False, True])
@BOTH_BANKS
@in_virtual_time
async def test_power_may_fail_at_every_flash_operation(
    banks: Banks, torn: bool, options: dict[str, str]
) -> None:
    quiet = world(options, banks=banks)
    before = quiet.node.operations
    await quiet.update(NEW)
    operations = quiet.node.operations - before
    assert operations >= 12
    for operation in range(1, operations + 1):
        here = world(options, banks=banks)
        here.node.cut_power_at(here.node.operations + operation, torn=torn)
        await here.brought(NEW)
        assert here.runs(NEW), f"power lost at operation {operation}"
        assert here.node.truth().bootable
        await here.end()


@pytest.mark.parametrize("torn", [False, True])
@in_virtual_time
async def test_with_two_banks_there_is_always_something_that_runs(torn: bool) -> None:
    quiet = world()
    await quiet.update(NEW)
    for operation in range(1, quiet.node.operations + 1):
        here = world()
        here.node.cut_power_at(operation, torn=torn, off_for=None)
        try:
            await here.update(NEW)
        except TenderError:
            pass
        assert not here.node.truth().powered
        here.node.power_on()
        seen = await here.probe(NEW)
        assert seen.role is Role.APP, f"after a loss of power at operation {operation}"
        assert here.runs(OLD) or here.runs(NEW)


@pytest.mark.parametrize(
    "options",
    [
        {"drop-receipt": "2"},
        {"lose": "3"},
        {"lose": "7"},
        {"lose": "10"},
        {"buffers": "1", "write-time": "0.002"},
        {"buffers": "2", "write-time": "0.002", "erase-time": "0.1"},
        {"erase-time": "0.5"},
        {"att-mtu": "23"},
    ],
    ids=str,
)
@BOTH_BANKS
@in_virtual_time
async def test_what_a_loader_loses_is_sent_again(banks: Banks, options: dict[str, str]) -> None:
    here = world(options, banks=banks)
    await here.update(NEW)
    assert here.runs(NEW)


@BOTH_BANKS
@in_virtual_time
async def test_bytes_that_are_stored_wrong_are_noticed_by_the_loader_and_sent_again(banks: Banks) -> None:
    here = world({"flip-bit": ""}, banks=banks)
    with pytest.raises(ImageMismatch) as error:
        await here.update(NEW)
    assert error.value.retryable
    await here.brought(NEW)
    assert here.runs(NEW)


@in_virtual_time
async def test_an_image_that_was_begun_by_somebody_else_is_not_gone_on_with() -> None:
    here = world()
    await here.flasher.enter_loader()
    here.node.cut_power_at(here.node.operations + 6, off_for=None)
    other = package("3.0.0")
    here.radio.drops.add(here.radio.counts.packets + 16)
    with pytest.raises(TenderError):
        await here.transfer(other)
    here.node.power_on()
    here.lease()
    await here.brought(NEW)
    assert here.runs(NEW)


@in_virtual_time
async def test_other_bytes_in_the_loader_are_begun_anew() -> None:
    here = world()
    await here.flasher.enter_loader()
    await here.transfer(package("3.0.0"))
    await here.transfer(NEW)
    await here.activate(NEW)
    assert here.runs(NEW)


@in_virtual_time
async def test_a_node_that_forgot_the_image_is_given_it_again_at_its_activation() -> None:
    here = world()
    await here.flasher.enter_loader()
    await here.transfer(NEW)
    here.node.power_off()
    here.node.power_on()
    await here.activate(NEW)
    assert here.runs(NEW)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"hw-version": "51"}, "wrong-hardware"),
        ({"softdevice": "0x00b6"}, "wrong-softdevice"),
        ({"key": "two"}, "bad-signature"),
        ({"pages": "2", "force-dual": ""}, "image-too-large"),
        ({"init-size": "100"}, "bad-init-packet"),
        ({"refuse": "init"}, "transfer-refused"),
        ({"refuse": "init", "no-abort": "", "idle": "2"}, "transfer-refused"),
    ],
)
@BOTH_BANKS
@in_virtual_time
async def test_what_the_loader_refuses_has_its_own_code_and_leaves_the_application_running(
    banks: Banks, options: dict[str, str], code: str
) -> None:
    old = package("1.0.0", size=400)
    here = world(options, running=old, banks=banks)
    await here.flasher.enter_loader()
    with pytest.raises(TenderError) as error:
        await here.transfer(NEW)
    assert error.value.code == code
    assert not error.value.retryable
    await here.end()
    if "no-abort" in options:
        await asyncio.sleep(3.0)  # it goes back by itself
    assert (await here.probe()).role is Role.APP
    assert here.runs(old)
    assert here.node.operations == 0


@in_virtual_time
async def test_a_lower_version_that_the_profile_did_not_know_of_is_refused_by_the_loader() -> None:
    here = world({"rule": "lower"}, running=package("3.0.0"))
    await here.flasher.enter_loader()
    with pytest.raises(TenderError) as error:
        await here.transfer(NEW)
    assert error.value.code == "downgrade-refused"
    assert (await here.probe()).role is Role.APP
    assert here.runs(package("3.0.0"))


@in_virtual_time
async def test_the_way_back_is_the_old_package_where_the_rule_takes_it() -> None:
    here = world(version_rule=VersionRule.OFF)
    await here.update(NEW)
    await here.update(OLD)
    assert here.runs(OLD)


@in_virtual_time
async def test_a_node_that_was_brought_into_its_loader_for_nothing_goes_back_at_once() -> None:
    here = world()
    await here.flasher.enter_loader()
    await here.end()
    here.lease()
    assert (await here.probe()).role is Role.APP


@in_virtual_time
async def test_an_application_that_does_not_go_is_told_of() -> None:
    for options, error in (
        ({"stays-in-app": ""}, NodeSilent),
        ({"refuse": "enter"}, NodeRefused),
        ({"mute-loader": ""}, NodeSilent),
    ):
        here = world(options)
        with pytest.raises(error):
            await here.update(NEW)
        await here.end()
        assert here.node.operations == 0
    here = world({"refuse": "name", "idle": "5"}, entry=Entry.NAMED)
    with pytest.raises(NodeSilent):
        await here.flasher.enter_loader()
    await asyncio.sleep(5.0)
    assert (await here.probe()).role is Role.APP, "somebody else named it, and it comes back by itself"


@in_virtual_time
async def test_a_node_with_another_door_is_not_sent_anywhere() -> None:
    here = world()
    here.flasher._params = here.params.model_copy(update={"entry": Entry.BONDED})
    with pytest.raises(NotSupported):
        await here.flasher.enter_loader()
    assert here.runs(OLD)


@in_virtual_time
async def test_nobody_there_is_silence() -> None:
    here = world({"silent": ""})
    assert (await here.probe()).role is Role.SILENT


@in_virtual_time
async def test_a_node_without_firmware_is_found_in_its_loader() -> None:
    here = world(running=None, banks=Banks.SINGLE)
    from flashers.nordic_dfu.secure.door import calling

    here.callings[Role.LOADER] = calling(here.session, here.params, ADDRESS)
    assert (await here.probe()).role is Role.LOADER
    await here.update(NEW)
    assert here.runs(NEW)


@in_virtual_time
async def test_a_value_of_the_application_can_be_asked_for() -> None:
    here = world()
    uuid = here.params.version_characteristic
    assert uuid is not None
    assert await here.flasher.command(uuid.encode(), reply_timeout=1.0) == b"1.0.0"
    with pytest.raises(NotSupported):
        await here.flasher.command(b"conformance?", reply_timeout=1.0)


@in_virtual_time
async def test_other_bytes_of_the_same_version_are_sent_and_their_boot_is_not_said_to_be_proved() -> None:
    """A version that the node named before says nothing of what runs now."""
    again = package("1.0.0", size=2 * PAGE + 80)
    here = world()
    seen = await here.probe(again, OLD)
    slot = seen.active(0)
    assert slot is not None
    assert slot.firmware is None, "it may be either"
    assert not seen.evidence
    after = await here.update(again)
    assert here.runs(again)
    assert after is not None
    assert after.proves(Of.TRANSFER, (EvidenceKind.CHECKSUM,))
    assert not any(piece.of is Of.BOOT for piece in after.evidence)
    slot = after.active(0)
    assert slot is not None
    assert slot.firmware == parsed(again).firmware


@in_virtual_time
async def test_with_one_bank_the_old_one_is_gone_so_the_same_version_is_the_new_one() -> None:
    again = package("1.0.0", size=2 * PAGE + 80)
    here = world(banks=Banks.SINGLE)
    after = await here.update(again)
    assert here.runs(again)
    assert after is not None
    assert after.proves(Of.BOOT, (EvidenceKind.VERSION,))


@in_virtual_time
async def test_a_version_that_one_candidate_has_names_it() -> None:
    here = world()
    seen = await here.probe(OLD, NEW)
    assert seen.proves(Of.BOOT, (EvidenceKind.VERSION,))
