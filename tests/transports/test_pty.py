"""A virtual node behind a real PTY, with our own port and with plain pyserial before it."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import serial

from tests.transports.peers import Echo, Listener, read_exactly
from transports.errors import LinesUnsupported, LinkBusy, LinkLost, LinkNotFound
from transports.links import ByteLink, LinkSpec
from transports.open import open_link
from transports.virtual.pty import PtyHost


@pytest.fixture
async def echo() -> AsyncIterator[PtyHost]:
    """A node that answers with what it hears."""
    async with PtyHost(Echo()) as host:
        yield host


def spec_of(host: PtyHost, options: str = "") -> LinkSpec:
    return LinkSpec.parse(f"uart:{host.path}{options}")


async def test_a_port_carries_bytes_both_ways(echo: PtyHost) -> None:
    link = await open_link(spec_of(echo, "?baud=57600"))
    assert isinstance(link, ByteLink)
    every_byte = bytes(range(256))
    await link.write(every_byte)
    assert await read_exactly(link, 256) == every_byte
    await link.aclose()


async def test_more_than_the_kernel_takes_at_once_arrives_whole(echo: PtyHost) -> None:
    link = await open_link(spec_of(echo))
    sent = os.urandom(200_000)
    writing = asyncio.create_task(link.write(sent))
    assert await read_exactly(link, len(sent)) == sent
    await writing
    await link.aclose()


async def test_writes_of_two_tasks_do_not_mix() -> None:
    node = Listener()
    async with PtyHost(node) as host:
        link = await open_link(spec_of(host))
        await asyncio.gather(link.write(b"a" * 50_000), link.write(b"b" * 50_000))
        assert await node.hears(100_000) == b"a" * 50_000 + b"b" * 50_000
        await link.aclose()


async def test_every_open_and_close_reaches_the_node_as_its_modem_lines() -> None:
    node = Listener()
    async with PtyHost(node) as host:
        for turn in range(3):
            link = await open_link(spec_of(host))
            await link.write(b"x")
            await node.hears(turn + 1)
            await link.aclose()
            await node.until(lambda turn=turn: len(node.line_changes) == 2 * turn + 2)  # type: ignore[misc]
    assert node.line_changes == [(True, True), (False, False)] * 3


async def test_a_close_and_an_open_in_one_breath_still_reset_the_node() -> None:
    node = Listener()
    async with PtyHost(node) as host:
        first = await open_link(spec_of(host))
        await node.until(lambda: node.line_changes == [(True, True)])
        await first.aclose()
        second = await open_link(spec_of(host))
        await second.write(b"sync")
        await node.hears(4)
        assert node.line_changes == [(True, True), (False, False), (True, True)]
        await second.aclose()


async def test_what_was_written_just_before_the_close_arrives() -> None:
    node = Listener()
    async with PtyHost(node) as host:
        link = await open_link(spec_of(host))
        await link.write(b"reset now")
        await link.aclose()
        await node.until(lambda: (False, False) in node.line_changes)
        assert node.heard == b"reset now"


async def test_a_held_port_is_refused_and_the_holder_is_named(echo: PtyHost) -> None:
    link = await open_link(spec_of(echo))
    with pytest.raises(LinkBusy, match=f"process {os.getpid()} "):
        await open_link(spec_of(echo))
    await link.aclose()
    again = await open_link(spec_of(echo))
    await again.aclose()


async def test_a_refused_open_does_not_touch_the_node() -> None:
    node = Listener()
    async with PtyHost(node) as host:
        with serial.Serial(str(host.path), exclusive=True) as other:
            other.write(b"mine")
            await node.hears(4)
            with pytest.raises(LinkBusy):
                await open_link(spec_of(host))
            other.write(b"still")
            await node.hears(9)
        assert host.opens == 1
        assert node.line_changes == [(True, True)]


async def test_a_lock_file_of_another_program_is_honoured(tmp_path: Path, echo: PtyHost) -> None:
    from transports.uart.holders import holder_of

    (tmp_path / f"LCK..{echo.path.name}").write_text(f"{os.getppid():10d}\n")
    assert (holder_of(echo.path, lock_files=tmp_path) or "").startswith(f"process {os.getppid()}")
    (tmp_path / f"LCK..{echo.path.name}").write_text(f"{os.getpid():10d}\n")
    assert holder_of(echo.path, lock_files=tmp_path) is None, "our own keeps nobody but others out"
    (tmp_path / f"LCK..{echo.path.name}").write_text(" 999999999\n")
    assert holder_of(echo.path, lock_files=tmp_path) is None


async def test_a_missing_port_is_not_found() -> None:
    with pytest.raises(LinkNotFound):
        await open_link(LinkSpec.parse("uart:/dev/serial/by-path/nothing-here"))


async def test_pulling_the_plug_is_noticed_at_once_by_reader_and_writer(echo: PtyHost) -> None:
    link = await open_link(spec_of(echo))
    reading = asyncio.create_task(link.read())
    await asyncio.sleep(0)
    started = time.monotonic()
    echo.unplug()
    with pytest.raises(LinkLost):
        await reading
    assert time.monotonic() - started < 0.1
    with pytest.raises(LinkLost):
        await link.write(b"x")
    await link.aclose()
    await link.aclose()


async def test_pulling_the_plug_frees_a_writer_that_was_held_back() -> None:
    async with PtyHost(Listener(), baud=9600) as host:
        link = await open_link(spec_of(host))
        writing = asyncio.create_task(link.write(bytes(1_000_000)))
        await asyncio.sleep(0.05)
        assert not writing.done()
        host.unplug()
        async with asyncio.timeout(1):
            with pytest.raises(LinkLost):
                await writing
        await link.aclose()


async def test_a_path_survives_replugging_under_another_number(tmp_path: Path) -> None:
    port = tmp_path / "by-path-1"
    async with PtyHost(Echo(), link=port) as host:
        link = await open_link(spec_of(host))
        before = port.readlink()
        host.unplug()
        with pytest.raises(LinkLost):
            await link.read()
        await link.aclose()
        placeholder = os.openpty()  # takes the number that has become free
        with pytest.raises(LinkNotFound):
            await open_link(spec_of(host))
        host.replug()
        assert port.readlink() != before
        again = await open_link(spec_of(host))
        await again.write(b"back")
        assert await read_exactly(again, 4) == b"back"
        await again.aclose()
        for fd in placeholder:
            os.close(fd)
    assert not port.is_symlink()


async def test_a_pty_has_no_modem_lines_and_says_so(echo: PtyHost) -> None:
    link = await open_link(spec_of(echo))
    with pytest.raises(LinesUnsupported):
        await link.set_lines(dtr=False)
    await link.aclose()


async def test_discarding_also_drops_what_the_kernel_holds() -> None:
    node = Listener()
    async with PtyHost(node) as host:
        link = await open_link(spec_of(host))
        await node.until(lambda: node.line_changes == [(True, True)])
        node.say(b"old noise")
        await asyncio.sleep(0.02)
        node.say(b", newer noise")
        await asyncio.sleep(0.02)
        assert link.discard_input() == b"old noise, newer noise"
        node.say(b"answer")
        assert await link.read() == b"answer"
        await link.aclose()


async def test_a_discard_is_not_mistaken_for_an_unplugged_port(echo: PtyHost) -> None:
    link = await open_link(spec_of(echo))
    for _ in range(50):
        await link.write(b"noise")
        link.discard_input()
        await asyncio.sleep(0)
    await asyncio.sleep(0.02)
    link.discard_input()
    await link.write(b"fine")
    assert await read_exactly(link, 4) == b"fine"
    await link.aclose()


async def test_a_host_that_does_not_read_keeps_a_bounded_amount() -> None:
    node = Listener()
    async with PtyHost(node) as host:
        link = await open_link(spec_of(host))
        await node.until(lambda: node.line_changes == [(True, True)])
        for _ in range(1000):
            node.say(bytes(1000))
            await asyncio.sleep(0)
        async with asyncio.timeout(5):
            got = 0
            while got < 256 * 1024:
                got += len(await link.read())
        assert host.lost_unread > 0
        await link.aclose()


async def test_the_speed_of_the_program_paces_the_node() -> None:
    node = Listener()
    async with PtyHost(node, baud="client") as host:
        link = await open_link(spec_of(host, "?baud=19200"))
        started = time.monotonic()
        await link.write(bytes(384))
        await node.hears(384)
        assert time.monotonic() - started > 0.19
        await link.set_baud(115_200)
        started = time.monotonic()
        await link.write(bytes(384))
        await node.hears(768)
        assert time.monotonic() - started < 0.19
        await link.aclose()


async def test_plain_pyserial_talks_to_a_node_behind_a_pty(echo: PtyHost) -> None:
    def other_program() -> bytes:
        with serial.Serial(str(echo.path), 115_200, timeout=5) as port:
            port.write(b"hello")
            return port.read(5)

    assert await asyncio.to_thread(other_program) == b"hello"


async def test_a_cut_link_hangs_up_and_the_path_can_be_opened_again(tmp_path: Path) -> None:
    node = Listener()
    async with PtyHost(node, link=tmp_path / "node", faults="cut-link@100") as host:
        link = await open_link(spec_of(host))
        await link.write(bytes(200))
        with pytest.raises(LinkLost):
            await link.read()
        await link.aclose()
        assert len(node.heard) == 100
        again = await open_link(spec_of(host))
        await again.write(b"on with it")
        assert (await node.hears(110)).endswith(b"on with it")
        await again.aclose()
    assert host.story == ["cut-link@100: down at byte 100"]


async def test_opens_are_found_without_inotify_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transports.virtual.pty.watcher", lambda: None)
    node = Listener()
    async with PtyHost(node) as host:
        for turn in (1, 2):
            link = await open_link(spec_of(host))
            await node.until(lambda turn=turn: len(node.line_changes) == 2 * turn - 1)  # type: ignore[misc]
            await link.write(b"x")
            await node.hears(turn)
            await link.aclose()
            await node.until(lambda turn=turn: len(node.line_changes) == 2 * turn)  # type: ignore[misc]
    assert node.line_changes == [(True, True), (False, False)] * 2


async def test_nothing_stays_open_when_a_node_is_taken_away() -> None:
    def descriptors() -> int:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())

    before = descriptors()
    for _ in range(20):
        async with PtyHost(Echo()) as host:
            link = await open_link(spec_of(host))
            await link.write(b"x")
            await link.read()
            await link.aclose()
    assert descriptors() == before
