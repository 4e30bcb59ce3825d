"""Transfers over lines that lose, bend, double and delay, to nodes that are slow, small or forgetful."""

import asyncio
import random
from collections.abc import Callable
from functools import partial

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flashers.api import ImageMismatch, NodeSilent, Stalled
from flashers.mcuboot_smp.make import make_image
from flashers.mcuboot_smp.pieces import cbor_head
from tests.flashers.mcuboot_smp.world import (
    BOTH,
    LARGE,
    NEW,
    OLD,
    SMALL,
    World,
    in_virtual_time,
    on_a_line,
    on_a_radio,
    world,
)
from transports.errors import LinkLost
from transports.virtual.clock import run_virtual
from transports.virtual.memory_gatt import MemoryRadio

MEDIA = BOTH


def image_of(size: int, version: str = "2.0.0") -> bytes:
    return make_image(random.Random(size).randbytes(size), version)


BIG = image_of(60_000)


async def seconds_for(there: World, data: bytes) -> float:
    """How long a transfer takes; it must end with the right bytes."""
    await there.probe()
    loop = asyncio.get_running_loop()
    began = loop.time()
    await there.transfer(data)
    assert there.lies_in(1) == data
    return loop.time() - began


@in_virtual_time
async def test_three_requests_under_way_are_nearly_three_times_as_fast() -> None:
    one = await seconds_for(world(LARGE | {"buf-count": "2", "latency": "0.02"}), BIG)
    there = world(LARGE | {"buf-count": "4", "latency": "0.02"})
    three = await seconds_for(there, BIG)
    assert one / three >= 0.85 * 3
    assert there.node.counts.most_outstanding == 3


@on_a_line
@in_virtual_time
async def test_a_node_that_loses_overlapping_requests_is_hardly_slowed() -> None:
    for latency, baud in ((0.01, None), (0.0, 115200), (0.0, None)):
        options = LARGE | {"work": "0.01"}
        one = await seconds_for(world(options | {"buf-count": "2"}, latency=latency, baud=baud), BIG)
        there = world(options | {"loses-overlap": ""}, latency=latency, baud=baud)
        assert await seconds_for(there, BIG) <= 1.05 * one
        assert there.node.counts.dropped > 0


@on_a_line
@in_virtual_time
async def test_without_latency_windows_cost_nothing() -> None:
    one = await seconds_for(world(LARGE | {"buf-count": "2"}, baud=115200), BIG)
    assert await seconds_for(world(LARGE, baud=115200), BIG) <= 1.05 * one


@in_virtual_time
async def test_a_node_without_parameters_gets_one_small_request_at_a_time() -> None:
    there = world(LARGE | {"no-params": "", "latency": "0.02", "buf-size": "250", "buf-count": "1"})
    await seconds_for(there, BIG)
    assert (there.node.counts.most_outstanding, there.node.counts.dropped) == (1, 0)


@in_virtual_time
async def test_a_node_with_one_buffer_gets_one_request_at_a_time() -> None:
    there = world(LARGE | {"latency": "0.02", "buf-count": "1"})
    await seconds_for(there, BIG)
    assert (there.node.counts.most_outstanding, there.node.counts.dropped) == (1, 0)


@in_virtual_time
async def test_the_profile_may_allow_less_than_the_node_claims() -> None:
    there = world(LARGE | {"latency": "0.02", "buf-count": "8"}, buf_count=3)
    await seconds_for(there, BIG)
    assert there.node.counts.most_outstanding == 2


@on_a_line
@given(
    size=st.integers(33, 5000),
    buf_count=st.integers(1, 6),
    buf_size=st.integers(200, 1500),
    faults=st.lists(
        st.sampled_from(["loss=0.05", "noise=0.0005", "duplicate@700:60;times=9", "delay@900=3;times=3"]),
        max_size=3,
        unique=True,
    ),
    up=st.lists(
        st.sampled_from(["loss=0.05", "noise=0.0005", "duplicate@90:40;times=9", "delay@100=2.5;times=4"]),
        max_size=3,
        unique=True,
    ),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=150)
