"""Applications of nodes, and a host without a serial line, for tests of the network itself."""

import asyncio
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from transports.virtual.zigbee import VirtualNetwork
from transports.virtual.zigbee.aps import Aps
from transports.virtual.zigbee.channel import Outcome
from transports.virtual.zigbee.stack import NodeStack
from transports.zcl import EndpointDescription, NodeDescription, Zcl, ZigbeeRadio

BASIC, OTA = 0x0000, 0x0019
BLOCK_REQUEST, BLOCK = 0x03, 0x05
TEXTS = {0x0004: "Acme", 0x0005: "lamp-1", 0x4000: "1.0.0"}
BLOCK_HEAD = 14
"""Bytes of a block's fields in front of its data."""


def ieee(number: int) -> str:
    return f"00:12:4b:00:1c:00:00:{number:02x}"


class Lamp:
    """Answers reads of attributes, of which Basic has some, and keeps what it hears."""

    def __init__(self, number: int = 1, *, sleepy: bool = False, router: bool = False) -> None:
        endpoint = EndpointDescription(1, 0x0100, (BASIC, 0x0003), (OTA,))
        self.description = NodeDescription(
            ieee(number), (endpoint,), sleepy=sleepy, mains=not sleepy, router=router
        )
        self.heard: list[Zcl] = []

    def attach(self, radio: ZigbeeRadio) -> None:
        self.radio = radio
        radio.appear()

    def received(self, frame: Zcl) -> None:
        self.heard.append(frame)
        if frame.general and frame.command == 0x00:
            records = b""
            for (attribute,) in struct.iter_unpack("<H", frame.payload):
                text = TEXTS.get(attribute, "").encode() if frame.cluster == BASIC else b""
                found = b"\0\x42" + bytes((len(text),)) + text if text else b"\x86"
                records += struct.pack("<H", attribute) + found
            back = not frame.to_client
            self.radio.send(Zcl(frame.cluster, 0x01, records, tsn=frame.tsn, general=True, to_client=back))

    def say(self, payload: bytes, *, acknowledged: bool = True, tsn: int = 1) -> None:
        self.radio.send(Zcl(OTA, BLOCK_REQUEST, payload, tsn=tsn), acknowledged=acknowledged)


class Loader(Lamp):
    """Asks for blocks, one after the other, until it has an image of so many bytes."""

    def __init__(self, number: int, size: int, *, patience: float = 2.0) -> None:
        super().__init__(number)
        self.missing = size
        self.asked = 0
        self.done: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._patience = patience
        self._again: asyncio.TimerHandle | None = None

    def ask(self) -> None:
        self.asked += 1
        self.say(bytes(BLOCK_HEAD), acknowledged=False, tsn=self.asked % 256)
        self._again = asyncio.get_running_loop().call_later(self._patience, self.ask)

    def received(self, frame: Zcl) -> None:
        if self.done.done():
            return
        if self._again is not None:
            self._again.cancel()
        self.missing -= len(frame.payload) - BLOCK_HEAD
        if self.missing <= 0:
            self.done.set_result(asyncio.get_running_loop().time())
        elif self.asked:
            self.ask()


@dataclass
class Bench:
    """The coordinator's stack, told directly what to send; its network runs."""

    network: VirtualNetwork
    block: int = 50
    acknowledged: bool = False
    heard: list[Aps] = field(default_factory=list)
    came_in: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    answers: list[tuple[int, int, bytes]] = field(default_factory=list)
    reply: Callable[[Aps], None] | None = None

    def __post_init__(self) -> None:
        self.network.coordinator.start()
        self.network.coordinator.host = self

    def send(self, node: NodeStack, data: bytes, *, acknowledged: bool) -> list[Outcome]:
        """Send ZCL bytes; returns where the outcome will be."""
        outcomes: list[Outcome] = []
        self.network.coordinator.send(
            node.nwk, data, cluster=OTA, from_endpoint=1, to_endpoint=1,
            acknowledged=acknowledged, done=outcomes.append,
        )  # fmt: skip
        return outcomes

    def send_block(self, nwk: int, done: Callable[[Outcome], None] | None = None) -> None:
        head = bytes(BLOCK_HEAD - 1) + bytes((self.block,))
        data = bytes((0x09, 0, BLOCK)) + head + bytes(self.block)
        self.network.coordinator.send(
            nwk, data, cluster=OTA, from_endpoint=1, to_endpoint=1,
            acknowledged=self.acknowledged, done=done,
        )  # fmt: skip

    def ask(self, node: NodeStack, cluster: int, request: bytes) -> None:
        self.network.coordinator.send(
            node.nwk, b"\x07" + request, cluster=cluster, from_endpoint=0, to_endpoint=0, acknowledged=False
        )

    def message(self, frame: Aps, lqi: int) -> None:
        self.heard.append(frame)
        if frame.data[2] == BLOCK_REQUEST and frame.cluster == OTA:
            self.send_block(frame.source.nwk)

    def device_profile(self, source: int, cluster: int, data: bytes, *, broadcast: bool) -> None:
        self.answers.append((source, cluster, data[1:]))

    def came(self, node: NodeStack, parent: int) -> None:
        self.came_in.append(node.ieee)

    def went(self, node: NodeStack, *, rejoin: bool) -> None:
        self.gone.append(node.ieee)

    def route(self, node: NodeStack, relays: list[int]) -> None:
        pass
