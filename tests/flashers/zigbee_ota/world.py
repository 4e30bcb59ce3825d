"""A virtual node on a network in memory, and a server of files that is as plain as can be.

The server is none of ours: it says what the specification has it say, so that the node's manners are
judged by that and not by our own server's.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from flashers.api import VirtualSetup
from flashers.sim import Behaviour, SimApp
from flashers.zigbee_ota.build import build
from flashers.zigbee_ota.codec import (
    File,
    ImageBlockRequest,
    ImageBlockResponse,
    ImageNotify,
    ImagePageRequest,
    QueryNextImageRequest,
    QueryNextImageResponse,
    Request,
    Status,
    UpgradeEndRequest,
    UpgradeEndResponse,
    answer,
    frame,
    general,
    read_request,
)
from flashers.zigbee_ota.codec.header import Header
from flashers.zigbee_ota.codec.words import ANY, ANY_VERSION, FOREVER, OTA, General, OtaAttribute
from flashers.zigbee_ota.params import OtaParams
from flashers.zigbee_ota.virtual.node import VirtualZigbeeNode
from transports.errors import LinkError
from transports.virtual.memory_zigbee import MemoryMesh, MemoryNetwork
from transports.zcl import Zcl

IEEE = "00:12:4b:00:1c:aa:bb:cc"
SIZE = 3000
OLD, NEW = SimApp("1.0.0"), SimApp("2.0.0")
SMALL = {"page": "256", "slot-pages": "16"}

Interfere = Callable[[Request], Zcl | bool | None]
"""Says something else than the server would: a frame, nothing (None), or True to let it go on."""


def file(app: SimApp = NEW, size: int = SIZE, **options: str) -> bytes:
    return build(app, size, {name.replace("_", "-"): value for name, value in options.items()})


def behaving(behaviour: Behaviour, claims: str = "") -> SimApp:
    return SimApp("2.0.0", behaviour, claims=claims)


def made(
    params: OtaParams | None = None, *, running: bytes | None = None, **options: str
) -> VirtualZigbeeNode:
    said = {**SMALL, **{name.replace("_", "-"): value for name, value in options.items()}}
    flash = {"app": file(OLD) if running is None else running}
    return VirtualZigbeeNode(VirtualSetup(params or OtaParams(), flash=flash, options=said))


@dataclass
class Server:
    """Serves one file to one node, by offset."""

    network: MemoryNetwork
    data: bytes
    version: int | None = None
    """What is advertised; the file's own if left out."""
    pages: bool = True
    start: int = FOREVER
    """What is said to an end request: seconds, or to wait."""
    interfere: Interfere = lambda request: True
    requests: list[Request] = field(default_factory=list)
    others: list[Zcl] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.link = self.network.node(IEEE)
        self.link.listen(OTA)
        header = Header.decode(self.data)
        self.file = File(
            header.file.manufacturer,
            header.file.image_type,
            header.file.version if self.version is None else self.version,
        )
        self.size = header.total
        self.task = asyncio.ensure_future(self._serve())

    async def notify(self) -> None:
        await self.link.send(frame(ImageNotify(100)), acknowledged=True)

    async def say_start(self, seconds: int = 0) -> None:
        said = UpgradeEndResponse(File(ANY, ANY, ANY_VERSION), 0, seconds)
        await self.link.send(frame(said), acknowledged=True)

    async def attribute(self, attribute: OtaAttribute) -> object:
        found = await self.link.read(OTA, [attribute], endpoint=1, client=True, within=20.0)
        return found.get(attribute)

    async def aclose(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.link.aclose()

    def asked(self, kind: type) -> list[Request]:
        return [each for each in self.requests if isinstance(each, kind)]

    async def _serve(self) -> None:
        while True:
            heard = await self.link.heard()
            if heard.general:
                self.others.append(heard)
                continue
            request = read_request(heard)
            self.requests.append(request)
            said = self.interfere(request)
            try:
                if isinstance(said, Zcl):
                    await self.link.send(said, acknowledged=True)
                elif said:
                    await self._answer(heard, request)
            except LinkError:
                continue  # it asks again

    async def _answer(self, heard: Zcl, request: Request) -> None:
        match request:
            case QueryNextImageRequest():
                said = QueryNextImageResponse(Status.SUCCESS, self.file, self.size)
                await self.link.send(answer(heard, said), acknowledged=True)
            case ImageBlockRequest():
                await self.link.send(answer(heard, self.block(request)), acknowledged=True)
            case ImagePageRequest():
                await self._page(heard, request)
            case UpgradeEndRequest():
                end = UpgradeEndResponse(request.file, 0, self.start)
                if request.status == Status.SUCCESS:
                    await self.link.send(answer(heard, end), acknowledged=True)
                self.ended.set()
            case _:
                raise AssertionError(request)

    def block(self, request: ImageBlockRequest) -> ImageBlockResponse:
        data = self.data[request.offset : min(self.size, request.offset + request.size)]
        return ImageBlockResponse(Status.SUCCESS, request.file, request.offset, data)

    async def _page(self, heard: Zcl, request: ImagePageRequest) -> None:
        if not self.pages:
            said = Zcl(
                OTA,
                General.DEFAULT_RESPONSE,
                general.encode_default(heard.command, Status.UNSUPPORTED_COMMAND),
                tsn=heard.tsn,
                to_client=True,
                general=True,
            )
            await self.link.send(said, acknowledged=True)
            return
        end = min(self.size, request.offset + request.page)
        for at in range(request.offset, end, request.size):
            data = self.data[at : min(end, at + request.size)]
            block = ImageBlockResponse(Status.SUCCESS, request.file, at, data)
            await self.link.send(frame(block, tsn=heard.tsn), acknowledged=False)
            await asyncio.sleep(request.spacing / 1000)


def on_network(
    node: VirtualZigbeeNode, *, hops: int = 1, loss: float = 0.0, mesh: MemoryMesh | None = None
) -> MemoryNetwork:
    network = MemoryNetwork(mesh)
    network.mesh.add(node.zigbee("node", IEEE), hops=hops, loss=loss)
    return network


async def until(what: Callable[[], bool], within: float = 600.0) -> None:
    """Wait in the loop's time until it is so."""
    async with asyncio.timeout(within):
        while not what():  # noqa: ASYNC110 - it looks into a node, which tells nobody
            await asyncio.sleep(0.25)