def test_whatever_the_line_does_the_right_bytes_arrive(
    size: int, buf_count: int, buf_size: int, faults: list[str], up: list[str], seed: int
) -> None:
    plan = [f"{fault};seed={seed}" for fault in faults] + [f"{fault};dir=up;seed={seed}" for fault in up]
    options = {"page": "1024", "slot-pages": "7", "buf-count": str(buf_count), "buf-size": str(buf_size)}
    data = image_of(size)

    async def main() -> None:
        there = world(options, latency=0.01, faults=",".join(plan))
        for attempt in range(8):
            try:
                await there.transfer(data)
                break
            except (NodeSilent, Stalled):
                assert attempt < 7, "it makes no headway at all"
        assert there.lies_in(1) == data
        assert there.node.counts.most_outstanding <= max(1, buf_count - 1)

    run_virtual(main())


def drop_at(world_of: Callable[..., World], *drops: int) -> World:
    """A transfer with the link lost at these packets; it must end by itself, with the right bytes."""

    async def main() -> World:
        there = world_of(drops=drops)
        await there.transfer(NEW)
        assert there.lies_in(1) == NEW
        return there

    return run_virtual(main())


@on_a_radio
def test_a_link_that_is_lost_at_any_packet_is_made_again_and_only_what_was_lost_is_sent_again() -> None:
    small = partial(world, SMALL | {"buf-size": "160"})
    whole = drop_at(small)
    assert isinstance(whole.on, MemoryRadio)
    for packet in range(1, whole.on.counts.packets + 1):
        there = drop_at(small, packet)
        assert there.session.opens == 2, f"packet {packet}"
        # Three pieces that were under way, and one of them once more before the loss was known.
        assert there.session.bytes_sent <= whole.session.bytes_sent + 4 * 128, f"packet {packet}"


@on_a_radio
def test_a_link_that_is_lost_again_and_again_is_given_up() -> None:
    with pytest.raises(LinkLost):
        drop_at(partial(world, SMALL), *range(8, 40))


@on_a_line
@in_virtual_time
async def test_interrupted_transfer_continues_where_the_node_stopped() -> None:
    there = world(LARGE, faults="cut-link@40000", latency=0.01)
    with pytest.raises(LinkLost):
        await there.transfer(BIG)
    before = there.session.bytes_sent
    assert before < 0.6 * len(BIG)
    await there.transfer(BIG)
    assert there.lies_in(1) == BIG
    assert there.session.bytes_sent < 1.05 * len(BIG)
    assert there.session.opens == 2


@on_a_line
@in_virtual_time
async def test_another_image_after_an_interrupted_one_begins_anew() -> None:
    there = world(LARGE, faults="cut-link@40000", latency=0.01)
    with pytest.raises(LinkLost):
        await there.transfer(BIG)
    other = image_of(50_000, "3.0.0")
    await there.transfer(other)
    assert there.lies_in(1) == other


@in_virtual_time
async def test_a_node_that_restarts_in_the_middle_is_sent_everything_again() -> None:
    there = world(LARGE | {"boot-time": "0.5"}, latency=0.01)
    task = asyncio.ensure_future(there.transfer(BIG))
    await asyncio.sleep(0.8)
    there.node.power_off()
    await asyncio.sleep(0.3)
    there.node.power_on()
    await task
    assert there.lies_in(1) == BIG
    assert there.session.bytes_sent > len(BIG)


@in_virtual_time
async def test_a_node_that_restarts_again_and_again_is_given_up() -> None:
    there = world(LARGE, latency=0.01)

    def restarts(done: int, total: int) -> None:
        if done > total // 2:
            there.node.power_off()
            there.node.power_on()

    there.session.on_progress = restarts
    with pytest.raises(Stalled):
        await there.transfer(BIG)


