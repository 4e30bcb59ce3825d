"""How much at once, how large, how safely: learned from confirms and from what is asked twice."""

import asyncio
import random
from itertools import pairwise

import pytest

from flashers.zigbee_ota.codec import Command, ImageBlockResponse, Status
from flashers.zigbee_ota.codec.words import General
from flashers.zigbee_ota.server.pacing import Acknowledging, BlockSize, Gaps, Window
from tests.flashers.zigbee_ota.hand import World, image, play
from transports.zcl import Zcl

LARGE = image(2, 20_000)


# The pure parts


def test_blocks_shrink_to_what_the_route_carries_and_stay_there() -> None:
    size = BlockSize(64, 24)
    assert [size.limit, size.too_long(64), size.limit, size.too_long(50), size.limit] == [
        64,
        True,
        50,
        True,
        40,
    ]
    for _ in range(100):
        size.arrived()
    assert size.limit == 40
    assert [size.too_long(40), size.too_long(32), size.limit, size.too_long(24)] == [True, True, 24, False]


def test_a_smaller_block_is_tried_after_several_failures_and_taken_back_if_it_fails_too() -> None:
    size = BlockSize(64, 24)
    for _ in range(3):
        size.lost()
    assert size.limit == 50
    for _ in range(3):
        size.lost()
    assert size.limit == 64, "the size was not to blame"
    for _ in range(30):
        size.lost()
    assert size.limit == 64

    size = BlockSize(64, 24)
    for _ in range(3):
        size.lost()
    size.arrived()
    assert size.limit == 50, "it was"


def test_a_single_loss_shrinks_nothing() -> None:
    size = BlockSize(64, 24)
    for _ in range(50):
        size.lost()
        size.lost()
        size.arrived()
    assert size.limit == 64


@pytest.mark.parametrize(("most", "air", "around"), [(16, 0.004, 0.012), (4, 0.004, 0.012), (16, 0.02, 0.0)])
def test_a_window_keeps_a_channel_busy_and_no_long_queue_behind_it(
    most: int, air: float, around: float
) -> None:
    """A channel that takes ``air`` for each frame, one after the other, behind a way of ``around``."""
    window, free, now, done = Window(most), 0.0, 0.0, 0
    flying: list[tuple[float, float, int]] = []
    while done < 2000:
        while len(flying) < window.limit:
            free = max(free, now) + air
            flying.append((free + around, now, len(flying) + 1))
        ends, began, beside = flying.pop(0)
        now = ends
        window.confirmed(ends - began, beside)
        done += 1
    assert now < 1.05 * (2000 * air + around)
    assert window.limit <= most
    assert window.latency <= around + air * 8


def test_a_window_is_shared_evenly_by_two_on_one_channel() -> None:
    windows = [Window(), Window()]
    free, now = 0.0, 0.0
    flying: list[tuple[float, float, int, int]] = []
    done = [0, 0]
    while sum(done) < 4000:
        for who, window in enumerate(windows):
            beside = sum(each[3] == who for each in flying)
            while beside < window.limit:
                free, beside = max(free, now) + 0.004, beside + 1
                flying.append((free + 0.01, now, beside, who))
        flying.sort()
        ends, began, beside, who = flying.pop(0)
        now = ends
        windows[who].confirmed(ends - began, beside)
        done[who] += 1
    assert 0.5 < done[0] / done[1] < 2


def test_a_window_gives_way_to_relays_that_lose_and_comes_back_when_they_do_not() -> None:
    window = Window()
    for _ in range(400):
        window.confirmed(0.01, window.limit)
    assert window.limit == 16
    story = []
    for _ in range(8):
        window.page_over(3)
        story.append((window.limit, window.pause))
    limits, pauses = [limit for limit, _ in story], [pause for _, pause in story]
    assert limits == sorted(limits, reverse=True)
    assert limits[-1] == 1
    assert pauses == sorted(pauses)
    assert 0 < pauses[-1] <= Window.LONGEST_PAUSE
    assert window.slowest
    for _ in range(30):
        window.page_over(0)
        for _ in range(40):
            window.confirmed(0.01, window.limit)
    assert window.pause == 0
    assert window.limit == 16


def test_blocks_are_acknowledged_while_more_is_lost_than_that_costs() -> None:
    policy = Acknowledging()
    assert not policy.wanted
    turns = []
    for _ in range(2):
        policy.repeated(2.0)  # one loss that cost two seconds pays a hundred acknowledgements
        turns.append(_blocks_until_it_is_left(policy))
    assert 20 < turns[0] < 400
    assert turns[1] > turns[0], "it is kept for longer each time that it turns out to be needed"


def _blocks_until_it_is_left(policy: Acknowledging) -> int:
    for turn in range(10_000):
        if not policy.wanted:
            return turn
        policy.answered()
    raise AssertionError("it is acknowledged for ever")


def test_pages_are_given_up_only_where_much_of_them_is_lost() -> None:
    gaps = Gaps()
    for _ in range(20):
        gaps.sent(40)
        for _ in range(4):
            gaps.missing()
    assert gaps.share == pytest.approx(0.1, abs=0.03)
    assert not gaps.hopeless
    for _ in range(6):
        gaps.sent(40)
        for _ in range(20):
            gaps.missing()
    assert gaps.hopeless


# Over a network


async def _page(
    world: World, start: int, length: int, size: int = 50, *, spacing: int = 0
) -> list[tuple[float, int, int]]:
    """Ask for a page; when each block of it came, from where, and how long it was."""
    loop = asyncio.get_running_loop()
    world.hand.page(start, length, size, spacing=spacing)
    came, got = [], 0
    while got < length:
        frame = await world.hand.hears(Command.IMAGE_BLOCK_RESPONSE)
        said = ImageBlockResponse.decode(frame.payload)
        assert said.data == LARGE.payload[said.offset : said.offset + len(said.data)]
        came.append((loop.time(), said.offset, len(said.data)))
        got += len(said.data)
    return came


