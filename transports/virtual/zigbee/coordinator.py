"""The coordinator of a virtual network: its stack, who belongs to it, and what it keeps.

What speaks to it over a serial line is :mod:`~transports.virtual.zigbee.ncp`; here is what the chip
does by itself: form or resume the network, let nodes in, route, answer what is asked of itself.
"""

import random
import struct
from collections.abc import Iterable
from typing import Protocol

from transports.virtual.zigbee import descriptors, nv, zdo
from transports.virtual.zigbee.aps import Aps, ApsLayer
from transports.virtual.zigbee.channel import Outcome
from transports.virtual.zigbee.joining import Joiner, Joining
from transports.virtual.zigbee.mesh import Done, Mesh
from transports.virtual.zigbee.stack import ZDO_PROFILE, NodeStack
from transports.zcl import HOME_AUTOMATION, EndpointDescription

MANUFACTURER = 0x0007
"""Texas Instruments."""
NO_ROUTE_AFTER = 0.6
"""Seconds of a route discovery that nobody answers; ours."""
COUNTER_MARGIN = 1250
"""By so much a frame counter is ahead after a restart (Z-Stack)."""
CHANNELS = range(11, 27)


class Host(Protocol):
    """Who is told of what happens; the far end of the serial line."""

    def message(self, frame: Aps, lqi: int) -> None:
        """An application's frame came in."""
        ...

    def device_profile(self, source: int, cluster: int, data: bytes, *, broadcast: bool) -> None:
        """A frame of the device profile came in, or answers what was asked of the coordinator itself."""
        ...

    def came(self, node: NodeStack, parent: int) -> None:
        """A node was let in, or is back."""
        ...

    def went(self, node: NodeStack, *, rejoin: bool) -> None:
        """A node said goodbye."""
        ...

    def route(self, node: NodeStack, relays: list[int]) -> None:
        """The way to a node is known."""
        ...