@on_a_line
@pytest.mark.parametrize("lost", range(8))
def test_a_lost_last_answer_does_not_send_the_image_twice(lost: int) -> None:
    async def main(faults: str) -> World:
        there = world(LARGE, faults=faults, latency=0.01)
        data = image_of(3000)
        await there.transfer(data)
        assert there.lies_in(1) == data
        return there

    chunks = run_virtual(main("")).line.line.up
    # The answers to the upload are the last but the final image list.
    there = run_virtual(main(f"drop@{chunks._injector.chunks_in - 2 - lost};unit=chunk;dir=up"))
    assert there.session.bytes_sent < 3000 + 4 * 352


@in_virtual_time
async def test_a_slow_erase_is_waited_for_without_piling_up_requests() -> None:
    there = world(LARGE | {"slow-erase": "12", "latency": "0.02"})
    await seconds_for(there, BIG)
    assert there.node.counts.most_outstanding <= 3
    assert there.node.counts.dropped == 0
    assert there.session.bytes_sent < 1.1 * len(BIG)


@in_virtual_time
async def test_a_node_that_stops_answering_is_called_silent() -> None:
    there = world(LARGE | {"mute-after": "40"}, latency=0.01, stall_timeout=10)
    loop = asyncio.get_running_loop()
    with pytest.raises(NodeSilent):
        await there.transfer(BIG)
    assert 10 <= loop.time() < 30


@on_a_line
@in_virtual_time
async def test_messages_that_are_too_large_for_the_node_become_small_ones() -> None:
    there = world(LARGE | {"max-lines": "2"}, latency=0.01)
    await seconds_for(there, BIG)
    assert there.session.bytes_sent < 1.1 * len(BIG)


@pytest.mark.parametrize("number", [0, 23, 24, 255, 256, 65535, 65536, 0xFFFFFFFF])
def test_numbers_are_written_as_cbor_has_them(number: int) -> None:
    assert cbor_head(0x00, number) == cbor2.dumps(number)
    if number < 70_000:
        assert cbor2.dumps(bytes(number)).startswith(cbor_head(0x40, number))


@in_virtual_time
async def test_an_image_of_many_pages_is_sent_to_its_last_byte() -> None:
    there = world(LARGE | {"buf-size": "2048"})
    await seconds_for(there, image_of(100_000))


@in_virtual_time
async def test_a_server_that_is_busy_now_and_then_is_asked_again() -> None:
    there = world(LARGE | {"busy": "9"}, latency=0.01)
    await seconds_for(there, BIG)
    assert there.session.bytes_sent < 1.3 * len(BIG)


@in_virtual_time
async def test_pieces_that_a_loader_trims_are_followed() -> None:
    there = world(LARGE | {"trim-tail": "128"}, running=b"", mode="serial-recovery", latency=0.01)
    await there.transfer(BIG)
    assert there.lies_in(0) == BIG


@on_a_line
@in_virtual_time
async def test_progress_is_what_the_node_has_acknowledged_and_never_goes_back() -> None:
    there = world(LARGE, latency=0.01, faults="loss=0.02;seed=5")
    await there.transfer(BIG)
    done = [done for done, total in there.session.reports]
    assert done == sorted(done)
    assert there.session.reports[-1] == (len(BIG), len(BIG))


@in_virtual_time
async def test_an_image_that_is_there_already_is_not_sent() -> None:
    there = world(SMALL)
    await there.transfer(NEW)
    sent = there.session.bytes_sent
    for data in (NEW, OLD):
        await there.transfer(data)
    assert there.session.bytes_sent == sent


@in_virtual_time
async def test_a_node_that_took_every_byte_and_lists_another_image_is_not_believed() -> None:
    there = world(SMALL)
    there.node.slots.write = lambda *_: None  # type: ignore[method-assign]
    with pytest.raises(ImageMismatch):
        await there.transfer(NEW)
