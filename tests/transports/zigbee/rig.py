"""Our network over the real zigpy and zigpy-znp, against a virtual coordinator with nodes."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from transports.virtual.zigbee import VirtualNetwork
from transports.zcl import EndpointDescription, NodeDescription, Zcl, ZigbeeLink, ZigbeeRadio
from transports.zigbee.keeping import Patience
from transports.zigbee.networks import NetworkSettings
from transports.zigbee.zigpy_network import ZigpyNetwork

BASIC, OTA, POLL_CONTROL = 0x0000, 0x0019, 0x0020
FILE_VERSION = 0x0002
CHANNEL = 15


def ieee(number: int) -> str:
    return f"00:12:4b:00:1c:00:{number >> 8:02x}:{number & 0xFF:02x}"


def text(value: str) -> bytes:
    return b"\x42" + bytes((len(value),)) + value.encode()


class Node:
    """A lamp, or a button that sleeps: Basic, Poll Control, and the OTA cluster's client side."""

    def __init__(
        self, address: str, *, sleepy: bool = False, poll: float | None = 0.4, router: bool = False
    ) -> None:
        clients = (OTA,)
        servers = (BASIC, POLL_CONTROL) if sleepy else (BASIC,)
        self.description = NodeDescription(
            address, (EndpointDescription(1, servers=servers, clients=clients),),
            sleepy=sleepy, mains=not sleepy, router=router,
        )  # fmt: skip
        self.attributes: dict[tuple[int, int], bytes] = {
            (BASIC, 0x0004): text("Acme"),
            (BASIC, 0x0005): text("lamp-1"),
            (BASIC, 0x4000): text("1.4.2"),
            (OTA, FILE_VERSION): b"\x23" + struct.pack("<I", 0x01020304),
        }
        self.heard: list[Zcl] = []
        self.news = asyncio.Event()
        self.mute = False
        self.poll = poll
        self.records_per_answer = 10

    @property
    def ieee(self) -> str:
        return self.description.ieee

    def attach(self, radio: ZigbeeRadio) -> None:
        self.radio = radio
        self.boot()

    def boot(self) -> None:
        self.radio.appear()
        if self.description.sleepy:
            self.radio.poll(self.poll)

    def received(self, frame: Zcl) -> None:
        self.heard.append(frame)
        self.news.set()
        if self.mute or not frame.general or frame.command not in (0x00, 0x02):
            return
        if frame.command == 0x02:  # whatever is written is taken
            self.say(frame.cluster, 0x04, b"\0", tsn=frame.tsn or 0, general=True, to_client=True)
            return
        records = b""
        for (attribute,) in list(struct.iter_unpack("<H", frame.payload))[: self.records_per_answer]:
            value = self.attributes.get((frame.cluster, attribute))
            records += struct.pack("<H", attribute) + (b"\x86" if value is None else b"\0" + value)
        to_client = not frame.to_client
        self.say(frame.cluster, 0x01, records, tsn=frame.tsn or 0, general=True, to_client=to_client)

    def say(
        self, cluster: int, command: int, payload: bytes = b"", *,
        tsn: int = 1, general: bool = False, to_client: bool = False,
    ) -> None:  # fmt: skip
        self.radio.send(Zcl(cluster, command, payload, tsn=tsn, general=general, to_client=to_client))

    def block_request(self, offset: int = 0, *, tsn: int = 9) -> bytes:
        """Ask for a block; returns the payload."""
        payload = struct.pack("<BHHIIB", 0, 0x1234, 1, 0x02020202, offset, 50)
        self.say(OTA, 0x03, payload, tsn=tsn)
        return payload

    def check_in(self, tsn: int = 3) -> None:
        self.say(POLL_CONTROL, 0x00, tsn=tsn, to_client=True)

    async def reached(self, cluster: int) -> list[Zcl]:
        """Wait until something of this cluster has come to it."""
        async with asyncio.timeout(10):
            while not self.answers(cluster):
                self.news.clear()
                await self.news.wait()
        return self.answers(cluster)

    def answers(self, cluster: int) -> list[Zcl]:
        return [frame for frame in self.heard if frame.cluster == cluster and not frame.general]


@dataclass
class World:
    """A virtual network, and whatever host is at its coordinator now."""

    folder: Path
    virtual: VirtualNetwork
    path: str
    name: str = "home"
    patience: Patience = field(default_factory=lambda: Patience(first=0.1, most=0.5, backup=0.2))
    hosts: list[ZigpyNetwork] = field(default_factory=list)

    async def host(self, name: str | None = None, *, up: bool = True) -> ZigpyNetwork:
        """Start one; with ``up`` it has its coordinator when this returns."""
        name = name or self.name
        settings = NetworkSettings(self.path, channel=CHANNEL)
        network = await ZigpyNetwork.opened(name, settings, self.folder / name, self.patience)
        self.hosts.append(network)
        if up:
            await until(network, lambda: network.state.up)
        return network

    async def stop(self) -> None:
        for host in self.hosts:
            await host.aclose()
        self.hosts.clear()


@asynccontextmanager
async def world(folder: Path, *, tcp: bool = False, seed: int = 1) -> AsyncIterator[World]:
    """A coordinator without a network, behind a PTY or a port."""
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    async with VirtualNetwork(seed=seed) as virtual:
        path = await virtual.offer_tcp() if tcp else str(await virtual.offer_pty(folder / "coordinator"))
        made = World(folder, virtual, path)
        try:
            yield made
        finally:
            await made.stop()


async def until(network: ZigpyNetwork, so: Callable[[], bool], *, within: float = 90.0) -> None:
    """Wait until something is so: looked at when the network's listeners are told, and now and then.

    zigpy waits up to 28 s for each answer of an interview that was lost.
    """
    told = asyncio.Event()
    end = network.changed(told.set)
    end_hearing = network.hear(lambda *_: told.set())
    try:
        async with asyncio.timeout(within):
            while not so():
                told.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.25):
                        await told.wait()
    finally:
        end()
        end_hearing()


async def asked(link: ZigbeeLink) -> int | str | bytes | float | bool:
    """The node's file version."""
    values = await link.read(OTA, [FILE_VERSION], endpoint=1, client=True, within=10)
    return values[FILE_VERSION]
