"""Several nodes on one line: each hears only what is for it, and only the selected one is heard."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transports.peers import Echo, read_exactly
from transports.errors import BadLink, LinkBusy, LinkLost
from transports.links import ByteLink, LinkSpec, Medium
from transports.open import open_link, register
from transports.uart.bus import Bus, SelectFrame, parse_address
from transports.virtual.bus import VirtualBus
from transports.virtual.clock import run_virtual
from transports.virtual.memory import MemoryLine, MemoryLines
from transports.virtual.pty import PtyHost


class Named(Echo):
    """Answers with its name and what it heard."""

    def __init__(self, name: bytes) -> None:
        super().__init__()
        self.name = name

    def receive(self, data: bytes) -> None:
        self.heard += data
        self.say(self.name + data)


def three() -> tuple[VirtualBus, dict[int, Named]]:
    nodes = {1: Named(b"one:"), 2: Named(b"two:"), 0x7F: Named(b"last:")}
    return VirtualBus(dict(nodes)), nodes


def test_each_node_answers_for_itself() -> None:
    async def main() -> None:
        virtual, nodes = three()
        bus = Bus(await MemoryLine(virtual, baud=115_200, latency=0.002).open())
        for address, name in ((1, b"one:"), (2, b"two:"), (0x7F, b"last:"), (1, b"one:")):
            link = bus.at(address)
            assert isinstance(link, ByteLink)
            await link.write(b"hello")
            assert await read_exactly(link, len(name) + 5) == name + b"hello"
        assert nodes[1].heard == b"hello" * 2
        assert nodes[2].heard == b"hello"

    run_virtual(main())


def test_a_node_that_is_not_selected_is_not_heard() -> None:
    async def main() -> None:
        virtual, nodes = three()
        bus = Bus(await MemoryLine(virtual).open())
        link = bus.at(1)
        await link.write(b"x")
        await read_exactly(link, 5)
        nodes[2].say(b"me too")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await link.read()

    run_virtual(main())


def test_leftovers_of_one_node_are_not_taken_for_the_next_ones() -> None:
    async def main() -> None:
        virtual, _ = three()
        bus = Bus(await MemoryLine(virtual).open())
        await bus.at(1).write(b"unread")
        await asyncio.sleep(0.1)
        await bus.at(2).write(b"x")
        assert await read_exactly(bus.at(2), 5) == b"two:x"

    run_virtual(main())


def test_a_node_that_was_reset_is_selected_again_by_itself() -> None:
    async def main() -> None:
        virtual, _ = three()
        link = Bus(await MemoryLine(virtual).open()).at(2)
        await link.write(b"a")
        assert await read_exactly(link, 5) == b"two:a"
        virtual.forget(2)
        await link.write(b"lost")
        await asyncio.sleep(0.6)
        await link.write(b"b")
        assert await read_exactly(link, 5) == b"two:b"
        assert virtual.lost == 4

    run_virtual(main())


def test_waiting_for_one_node_keeps_the_others_off() -> None:
    async def main() -> None:
        virtual, _ = three()
        bus = Bus(await MemoryLine(virtual).open())
        waiting = asyncio.create_task(bus.at(1).read())
        await asyncio.sleep(1)
        with pytest.raises(LinkBusy):
            await bus.at(2).write(b"x")
        await bus.at(1).write(b"y")
        assert await waiting == b"one:y"
        await bus.at(2).write(b"x")

    run_virtual(main())


@given(st.integers(0, 255), st.binary(min_size=1, max_size=30))
def test_bytes_that_look_like_a_select_frame_inside_a_message_are_data(address: int, data: bytes) -> None:
    async def main() -> None:
        virtual, nodes = three()
        link = Bus(await MemoryLine(virtual).open()).at(1)
        message = b"\x30" + data + SelectFrame().to(address)
        await link.write(message)
        assert await read_exactly(link, len(message) + 4) == b"one:" + message
        assert virtual.selected == 1
        assert nodes[1].heard == message

    run_virtual(main())


@given(st.lists(st.binary(min_size=1, max_size=8), max_size=20))
def test_any_bytes_are_a_select_frame_or_data_and_none_are_kept(pieces: list[bytes]) -> None:
    async def main() -> None:
        virtual, nodes = three()
        virtual.attach(lambda _: None)
        for piece in pieces:
            virtual.receive(piece)
            await asyncio.sleep(0.015)
        await asyncio.sleep(1)
        heard = sum(len(node.heard) for node in nodes.values()) + virtual.lost
        taken = sum(map(len, pieces)) - heard
        assert taken >= 0
        assert taken % 3 == 0
        assert not virtual._maybe

    run_virtual(main())


def test_a_profile_can_give_its_own_select_frame() -> None:
    frame = SelectFrame("fe {a}{~a} 16")
    assert frame.to(0x0F) == bytes((0xFE, 0x0F, 0xF0, 0x16))
    for wrong in ("", "01", "{a", "{b}{a}", "0{a}", "zz{a}"):
        with pytest.raises(BadLink):
            SelectFrame(wrong)


@pytest.mark.parametrize(
    ("text", "address"), [("0", 0), ("17", 17), ("255", 255), ("0x1f", 31), ("0XFF", 255)]
)
def test_addresses_are_decimal_or_hexadecimal(text: str, address: int) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", "256", "-1", "0x100", "1f", "１", " 1", "0x"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(BadLink):
        parse_address(text)


async def test_a_link_with_an_address_is_that_nodes_view_of_the_port() -> None:
    virtual, nodes = three()
    async with PtyHost(virtual) as host:
        link = await open_link(LinkSpec.parse(f"uart:{host.path}?baud=57600#2"))
        await link.write(b"hi")
        assert await read_exactly(link, 6) == b"two:hi"
        assert not nodes[1].heard
        await link.aclose()
        with pytest.raises(LinkLost):
            await link.read()
        with pytest.raises(BadLink):
            await open_link(LinkSpec.parse(f"uart:{host.path}#300"))
        again = await open_link(LinkSpec.parse(f"uart:{host.path}#1"))
        await again.aclose()


def test_a_third_partys_scheme_opens_like_our_own() -> None:
    async def main() -> None:
        virtual, _ = three()
        lines = MemoryLines({"rack": MemoryLine(virtual)})
        unregister = register("memory", Medium.UART, lines.open)
        try:
            link = await open_link(LinkSpec.parse("memory:rack?select=01{a}{~a}#0x7f"))
            await link.write(b"!")
            assert await read_exactly(link, 6) == b"last:!"
            with pytest.raises(ValueError, match="exists"):
                register("memory", Medium.UART, lines.open)
        finally:
            unregister()
        with pytest.raises(BadLink):
            LinkSpec.parse("memory:rack")

    run_virtual(main())
