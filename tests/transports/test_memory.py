"""A line in memory behaves as a port does, only faster."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transports.peers import Echo, Listener, read_exactly
from transports.errors import LinesUnsupported, LinkBusy, LinkLost, LinkNotFound
from transports.links import ByteLink
from transports.virtual.clock import run_virtual
from transports.virtual.memory import MemoryLine


def test_a_node_in_memory_answers_after_the_latency_of_both_ways() -> None:
    async def main() -> float:
        link = await MemoryLine(Echo(), latency=0.010).open()
        assert isinstance(link, ByteLink)
        await link.write(b"ping")
        assert await read_exactly(link, 4) == b"ping"
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == pytest.approx(0.020)


def test_a_slow_line_takes_the_time_that_its_baud_rate_takes() -> None:
    async def main() -> float:
        node = Listener()
        link = await MemoryLine(node, baud=115_200).open()
        await link.write(bytes(11_520))
        await node.hears(11_520)
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == pytest.approx(1.0, abs=0.002)


def test_a_writer_is_held_back_by_a_slow_line() -> None:
    async def main() -> float:
        link = await MemoryLine(Listener(), baud=115_200).open()
        await link.write(bytes(11_520))
        return asyncio.get_running_loop().time()

    assert 0.6 < run_virtual(main()) < 0.7


def test_a_changed_speed_holds_from_the_next_byte_on() -> None:
    async def main() -> float:
        node = Listener()
        link = await MemoryLine(node, baud=9600).open()
        await link.set_baud(115_200)
        await link.write(bytes(1152))
        await node.hears(1152)
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == pytest.approx(0.1, abs=0.002)


def test_opening_raises_both_lines_and_closing_drops_them() -> None:
    async def main() -> list[tuple[bool, bool]]:
        node = Listener()
        line = MemoryLine(node)
        link = await line.open()
        await link.set_lines(dtr=False)
        await link.set_lines(dtr=True)
        await link.aclose()
        await link.aclose()
        return node.line_changes

    assert run_virtual(main()) == [(True, True), (False, True), (True, True), (False, False)]


def test_a_line_without_modem_lines_says_so_and_still_shows_the_open() -> None:
    async def main() -> list[tuple[bool, bool]]:
        node = Listener()
        link = await MemoryLine(node, modem_lines=False).open()
        with pytest.raises(LinesUnsupported):
            await link.set_lines(dtr=False)
        return node.line_changes

    assert run_virtual(main()) == [(True, True)]


def test_a_close_lets_the_last_bytes_out_before_the_lines_drop() -> None:
    async def main() -> None:
        node = Listener()
        line = MemoryLine(node, baud=9600, latency=0.01)
        link = await line.open()
        await link.write(b"last words")
        await link.aclose()
        assert not node.heard
        again = await line.open()
        await again.write(b"!")
        await node.hears(11)
        assert node.line_changes == [(True, True), (False, False), (True, True)]

    run_virtual(main())


def test_a_second_host_is_told_that_the_line_is_busy_and_moves_nothing() -> None:
    async def main() -> None:
        node = Listener()
        line = MemoryLine(node)
        first = await line.open()
        with pytest.raises(LinkBusy):
            await line.open()
        assert node.line_changes == [(True, True)]
        await first.aclose()
        await line.open()

    run_virtual(main())


def test_pulling_the_plug_ends_a_waiting_read_at_once() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        line = MemoryLine(Listener(), latency=1)
        link = await line.open()
        loop.call_later(5, line.unplug)
        with pytest.raises(LinkLost):
            await link.read()
        assert loop.time() == pytest.approx(5)
        with pytest.raises(LinkLost):
            await link.write(b"x")
        with pytest.raises(LinkNotFound):
            await line.open()
        line.replug()
        await (await line.open()).write(b"hello again")

    run_virtual(main())


def test_pulling_the_plug_frees_a_writer_that_waits_for_a_slow_line() -> None:
    async def main() -> None:
        line = MemoryLine(Listener(), baud=300)
        link = await line.open()
        asyncio.get_running_loop().call_later(1, line.unplug)
        with pytest.raises(LinkLost):
            await link.write(bytes(100_000))

    run_virtual(main())


def test_what_came_before_the_cut_can_still_be_read() -> None:
    async def main() -> None:
        node = Listener()
        line = MemoryLine(node)
        link = await line.open()
        node.say(b"last words")
        await asyncio.sleep(0)
        line.unplug()
        assert await link.read() == b"last words"
        with pytest.raises(LinkLost):
            await link.read()

    run_virtual(main())


def test_a_link_cut_at_a_byte_is_lost_until_it_is_reopened() -> None:
    async def main() -> None:
        node = Listener()
        line = MemoryLine(node, faults="cut-link@6")
        link = await line.open()
        await link.write(b"abcdefgh")
        with pytest.raises(LinkLost):
            await link.read()
        assert node.heard == b"abcdef"
        again = await line.open()
        await again.write(b"ijk")
        await asyncio.sleep(0.1)
        assert node.heard == b"abcdefijk"
        assert line.story == ["cut-link@6: down at byte 6"]

    run_virtual(main())


def test_bytes_that_no_host_is_there_for_are_lost() -> None:
    async def main() -> None:
        node = Echo()
        line = MemoryLine(node)
        node.say(b"boot banner")
        await asyncio.sleep(1)
        link = await line.open()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10):
                await link.read()
        await link.write(b"now")
        assert await link.read() == b"now"

    run_virtual(main())


def test_a_chattering_node_cannot_fill_the_memory() -> None:
    async def main() -> None:
        node = Listener()
        line = MemoryLine(node)
        link = await line.open()
        for _ in range(1000):
            node.say(bytes(1000))
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        kept = len(link.discard_input())
        assert 0 < kept <= 256 * 1024 + 1000
        assert kept + line.lost_unread == 1_000_000

    run_virtual(main())


def test_a_cancelled_read_loses_nothing() -> None:
    async def race() -> bytes:
        node = Listener()
        link = await MemoryLine(node).open()
        reading = asyncio.create_task(link.read())
        await asyncio.sleep(0)
        node.say(b"worth keeping")
        asyncio.get_running_loop().call_soon(reading.cancel)
        await asyncio.gather(reading, return_exceptions=True)
        assert reading.cancelled()
        return await link.read()

    assert run_virtual(race()) == b"worth keeping"


@given(
    st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=20),
    st.sampled_from([None, 9600, 115_200]),
    st.sampled_from([0.0, 0.003]),
)
def test_every_byte_arrives_once_and_in_order(chunks: list[bytes], baud: int | None, latency: float) -> None:
    async def main() -> tuple[bytes, bytes]:
        node = Echo()
        link = await MemoryLine(node, baud=baud, latency=latency).open()
        sent = b"".join(chunks)
        reading = asyncio.create_task(read_exactly(link, len(sent)))
        for chunk in chunks:
            await link.write(chunk)
        return bytes(await node.hears(len(sent))), await reading

    assert run_virtual(main()) == (b"".join(chunks), b"".join(chunks))
