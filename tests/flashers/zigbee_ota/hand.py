"""A node that is played by hand: it sends what a test tells it to, and keeps what it is sent.

What no well-behaved node does has to come from somewhere; and what is claimed of an answer is held
to its bytes here, not to another implementation's reading of them.
"""

import asyncio
import struct
from collections.abc import Awaitable, Callable
from typing import TypeVar

from flashers.api import Component, Firmware, FirmwareImage, Transfer
from flashers.api.data import Digest, Segment
from flashers.conformance.session import BenchSession, LosableZigbee
from flashers.zigbee_ota.codec import (
    Command,
    File,
    ImageBlockRequest,
    ImageBlockResponse,
    ImagePageRequest,
    QueryNextImageRequest,
    Request,
    UpgradeEndRequest,
    frame,
)
from flashers.zigbee_ota.codec.general import Attribute as Value
from flashers.zigbee_ota.codec.general import decode_read, encode_read_response
from flashers.zigbee_ota.codec.header import Header
from flashers.zigbee_ota.codec.words import BASIC, OTA, General, OtaAttribute
from flashers.zigbee_ota.flasher import ZigbeeFlasher
from flashers.zigbee_ota.params import OtaParams
from transports.virtual.clock import run_virtual
from transports.virtual.memory_zigbee import MemoryMesh, MemoryNetwork
from transports.zcl import EndpointDescription, NodeDescription, Zcl, ZigbeeLink, ZigbeeRadio

T = TypeVar("T")

IEEE = "00:12:4b:00:1c:00:00:01"
MANUFACTURER, TYPE = 0x1234, 0x0001
_U32, _U16, _ENUM8 = 0x23, 0x21, 0x30
_KINDS = {OtaAttribute.IMAGE_UPGRADE_STATUS: _ENUM8, OtaAttribute.MANUFACTURER_ID: _U16}
_TEXT = 0x42


def image(
    version: int = 2,
    size: int = 1000,
    *,
    hardware: tuple[int, int] | None = None,
    destination: int | None = None,
) -> FirmwareImage:
    """An OTA file of so many bytes, with one element in it."""
    fixed = Header(File(MANUFACTURER, TYPE, version), size, "hand", hardware, destination)
    head = fixed.encode()
    body = bytes(index * 7 % 256 for index in range(size - len(head) - 6))
    data = head + struct.pack("<HI", 0, len(body)) + body
    return FirmwareImage(
        "zigbee-ota",
        Digest.sha256(data),
        Firmware(version=str(version)),
        (Segment(0, data),),
        Component(),
    )


