"""Power that fails at every flash operation, and links that fade at every packet."""

import asyncio
from contextlib import suppress

import pytest

from flashers.nordic_dfu.params import Banks
from flashers.nordic_dfu.virtual.legacy import Where
from tests.flashers.nordic_dfu.legacy_world import NEW, OLD, World, in_virtual_time, world
from transports.errors import TenderError

BANKS = pytest.mark.parametrize("banks", list(Banks))


async def undisturbed(banks: Banks) -> World:
    it = world(banks=banks)
    await it.update(NEW)
    assert it.runs(NEW)
    await it.end()
    return it


@BANKS
@pytest.mark.parametrize("torn", [False, True])
@in_virtual_time
async def test_power_may_fail_at_any_operation_and_the_node_is_brought_to_the_target(
    banks: Banks, torn: bool
) -> None:
    operations = (await undisturbed(banks)).node.operations
    assert operations > 20
    for operation in range(1, operations + 1):
        it = world(banks=banks)
        it.node.cut_power_at(operation, torn=torn, off_for=2.0)
        with suppress(TenderError):
            await it.update(NEW)
        await it.end()
        it.lease()
        await it.brought(NEW)
        assert it.runs(NEW), f"operation {operation} of {operations}"
        assert it.node.truth().confirmed
        await it.end()


@BANKS
@in_virtual_time
async def test_a_node_that_lost_power_runs_a_whole_image_or_waits_in_its_loader(banks: Banks) -> None:
    whole = await undisturbed(banks)
    operations = whole.node.operations
    kept = 0
    for operation in range(1, operations + 1):
        it = world(banks=banks)
        it.node.cut_power_at(operation, torn=True, off_for=1.0)
        with suppress(TenderError):
            await it.update(NEW)
        await it.session.close()
        await asyncio.sleep(2.0)
        runs = it.runs(OLD) or it.runs(NEW)
        assert runs or it.node.where is Where.LOADER, f"operation {operation} of {operations}"
        assert it.node.truth().bootable is runs
        kept += it.runs(OLD)
    # With two banks the old application is there until the activation, with one not even at its start.
    assert kept == 0 if banks is Banks.SINGLE else kept > operations // 3


@in_virtual_time
async def test_firmware_that_came_by_wire_is_started_as_it_is_and_so_may_be_dead() -> None:
    it = world({"by-wire": ""})
    it.node.cut_power_at(1, torn=True, off_for=1.0)
    with suppress(TenderError):
        await it.update(NEW)
    assert it.node.where is Where.DEAD, "the loader knows no checksum, and starts half an application"
    assert not it.node.truth().bootable
    await it.end()


@BANKS
@in_virtual_time
async def test_the_link_may_fade_at_any_packet(banks: Banks) -> None:
    packets = (await undisturbed(banks)).radio.counts.packets
    assert packets > 60
    for packet in range(1, packets + 1):
        it = world(banks=banks, drops=(packet,))
        with suppress(TenderError):
            await it.update(NEW)
        await it.end()
        it.lease()
        await it.brought(NEW)
        assert it.runs(NEW), f"packet {packet} of {packets}"
        await it.end()


@BANKS
@in_virtual_time
async def test_an_activation_that_was_lost_is_said_again_and_nothing_is_sent_again(banks: Banks) -> None:
    whole = await undisturbed(banks)
    once = 0
    for packet in range(whole.radio.counts.packets - 12, whole.radio.counts.packets):
        it = world(banks=banks, drops=(packet,))
        with suppress(TenderError):
            await it.update(NEW)
        once += it.runs(NEW) and it.node.counts.starts == 1
        await it.end()
    assert once >= 8, "all that was lost after the image had arrived"


@in_virtual_time
async def test_two_links_that_fade_cost_two_transfers() -> None:
    for second in (50, 75, 100):
        it = world(drops=(30, second))
        await it.brought(NEW)
        assert it.runs(NEW)
        await it.end()


@in_virtual_time
async def test_a_node_out_of_reach_in_the_middle_is_found_again() -> None:
    it = world(spacing=0.02)

    async def away() -> None:
        await asyncio.sleep(0.7)
        it.radio.set_reach(reach=False)
        await asyncio.sleep(20)
        it.radio.set_reach(reach=True)

    async with asyncio.TaskGroup() as group:
        group.create_task(away())
        with pytest.raises(TenderError):
            await it.update(NEW)
    await it.end()
    it.lease()
    await it.brought(NEW)
    assert it.runs(NEW)
    await it.end()
