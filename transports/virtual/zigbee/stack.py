"""The stack of one virtual node: joining, announcing, answering ZDO, sending and being asked.

It sits between the air and a :class:`~transports.zcl.ZigbeePeer`, which is the application and
knows nothing of all this.  What a real node keeps in flash outlives :meth:`NodeStack.vanish`
(that it has joined, its address, its bindings); everything else does not.
"""

from collections.abc import Callable

from transports.virtual.zigbee import descriptors, timing, zdo
from transports.virtual.zigbee.agenda import Event
from transports.virtual.zigbee.aps import Aps, ApsLayer
from transports.virtual.zigbee.channel import Outcome
from transports.virtual.zigbee.joining import Joining
from transports.virtual.zigbee.mesh import Command, Mesh
from transports.zcl import NodeDescription, Zcl, ZigbeePeer
from transports.zigbee.errors import BadFrame
from transports.zigbee.network import OTA

ZDO_PROFILE = 0x0000
BLOCK = 0x05
"""Image Block Response, a command of the OTA cluster."""
BLOCK_LENGTH_AT = 13
LEAVE_REJOIN = 0x80
"""Flag of a Mgmt_Leave_req: come back at once (Zigbee, 2.4.3.3.5)."""
ANNOUNCE_AFTER = 0.05
"""Seconds between being on the network and saying so; ours."""


