"""The virtual node: does it keep MCUboot's promises, and misbehave only as it is told?"""

import asyncio
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from flashers.api import Component, Role, VirtualNode, VirtualSetup
from flashers.mcuboot_smp import PLUGIN
from flashers.mcuboot_smp.make import key_hash, make_image
from flashers.mcuboot_smp.params import Mode, SmpParams
from flashers.mcuboot_smp.virtual import NodeOptions, VirtualMcubootNode
from flashers.mcuboot_smp.virtual.bootloader import Bootloader
from flashers.mcuboot_smp.virtual.options import BadOption
from flashers.mcuboot_smp.virtual.slots import Flag, Slots
from flashers.sim import Behaviour, PowerCut, SimApp
from tests.flashers.mcuboot_smp.world import (
    NEW,
    OLD,
    SMALL,
    World,
    image_file,
    in_virtual_time,
    parsed,
    world,
)

MANY_PAGES = {"page": "64", "slot-pages": "24"}
"""The journal of a swap takes more than one page here."""


def on_flash(
    mode: Mode, options: dict[str, str] = SMALL, *, flags: tuple[Flag, ...] = (Flag.PENDING,)
) -> Bootloader:
    """A node's bootloader with OLD running and NEW in the second slot, with these flags."""
    chosen = NodeOptions.parse(options)
    slots = Slots.made(1, chosen.page, chosen.slot_pages)
    slots.preload(0, OLD)
    slots.write(0, 1, 0, NEW)
    for flag in flags:
        slots.set_flag(0, 1, flag)
    return Bootloader(slots, mode, chosen)


def contents(bootloader: Bootloader) -> list[bytes | None]:
    found = [bootloader.valid(0, slot) for slot in (0, 1)]
    return [None if f is None else bootloader.slots.contents(0, f.slot)[: f.image.end] for f in found]


def boot_to_the_end(bootloader: Bootloader) -> int:
    """Boot, again and again while power fails; how often it failed."""
    for failures in range(100):
        try:
            assert bootloader.boot() is not None, "no image runs"
        except PowerCut:
            continue
        return failures
    raise AssertionError("it never boots")


@pytest.mark.parametrize("torn", [False, True])
@pytest.mark.parametrize("options", [SMALL, MANY_PAGES], ids=["small", "many-pages"])
@pytest.mark.parametrize("kind", ["test", "permanent", "revert", "overwrite"])
def test_no_loss_of_power_stops_a_swap_half_way(kind: str, options: dict[str, str], torn: bool) -> None:
    mode = Mode.OVERWRITE if kind == "overwrite" else Mode.SWAP
    flags = (Flag.PENDING, Flag.IMAGE_OK) if kind == "permanent" else (Flag.PENDING,)
    operation = taken_back = 0
    while True:
        operation += 1
        bootloader = on_flash(mode, options, flags=flags)
        if kind == "revert":
            bootloader.boot()
        bootloader.slots.flash.operations = 0
        bootloader.slots.flash.cut_power_at(operation, torn=torn)
        if not boot_to_the_end(bootloader):
            break
        expected = {"revert": [OLD, NEW], "overwrite": [NEW, None]}.get(kind, [NEW, OLD])
        if kind == "test" and bootloader.settled(0, 0):
            taken_back += 1
            expected = [OLD, NEW]
        assert contents(bootloader) == expected, f"cut at operation {operation}"
        assert (bootloader.next_swap(0) is None) == (kind != "test" or expected == [OLD, NEW])
    assert operation > 8
    # A trial that was complete when the power failed, and had not started, counts as having had its start.
    assert taken_back <= torn


def test_a_second_loss_of_power_during_the_recovery_changes_nothing() -> None:
    cases = 0
    for first in range(1, 40):
        for second in range(1, 40):
            bootloader = on_flash(Mode.SWAP)
            flash = bootloader.slots.flash
            flash.operations = 0
            flash.cut_power_at(first, torn=bool(second % 2))
            try:
                bootloader.boot()
                continue
            except PowerCut:
                flash.cut_power_at(flash.operations + second, torn=bool(first % 2))
            boot_to_the_end(bootloader)
            assert contents(bootloader) == ([OLD, NEW] if bootloader.settled(0, 0) else [NEW, OLD])
            cases += 1
    assert cases > 500


def test_a_trial_that_is_not_confirmed_is_taken_back_at_the_next_restart() -> None:
    bootloader = on_flash(Mode.SWAP)
    bootloader.boot()
    assert contents(bootloader) == [NEW, OLD]
    assert not bootloader.settled(0, 0)
    bootloader.boot()
    assert contents(bootloader) == [OLD, NEW]
    assert bootloader.settled(0, 0)
    bootloader.boot()
    assert contents(bootloader) == [OLD, NEW]


def test_direct_xip_runs_the_highest_version_where_it_lies() -> None:
    for mode in (Mode.DIRECT_XIP, Mode.RAM_LOAD):
        bootloader = on_flash(mode, flags=())
        started = bootloader.boot()
        assert started is not None
        assert started[0].slot == 1