class Hand:
    """A node of the network, played by a test."""

    def __init__(self, *, runs: int = 1, sleepy: bool = False) -> None:
        self.description = NodeDescription(
            IEEE, (EndpointDescription(1, servers=(BASIC,), clients=(OTA,)),), MANUFACTURER, sleepy=sleepy
        )
        self.ota: dict[int, int] = {OtaAttribute.CURRENT_FILE_VERSION: runs}
        self.basic: dict[int, str] = {}
        self.told: list[Zcl] = []
        self.answers_reads = True
        self.deaf_to: set[int] = set()
        """Clusters whose attributes it does not tell, as if the answer were lost."""
        self.radio: ZigbeeRadio | None = None
        self._news = asyncio.Event()
        self._number = 0

    def attach(self, radio: ZigbeeRadio) -> None:
        """As in the contract: it is there at once."""
        self.radio = radio
        radio.appear()

    def received(self, frame: Zcl) -> None:
        """As in the contract."""
        if frame.general and frame.command == General.READ:
            if self.answers_reads and frame.cluster not in self.deaf_to:
                self._read(frame)
            return
        self.told.append(frame)
        self._news.set()

    def _read(self, asked: Zcl) -> None:
        has: dict[int, Value] = {}
        for name in decode_read(asked.payload):
            if asked.cluster == OTA and name in self.ota:
                has[name] = Value(name, _KINDS.get(OtaAttribute(name), _U32), self.ota[name])
            elif asked.cluster == BASIC and name in self.basic:
                has[name] = Value(name, _TEXT, self.basic[name])
        answer = encode_read_response(dict(has))
        self.say(
            Zcl(
                asked.cluster,
                General.READ_RESPONSE,
                answer,
                1,
                asked.tsn,
                to_client=not asked.to_client,
                general=True,
            )
        )

    def say(self, frame: Zcl) -> None:
        """Send it."""
        assert self.radio is not None
        self.radio.send(frame)

    def ask(self, what: Request, *, tsn: int | None = None) -> int:
        """Ask the server; the number of the question."""
        if tsn is None:
            self._number = tsn = (self._number + 1) % 256
        self.say(frame(what, tsn=tsn))
        return tsn

    def query(self, runs: int | None = None, *, tsn: int | None = None, hardware: int | None = None) -> int:
        """What is there for me?"""
        version = self.ota[OtaAttribute.CURRENT_FILE_VERSION] if runs is None else runs
        return self.ask(QueryNextImageRequest(File(MANUFACTURER, TYPE, version), hardware), tsn=tsn)

    def block(self, offset: int, size: int = 50, *, version: int = 2, tsn: int | None = None) -> int:
        """Give me a block."""
        return self.ask(ImageBlockRequest(File(MANUFACTURER, TYPE, version), offset, size), tsn=tsn)

    def page(self, offset: int, page: int, size: int = 50, *, spacing: int = 0, version: int = 2) -> int:
        """Give me a page."""
        return self.ask(ImagePageRequest(File(MANUFACTURER, TYPE, version), offset, size, page, spacing))

    def end(self, status: int = 0, *, version: int = 2) -> int:
        """I have it, or not."""
        return self.ask(UpgradeEndRequest(status, File(MANUFACTURER, TYPE, version)))

    async def hears(self, command: int, *, general: bool = False, within: float = 30.0) -> Zcl:
        """The next frame of this kind; those before it are forgotten."""
        async with asyncio.timeout(within):
            while True:
                while self.told:
                    frame = self.told.pop(0)
                    if frame.command == command and frame.general == general:
                        return frame
                self._news.clear()
                await self._news.wait()

    async def gets(self, offset: int, size: int = 50, *, version: int = 2) -> bytes:
        """Ask for a block until it is there; its bytes."""
        self.block(offset, size, version=version)
        while True:
            frame = await self.hears(Command.IMAGE_BLOCK_RESPONSE)
            said = ImageBlockResponse.decode(frame.payload)
            if said.status == 0 and said.offset == offset:
                return said.data

    async def takes(self, file: bytes, *, start: int = 0, size: int = 50, version: int = 2) -> bytes:
        """Ask for everything from there."""
        taken = b""
        while start + len(taken) < len(file):
            taken += await self.gets(start + len(taken), size, version=version)
        return taken


class Overheard(LosableZigbee):
    """The way to the hand, on which it is written down what was sent and whether that was acknowledged."""

    def __init__(self, link: ZigbeeLink, sent: list[tuple[Zcl, bool]]) -> None:
        super().__init__(link)
        self._sent = sent

    async def send(self, frame: Zcl, *, acknowledged: bool) -> float:
        """As in the contract."""
        self._sent.append((frame, acknowledged))
        return await super().send(frame, acknowledged=acknowledged)


class World:
    """A hand on a network, and a flasher that serves it."""

    def __init__(
        self,
        *,
        runs: int = 1,
        sleepy: bool = False,
        words: dict[str, str] | None = None,
        largest: int = 82,
        **params: object,
    ) -> None:
        self.hand = Hand(runs=runs, sleepy=sleepy)
        self.mesh = MemoryMesh()
        self.network = MemoryNetwork(self.mesh)
        self.node = self.mesh.add(self.hand, largest=largest)
        self.words = words if words is not None else {}
        self.params = OtaParams.model_validate(params)
        self.sent: list[tuple[Zcl, bool]] = []
        self.session = BenchSession(
            zigbee=lambda: Overheard(self.network.node(IEEE), self.sent), words=self.words
        )
        self.flasher = ZigbeeFlasher(self.session, self.params)

    def transfer(self, what: FirmwareImage) -> "asyncio.Task[object]":
        """Begin a transfer."""

        async def run() -> object:
            return await self.flasher.transfer(Transfer(what))

        return asyncio.ensure_future(run())

    async def close(self) -> None:
        """Nothing may be left."""
        await self.session.close()
        await self.network.aclose()


def play(story: Callable[[World], Awaitable[T]], **more: object) -> T:
    """Tell a story in virtual time."""

    async def told() -> T:
        world = World(**more)  # type: ignore[arg-type]
        try:
            return await story(world)
        finally:
            await world.close()

    return run_virtual(told())