class NodeStack:
    """One node; also the :class:`~transports.zcl.ZigbeeRadio` of its application.

    Args:
        peer: the application.
        mesh: the network that it is in range of.
        root: the coordinator's stack.
        joining: how it gets in.
        left: told when it leaves, and whether it means to come back.
    """

    def __init__(
        self,
        peer: ZigbeePeer,
        mesh: Mesh,
        root: ApsLayer,
        joining: Joining,
        left: "Callable[[NodeStack, bool], None]",
    ) -> None:
        self.peer = peer
        self.description: NodeDescription = peer.description
        about = self.description
        logical = descriptors.Logical.ROUTER if about.router else descriptors.Logical.END_DEVICE
        self.subject = descriptors.Subject(
            about.ieee, logical, about.mains, not about.sleepy, about.manufacturer_code, about.max_buffer,
            {endpoint.id: endpoint for endpoint in about.endpoints}, server_mask=descriptors.REVISION,
        )  # fmt: skip
        self.aps = ApsLayer(mesh, about.ieee, self, router=about.router, sleepy=about.sleepy)
        self.joined = False
        self.key: bytes | None = None
        """The network key that it has been given; None trusts whatever network there is."""
        self.install_key: bytes | None = None
        """The key of its install code, if it has one: it joins nobody who does not know that."""
        self.sent_unheard = 0
        """Frames of the application that did not get to the next hop."""
        self.blocks = 0
        """Blocks of an image that arrived here."""
        self.block_bytes = 0
        self._mesh = mesh
        self._agenda = mesh.agenda
        self._root = root
        self._joining = joining
        self._left = left
        self._replies_to: dict[int, int] = {}
        self._interval: float | None = None
        self._polling: Event | None = None
        self._zdo_count = 0
        self.powered = False
        mesh.channel.switch(self.aps.radio, on=False)

    @property
    def ieee(self) -> str:
        """Its address."""
        return self.description.ieee

    @property
    def nwk(self) -> int:
        """Its short address while it is on the network."""
        return self.subject.nwk

    @property
    def routes(self) -> bool:
        """It carries frames of others."""
        return self.description.router

    def settle(self, nwk: int, key: bytes | None) -> None:
        """It is on the network, with this short address and key."""
        self.joined = True
        self.key = key
        self.subject.nwk = self.aps.nwk = nwk

    # What the application does

    def send(self, frame: Zcl, *, acknowledged: bool = True) -> None:
        """Send to the coordinator; a sequence number that is missing is chosen."""
        if not self.powered or not self.joined:
            return
        if frame.tsn is None:
            raise ValueError("a node's frame has a sequence number: that of its question, or its own")
        self.aps.send(
            self._root,
            frame.encode(),
            cluster=frame.cluster,
            profile=frame.profile,
            from_endpoint=frame.endpoint,
            to_endpoint=self._replies_to.get(frame.endpoint, 1),
            acknowledged=acknowledged,
            done=self._sent,
        )

    def appear(self) -> None:
        """It has booted: the radio is on; it rejoins, or looks for a network that lets it in."""
        if self.powered:
            return
        self.powered = True
        self._mesh.channel.switch(self.aps.radio, on=True)
        self._joining.appeared(self)
        self._arrange_poll()

    def vanish(self) -> None:
        """It has no power any more."""
        self.powered = False
        self._joining.vanished(self)
        self._agenda.forget(self._polling)
        self._polling = None
        self._interval = None
        self._replies_to.clear()
        self.aps.stop()
        self._mesh.channel.switch(self.aps.radio, on=False)

    def poll(self, interval: float | None) -> None:
        """Ask the parent every so many seconds of the loop, from now on; None does not ask."""
        if self.description.sleepy:
            self._interval = interval
            self._arrange_poll()

    # What the air does

    def taken(self, frame: Aps) -> None:
        """A frame for this node, once."""
        if frame.to_endpoint == 0:
            self._device_profile(frame)
            return
        targets = self.subject.endpoints if frame.to_endpoint == 0xFF else (frame.to_endpoint,)
        for endpoint in targets:
            about = self.subject.endpoints.get(endpoint)
            if about is None:
                continue
            self._replies_to[endpoint] = frame.from_endpoint
            try:
                zcl = Zcl.decode(frame.data, cluster=frame.cluster, endpoint=endpoint, profile=frame.profile)
            except BadFrame:
                return
            if zcl.cluster == OTA and zcl.command == BLOCK and not zcl.general:
                self._count(zcl.payload)
            self.peer.received(zcl)

    def _count(self, block: bytes) -> None:
        """An Image Block Response: its status, and behind 13 bytes how many it brings (ZCL, 11.13.8)."""
        if len(block) > BLOCK_LENGTH_AT and block[0] == 0:
            self.blocks += 1
            self.block_bytes += block[BLOCK_LENGTH_AT]

    def announce(self) -> None:
        """Tell everybody the address (Device_annce)."""
        if self.powered and self.joined:
            self._zdo_count = (self._zdo_count + 1) % 256
            data = bytes((self._zdo_count,)) + zdo.announcement(self.subject)
            self.aps.broadcast(
                data, cluster=zdo.Cluster.DEVICE_ANNOUNCE, profile=ZDO_PROFILE, from_endpoint=0, to_endpoint=0
            )

    def _device_profile(self, frame: Aps) -> None:
        if len(frame.data) < 1:
            return
        request = frame.data[1:]
        reply = zdo.answer(self.subject, frame.cluster, request, asked_all=frame.target is None)
        if reply is not None:
            self.aps.send(
                frame.source,
                frame.data[:1] + reply,
                cluster=frame.cluster | zdo.RESPONSE,
                profile=ZDO_PROFILE,
                from_endpoint=0,
                to_endpoint=0,
                acknowledged=False,
            )
        if frame.cluster == zdo.Cluster.MGMT_LEAVE and len(request) >= 9:
            again = bool(request[8] & LEAVE_REJOIN)
            self._agenda.later(timing.BROADCAST_GAP, self.leave, again)

    def leave(self, rejoin: bool = False) -> None:
        """Say goodbye; with ``rejoin`` come back at once, else all about the network is forgotten."""
        if not self.powered or not self.joined:
            return
        goodbye = Command(lambda: self._left(self, rejoin))
        self._mesh.carry(goodbye, self._mesh.up(self.aps.radio), timing.OVERHEAD)
        if rejoin:
            self._agenda.later(timing.BROADCAST_GAP, self._joining.appeared, self)
        else:
            self._agenda.later(timing.BROADCAST_GAP, self._forget)

    def _forget(self) -> None:
        self.joined = False
        self.subject.nwk = self.aps.nwk = 0xFFFE
        self.subject.bindings.clear()

    def _sent(self, outcome: Outcome) -> None:
        if outcome is not Outcome.DELIVERED:
            self.sent_unheard += 1

    def _arrange_poll(self) -> None:
        self._agenda.forget(self._polling)
        self._polling = None
        if self._interval is not None and self.powered:
            self._polling = self._agenda.later(self._interval * self._agenda.speed, self._poll_now)

    def _poll_now(self) -> None:
        self._polling = None
        if self.powered and self.joined:
            self._mesh.ask(self.aps.radio)
        self._arrange_poll()