@pytest.mark.parametrize("torn", [False, True])
def test_direct_xip_with_revert_erases_what_was_started_once(torn: bool) -> None:
    for operation in range(1, 5):
        bootloader = on_flash(Mode.DIRECT_XIP_REVERT)
        started = bootloader.boot()
        assert started is not None
        assert started[0].slot == 1
        assert not bootloader.settled(0, 1)
        bootloader.slots.flash.operations = 0
        bootloader.slots.flash.cut_power_at(operation, torn=torn)
        boot_to_the_end(bootloader)
        assert contents(bootloader) == [OLD, None]


def test_an_image_with_another_key_is_gone_after_the_restart() -> None:
    key = Ed25519PrivateKey.generate()
    options = SMALL | {"key-hash": key_hash(key).hex()}
    old = make_image(SimApp("1.0.0"), size=500, key=key)
    for other, gone in ((NEW, True), (make_image(SimApp("2.0.0"), size=500, key=key), False)):
        chosen = NodeOptions.parse(options)
        slots = Slots.made(1, chosen.page, chosen.slot_pages)
        slots.preload(0, old)
        slots.write(0, 1, 0, other)
        slots.set_flag(0, 1, Flag.PENDING)
        bootloader = Bootloader(slots, Mode.SWAP, chosen)
        bootloader.boot()
        assert contents(bootloader) == ([old, None] if gone else [other, old])


@pytest.mark.parametrize(
    ("options", "taken"),
    [
        ({"reject": "boot"}, False),
        ({"security-counter": "4"}, False),
        ({"no-downgrade": ""}, True),
        ({}, True),
    ],
    ids=["reject", "counter", "upgrade", "plain"],
)
def test_the_bootloader_refuses_what_it_is_told_to(options: dict[str, str], taken: bool) -> None:
    counter = 4 if "security-counter" in options else None
    old = make_image(SimApp("1.0.0"), size=500, security_counter=counter)
    chosen = NodeOptions.parse(SMALL | options)
    slots = Slots.made(1, chosen.page, chosen.slot_pages)
    slots.preload(0, old)
    slots.write(0, 1, 0, NEW)
    slots.set_flag(0, 1, Flag.PENDING)
    bootloader = Bootloader(slots, Mode.SWAP, chosen)
    assert bootloader.boot() is not None
    assert contents(bootloader) == ([NEW, old] if taken else [old, None])


def test_a_downgrade_is_refused_where_it_is_forbidden() -> None:
    chosen = NodeOptions.parse(SMALL | {"no-downgrade": ""})
    slots = Slots.made(1, chosen.page, chosen.slot_pages)
    slots.preload(0, NEW)
    slots.write(0, 1, 0, OLD)
    slots.set_flag(0, 1, Flag.PENDING)
    bootloader = Bootloader(slots, Mode.SWAP, chosen)
    bootloader.boot()
    assert contents(bootloader) == [NEW, None]


# Applications


async def started(behaviour: Behaviour, options: dict[str, str] | None = None, **params: Any) -> World:
    """A node that was brought to an application of this kind, and has had time to show it."""
    there = world(SMALL | (options or {}), **params)
    data = image_file("2.0.0", behaviour, claims="9.9.9" if behaviour is Behaviour.LIES else "")
    await there.transfer(data)
    await there.activate(data)
    await asyncio.sleep(5)
    return there


@in_virtual_time
async def test_a_healthy_application_says_its_version_and_answers() -> None:
    there = await started(Behaviour.HEALTHY)
    assert await there.flasher.command(b"echo:well?", reply_timeout=2) == b"well?"
    assert "fw 2.0.0" in there.session.console.lines_since(0)


@in_virtual_time
async def test_an_unhealthy_application_says_that_it_is_sick() -> None:
    there = await started(Behaviour.UNHEALTHY)
    assert await there.flasher.command(b"echo:well?", reply_timeout=2) == b"sick"
    assert not there.node.truth().confirmed


@in_virtual_time
async def test_an_application_that_crashes_is_taken_back_by_itself() -> None:
    there = await started(Behaviour.CRASHES)
    assert there.runs(OLD)
    assert there.node.truth().confirmed


@in_virtual_time
async def test_an_application_that_hangs_is_taken_back_by_a_watchdog() -> None:
    there = await started(Behaviour.HANGS)
    assert (await there.probe()).role is Role.SILENT
    assert not there.runs(OLD)
    there = await started(Behaviour.HANGS, {"watchdog": "2"})
    assert there.runs(OLD)


@in_virtual_time
async def test_an_application_may_confirm_itself_too_early() -> None:
    there = await started(Behaviour.CONFIRMS_EARLY)
    truth = there.node.truth()
    assert truth.confirmed
    assert not there.runs(OLD)
    assert await there.flasher.command(b"echo:well?", reply_timeout=2) == b"sick"


