"""Where a virtual node is on the bench: at the end of a line, behind a radio, or on a Zigbee network.

The cases ask the same of all of them.  What differs is said here: how a session reaches the
node, where its link can be cut, and who may stand in between.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from flashers.api import Calling, Role, Unattended, VirtualNode, radio_node, uart_node, zigbee_node
from flashers.conformance.peers import Between, on_air, on_line, on_network
from flashers.conformance.session import BenchSession
from transports.gatt import GattLink
from transports.links import Medium
from transports.virtual.memory import MemoryLine
from transports.virtual.memory_gatt import MemoryAir, either
from transports.virtual.memory_zigbee import MemoryMesh, MemoryNetwork
from transports.zcl import Zcl

Alone = Callable[[Zcl, bool], Unattended]
"""A plugin's ``unattended``."""

LATENCY = 0.001
"""Seconds that anything is under way; with none at all, some orders of events could never be seen."""
ADDRESS = "C0:00:00:00:00:3F"
IEEE = "00:12:4b:00:1c:00:00:3f"
_AWAY = 0.05
"""Seconds for which a coordinator is gone that was cut off."""
_WITHIN = 2.0
"""Seconds in which a connect has to hear the node."""


class Place(Protocol):
    """One node's place on the bench."""

    node: VirtualNode

    def session(self) -> BenchSession:
        """A session on this node."""
        ...

    @property
    def carried(self) -> tuple[int, int]:
        """What has passed to the node and from it, in the units in which it can be cut."""
        ...

    @property
    def held(self) -> bool:
        """Somebody has the link open."""
        ...

    @property
    def tasks(self) -> "frozenset[asyncio.Task[None]]":
        """What the place itself is doing, which no flasher left behind."""
        ...

    def unplug(self) -> None:
        """Take the node away from the host."""
        ...

    def replug(self) -> None:
        """And back."""
        ...


class LinePlace:
    """At the end of a line, which is cut at bytes."""

    def __init__(self, node: VirtualNode, between: Between | None, cut: tuple[int, bool] | None) -> None:
        self.node = node
        way = "" if cut is None else f"cut-link@{cut[0]};dir={'up' if cut[1] else 'down'}"
        self.line = MemoryLine(on_line(uart_node(node), between), latency=LATENCY, faults=way)

    def session(self) -> BenchSession:
        """As in the contract."""
        return BenchSession(self.line.open)

    @property
    def carried(self) -> tuple[int, int]:
        """As in the contract: bytes."""
        return self.line.line.down.carried, self.line.line.up.carried

    @property
    def held(self) -> bool:
        """As in the contract."""
        return self.line.held

    @property
    def tasks(self) -> "frozenset[asyncio.Task[None]]":
        """As in the contract: nothing."""
        return frozenset()

    def unplug(self) -> None:
        """As in the contract."""
        self.line.unplug()

    def replug(self) -> None:
        """As in the contract."""
        self.line.replug()


class RadioPlace:
    """Behind a radio, whose link is cut at packets; how a node will be called is kept, as a host does."""

    def __init__(
        self, node: VirtualNode, between: Between | None, cut: tuple[int, bool] | None, *, pair: bool
    ) -> None:
        self.node = node
        self._air = MemoryAir(latency=LATENCY)
        peer = on_air(radio_node(node).radio("conformance", ADDRESS), between)
        self._radio = self._air.add(peer, drops=() if cut is None else (cut[0],))
        self._callings: dict[Role, Calling] = {}
        self._pair = pair

    def session(self) -> BenchSession:
        """As in the contract."""
        return BenchSession(radio=self._connect, address=ADDRESS, callings=self._callings)

    async def _connect(self, wanted: tuple[Calling, ...]) -> GattLink:
        return await self._air.connect(either(wanted), within=_WITHIN, pair=self._pair)

    @property
    def carried(self) -> tuple[int, int]:
        """As in the contract: packets, which are counted together, whichever way they went."""
        return self._radio.counts.packets, 0

    @property
    def held(self) -> bool:
        """As in the contract."""
        return self._radio.link is not None and not self._radio.link.lost

    @property
    def tasks(self) -> "frozenset[asyncio.Task[None]]":
        """As in the contract: nothing."""
        return frozenset()

    def unplug(self) -> None:
        """As in the contract."""
        self._radio.set_reach(reach=False)

    def replug(self) -> None:
        """As in the contract."""
        self._radio.set_reach(reach=True)


class NetworkPlace:
    """On a Zigbee network, whose coordinator is cut off at frames.

    While nobody listens to the node it is answered as the plugin says; ``open_attempt`` is whether
    the host would have an attempt on it then, ``questions`` what it asked.
    """

    def __init__(
        self,
        node: VirtualNode,
        between: Between | None,
        cut: tuple[int, bool] | None,
        *,
        alone: Alone | None = None,
    ) -> None:
        self.node = node
        self.mesh = MemoryMesh(latency=LATENCY)
        self.network = MemoryNetwork(self.mesh)
        self._place = self.mesh.add(on_network(zigbee_node(node).zigbee("conformance", IEEE), between))
        self._words: dict[str, str] = {}
        self._cut = None if cut is None else cut[0]
        self._alone = alone
        self.open_attempt = True
        self.questions: list[Zcl] = []
        self.mesh.watch = self._passing
        self.network.stand_in(self._answer)

    def _answer(self, ieee: str, asked: Zcl) -> Zcl | None:
        del ieee
        self.questions.append(asked)
        return None if self._alone is None else self._alone(asked, self.open_attempt).answer

    def _passing(self, number: int) -> None:
        if number == self._cut:
            self.network.unplug()
            asyncio.get_running_loop().call_later(_AWAY, self.network.replug)

    def session(self) -> BenchSession:
        """As in the contract; what a node's flasher had remembered is still known."""
        return BenchSession(zigbee=lambda: self.network.node(IEEE), words=self._words)

    @property
    def carried(self) -> tuple[int, int]:
        """As in the contract: frames, which are counted together, whichever way they went."""
        return self.mesh.frames, 0

    @property
    def held(self) -> bool:
        """As in the contract: somebody still takes what the node sends."""
        return self.network.traffic.waits(IEEE)

    @property
    def tasks(self) -> "frozenset[asyncio.Task[None]]":
        """As in the contract: what answers the node while nobody is with it."""
        return self.network.answering

    def unplug(self) -> None:
        """As in the contract."""
        self._place.set_reach(reach=False)

    def replug(self) -> None:
        """As in the contract."""
        self._place.set_reach(reach=True)


def place_for(
    node: VirtualNode,
    medium: Medium,
    *,
    between: Between | None = None,
    cut: tuple[int, bool] | None = None,
    pair: bool = False,
    alone: Alone | None = None,
) -> Place:
    """The place for a node; ``cut`` is where its link is cut, and whether on the way from the node."""
    if medium is Medium.ZIGBEE:
        return NetworkPlace(node, between, cut, alone=alone)
    if medium is Medium.BLE:
        return RadioPlace(node, between, cut, pair=pair)
    return LinePlace(node, between, cut)
