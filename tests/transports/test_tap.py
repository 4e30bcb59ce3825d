"""Listening in: nothing is lost, nothing is stolen, nothing grows without bound."""

import asyncio
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transports.peers import Listener
from transports.console import Console
from transports.errors import LinkLost
from transports.links import ByteLink
from transports.recorder import FRAME_COST, FlightRecorder, FrameKind
from transports.tap import KEPT_FOR_READER, TappedLink
from transports.virtual.clock import run_virtual
from transports.virtual.memory import MemoryLine


async def tapped() -> tuple[Listener, MemoryLine, TappedLink]:
    node = Listener()
    line = MemoryLine(node)
    return node, line, TappedLink(await line.open())


BOOTED = re.compile(r"version (\d+)")


def test_a_boot_line_is_found_and_kept_for_the_reader() -> None:
    async def main() -> None:
        node, _, tap = await tapped()
        assert isinstance(tap, ByteLink)
        loop = asyncio.get_running_loop()
        for at, words in ((1, b"\x00\xff*** boot"), (2, b"ing\r\nversion "), (3, b"12\r\nready")):
            loop.call_later(at, node.say, words)
        assert await tap.wait_for(BOOTED, timeout=10) == "version 12"
        assert loop.time() == 3
        assert await tap.read() == b"\x00\xff*** booting\r\nversion 12\r\nready"

    run_virtual(main())


def test_bytes_that_the_wait_consumes_do_not_come_twice() -> None:
    async def main() -> None:
        node, _, tap = await tapped()
        node.say(b"version 1\n")
        await tap.wait_for(BOOTED, consume=True)
        node.say(b"binary")
        assert await tap.read() == b"binary"

    run_virtual(main())


def test_a_line_that_another_task_reads_is_heard_as_well() -> None:
    async def main() -> None:
        node, _, tap = await tapped()
        reading = asyncio.create_task(tap.read())
        waiting = asyncio.create_task(tap.wait_for(BOOTED, timeout=5))
        await asyncio.sleep(0)
        node.say(b"version 3\n")
        assert await waiting == "version 3"
        assert await reading == b"version 3\n"

    run_virtual(main())


def test_a_reader_that_comes_while_the_console_is_waited_for_gets_its_bytes() -> None:
    async def main() -> None:
        node, _, tap = await tapped()
        waiting = asyncio.create_task(tap.wait_for(BOOTED, timeout=5))
        await asyncio.sleep(0)
        reading = asyncio.create_task(tap.read())
        await asyncio.sleep(0)
        node.say(b"\x06\x09frame")
        assert await reading == b"\x06\x09frame"
        assert not waiting.done()
        node.say(b"\nversion 4\n")
        assert await waiting == "version 4"

    run_virtual(main())


@pytest.mark.parametrize("who", ["reader", "waiter"])
def test_when_the_one_who_reads_is_cancelled_the_other_takes_over(who: str) -> None:
    async def main() -> None:
        node, _, tap = await tapped()
        first: asyncio.Task[bytes] | asyncio.Task[str]
        second: asyncio.Task[bytes] | asyncio.Task[str]
        if who == "reader":
            first = asyncio.create_task(tap.read())
            await asyncio.sleep(0)
            second = asyncio.create_task(tap.wait_for(BOOTED, timeout=5))
        else:
            first = asyncio.create_task(tap.wait_for(BOOTED, timeout=5))
            await asyncio.sleep(0)
            second = asyncio.create_task(tap.read())
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        node.say(b"version 5\n")
        assert await second in ("version 5", b"version 5\n")

    run_virtual(main())


def test_a_wait_ends_at_its_time_and_the_link_goes_on() -> None:
    async def main() -> None:
        node, _, tap = await tapped()
        asyncio.get_running_loop().call_later(1, node.say, b"something else\n")
        with pytest.raises(TimeoutError):
            await tap.wait_for(BOOTED, timeout=2)
        assert await tap.read() == b"something else\n"

    run_virtual(main())


def test_lines_before_the_mark_do_not_count() -> None:
    async def main() -> None:
        node, _, tap = await tapped()
        node.say(b"version 1\n")
        await tap.read()
        mark = tap.console.mark()
        asyncio.get_running_loop().call_later(1, node.say, b"version 2\n")
        assert await tap.wait_for(BOOTED, since=mark, timeout=5) == "version 2"
        assert await tap.wait_for(BOOTED, timeout=5) == "version 1"
        assert tap.console.lines_since(mark) == ["version 2"]

    run_virtual(main())


