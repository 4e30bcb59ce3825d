"""A node of a Zigbee network: who stands between, and how a gateway that may die gets to it.

There is no connection that could be lost.  The node asks whenever it likes, of whoever is at the
coordinator, or of nobody; so the network outlives every gateway, and each life of one has its own
host there, its own stand-in and its own memory of when the node was heard.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from flashers.api import FlasherPlugin, Stamp
from gateway.attempt.zigbee import ZigbeeWay
from gateway.service.zigbee.hearing import Hearing
from tests.matrix.fates import Gone
from tests.matrix.process import Process, Sends
from transports.virtual.memory_mesh import MemoryMesh
from transports.virtual.memory_zigbee import MemoryNetwork
from transports.zcl import (
    AttributeValue,
    NodeDescription,
    NodeFacts,
    Zcl,
    ZigbeeLink,
    ZigbeePeer,
    ZigbeeRadio,
)
from transports.zigbee.attributes import REPORT
from transports.zigbee.network import Network

IEEE = "00:12:4b:00:00:00:01:10"
MESH = "hall"
PLACE = f"zigbee:{MESH}#{IEEE}"
AWAY_S = 5.0
"""How long a coordinator is away that was pulled out."""
_OTA, _BLOCK, _END, _ABORT = 0x0019, 0x05, 0x07, 0x95
"""Image Block Response and Upgrade End Response of the OTA cluster, and the status that ends it all
(ZCL revision 8, 11.13)."""


class OverheardNode:
    """A node's face on the network, and somebody who learns when it is asked something."""

    def __init__(self, peer: ZigbeePeer, asked: Callable[[Callable[[], None]], None]) -> None:
        self._peer = peer
        self._asked = asked
        self.aborts: list[Zcl] = []
        """Frames that told it to throw away what it has."""

    @property
    def description(self) -> NodeDescription:
        """As in the contract."""
        return self._peer.description

    def attach(self, radio: ZigbeeRadio) -> None:
        """As in the contract."""
        self._peer.attach(radio)

    def received(self, frame: Zcl) -> None:
        """As in the contract; whatever is done meanwhile is done for the host."""
        if is_abort(frame):
            self.aborts.append(frame)
        self._asked(lambda: self._peer.received(frame))


def is_abort(frame: Zcl) -> bool:
    """Whether a node that hears this gives its image up."""
    status = frame.payload[:1] == bytes((_ABORT,))
    return frame.cluster == _OTA and not frame.general and frame.command in (_BLOCK, _END) and status


class Unsteady:
    """Pulls a mesh's coordinator out at some of its frames, and puts it back."""

    def __init__(self, mesh: MemoryMesh, gones: Sequence[Gone]) -> None:
        self._mesh = mesh
        self._at = {each.frame for each in gones}
        self.network: MemoryNetwork | None = None
        mesh.watch = self._frame

    def _frame(self, number: int) -> None:
        if number in self._at and self._mesh.here:
            loop = asyncio.get_running_loop()
            loop.call_soon(self._unplug)
            loop.call_later(AWAY_S, self._replug)

    def _unplug(self) -> None:
        self._mesh.here = False
        if self.network is not None:
            self.network.unplug()

    def _replug(self) -> None:
        self._mesh.here = True
        if self.network is not None:
            self.network.replug()


class Reported:
    """What a node reports by itself; implements :class:`gateway.attempt.hearing.Hearing`."""

    def __init__(self, network: Network) -> None:
        self._count = 0
        self._last: float | None = None
        self._news = asyncio.Event()
        network.hear(self._heard)

    def _heard(self, ieee: str, frame: Zcl | None) -> None:
        del ieee  # there is one
        if frame is not None and frame.general and frame.command == REPORT:
            self._count += 1
            self._last = asyncio.get_running_loop().time()
            self._news.set()

    def total(self, node: str) -> int:
        """As in the contract."""
        return self._count

    def last_at(self, node: str) -> float | None:
        """As in the contract."""
        return self._last

    def per_second(self, node: str) -> float | None:
        """As in the contract; nobody has counted."""
        return None

    def deaf(self, node: str) -> str:
        """As in the contract."""
        return ""

    async def news(self) -> None:
        """As in the contract."""
        self._news.clear()
        await self._news.wait()


class NothingHeard:
    """Who was heard when is not kept over lives."""

    async def keep_heard(self, heard: dict[str, Stamp]) -> None:
        """As in the contract."""

    async def heard(self) -> dict[str, Stamp]:
        """As in the contract."""
        return {}


def nobody_heard() -> Hearing:
    """What a gateway knows that has just started."""
    return Hearing(NothingHeard(), lambda: Stamp(0, synchronised=False))


def stand_in(plugin: FlasherPlugin, due: Callable[[], bool]) -> Callable[[str, str, Zcl], Zcl | None]:
    """What the node is told while no flasher is with it, as the service has it."""

    def answer(network: str, ieee: str, request: Zcl) -> Zcl | None:
        del network, ieee
        assert plugin.unattended is not None
        return plugin.unattended(request, due()).answer

    return answer


class MortalWay:
    """The way to the node, in the hands of a process that may be dead."""

    def __init__(self, way: ZigbeeWay, process: Process, sends: Sends) -> None:
        self._way = way
        self._process = process
        self._sends = sends

    async def link(self) -> ZigbeeLink:
        """As in the contract."""
        self._process.check()
        return MortalZigbee(await self._way.link(), self._process, self._sends)

    def away(self) -> str:
        """As in the contract."""
        return self._way.away()

    def heard(self) -> None:
        """As in the contract."""
        self._way.heard()

    def words(self) -> str:
        """As in the contract."""
        return self._way.words()

    def missed(self) -> str:
        """As in the contract."""
        return self._way.missed()

    def overdue(self) -> bool:
        """As in the contract."""
        return self._way.overdue()


class MortalZigbee:
    """A link in the hands of a process that may be dead; a :class:`~transports.zcl.ZigbeeLink`."""

    def __init__(self, link: ZigbeeLink, process: Process, sends: Sends) -> None:
        self._link = link
        self._process = process
        self._sends = sends

    @property
    def facts(self) -> NodeFacts:
        """As in the contract."""
        return self._link.facts

    async def ask(self, frame: Zcl, *, within: float) -> Zcl:
        """As in the contract."""
        self._process.check()
        answer = await self._link.ask(frame, within=within)
        self._sends.sent(self._process)
        return answer

    async def send(self, frame: Zcl, *, acknowledged: bool) -> float:
        """As in the contract."""
        self._process.check()
        took = await self._link.send(frame, acknowledged=acknowledged)
        self._sends.sent(self._process)
        return took

    async def read(
        self,
        cluster: int,
        attributes: Sequence[int],
        *,
        endpoint: int,
        client: bool = False,
        manufacturer: int | None = None,
        within: float,
    ) -> Mapping[int, AttributeValue]:
        """As in the contract."""
        self._process.check()
        values = await self._link.read(
            cluster, attributes, endpoint=endpoint, client=client, manufacturer=manufacturer, within=within
        )
        self._sends.sent(self._process)
        return values

    async def bindings(self, *, within: float) -> tuple[str, ...]:
        """As in the contract."""
        self._process.check()
        return await self._link.bindings(within=within)

    def listen(self, cluster: int) -> None:
        """As in the contract."""
        self._link.listen(cluster)

    async def heard(self) -> Zcl:
        """As in the contract."""
        self._process.check()
        return await self._link.heard()

    async def aclose(self) -> None:
        """As in the contract."""
        await self._link.aclose()
