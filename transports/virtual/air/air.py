"""The air itself: who is where, who hears whom, and a paced channel for each connection.

It takes the place of bumble's ``LocalLink``, and mends what that leaves out: time,
distance, loss, the supervision time-out, and the source address of data (bumble uses
the sender's random address, which does not match a central on its public one).
"""

import asyncio
import logging
import random
from dataclasses import dataclass
from weakref import WeakSet

from bumble import core, hci, link, ll
from bumble.controller import Controller

from transports.virtual.air.channel import Channel
from transports.virtual.air.radio import RadioController
from transports.virtual.air.timing import RADIO, Timing

log = logging.getLogger(__name__)

_RSSI_HERE = -50
_UNANSWERED_EVENTS = 6


class Air(link.LocalLink):
    """Radios in reach of each other.

    Args:
        timing: the pace of every connection.
        seed: of the dice that lose packets.
    """

    def __init__(self, timing: Timing = RADIO, *, seed: int = 0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.timing = timing
        self.dice = random.Random(seed)
        self._joined: dict[frozenset[str], _Joined] = {}
        self._apart: set[frozenset[object]] = set()
        self._off: WeakSet[Controller] = WeakSet()
        self._rssi: dict[frozenset[object], int] = {}

    # Where everybody is: a station is a controller, or what its ``station`` names, whose controllers
    # come and go with its roles.

    def set_reach(self, one: object, other: object, *, reach: bool) -> None:
        """Bring two stations into or out of each other's reach."""
        pair = frozenset((_station(one), _station(other)))
        (self._apart.discard if reach else self._apart.add)(pair)
        self._look_at_all()

    def set_rssi(self, one: object, other: object, rssi: int) -> None:
        """How strongly they hear each other, in dBm."""
        self._rssi[frozenset((_station(one), _station(other)))] = rssi

    def rssi(self, one: object, other: object) -> int:
        """How strongly they hear each other, in dBm."""
        return self._rssi.get(frozenset((_station(one), _station(other))), _RSSI_HERE)

    def set_power(self, controller: Controller, *, on: bool) -> None:
        """A radio without power neither hears nor speaks; its peers find out by their time-outs."""
        (self._off.discard if on else self._off.add)(controller)
        self._look_at_all()

    def in_reach(self, one: Controller, other: Controller) -> bool:
        """Whether a packet between them arrives."""
        if one in self._off or other in self._off:
            return False
        return frozenset((_station(one), _station(other))) not in self._apart

    def remove_controller(self, controller: Controller) -> None:
        """Take a radio away for good."""
        self.set_power(controller, on=False)
        super().remove_controller(controller)

    def forsake(self, controller: Controller) -> None:
        """A radio forgot its connections, by a reset; its peers find out by their time-outs."""
        for joined in list(self._joined.values()):
            if controller in (joined.central, joined.node):
                joined.channel.reaches = lambda: False
                joined.channel.watch()

    def _look_at_all(self) -> None:
        for joined in list(self._joined.values()):
            joined.channel.watch()

    # What bumble's controllers call

    def send_advertising_pdu(self, sender_controller: Controller, packet: ll.AdvertisingPdu) -> None:
        """Everybody in reach hears it; a request to connect makes a channel."""
        if isinstance(packet, ll.ConnectInd):
            self._call(sender_controller, packet)
            return
        loop = asyncio.get_running_loop()
        for controller in list(self.controllers):
            if controller is sender_controller or not _listens(controller):
                continue
            if self.in_reach(sender_controller, controller):
                if isinstance(controller, RadioController):
                    loop.call_soon(controller.hear, packet, self.rssi(sender_controller, controller))
                else:
                    loop.call_soon(controller.on_ll_advertising_pdu, packet)

    def send_acl_data(
        self,
        sender_controller: Controller,
        destination_address: hci.Address,
        transport: core.PhysicalTransport,
        data: bytes,
    ) -> None:
        """Queue data on the connection."""
        del transport  # there is nothing but LE here
        connection = sender_controller.le_connections.get(destination_address)
        if connection is None:
            return
        source = connection.self_address
        joined = self._joined.get(_pair(source, destination_address))
        if joined is None:
            return
        peer = joined.other(sender_controller)

        def deliver() -> None:
            peer.on_link_acl_data(source, core.PhysicalTransport.LE, data)

        joined.channel.send(str(source), len(data), deliver)

    def send_ll_control_pdu(
        self, sender_address: hci.Address, receiver_address: hci.Address, packet: ll.ControlPdu
    ) -> None:
        """Queue a control packet; a goodbye takes the place of everything that was queued before it."""
        joined = self._joined.get(_pair(sender_address, receiver_address))
        if joined is None:
            return
        receiver = joined.of(receiver_address)
        ends = isinstance(packet, ll.TerminateInd)

        def deliver() -> None:
            receiver.on_ll_control_pdu(sender_address, packet)
            if ends:
                self._part(joined)

        if ends:
            joined.channel.hang_up(str(sender_address), deliver)
        else:
            joined.channel.send(str(sender_address), 1, deliver)

    # Channels

    def _call(self, central: Controller, packet: ll.ConnectInd) -> None:
        """A central wants a connection; of two that heard the same advertisement the first one has it."""
        node = self._called(packet.advertiser_address)
        if node is None or not self.in_reach(central, node):
            self._unanswered(central, packet.advertiser_address)
            return
        self._join(central, node, packet)
        node.on_ll_advertising_pdu(packet)

    def _called(self, address: hci.Address) -> Controller | None:
        for controller in self.controllers:
            advertiser = controller.le_legacy_advertiser
            if advertiser.enabled and advertiser.address == address:
                return controller
        return None

    def _unanswered(self, central: Controller, address: hci.Address) -> None:
        """A connection that nothing answers within six events was none (Vol 6, Part B, 4.5.2)."""

        def failed() -> None:
            connection = central.le_connections.get(address)
            if connection is not None:
                code = hci.HCI_ErrorCode.CONNECTION_FAILED_TO_BE_ESTABLISHED_ERROR
                central.on_le_disconnected(connection, code)

        asyncio.get_running_loop().call_later(_UNANSWERED_EVENTS * self.timing.interval, failed)

    def _join(self, central: Controller, node: Controller, packet: ll.ConnectInd) -> None:
        one, other = packet.initiator_address, packet.advertiser_address
        pair = _pair(one, other)
        stale = self._joined.pop(pair, None)
        if stale is not None:
            stale.channel.close()

        def lost() -> None:
            self._part(joined)
            for controller, peer in ((central, other), (node, one)):
                connection = controller.le_connections.get(peer)
                if connection is not None:
                    controller.on_le_disconnected(connection, hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR)

        def reaches() -> bool:
            return self.in_reach(central, node)

        channel = Channel((str(one), str(other)), self.timing, self.dice, reaches, lost)
        joined = _Joined(pair, channel, central, node, other)
        self._joined[pair] = joined

    def channel(self, one: hci.Address, other: hci.Address) -> Channel | None:
        """The channel between two addresses, for tests and benches."""
        joined = self._joined.get(_pair(one, other))
        return joined.channel if joined is not None else None

    @property
    def channels(self) -> list[Channel]:
        """Every connection that is open."""
        return [joined.channel for joined in self._joined.values()]

    def _part(self, joined: "_Joined") -> None:
        joined.channel.close()
        if self._joined.get(joined.pair) is joined:
            del self._joined[joined.pair]


@dataclass(frozen=True, slots=True, eq=False)
class _Joined:
    """Two radios with a connection, and the channel between them."""

    pair: frozenset[str]
    channel: Channel
    central: Controller
    node: Controller
    node_address: hci.Address

    def other(self, controller: Controller) -> Controller:
        return self.node if controller is self.central else self.central

    def of(self, address: hci.Address) -> Controller:
        return self.node if address == self.node_address else self.central


def _station(who: object) -> object:
    return getattr(who, "station", who)


def _listens(controller: Controller) -> bool:
    """Whether a radio has its receiver on: among many nodes hardly one has."""
    return bool(controller.le_scan_enable or controller.pending_le_connection)


def _pair(one: hci.Address, other: hci.Address) -> frozenset[str]:
    return frozenset((str(one), str(other)))