class Coordinator:
    """See the module.

    Args:
        mesh: the network.
        memory: its flash.
        dice: short addresses and network numbers.
    """

    def __init__(self, mesh: Mesh, memory: nv.Memory, dice: random.Random) -> None:
        self.memory = memory
        self.running = False
        self.host: Host | None = None
        self.joining = Joining(mesh, dice, self)
        self.nodes: dict[int, NodeStack] = {}
        self.channels = 1 << 11
        self.subject = descriptors.Subject(
            descriptors.ieee_text(memory.own_ieee), descriptors.Logical.COORDINATOR, True, True,
            MANUFACTURER, 80, {}, nwk=0x0000, neighbours=self._neighbours, server_mask=0x2C41,
        )  # fmt: skip
        self.aps = ApsLayer(mesh, "coordinator", self, router=True, sleepy=False)
        self.aps.nwk = 0x0000
        self._mesh = mesh
        self._agenda = mesh.agenda
        self._dice = dice
        self.install_keys: dict[str, bytes] = {}
        """Keys of install codes that a host has entered, by address."""
        self.codes_only = False
        """Nobody else is let in."""
        self._permitted_until = 0.0
        self._routes_told: set[str] = set()
        self._count = 0
        self._kept_count = 0
        mesh.channel.switch(self.aps.radio, on=False)

    @property
    def key(self) -> bytes | None:
        """The network key while there is a network."""
        return self.memory.key if self.running else None

    @property
    def permits(self) -> bool:
        """Nodes may join."""
        return self.running and self._agenda.now < self._permitted_until

    def start(self) -> bool:
        """Form a network, or resume the one in the flash; says whether it was formed just now."""
        fresh = not self.memory.formed
        if fresh:
            self._form()
        nib = self.memory.nib
        self._count = self.memory.count_from(nib.extended_pan_id) + (0 if fresh else COUNTER_MARGIN)
        self.keep_count()
        self.subject.ieee = descriptors.ieee_text(self.memory.own_ieee)
        self.running = True
        self._routes_told.clear()
        # Whoever was given another key is in a network that is no more.
        self.nodes = {nwk: node for nwk, node in self.nodes.items() if not node.joined or self._knows(node)}
        self._mesh.channel.switch(self.aps.radio, on=True)
        self.keep_nodes()
        return fresh

    def stop(self) -> None:
        """The chip restarts or has no power: nothing but the flash is left."""
        self.running = False
        self.subject.endpoints.clear()
        self.install_keys.clear()
        self.codes_only = False
        self._permitted_until = 0.0
        self.aps.stop()
        for node in self.nodes.values():
            if node.aps.sleepy and self._mesh.parent(node.aps.radio) is self.aps.radio:
                self._mesh.forget(node.aps.radio)
        self._mesh.channel.switch(self.aps.radio, on=False)
        self.memory.start()

    def _form(self) -> None:
        memory = self.memory
        (mask,) = struct.unpack("<I", memory.items[nv.Item.CHANLIST])
        mask = self.channels or mask
        channel = next((number for number in CHANNELS if mask >> number & 1), CHANNELS.start)
        (pan_id,) = struct.unpack("<H", memory.items[nv.Item.PANID])
        if pan_id >= 0xFFFE:
            pan_id = self._dice.randrange(1, 0xFFF0)
        extended = memory.items[nv.Item.APS_USE_EXT_PANID]
        if extended in {bytes(8), b"\xff" * 8}:
            extended = memory.own_ieee
        key = memory.items[nv.Item.PRECFGKEY]
        memory.keep_key(key if any(key) else self._dice.randbytes(16))
        nib = memory.nib
        nib.form(memory.own_ieee, channel, pan_id, extended, mask)
        memory.items[nv.Item.NIB] = bytes(nib.data)
        memory.items[nv.Item.EXTENDED_PAN_ID] = extended
        memory.items[nv.Item.ON_A_NETWORK] = b"\x01"

    # Who belongs to it

    def seed(self, node: NodeStack, nwk: int | None = None) -> None:
        """A node that has been in the network for long."""
        node.settle(self._address_of(node.ieee) if nwk is None else nwk, node.key)
        self.nodes[node.nwk] = node

    def accepts(self, node: Joiner) -> bool:
        """Whether a stranger and this network have a key in common."""
        known = self.install_keys.get(node.ieee)
        return known == node.install_key and (known is not None or not self.codes_only)

    def admit(self, node: Joiner, *, fresh: bool) -> int:
        """Take a node in, or back; returns its short address."""
        assert isinstance(node, NodeStack)  # noqa: S101 - nothing else joins
        nwk = self._address_of(node.ieee)
        self.nodes[nwk] = node
        self.keep_nodes()
        if self.host is not None:
            parent = self._mesh.parent(node.aps.radio)
            self.host.came(node, self._address_of_radio(parent.name))
        return nwk

    def went(self, node: NodeStack, rejoin: bool) -> None:
        """A node's goodbye arrived."""
        if self.host is not None and self.nodes.get(node.nwk) is node:
            self.host.went(node, rejoin=rejoin)
        if not rejoin:
            self.nodes.pop(node.nwk, None)
            self.keep_nodes()

    def permit(self, seconds: int) -> None:
        """Let nodes in for so long; 255 has no end, 0 ends it."""
        self._permitted_until = self._agenda.now + (1e12 if seconds == 255 else seconds)
        if seconds and self.running:
            self.joining.opened()

    def keep_nodes(self) -> None:
        """Write into the flash who is in the network."""
        if self.running:
            self.memory.keep_nodes(
                [(node.ieee, nwk, self.is_child(node)) for nwk, node in self.nodes.items()]
            )

    def by_ieee(self, ieee: str) -> NodeStack | None:
        """A node by its address."""
        return next((node for node in self.nodes.values() if node.ieee == ieee), None)

    def is_child(self, node: NodeStack) -> bool:
        """It speaks to the coordinator directly, and is no router."""
        return not node.description.router and self._mesh.parent(node.aps.radio) is self.aps.radio

    def relays(self, node: NodeStack) -> list[int]:
        """Short addresses of the routers on the way to a node."""
        return [self._address_of_radio(radio.name) for radio in self._mesh.up(node.aps.radio)[1:-1]]

    def lqi(self, node: NodeStack) -> int:
        """Link quality of what comes from a node, 0 to 255: less with each hop and with loss."""
        radio = node.aps.radio
        return max(20, int(230 - 30 * len(self._mesh.up(radio)) - 300 * radio.loss))

    def _address_of(self, ieee: str) -> int:
        for nwk, node in self.nodes.items():
            if node.ieee == ieee:
                return nwk
        while (nwk := self._dice.randrange(0x0001, 0xFFF8)) in self.nodes:
            pass
        return nwk

    def _address_of_radio(self, name: str) -> int:
        """A short address for a relay: that of the node, else one made of its name."""
        if name == "coordinator":
            return 0x0000
        node = self.by_ieee(name)
        return node.nwk if node is not None else 0xE000 + sum(name.encode()) % 0x1000

    def _neighbours(self) -> Iterable[descriptors.Neighbour]:
        for nwk, node in self.nodes.items():
            if self._mesh.parent(node.aps.radio) is self.aps.radio:
                subject = node.subject
                yield descriptors.Neighbour(
                    node.ieee, nwk, subject.logical, 1, subject.awake, 1, self.lqi(node)
                )

    # What it sends and gets

    def send(
        self,
        nwk: int,
        data: bytes,
        *,
        cluster: int,
        from_endpoint: int,
        to_endpoint: int,
        acknowledged: bool,
        done: Done | None = None,
    ) -> None:
        """Send to one node; ``done`` is told once how it ended."""
        self._counted()
        if nwk == 0x0000:
            self._to_itself(data, cluster, from_endpoint, to_endpoint, done)
            return
        node = self.nodes.get(nwk)
        if node is None or not self._knows(node):
            if done is not None:
                self._agenda.later(NO_ROUTE_AFTER, done, Outcome.NO_ROUTE)
            return
        self.aps.send(
            node.aps,
            data,
            cluster=cluster,
            profile=self._profile(from_endpoint),
            from_endpoint=from_endpoint,
            to_endpoint=to_endpoint,
            acknowledged=acknowledged,
            done=done,
        )

    def broadcast(self, data: bytes, *, cluster: int, from_endpoint: int, to_endpoint: int) -> None:
        """Send to everybody whose receiver is on."""
        self._counted()
        self.aps.broadcast(
            data,
            cluster=cluster,
            profile=self._profile(from_endpoint),
            from_endpoint=from_endpoint,
            to_endpoint=to_endpoint,
        )

    def taken(self, frame: Aps) -> None:
        """A frame for the coordinator, once."""
        node = self.nodes.get(frame.source.nwk)
        host = self.host
        if node is None or host is None or not self.running or not self._knows(node):
            return
        if frame.target is not None and node.ieee not in self._routes_told:
            self._routes_told.add(node.ieee)
            host.route(node, self.relays(node))
        if frame.to_endpoint:
            host.message(frame, self.lqi(node))
            return
        host.device_profile(node.nwk, frame.cluster, frame.data, broadcast=frame.target is None)
        reply = zdo.answer(self.subject, frame.cluster, frame.data[1:], asked_all=frame.target is None)
        if reply is not None:
            self.send(
                node.nwk, frame.data[:1] + reply, cluster=frame.cluster | zdo.RESPONSE,
                from_endpoint=0, to_endpoint=0, acknowledged=False,
            )  # fmt: skip

    def _knows(self, node: NodeStack) -> bool:
        """It has this network's key."""
        return node.joined and (node.key is None or node.key == self.memory.key)

    def _profile(self, endpoint: int) -> int:
        if endpoint == 0:
            return ZDO_PROFILE
        about: EndpointDescription | None = self.subject.endpoints.get(endpoint)
        return about.profile if about is not None else HOME_AUTOMATION

    def _to_itself(
        self, data: bytes, cluster: int, from_endpoint: int, to_endpoint: int, done: Done | None
    ) -> None:
        if done is not None:
            self._agenda.later(0, done, Outcome.DELIVERED)
        if to_endpoint or not data:
            return
        if cluster == zdo.Cluster.MGMT_PERMIT_JOINING and len(data) > 1:
            self.permit(data[1])
        reply = zdo.answer(self.subject, cluster, data[1:], asked_all=False)
        if reply is not None:
            self._agenda.later(0, self._say, cluster | zdo.RESPONSE, data[:1] + reply)

    def _say(self, cluster: int, data: bytes) -> None:
        if self.host is not None:
            self.host.device_profile(0x0000, cluster, data, broadcast=False)

    def _counted(self) -> None:
        self._count += 1
        if self._count - self._kept_count >= nv.SAVE_EVERY:
            self.keep_count()

    def keep_count(self) -> None:
        """Write the frame counter into the flash."""
        if self.memory.formed:
            self._kept_count = self._count
            self.memory.keep_count(self.memory.nib.extended_pan_id, self._count)
