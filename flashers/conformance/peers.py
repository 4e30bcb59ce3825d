"""What stands between a link and its node in cases about noise: babblers, liars, floods."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

from flashers.api import NotSupported, UartNode
from flashers.conformance.strange_air import AirBabbler, AirStranger
from flashers.conformance.strange_mesh import MeshBabbler, MeshStranger
from transports.gatt import GattPeer
from transports.links import Transmit, UartPeer
from transports.zcl import ZigbeePeer


@dataclass(frozen=True, slots=True)
class Between:
    """How something gets between a node and its link, of any kind; None where there is no such thing."""

    line: Callable[[UartNode], UartPeer]
    air: Callable[[GattPeer], GattPeer] | None = None
    mesh: Callable[[ZigbeePeer], ZigbeePeer] | None = None


def on_line(node: UartNode, between: Between | None) -> UartPeer:
    """The far end of a line."""
    return node if between is None else between.line(node)


def on_air(peer: GattPeer, between: Between | None) -> GattPeer:
    """The far end of a radio link.

    Raises:
        NotSupported: what should get between does that on lines only.
    """
    if between is None:
        return peer
    if between.air is None:
        raise NotSupported("nothing of the kind gets between a radio and a node")
    return between.air(peer)


def on_network(peer: ZigbeePeer, between: Between | None) -> ZigbeePeer:
    """A node of a Zigbee network.

    Raises:
        NotSupported: what should get between does not do that there.
    """
    if between is None:
        return peer
    if between.mesh is None:
        raise NotSupported("nothing of the kind gets between a network and a node")
    return between.mesh(peer)


def babbling(seed: int, share: float) -> Between:
    """Random bytes between the node's own."""
    return Between(
        lambda node: Babbler(node, seed, share),
        lambda peer: AirBabbler(peer, seed, share),
        lambda peer: MeshBabbler(peer, seed, share),
    )


def strange(seed: int) -> Between:
    """No node, but somebody who answers with anything."""

    def stranger(node: UartNode) -> UartPeer:
        del node
        return Stranger(seed)

    return Between(stranger, lambda peer: AirStranger(peer, seed), lambda peer: MeshStranger(peer, seed))


def flooding(size: int) -> Between:
    """Somebody who does not stop talking, on a line."""

    def flood(node: UartNode) -> UartPeer:
        del node
        return Flood(size)

    return Between(flood)


class Babbler:
    """Lets everything pass, and adds random bytes to what the node says."""

    def __init__(self, node: UartNode, seed: int, share: float) -> None:
        self._node = node
        self._chance = random.Random(seed)
        self._share = share
        self._transmit: Transmit | None = None

    def attach(self, transmit: Transmit) -> None:
        """As in the contract."""
        self._transmit = transmit
        self._node.attach(self._up)

    def receive(self, data: bytes) -> None:
        """As in the contract."""
        self._babble()
        self._node.receive(data)

    def lines(self, *, dtr: bool, rts: bool) -> None:
        """As in the contract."""
        self._node.lines(dtr=dtr, rts=rts)

    def _up(self, data: bytes, /) -> None:
        self._babble()
        if self._transmit is not None:
            self._transmit(data)

    def _babble(self) -> None:
        if self._transmit is not None and self._chance.random() < self._share:
            self._transmit(self._chance.randbytes(self._chance.randrange(1, 40)))


class Stranger:
    """No node at all: answers whatever it hears with random bytes, or with what it heard."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._transmit: Transmit | None = None

    def attach(self, transmit: Transmit) -> None:
        """As in the contract."""
        self._transmit = transmit

    def receive(self, data: bytes) -> None:
        """As in the contract."""
        if self._transmit is None or self._chance.random() < 0.3:
            return
        echo = self._chance.random() < 0.3
        self._transmit(data if echo else self._chance.randbytes(self._chance.randrange(1, 80)))

    def lines(self, *, dtr: bool, rts: bool) -> None:
        """As in the contract."""


class Flood:
    """Begins to talk at the first byte that it hears, and does not stop for some megabytes."""

    def __init__(self, size: int, *, piece: int = 1024, every: float = 0.001) -> None:
        self._left = size
        self._piece = piece
        self._every = every
        self._chance = random.Random(1)
        self._transmit: Transmit | None = None
        self._begun = False

    def attach(self, transmit: Transmit) -> None:
        """As in the contract."""
        self._transmit = transmit

    def receive(self, data: bytes) -> None:
        """As in the contract."""
        if not self._begun:
            self._begun = True
            self._talk()

    def lines(self, *, dtr: bool, rts: bool) -> None:
        """As in the contract."""

    def _talk(self) -> None:
        if self._left > 0 and self._transmit is not None:
            self._left -= self._piece
            # No line ends, and nothing that a protocol could begin with is kept apart.
            self._transmit(self._chance.randbytes(self._piece).replace(b"\n", b"x"))
            asyncio.get_running_loop().call_later(self._every, self._talk)
