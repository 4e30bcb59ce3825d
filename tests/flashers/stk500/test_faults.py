"""Whatever happens on the line or to the power: the target, proved, or a named error, and then the target."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashers.api import FirmwareImage, FlashError, Role, Seen
from flashers.sim import Behaviour
from flashers.stk500.parts import Loader
from tests.flashers.stk500.world import NEW, OLD, PARAMS, World, image, node_with, run, world_of
from transports.errors import LinkError

FAULTS = [
    *("drop@{}", "drop@{}:20", "corrupt@{}", "corrupt@{}:20", "duplicate@{}", "duplicate@{}:20"),
    *("delay@{}=0.6", "delay@{}=1.3", "cut-link@{}"),
]
EVERY_PLACE = [*itertools.product(Loader, ["down", "up"], FAULTS)]


def runs(world: World, seen: Seen, target: FirmwareImage) -> bool:
    """Whether the target was said to run; then it does, since a claim that is not true fails here."""
    slot = seen.active(0)
    said = slot.firmware.identity if slot is not None and slot.firmware is not None else None
    if seen.role is not Role.APP or said != target.firmware.identity:
        return False
    assert world.node.truth().running == {0: said}
    return True


async def update(world: World, target: FirmwareImage = NEW) -> int:
    """Leases with one transfer each until the target runs, proved; returns how many it took."""
    for count in range(1, 5):
        try:
            if runs(world, await world.send(target), target):
                return count
        except (FlashError, LinkError):
            pass
        await world.flasher.cleanup()
        world = await world.another()
    pytest.fail("it never ended on the target")


def with_fault(loader: Loader, fault: str) -> bool:
    """Update a node over a line with this fault; whether the fault had its place in that."""
    params = PARAMS.model_copy(update={"loader": loader})

    async def story() -> bool:
        world = world_of(node_with(OLD, params), params, faults=fault)
        assert await update(world) <= 2
        return bool(world.line.story)

    return run(story)


@pytest.mark.parametrize(("loader", "way", "fault"), EVERY_PLACE)
def test_a_bent_place_in_the_stream_costs_time_and_nothing_else(loader: Loader, way: str, fault: str) -> None:
    places = range(0, 460, 23)
    assert all(with_fault(loader, f"{fault.format(at)};dir={way}") for at in places)


@pytest.mark.matrix
@pytest.mark.parametrize(("loader", "way", "fault"), EVERY_PLACE)
def test_a_bent_place_anywhere_costs_time_and_nothing_else(loader: Loader, way: str, fault: str) -> None:
    assert sum(with_fault(loader, f"{fault.format(at)};dir={way}") for at in range(570)) > 450


@given(st.floats(0, 0.003), st.floats(0, 0.15), st.sampled_from(["down", "up"]), st.integers(0, 99))
def test_on_a_bad_line_no_claim_is_untrue(noise: float, loss: float, way: str, seed: int) -> None:
    async def story() -> None:
        faults = f"noise={noise:.6f};seed={seed};dir={way},loss={loss:.6f};seed={seed}"
        world = world_of(node_with(OLD), faults=faults)
        for _ in range(2):
            try:
                runs(world, await world.send(NEW), NEW)
            except (FlashError, LinkError):
                pass
            world = await world.another()

    run(story)


def test_a_bad_line_is_got_through() -> None:
    async def story() -> None:
        for seed in range(10):
            assert await update(world_of(node_with(OLD), faults=f"loss=0.05;seed={seed}")) == 1

    run(story)


@pytest.mark.parametrize("operation", range(1, 7))  # three pages, each erased and written
@pytest.mark.parametrize("torn", [False, True])
@pytest.mark.parametrize("off_for", [0.02, 1.0, 20.0])
@pytest.mark.parametrize("loader", Loader)
def test_no_loss_of_power_leaves_a_node_that_cannot_be_finished(
    loader: Loader, off_for: float, torn: bool, operation: int
) -> None:
    params = PARAMS.model_copy(update={"loader": loader})

    async def story() -> None:
        node = node_with(OLD, params)
        node.cut_power_at(operation, torn=torn, off_for=off_for)
        assert await update(world_of(node, params)) <= 4
        assert node.operations >= operation

    run(story)


@pytest.mark.parametrize(("first", "second"), [*itertools.product(range(1, 7), range(1, 5))])
def test_a_second_power_cut_while_finishing_changes_nothing(first: int, second: int) -> None:
    async def story() -> None:
        node = node_with(OLD)
        node.cut_power_at(first, torn=True, off_for=None)
        world = world_of(node)
        with pytest.raises(FlashError):
            await world.send(NEW)
        node.cut_power_at(node.operations + second, torn=True)
        node.power_on()
        assert await update(await world.another()) <= 4

    run(story)


def test_what_was_written_before_the_cut_is_not_written_again() -> None:
    async def story() -> None:
        node = node_with(OLD)
        node.cut_power_at(5, off_for=None)
        world = world_of(node)
        with pytest.raises(FlashError):
            await world.send(NEW)
        again = await world.another()
        assert (await again.look(OLD, NEW)).role is Role.SILENT
        node.power_on()
        assert runs(again, await again.send(NEW), NEW)
        assert again.session.bytes_sent == NEW.size // 3

    run(story)


@pytest.mark.parametrize("behaviour", Behaviour)
def test_a_bad_target_is_told_apart_and_the_old_one_put_back(behaviour: Behaviour) -> None:
    async def story() -> None:
        target = image("2.0.0", behaviour)
        world = world_of(node_with(OLD))
        seen = await world.send(target)
        slot = seen.active(0)
        assert slot is not None
        assert slot.firmware is not None
        assert slot.firmware.identity == target.firmware.identity
        boots = behaviour not in {Behaviour.HANGS, Behaviour.CRASHES}
        assert (seen.role is Role.APP) == boots
        assert bool(world.node.truth().running) == (behaviour is not Behaviour.CRASHES)
        assert await update(world, OLD) == 1

    run(story)