@in_virtual_time
async def test_an_application_that_lies_names_another_version_and_digest() -> None:
    there = await started(Behaviour.LIES)
    active = (await there.probe()).active(0)
    assert active is not None
    assert active.firmware is not None
    assert active.firmware.version == "9.9.9"
    assert there.node.truth().running[0] != active.firmware.identity


@in_virtual_time
async def test_bytes_that_are_no_simulated_application_run_as_one_that_is_well() -> None:
    there = world(SMALL, running=make_image(b"anything" * 20, "4.5.6"))
    seen = await there.probe()
    assert seen.role is Role.APP
    assert await there.flasher.command(b"echo:hi", reply_timeout=2) == b"hi"


# Power


@in_virtual_time
async def test_power_off_means_silence_and_power_on_a_boot() -> None:
    there = world(SMALL)
    there.node.power_off()
    truth = there.node.truth()
    assert (dict(truth.running), truth.powered, truth.bootable) == ({}, False, True)
    assert (await there.probe()).role is Role.SILENT
    there.node.power_on()
    there.node.power_on()
    await asyncio.sleep(1)
    assert there.runs(OLD)
    await there.probe()
    assert there.session.console.lines_since(0)[:2] == ["*** boot ***", "fw 1.0.0"]


@in_virtual_time
async def test_a_cut_at_an_operation_takes_the_power_for_as_long_as_said() -> None:
    there = world(SMALL)
    there.node.cut_power_at(there.node.operations + 2, off_for=3.0)
    asyncio.get_running_loop().call_later(2.9, lambda: off.append(there.node.truth().powered))
    off: list[bool] = []
    await there.transfer(NEW)
    assert off == [False]
    assert there.lies_in(1) == NEW


@in_virtual_time
async def test_a_node_that_was_not_left_in_peace_hangs_until_its_power_is_cut() -> None:
    there = world(SMALL | {"hangs-if-asked-at-boot": "", "boot-time": "1"}, quiet_after_reset=0.5)
    await there.transfer(NEW)
    await there.activate(NEW)
    for _ in range(3):
        assert (await there.probe()).role is Role.SILENT
    there = world(SMALL | {"hangs-if-asked-at-boot": "", "boot-time": "1"}, quiet_after_reset=1.2)
    await there.transfer(NEW)
    await there.activate(NEW)
    assert (await there.probe()).role is Role.APP


@in_virtual_time
async def test_a_node_without_any_image_that_runs_is_dead_or_in_its_loader() -> None:
    for mode, role in (("swap", Role.SILENT), ("serial-recovery", Role.LOADER)):
        there = world(SMALL, running=b"", mode=mode)
        assert (await there.probe()).role is role
        assert not there.node.truth().bootable


@in_virtual_time
async def test_more_requests_than_buffers_are_lost() -> None:
    there = world(SMALL | {"buf-count": "2", "latency": "0.1"})
    link = await there.session.open()
    for _ in range(5):
        await link.write(b"\x06\tABMKAAAJAAAAAKFhZGVoZWxsb6J/\n")
    await asyncio.sleep(1)
    assert (there.node.counts.requests, there.node.counts.dropped) == (5, 3)


# Being made


def test_it_is_a_virtual_node_as_the_host_knows_them() -> None:
    node: VirtualNode = PLUGIN.virtual_node(VirtualSetup(SmpParams(), flash={"app": OLD}, options=SMALL))
    assert isinstance(node, VirtualMcubootNode)
    assert node.truth().running == {0: parsed(OLD).firmware.identity}
    assert node.truth().confirmed
    assert node.operations == 0


def test_every_option_is_explained_to_people() -> None:
    assert all(text and text[0].islower() for text in PLUGIN.faults.values())
    assert {"loses-overlap", "no-params", "buf-count", "buf-size", "latency", "trim-tail"} <= set(
        PLUGIN.faults
    )
    assert {"slow-erase", "mute-after", "silent", "reject", "key-hash", "watchdog"} <= set(PLUGIN.faults)


@pytest.mark.parametrize(
    "options", [{"melts": ""}, {"page": "many"}, {"reject": "everything"}, {"buf-count": "0"}]
)
def test_an_option_that_there_is_not_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(BadOption):
        VirtualMcubootNode(VirtualSetup(SmpParams(), options=options))


def test_an_image_that_does_not_fit_into_the_flash_is_refused() -> None:
    with pytest.raises(BadOption, match="do not fit"):
        VirtualMcubootNode(VirtualSetup(SmpParams(), flash={"app": bytes(5000)}, options=SMALL))


def test_several_images_have_slots_of_their_own() -> None:
    components = (Component("app"), Component("radio", image=1))
    node = VirtualMcubootNode(VirtualSetup(SmpParams(), components, {"app": OLD, "radio": NEW}, SMALL))
    running = node.truth().running
    assert running == {0: parsed(OLD).firmware.identity, 1: parsed(NEW).firmware.identity}
