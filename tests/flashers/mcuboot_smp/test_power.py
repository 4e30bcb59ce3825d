"""Power that fails at every flash operation of a whole update, in every mode."""

import asyncio

import pytest

from flashers.api import Role, Transfer
from tests.flashers.mcuboot_smp.world import BOTH, NEW, OLD, SMALL, World, image_file, parsed, world
from transports.errors import TenderError
from transports.virtual.clock import run_virtual

MEDIA = BOTH

MODES = ("swap", "overwrite", "direct-xip", "direct-xip-revert", "ram-load", "serial-recovery")


async def bring(there: World, data: bytes, rounds: int = 8) -> None:
    """What a host does, as plainly as it can be said: look, and do what is missing."""
    for _ in range(rounds):
        try:
            seen = await there.probe()
            active = seen.active(0)
            if seen.role is Role.SILENT:
                continue
            if seen.role is Role.APP and active is not None and active.firmware == parsed(data).firmware:
                await there.confirm(data)
                return
            await there.flasher.enter_loader()
            await there.transfer(data)
            await there.activate(data)
        except TenderError as error:
            if not error.retryable:
                raise
    raise AssertionError("it never gets there")


def operations_of_an_update(mode: str) -> int:
    async def main() -> int:
        there = world(SMALL, mode=mode)
        await bring(there, NEW)
        return there.node.operations

    return run_virtual(main())


@pytest.mark.parametrize("torn", [False, True], ids=["before", "torn"])
@pytest.mark.parametrize("mode", MODES)
def test_a_node_that_loses_power_at_any_operation_is_brought_to_the_target(mode: str, torn: bool) -> None:
    operations = operations_of_an_update(mode)

    async def main(operation: int) -> None:
        there = world(SMALL, mode=mode)
        there.node.cut_power_at(operation, torn=torn, off_for=1.0)
        await bring(there, NEW)
        assert there.runs(NEW), f"operation {operation}"
        truth = there.node.truth()
        assert truth.confirmed, f"operation {operation}"

    for operation in range(1, operations + 1):
        run_virtual(main(operation))
    assert operations >= 4


@pytest.mark.parametrize("torn", [False, True], ids=["before", "torn"])
@pytest.mark.parametrize("mode", MODES)
def test_no_loss_of_power_leaves_a_node_in_between(mode: str, torn: bool) -> None:
    """Power fails, nobody helps: the node runs the old image or the new one."""
    exposed = mode == "serial-recovery"
    outcomes = set()

    async def main(operation: int) -> None:
        there = world(SMALL, mode=mode, stall_timeout=5)
        there.node.cut_power_at(operation, torn=torn, off_for=None)
        with pytest.raises((TenderError, AssertionError)):
            await bring(there, NEW, rounds=2)
        truth = there.node.truth()
        assert not truth.powered
        assert truth.bootable or exposed, f"operation {operation}"
        there.node.power_on()
        await asyncio.sleep(5)
        outcome = (there.runs(OLD), there.runs(NEW))
        assert any(outcome) or exposed, f"operation {operation}"
        outcomes.add(outcome)
        if exposed:
            assert (await there.probe()).role is not Role.SILENT

    for operation in range(1, operations_of_an_update(mode) + 1):
        run_virtual(main(operation))
    assert (True, False) in outcomes or exposed


def test_an_upload_that_lost_power_is_sent_again_and_not_believed_half() -> None:
    async def main(operation: int) -> None:
        there = world(SMALL)
        there.node.cut_power_at(operation, torn=True, off_for=0.5)
        await there.flasher.transfer(Transfer(parsed(NEW)))
        assert there.lies_in(1) == NEW
        assert there.lies_in(0) == OLD

    for operation in range(1, 7):
        run_virtual(main(operation))


async def bring_both(there: World, files: tuple[bytes, bytes], rounds: int = 10) -> None:
    """The same for a node with two cores: both run their images before either is kept."""
    for _ in range(rounds):
        try:
            seen = await there.probe()
            if seen.role is Role.SILENT:
                continue
            active = [seen.active(image) for image in (0, 1)]
            run = [slot.firmware if slot is not None else None for slot in active]
            if run == [parsed(data).firmware for data in files]:
                for image, data in enumerate(files):
                    await there.confirm(data, image)
                return
            for image, data in enumerate(files):
                await there.transfer(data, image)
            await there.activate(*files)
        except TenderError as error:
            if not error.retryable:
                raise
    raise AssertionError("it never gets there")


@pytest.mark.parametrize("torn", [False, True], ids=["before", "torn"])
def test_two_cores_that_lose_power_at_any_operation_are_brought_there_together(torn: bool) -> None:
    files = (NEW, image_file("3.0.0"))

    async def main(operation: int) -> int:
        there = world(SMALL, others=(OLD,))
        there.node.cut_power_at(operation, torn=torn, off_for=1.0)
        await bring_both(there, files)
        assert there.runs(files[0], 0), f"operation {operation}"
        assert there.runs(files[1], 1), f"operation {operation}"
        assert there.node.truth().confirmed, f"operation {operation}"
        return there.node.operations

    operations = run_virtual(main(10_000))
    for operation in range(1, operations + 1):
        run_virtual(main(operation))
    assert operations > 60
