"""RFC 2217 against pyserial, which nobody here wrote, on both sides."""

import asyncio
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import serial
import serial.rfc2217

from tests.transports.peers import Echo, Listener, read_exactly
from transports.errors import LinesUnsupported, LinkError, LinkLost, LinkNotFound
from transports.links import ByteLink, LinkSpec
from transports.open import open_link
from transports.uart.comport import ANSWER, Command, Control, say
from transports.uart.rfc2217 import Rfc2217Link, Rfc2217Refused
from transports.uart.telnet import Data, Subnegotiation, TelnetDecoder, encode
from transports.virtual.rfc2217 import Rfc2217Host


class PyserialServer:
    """pyserial's own server side over a port; one client, in threads, as its example server does it."""

    def __init__(self, port: Any) -> None:
        self.port = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"rfc2217://127.0.0.1:{self.listener.getsockname()[1]}"
        self.client: socket.socket | None = None
        self.leaving = threading.Event()
        self.threads = [threading.Thread(target=self._serve)]
        self.threads[0].start()

    def write(self, data: bytes) -> None:
        """Called by the port manager to send to the client."""
        assert self.client is not None
        try:
            self.client.sendall(data)
        except OSError:
            pass  # the client has gone

    def _serve(self) -> None:
        try:
            self.client, _ = self.listener.accept()
        except OSError:
            return
        manager = serial.rfc2217.PortManager(self.port, self)  # type: ignore[arg-type]
        up = threading.Thread(target=self._upwards, args=(manager,))
        self.threads.append(up)
        up.start()
        while True:
            try:
                data = self.client.recv(4096)
            except OSError:
                data = b""
            if not data:
                return
            self.port.write(b"".join(manager.filter(data)))

    def _upwards(self, manager: serial.rfc2217.PortManager) -> None:
        while not self.leaving.is_set():
            try:
                data = self.port.read(self.port.in_waiting or 1)
                if data:
                    self.write(b"".join(manager.escape(data)))
            except (OSError, TypeError):
                return

    def close(self) -> None:
        self.leaving.set()
        for sock in (self.listener, self.client):
            if sock is not None:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                sock.close()
        for thread in self.threads:
            thread.join(5)
        self.port.close()


@asynccontextmanager
async def pyserial_serves(port: Any) -> AsyncIterator[PyserialServer]:
    server = PyserialServer(port)
    try:
        yield server
    finally:
        await asyncio.to_thread(server.close)


async def test_our_client_talks_through_pyserials_server() -> None:
    every_byte = bytes(range(256)) * 4
    async with pyserial_serves(serial.serial_for_url("loop://", timeout=0.05)) as server:
        link = await open_link(LinkSpec.parse(f"{server.url}?baud=57600"))
        assert isinstance(link, ByteLink)
        assert server.port.baudrate == 57600
        await link.write(every_byte)
        assert await read_exactly(link, len(every_byte)) == every_byte
        await link.set_baud(38400)
        assert server.port.baudrate == 38400
        await link.aclose()


async def test_our_client_drives_the_lines_of_pyserials_server() -> None:
    port = serial.serial_for_url("loop://", timeout=0.05)
    async with pyserial_serves(port) as server:
        link = await open_link(LinkSpec.parse(f"{server.url}?parity=even&stop=2&bits=7"))
        assert (port.parity, port.stopbits, port.bytesize) == (serial.PARITY_EVEN, 2, 7)
        assert (port.dtr, port.rts) == (True, True)
        await link.set_lines(dtr=False)
        assert (port.dtr, port.rts) == (False, True)
        await link.set_lines(dtr=True, rts=False)
        assert (port.dtr, port.rts) == (True, False)
        await link.write(b"\xff\xffround\xff")
        assert await read_exactly(link, 8) == b"\xff\xffround\xff"
        await link.aclose()


def by_pyserial(host: Rfc2217Host, talk: Callable[[serial.rfc2217.Serial], bytes]) -> "asyncio.Future[bytes]":
    def other_program() -> bytes:
        with serial.serial_for_url(host.url, baudrate=57600, timeout=5) as port:
            assert isinstance(port, serial.rfc2217.Serial)
            return talk(port)

    return asyncio.get_running_loop().run_in_executor(None, other_program)


@pytest.mark.filterwarnings("ignore:set(Daemon|Name).. is deprecated:DeprecationWarning")  # pyserial's own
async def test_pyserials_client_talks_through_our_server() -> None:
    every_byte = bytes(range(256))
    async with Rfc2217Host(Echo()) as host:

        def talk(port: serial.rfc2217.Serial) -> bytes:
            port.write(every_byte)
            return port.read(256)

        assert await by_pyserial(host, talk) == every_byte
        assert host.client_baud == 57600


@pytest.mark.filterwarnings("ignore:set(Daemon|Name).. is deprecated:DeprecationWarning")  # pyserial's own
async def test_pyserials_client_resets_the_node_by_its_lines() -> None:
    node = Listener()
    async with Rfc2217Host(node) as host:

        def talk(port: serial.rfc2217.Serial) -> bytes:
            port.dtr = False
            port.dtr = True
            port.rts = False
            port.baudrate = 9600
            port.reset_input_buffer()
            return b""

        await by_pyserial(host, talk)
        await node.until(lambda: node.line_changes[-1:] == [(False, False)])
        assert host.client_baud == 9600
    assert node.line_changes == [(True, True), (False, True), (True, True), (True, False), (False, False)]