async def _begun(world: World) -> "asyncio.Task[object]":
    task = world.transfer(LARGE)
    await world.hand.hears(Command.IMAGE_NOTIFY)
    return task


async def _over(task: "asyncio.Task[object]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_several_blocks_of_a_page_are_under_way_at_once_and_no_more_than_the_coordinator_takes() -> None:
    async def story(world: World) -> None:
        task = await _begun(world)
        came = []
        for start in range(0, 16_000, 2000):
            came = await _page(world, start, 2000)
            assert [offset for _, offset, _ in came] == list(range(start, start + 2000, 50))
        assert 4 <= world.network.most_under_way <= 16
        took = came[-1][0] - came[0][0]
        assert took < 40 * 0.008 / 2, "less than half of what one at a time takes"
        await _over(task)

    play(story)


def test_a_sleepy_node_has_one_block_at_a_time_at_its_parent() -> None:
    async def story(world: World) -> None:
        assert world.hand.radio is not None
        world.hand.radio.poll(0.1)
        task = await _begun(world)
        await _page(world, 0, 1000)
        assert world.network.most_under_way <= 2
        await _over(task)

    play(story, sleepy=True)


@pytest.mark.parametrize("spacing", [5, 20, 100])
def test_the_spacing_that_a_node_asks_for_is_kept(spacing: int) -> None:
    async def story(world: World) -> None:
        task = await _begun(world)
        came = await _page(world, 0, 1000, spacing=spacing)
        between = [after[0] - before[0] for before, after in pairwise(came)]
        assert min(between) >= spacing / 1000 - 1e-6
        assert sum(between) <= len(between) * max(0.012, spacing / 1000 * 1.2)
        await _over(task)

    play(story)


@pytest.mark.parametrize(("largest", "fits"), [(82, 64), (70, 50), (58, 40), (50, 32)])
def test_blocks_are_as_large_as_the_route_carries(largest: int, fits: int) -> None:
    async def story(world: World) -> list[int]:
        task = await _begun(world)
        sizes = [len(await world.hand.gets(0, 200)), len(await world.hand.gets(5000, 200))]
        came = await _page(world, 8000, 1000, 100)
        sizes.append(came[0][2])
        await _over(task)
        return sizes

    assert play(story, largest=largest) == [fits, fits, fits]


def test_a_node_gets_no_larger_blocks_than_it_asks_for_nor_than_the_profile_allows() -> None:
    async def story(world: World) -> list[int]:
        task = await _begun(world)
        sizes = [len(await world.hand.gets(size, size)) for size in (1, 17, 48, 255)]
        await _over(task)
        return sizes

    assert play(story, block_max=48) == [1, 17, 48, 48]
    assert play(story) == [1, 17, 48, 64]


def _offsets(world: World) -> list[tuple[int, bool]]:
    """Where each block that was sent begins, and whether it was acknowledged."""
    return [(ImageBlockResponse.decode(frame.payload).offset, sure) for frame, sure in world.sent]


def test_only_the_last_block_of_a_page_is_acknowledged_and_what_it_lacked() -> None:
    """The node waits for a page's end, and for what it then asks for; all else it can ask for at once."""

    async def story(world: World) -> None:
        task = await _begun(world)
        world.sent.clear()
        await _page(world, 0, 500)
        assert _offsets(world) == [(offset, offset == 450) for offset in range(0, 500, 50)]
        world.sent.clear()
        await world.hand.gets(200)
        await world.hand.gets(500)
        assert _offsets(world) == [(200, True), (500, False)]
        await _over(task)

    play(story)


def test_a_node_whose_pages_have_many_gaps_is_told_to_ask_for_blocks() -> None:
    async def story(world: World) -> None:
        chance = random.Random(3)
        task = await _begun(world)
        told = None
        for start in range(0, 20_000, 1000):
            tsn = world.hand.page(start, 1000)
            await asyncio.sleep(2)
            said = [each for each in world.hand.told if each.general]
            if said:
                told = (said[0].tsn == tsn, said[0].payload)
                break
            world.hand.told.clear()
            missing = [offset for offset in range(start, start + 1000, 50) if chance.random() < 0.6]
            for offset in missing:
                await world.hand.gets(offset)
        assert told == (True, bytes((Command.IMAGE_PAGE_REQUEST, Status.UNSUPPORTED_COMMAND)))
        await _over(task)

    play(story)


def test_a_profile_can_say_that_pages_are_not_served() -> None:
    async def story(world: World) -> Zcl:
        task = await _begun(world)
        world.hand.page(0, 1000)
        said = await world.hand.hears(General.DEFAULT_RESPONSE, general=True)
        await _over(task)
        return said

    assert play(story, pages="off").payload == bytes((4, Status.UNSUPPORTED_COMMAND))


def test_a_new_page_ends_the_one_before() -> None:
    async def story(world: World) -> None:
        task = await _begun(world)
        world.hand.page(0, 20_000, spacing=50)
        await asyncio.sleep(1)
        world.hand.told.clear()
        came = await _page(world, 10_000, 500)
        assert {offset for _, offset, _ in came} == set(range(10_000, 10_500, 50))
        await asyncio.sleep(2)
        assert not [each for each in world.hand.told if each.command == Command.IMAGE_BLOCK_RESPONSE]
        await _over(task)

    play(story)
