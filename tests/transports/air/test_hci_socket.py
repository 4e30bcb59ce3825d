"""A controller of the air behind a socket: as good as one in this process, and it comes back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.transports.air.rig import ADAPTER, VALUE, Counting, persona
from transports.ble.adapter import Adapter
from transports.ble.errors import AdapterMissing
from transports.ble.hci_socket import HciSocketBackend
from transports.ble.place import HciPlace
from transports.errors import LinkLost
from transports.virtual.air.air import Air
from transports.virtual.air.node import AirNode
from transports.virtual.air.offering import Offered
from transports.virtual.air.timing import Timing

QUICK = Timing(interval=0.002, supervision=0.3)
PATIENCE = 20.0


@dataclass(slots=True)
class Shared:
    """An air that offers an adapter, and a node on it."""

    air: Air
    offered: Offered
    node: Counting
    radio: AirNode


@asynccontextmanager
async def offered(place: str, *, number: int = 1) -> AsyncIterator[Shared]:
    air = Air(QUICK)
    node = Counting(persona(number))
    radio = AirNode(air, node)
    one = Offered(air, "main", ADAPTER, HciPlace.parse(place))
    await one.start()
    try:
        yield Shared(air, one, node, radio)
    finally:
        await one.aclose()
        await radio.aclose()


@pytest.fixture(params=["unix", "tcp"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"unix:{tmp_path}/air" if request.param == "unix" else "tcp:127.0.0.1:0"


async def test_a_node_is_written_and_read_through_a_socket(place: str) -> None:
    async with offered(place) as here:
        backend = HciSocketBackend(str(here.offered.place), "main")
        adapter = Adapter(backend, "main")
        async with asyncio.timeout(PATIENCE):
            link = await adapter.connect(here.node.who.address, within=10.0)
            assert backend.address == ADAPTER
            assert await link.read(VALUE) == b"a value"
            await link.subscribe(VALUE)
            await link.write(VALUE, bytes(100), response=False)
            assert await link.heard() == (VALUE, (100).to_bytes(4, "big"))
        await adapter.aclose()
        await backend.aclose()


async def test_an_air_that_is_started_anew_is_found_again_and_the_scan_goes_on(tmp_path: Path) -> None:
    place = f"unix:{tmp_path}/air"
    backend = HciSocketBackend(place, "main")
    adapter = Adapter(backend, "main")
    async with asyncio.timeout(PATIENCE):
        async with offered(place) as here:
            link = await adapter.connect(here.node.who.address, within=10.0)
            listening = asyncio.create_task(
                adapter.hear(lambda one: one.address.endswith(":02"), within=15.0)
            )
            await link.read(VALUE)
        with pytest.raises(LinkLost):
            await link.heard()
        assert not adapter.open_links
        async with offered(place, number=2) as here:
            assert (await listening).address == here.node.who.address
            again = await adapter.connect(here.node.who.address, within=10.0)
            assert await again.read(VALUE) == b"a value"
            await adapter.aclose()
            await backend.aclose()


async def test_an_adapter_that_nobody_offers_is_missing_until_somebody_does(tmp_path: Path) -> None:
    place = f"unix:{tmp_path}/air"
    backend = HciSocketBackend(place, "main")
    adapter = Adapter(backend, "main")
    with pytest.raises(AdapterMissing, match="no controller listens"):
        await adapter.connect("C0:00:00:00:00:01", within=1.0)
    async with offered(place) as here, asyncio.timeout(PATIENCE):
        link = await adapter.connect(here.node.who.address, within=10.0)
        assert await link.read(VALUE) == b"a value"
        await adapter.aclose()
        await backend.aclose()


async def test_a_second_host_takes_the_adapter_and_its_predecessors_node_is_free_again(
    tmp_path: Path,
) -> None:
    place = f"unix:{tmp_path}/air"
    async with offered(place) as here, asyncio.timeout(PATIENCE):
        first = HciSocketBackend(place, "main")
        await Adapter(first, "main").connect(here.node.who.address, within=10.0)
        assert here.node.here
        second = HciSocketBackend(place, "main")
        await first.aclose()
        link = await Adapter(second, "main").connect(here.node.who.address, within=10.0)
        assert await link.read(VALUE) == b"a value"
        assert here.node.connections == 2
        assert here.offered.hosts == 2
        await second.aclose()


async def test_what_is_not_hci_ends_the_stream(tmp_path: Path) -> None:
    async with offered(f"unix:{tmp_path}/air") as here, asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_unix_connection(here.offered.place.path)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()


async def test_a_place_where_another_air_listens_is_left_to_it(tmp_path: Path) -> None:
    place = f"unix:{tmp_path}/air"
    async with offered(place) as here, asyncio.timeout(PATIENCE):
        with pytest.raises(OSError, match="another air listens"):
            async with offered(place, number=2):
                raise AssertionError("there are two")
        backend = HciSocketBackend(place, "main")
        link = await Adapter(backend, "main").connect(here.node.who.address, within=10.0)
        assert await link.read(VALUE) == b"a value"
        await backend.aclose()


@pytest.mark.parametrize("text", ["", "unix:", "unix:air", "tcp:1", "tcp:host:70000", "/run/air", "udp:a:1"])
def test_a_place_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write unix:/path or tcp:HOST:PORT"):
        HciPlace.parse(text)


@pytest.mark.parametrize("text", ["unix:/run/air", "tcp:127.0.0.1:80", "tcp:[::1]:0"])
def test_a_place_reads_as_it_was_written(text: str) -> None:
    assert str(HciPlace.parse(text)) == text