def test_a_prompt_counts_only_if_unfinished_lines_are_wanted() -> None:
    async def main() -> None:
        node, _, tap = await tapped()
        node.say(b"uart:~$ ")
        with pytest.raises(TimeoutError):
            await tap.wait_for(re.compile(r"\$ $"), timeout=1)
        assert await tap.wait_for(re.compile(r"\$ $"), timeout=1, unfinished=True) == "uart:~$ "

    run_virtual(main())


def test_a_lost_link_ends_a_wait_and_its_last_words_remain() -> None:
    async def main() -> None:
        node, line, tap = await tapped()
        node.say(b"panic: stack overflow\n")
        asyncio.get_running_loop().call_later(1, line.unplug)
        with pytest.raises(LinkLost):
            await tap.wait_for(BOOTED, timeout=5)
        assert tap.console.lines_since() == ["panic: stack overflow"]
        assert await tap.read() == b"panic: stack overflow\n"
        with pytest.raises(LinkLost):
            await tap.read()

    run_virtual(main())


def test_what_is_discarded_is_still_heard_and_recorded() -> None:
    async def main() -> None:
        node, _, tap = await tapped()
        node.say(b"version 9\n")
        await tap.wait_for(BOOTED)
        node.say(b"version 10\n")
        await asyncio.sleep(0)
        assert tap.discard_input() == b"version 9\nversion 10\n"
        assert tap.console.lines_since() == ["version 9", "version 10"]
        assert b"".join(frame.data for frame in tap.recorder) == b"version 9\nversion 10\n"

    run_virtual(main())


def test_bytes_kept_for_a_reader_who_never_comes_are_bounded() -> None:
    async def main() -> None:
        node, _, tap = await tapped()
        waiting = asyncio.create_task(tap.wait_for(BOOTED, timeout=100))
        for _ in range(500):
            node.say(bytes(10_000))
            await asyncio.sleep(0.01)
        node.say(b"\nversion 6\n")
        assert await waiting == "version 6"
        kept = tap.discard_input()
        assert len(kept) <= KEPT_FOR_READER + 10_000
        assert kept.endswith(b"\nversion 6\n")
        assert tap.lost_kept + len(kept) == 500 * 10_000 + 11

    run_virtual(main())


def test_the_recorder_tells_who_said_what_and_when() -> None:
    async def main() -> str:
        node, _, tap = await tapped()
        await tap.set_lines(dtr=False, rts=True)
        await tap.set_baud(9600)
        await asyncio.sleep(0.25)
        await tap.write(b"\x30\x20")
        node.say(b"\x14\x10")
        await tap.read()
        await tap.aclose()
        return tap.recorder.text()

    assert run_virtual(main()).splitlines() == [
        "0.0000 = dtr=0 rts=1",
        "0.0000 = baud=9600",
        "0.2500 > 30 20",
        "0.2500 < 14 10",
        "0.2500 = closed",
    ]


@given(st.lists(st.binary(max_size=300), max_size=60), st.integers(100, 2000))
def test_a_recorder_keeps_the_end_of_the_story_in_bounded_memory(frames: list[bytes], limit: int) -> None:
    recorder = FlightRecorder(limit)
    for number, data in enumerate(frames):
        recorder.record(float(number), FrameKind.UP, data)
    kept = list(recorder)
    assert sum(len(frame.data) + FRAME_COST for frame in kept) <= limit or len(kept) == 1
    assert len(kept) + recorder.dropped_frames == len(frames)
    everything = b"".join(frames)
    said = b"".join(frame.data for frame in kept)
    assert everything.endswith(said)
    assert len(said) + recorder.dropped_bytes == len(everything)


@given(st.lists(st.binary(max_size=700), max_size=20), st.lists(st.integers(0, 15_000), max_size=20))
def test_lines_do_not_depend_on_how_the_bytes_were_cut(chunks: list[bytes], places: list[int]) -> None:
    stream = b"".join(chunks)
    whole, cut, single = Console(), Console(), Console()
    whole.feed(stream)
    marks = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    for start, end in pairwise(marks):
        cut.feed(stream[start:end])
    for byte in stream:
        single.feed(bytes((byte,)))
    assert whole.lines_since() == cut.lines_since() == single.lines_since()
    assert whole.begun == cut.begun == single.begun


def test_a_console_keeps_a_bounded_number_of_bounded_lines() -> None:
    console = Console(lines_kept=10, line_limit=20)
    for number in range(1000):
        console.feed(b"line %d\n" % number)
    assert console.lines_since() == [f"line {number}" for number in range(990, 1000)]
    assert console.mark() == 1000
    assert console.lines_since(995) == [f"line {number}" for number in range(995, 1000)]
    console.feed(b"\xfe" * 10_000_000)
    assert all(len(line) <= 20 for line in console.lines_since())
    assert len(console.begun) <= 20
