"""Plain sockets, with our own server and with pyserial's client."""

import asyncio
import os
import time
from collections.abc import AsyncIterator

import pytest
import serial

from tests.transports.peers import Echo, Listener, read_exactly
from transports.errors import BadLink, LinesUnsupported, LinkLost, LinkNotFound
from transports.links import ByteLink, LinkSpec
from transports.open import open_link
from transports.virtual.tcp import TcpHost


@pytest.fixture
async def echo() -> AsyncIterator[TcpHost]:
    """A node that answers with what it hears."""
    async with TcpHost(Echo()) as host:
        yield host


async def test_a_socket_carries_bytes_both_ways_and_large_ones_whole(echo: TcpHost) -> None:
    link = await open_link(LinkSpec.parse(f"{echo.url}?baud=9600"))
    assert isinstance(link, ByteLink)
    sent = os.urandom(50_000)
    writing = asyncio.create_task(link.write(sent))
    assert await read_exactly(link, len(sent)) == sent
    await writing
    await link.set_baud(115_200)
    with pytest.raises(LinesUnsupported):
        await link.set_lines(dtr=True)
    await link.aclose()
    await link.aclose()
    with pytest.raises(LinkLost):
        await link.read()


async def test_an_answer_larger_than_the_bound_comes_whole_to_a_reader_who_reads() -> None:
    node = Listener()
    async with TcpHost(node) as host:
        link = await open_link(LinkSpec.parse(host.url))
        await node.until(lambda: bool(node.line_changes))
        dump = os.urandom(300_000)
        node.say(dump)
        assert await read_exactly(link, len(dump)) == dump
        assert host.lost_unread == 0
        await link.aclose()


async def test_plain_pyserial_talks_to_a_node_behind_a_socket(echo: TcpHost) -> None:
    def other_program() -> bytes:
        with serial.serial_for_url(echo.url, timeout=5) as port:
            port.write(b"hello")
            return port.read(5)

    assert await asyncio.to_thread(other_program) == b"hello"


async def test_connecting_and_leaving_reach_the_node_as_its_modem_lines() -> None:
    node = Listener()
    async with TcpHost(node) as host:
        for turn in (1, 2):
            link = await open_link(LinkSpec.parse(host.url))
            await link.write(b"last words")
            await link.aclose()
            await node.until(lambda turn=turn: len(node.line_changes) == 2 * turn)  # type: ignore[misc]
        assert node.heard == b"last words" * 2
    assert node.line_changes == [(True, True), (False, False)] * 2


async def test_a_writer_is_held_back_by_a_slow_node() -> None:
    async with TcpHost(Listener(), baud=9600) as host:
        link = await open_link(LinkSpec.parse(host.url))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await link.write(bytes(20_000_000))
        assert host.line.down.backlog < 300_000
        await link.aclose()


async def test_a_reader_that_sleeps_keeps_a_bounded_amount() -> None:
    node = Listener()
    async with TcpHost(node) as host:
        link = await open_link(LinkSpec.parse(host.url))
        await node.until(lambda: bool(node.line_changes))
        for _ in range(400):
            node.say(bytes(100_000))
            await asyncio.sleep(0)
        got = link.discard_input()
        assert len(got) < 1_000_000
        assert host.lost_unread > 0
        await link.aclose()


async def test_a_cut_link_is_lost_at_once_and_can_be_opened_again() -> None:
    node = Listener()
    async with TcpHost(node, faults="cut-link@10") as host:
        link = await open_link(LinkSpec.parse(host.url))
        started = time.monotonic()
        await link.write(bytes(20))
        with pytest.raises(LinkLost):
            await link.read()
        assert time.monotonic() - started < 0.5
        await link.aclose()
        again = await open_link(LinkSpec.parse(host.url))
        await again.write(b"again")
        await node.hears(15)
        await again.aclose()
        assert host.story == ["cut-link@10: down at byte 10"]


async def test_a_server_that_is_gone_is_not_found_until_it_is_back(echo: TcpHost) -> None:
    await echo.aclose()
    with pytest.raises(LinkNotFound):
        await open_link(LinkSpec.parse(echo.url))
    await echo.start()
    link = await open_link(LinkSpec.parse(echo.url))
    await link.aclose()


@pytest.mark.parametrize("target", ["host", "host:", ":80", "host:0", "host:65536", "host:http", "host:１２"])
async def test_a_target_without_a_port_is_refused(target: str) -> None:
    with pytest.raises(BadLink):
        await open_link(LinkSpec.parse(f"socket://{target}"))
