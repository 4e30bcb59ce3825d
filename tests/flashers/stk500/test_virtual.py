"""The virtual node behaves as the loaders' sources say, so that what passes on it means something."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from flashers.api import Component, Segment, Truth, VirtualSetup
from flashers.images import write_ihex
from flashers.sim import Behaviour, SimApp, build_app
from flashers.stk500 import PLUGIN, codec
from flashers.stk500.params import Stk500Params
from flashers.stk500.parts import Loader
from flashers.stk500.virtual import VirtualStk500
from tests.flashers.stk500.world import NEW, OLD, PAGE, PARAMS, image, node_with, parsed, run
from transports.virtual.memory import MemoryLine, MemoryLink

ATMEGABOOT = PARAMS.model_copy(update={"loader": Loader.ATMEGABOOT})
SYNC = codec.SYNC.encode()
OK = codec.reply()


class Bench:
    """A node on a bench, spoken to byte by byte."""

    def __init__(self, node: VirtualStk500, link: MemoryLink) -> None:
        self.node = node
        self.link = link

    async def says(self, data: bytes, *, within: float = 0.01) -> bytes:
        """What comes back for these bytes in so many seconds."""
        if data:
            await self.link.write(data)
        await asyncio.sleep(within)
        return self.link.discard_input()

    async def ask(self, *requests: codec.Request) -> bytes:
        return await self.says(b"".join(request.encode() for request in requests))

    async def reset(self) -> None:
        await self.link.set_lines(dtr=False)
        await self.link.set_lines(dtr=True)


def on_bench(node: VirtualStk500, story: Callable[[Bench], Awaitable[None]]) -> None:
    async def told() -> None:
        await story(Bench(node, await MemoryLine(node).open()))

    run(told)


def test_the_loader_listens_for_a_second_after_a_reset_and_then_the_application_runs() -> None:
    async def story(bench: Bench) -> None:
        assert await bench.says(b"", within=0.98) == b""
        assert bench.node.truth().running == {}
        assert await bench.says(b"", within=0.2) == b"fw 1.0.0\r\n"
        assert bench.node.truth() == Truth({0: OLD.firmware.identity}, True, True, True)  # type: ignore[dict-item]
        assert await bench.says(SYNC) == b""
        await bench.reset()
        assert await bench.says(SYNC) == OK

    on_bench(node_with(OLD), story)


@pytest.mark.parametrize("params", [PARAMS, ATMEGABOOT])
def test_every_byte_keeps_the_loader_for_another_second(params: Stk500Params) -> None:
    async def story(bench: Bench) -> None:
        for _ in range(5):
            assert await bench.says(SYNC, within=0.9) == OK
        assert await bench.says(b"", within=0.3) == b"fw 1.0.0\r\n"

    on_bench(node_with(OLD, params), story)


def test_optiboot_leaves_at_once_and_atmegaboot_when_nobody_speaks_any_more() -> None:
    async def optiboot(bench: Bench) -> None:
        assert await bench.ask(codec.LEAVE) == OK
        assert await bench.says(b"", within=0.1) == b"fw 1.0.0\r\n"

    async def atmegaboot(bench: Bench) -> None:
        assert await bench.ask(codec.LEAVE) == OK
        assert await bench.ask(codec.SYNC) == OK
        assert await bench.says(b"", within=1.2) == b"fw 1.0.0\r\n"

    on_bench(node_with(OLD), optiboot)
    on_bench(node_with(OLD, ATMEGABOOT), atmegaboot)


def test_optiboot_leaves_at_a_request_without_its_blank_and_atmegaboot_at_the_fifth() -> None:
    async def optiboot(bench: Bench) -> None:
        assert await bench.says(b"0x0 0 ", within=0.01) == b""
        assert await bench.says(b"", within=0.1) == b"fw 1.0.0\r\n"

    async def atmegaboot(bench: Bench) -> None:
        for _ in range(4):
            assert await bench.says(b"0x0 ") == OK
        assert await bench.says(b"0x0 ", within=0.1) == b"fw 1.0.0\r\n"

    on_bench(node_with(OLD), optiboot)
    on_bench(node_with(OLD, ATMEGABOOT), atmegaboot)


def test_unknown_commands_are_fine_for_optiboot_and_errors_for_atmegaboot() -> None:
    async def optiboot(bench: Bench) -> None:
        assert await bench.says(b"y " * 9) == OK * 9

    async def atmegaboot(bench: Bench) -> None:
        assert await bench.says(b"yyyy") == b""
        assert await bench.says(SYNC) == OK
        assert await bench.says(b"y", within=0.1) == b"fw 1.0.0\r\n"

    on_bench(node_with(OLD), optiboot)
    on_bench(node_with(OLD, ATMEGABOOT), atmegaboot)


def test_the_loaders_answer_what_they_are() -> None:
    async def optiboot(bench: Bench) -> None:
        assert await bench.ask(codec.SIGNATURE) == codec.reply(b"\x1e\x95\x0f")
        for parameter, value in ((0x81, 4), (0x82, 4), (0x80, 3), (0x98, 3)):
            assert await bench.ask(codec.get_parameter(parameter)) == codec.reply(bytes([value]))
        assert await bench.ask(codec.NOTHING) == codec.reply(b"\0")

    async def atmegaboot(bench: Bench) -> None:
        for parameter, value in ((0x81, 1), (0x82, 16), (0x80, 2), (0x98, 3), (0x99, 0)):
            assert await bench.ask(codec.get_parameter(parameter)) == codec.reply(bytes([value]))
        for index, value in enumerate(b"\x1e\x95\x0f"):
            read = codec.Request(codec.UNIVERSAL, bytes([0x30, 0, index, 0]))
            assert await bench.ask(read) == codec.reply(bytes([value]))
        assert await bench.ask(codec.NOTHING) == codec.reply(b"\0")

    on_bench(node_with(OLD), optiboot)
    on_bench(node_with(OLD, ATMEGABOOT), atmegaboot)


def test_pages_are_written_where_they_belong_and_read_back() -> None:
    async def story(bench: Bench) -> None:
        page = bytes(range(PAGE))
        assert await bench.ask(codec.load_address(PAGE), codec.prog_page(page)) == OK * 2
        assert bench.node.operations == 2
        assert bench.node.flash.read(PAGE, PAGE) == page
        answer = await bench.ask(codec.load_address(PAGE + 2), codec.read_page(4))
        assert answer == OK + codec.reply(page[2:6])

    on_bench(node_with(OLD), story)


def test_nothing_is_written_beyond_the_application_area() -> None:
    async def story(bench: Bench) -> None:
        end = len(bench.node.flash)
        for address in (end, end + 5 * PAGE, 0x1FFFE):
            assert await bench.ask(codec.load_address(address), codec.prog_page(bytes(PAGE))) == OK * 2
            assert await bench.ask(codec.load_address(address), codec.read_page(2)) == OK + codec.reply(
                b"\xff\xff"
            )
        assert bench.node.operations == 0

    on_bench(node_with(OLD), story)


@pytest.mark.parametrize(("params", "erased"), [(PARAMS, True), (ATMEGABOOT, False)])
@pytest.mark.parametrize("broken_off", [True, False])
def test_optiboot_has_erased_before_the_page_is_complete(
    params: Stk500Params, erased: bool, broken_off: bool
) -> None:
    async def story(bench: Bench) -> None:
        await bench.ask(codec.load_address(PAGE))
        data = codec.prog_page(bytes(PAGE)).encode()
        await bench.says(data[:-9] if broken_off else data[:-1] + b"x", within=1.3)
        blank = b"\xff" * PAGE
        assert bench.node.flash.read(PAGE, PAGE) == (blank if erased else OLD.payload[PAGE : 2 * PAGE])
        assert bench.node.truth().bootable == (not erased)

    on_bench(node_with(OLD, params), story)


def test_a_cut_before_a_write_leaves_an_erased_page_and_a_torn_one_half_of_it() -> None:
    for torn, beginning in ((False, b"\xff" * 64), (True, bytes(64))):

        async def story(bench: Bench, torn: bool = torn, beginning: bytes = beginning) -> None:
            bench.node.cut_power_at(2, torn=torn, off_for=2.0)
            assert await bench.ask(codec.load_address(0), codec.prog_page(bytes(PAGE))) == b""
            assert bench.node.flash.read(0, PAGE) == beginning + b"\xff" * 64
            assert not bench.node.truth().powered
            assert await bench.says(SYNC, within=1.9) == b""
            assert not bench.node.truth().powered
            await asyncio.sleep(0.2)
            assert bench.node.truth().powered
            await bench.reset()
            assert await bench.says(SYNC) == OK

        on_bench(node_with(OLD), story)


def test_optiboot_only_listens_after_a_reset_by_its_pin() -> None:
    async def optiboot(bench: Bench) -> None:
        bench.node.power_off()
        assert bench.node.truth() == Truth({}, True, True, False)
        assert await bench.says(SYNC, within=2) == b""
        bench.node.power_on()
        bench.node.power_on()
        assert await bench.says(SYNC, within=0.1) == b"fw 1.0.0\r\n"

    async def atmegaboot(bench: Bench) -> None:
        bench.node.power_off()
        bench.node.power_on()
        assert await bench.says(SYNC) == OK

    on_bench(node_with(OLD), optiboot)
    on_bench(node_with(OLD, ATMEGABOOT), atmegaboot)


@pytest.mark.parametrize(
    ("behaviour", "says", "version", "health"),
    [
        (Behaviour.HEALTHY, b"fw 1.0.0\r\n", b"version 1.0.0\r\n", b"ok\r\n"),
        (Behaviour.UNHEALTHY, b"fw 1.0.0\r\nhealth: bad\r\n", b"version 1.0.0\r\n", b"sick\r\n"),
        (Behaviour.CONFIRMS_EARLY, b"fw 1.0.0\r\nhealth: bad\r\n", b"version 1.0.0\r\n", b"sick\r\n"),
        (Behaviour.LIES, b"fw 9.9.9\r\n", b"version 9.9.9\r\n", b"ok\r\n"),
        (Behaviour.HANGS, b"", b"", b""),
        (Behaviour.CRASHES, b"", b"", b""),
    ],
)
def test_an_application_does_what_its_bytes_say(
    behaviour: Behaviour, says: bytes, version: bytes, health: bytes
) -> None:
    async def story(bench: Bench) -> None:
        await bench.ask(codec.LEAVE)
        assert await bench.says(b"", within=0.1) == says
        assert await bench.says(b"vers") + await bench.says(b"ion?\r\n") == version
        assert await bench.says(b"health?\nwhat?\n") == health
        assert bool(bench.node.truth().running) == (behaviour is not Behaviour.CRASHES)

    on_bench(node_with(image("1.0.0", behaviour)), story)


def test_hardware_is_named_in_a_line_of_its_own() -> None:
    async def story(bench: Bench) -> None:
        assert await bench.says(b"", within=1.2) == b"fw 1.0.0\r\nhw rev-b\r\n"

    on_bench(node_with(image("1.0.0", hardware="rev-b")), story)


def test_a_half_written_application_does_not_run() -> None:
    async def story(bench: Bench) -> None:
        assert bench.node.truth() == Truth({}, False, False, True)
        assert await bench.says(b"", within=1.5) == b""

    on_bench(node_with(OLD.payload[: 2 * PAGE]), story)


def test_other_firmware_runs_and_says_what_it_is_told_to() -> None:
    async def story(bench: Bench) -> None:
        assert await bench.says(b"", within=1.5) == b"hello\r\n"
        assert await bench.says(b"version?\n") == b""
        assert bench.node.truth().running == {0: parsed(b"other").firmware.identity}

    on_bench(node_with(b"other", boot_line="hello"), story)


def test_an_erased_part_never_leaves_atmegaboot() -> None:
    async def story(bench: Bench) -> None:
        assert await bench.says(b"", within=10.5) == b""
        assert await bench.says(SYNC) == OK
        assert bench.node.truth() == Truth({}, False, False, True)

    on_bench(node_with(None, ATMEGABOOT), story)


def test_the_whole_flash_of_the_part_is_there_unless_less_is_asked_for() -> None:
    assert len(VirtualStk500(VirtualSetup(PARAMS)).flash) == 0x7E00
    assert len(node_with(OLD, pages="7").flash) == 7 * PAGE
    with pytest.raises(ValueError, match="does not fit"):
        node_with(OLD, pages="2")


def test_a_node_may_be_given_its_firmware_as_hex() -> None:
    text = write_ihex([Segment(0, b"hello\n")])
    node = PLUGIN.virtual_node(VirtualSetup(PARAMS, (Component("main"),), {"main": text, "other": b""}))
    assert node.truth().running == {0: parsed(b"hello\n").firmware.identity}


def test_the_loader_that_is_really_there_may_be_another_one() -> None:
    async def story(bench: Bench) -> None:
        assert await bench.ask(codec.get_parameter(codec.SW_MINOR)) == codec.reply(b"\x10")

    on_bench(node_with(OLD, loader="atmegaboot"), story)


def test_an_application_that_talks_all_the_time_does_so_until_it_is_reset() -> None:
    async def story(bench: Bench) -> None:
        await bench.ask(codec.LEAVE)
        heard = await bench.says(b"", within=1.0)
        assert heard.count(b"temp=") > 5
        await bench.reset()
        assert await bench.says(SYNC, within=0.5) == b"temp=21.5 hum" + OK

    on_bench(node_with(OLD, text_noise=""), story)


def test_every_fault_is_told_to_people() -> None:
    assert set(PLUGIN.faults) >= {"mute", "silent", "flip-bit", "drop-reply", "wrong-signature", "text-noise"}
    assert all(sentence for sentence in PLUGIN.faults.values())


def test_an_application_larger_than_the_flash_cannot_run() -> None:
    node = node_with(NEW, pages="3")
    node.flash.preload(0, build_app(SimApp("1.0.0"), 4 * PAGE)[: 3 * PAGE])
    assert not node.truth().bootable