@pytest.fixture
async def both() -> AsyncIterator[tuple[Listener, Rfc2217Host, ByteLink]]:
    """A node behind our server, and our client connected to it."""
    node = Listener()
    async with Rfc2217Host(node) as host:
        link = await open_link(LinkSpec.parse(host.url))
        yield node, host, link
        await link.aclose()


async def test_lines_and_bytes_keep_their_order(both: tuple[Listener, Rfc2217Host, ByteLink]) -> None:
    node, _, link = both
    await link.write(b"before")
    await link.set_lines(dtr=False, rts=False)
    assert node.heard == b"before"
    assert node.line_changes == [(True, True), (False, True), (False, False)]


async def test_a_large_transfer_is_held_back_and_arrives_whole() -> None:
    async with Rfc2217Host(Echo(), baud=10_000_000) as host:
        link = await open_link(LinkSpec.parse(f"{host.url}?baud=10000000"))
        sent = os.urandom(100_000)
        writing = asyncio.create_task(link.write(sent))
        assert await read_exactly(link, len(sent)) == sent
        await writing
        await link.aclose()


async def test_a_server_that_goes_away_is_noticed_at_once(
    both: tuple[Listener, Rfc2217Host, ByteLink],
) -> None:
    _, host, link = both
    reading = asyncio.create_task(link.read())
    await asyncio.sleep(0)
    host.cut()
    async with asyncio.timeout(1):
        with pytest.raises(LinkLost):
            await reading
    with pytest.raises(LinkLost):
        await link.set_lines(dtr=True)


async def test_a_second_client_is_turned_away_and_the_first_one_goes_on(
    both: tuple[Listener, Rfc2217Host, ByteLink],
) -> None:
    node, host, link = both
    with pytest.raises(LinkError):
        await open_link(LinkSpec.parse(host.url))
    await link.write(b"still here")
    await node.hears(10)
    assert (host.opens, host.refused) == (1, 1)


async def serve(handler: Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]) -> asyncio.Server:
    return await asyncio.start_server(handler, "127.0.0.1", 0)  # type: ignore[arg-type]


def url_of(server: asyncio.Server) -> str:
    return f"rfc2217://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_raw_socket_is_recognised_as_no_rfc2217_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "transports.uart.rfc2217.Rfc2217Link.__init__.__kwdefaults__", {"reply_timeout": 0.05}
    )

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await serve(mute) as server:
        link = Rfc2217Link(LinkSpec.parse(url_of(server)), reply_timeout=0.05)
        await link.connect()
        with pytest.raises(Rfc2217Refused, match="did not agree"):
            await link.agree()
        await link.aclose()


async def test_a_server_that_refuses_the_option_is_believed_without_waiting() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(18)
        for option in (0, 3, 44):
            writer.write(bytes((255, 254, option, 255, 252, option)))
        await reader.read()
        writer.close()

    async with await serve(refuse) as server, asyncio.timeout(1):
        with pytest.raises(Rfc2217Refused, match="refuses RFC 2217"):
            await open_link(LinkSpec.parse(url_of(server)))


class Server2217:
    """A hand-made server that agrees, and answers settings with what it is told to."""

    def __init__(self, answers: dict[int, Callable[[bytes], bytes | None]]) -> None:
        self.answers = answers
        self.heard = bytearray()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        decoder = TelnetDecoder()
        writer.write(bytes((255, 253, 44, 255, 251, 0, 255, 253, 0)))
        while data := await reader.read(4096):
            for event in decoder.receive_data(data):
                if isinstance(event, Data):
                    self.heard += event.data
                if isinstance(event, Subnegotiation) and event.option == 44:
                    command, value = event.payload[0], event.payload[1:]
                    answer = self.answers[command](value) if command in self.answers else value
                    if answer is not None:
                        writer.write(encode(say(command + ANSWER, answer)))
        writer.close()


async def test_a_server_that_never_acknowledges_the_masks_is_good_enough() -> None:
    silent = Server2217(
        {Command.SET_LINESTATE_MASK: lambda _: None, Command.SET_MODEMSTATE_MASK: lambda _: None}
    )
    async with await serve(silent) as server:
        link = await open_link(LinkSpec.parse(url_of(server)))
        await link.set_lines(dtr=False)
        await link.aclose()


async def test_a_refused_speed_is_an_error_that_says_so() -> None:
    fixed = Server2217({Command.SET_BAUDRATE: lambda _: (9600).to_bytes(4, "big")})
    async with await serve(fixed) as server:
        with pytest.raises(Rfc2217Refused, match="SET_BAUDRATE"):
            await open_link(LinkSpec.parse(url_of(server)))


async def test_a_line_that_does_not_move_is_told_as_unsupported() -> None:
    stuck = Server2217(
        {Command.SET_CONTROL: lambda v: bytes((Control.DTR_ON,)) if v[0] == Control.DTR_OFF else v}
    )
    async with await serve(stuck) as server:
        link = await open_link(LinkSpec.parse(url_of(server)))
        with pytest.raises(LinesUnsupported):
            await link.set_lines(dtr=False)
        await link.aclose()


async def test_a_server_that_talks_junk_after_the_agreement_is_cut_off() -> None:
    async def junk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes((255, 253, 44)) + b"\xff\xfa\x2c" + bytes(5000))
        await reader.read()
        writer.close()

    async with await serve(junk) as server, asyncio.timeout(1):
        with pytest.raises(LinkLost, match="subnegotiation"):
            await open_link(LinkSpec.parse(url_of(server)))


async def test_nobody_there_is_not_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(LinkNotFound):
        await open_link(LinkSpec.parse(f"rfc2217://127.0.0.1:{port}"))
