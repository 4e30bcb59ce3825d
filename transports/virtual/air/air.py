"""The air itself: who is where, who hears whom, and a paced channel for each connection.

It takes the place of bumble's ``LocalLink``, and mends what that leaves out: time,
distance, loss, the supervision time-out, and the source address of data (bumble uses
the sender's random address, which does not match a central on its public one).
"""

import asyncio
import logging
import random

from bumble import core, hci, link, ll
from bumble.controller import Connection, Controller

from transports.virtual.air.channel import Channel
from transports.virtual.air.radio import RadioController
from transports.virtual.air.timing import RADIO, Timing

log = logging.getLogger(__name__)

_RSSI_HERE = -50


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
        self._channels: dict[frozenset[str], Channel] = {}
        self._apart: set[frozenset[int]] = set()
        self._off: set[int] = set()
        self._rssi: dict[frozenset[int], int] = {}

    # Where everybody is

    def set_reach(self, one: Controller, other: Controller, *, reach: bool) -> None:
        """Bring two radios into or out of each other's reach."""
        pair = frozenset((id(one), id(other)))
        (self._apart.discard if reach else self._apart.add)(pair)
        self._look_at_all()

    def set_rssi(self, one: Controller, other: Controller, rssi: int) -> None:
        """How strongly they hear each other, in dBm."""
        self._rssi[frozenset((id(one), id(other)))] = rssi

    def rssi(self, one: Controller, other: Controller) -> int:
        """How strongly they hear each other, in dBm."""
        return self._rssi.get(frozenset((id(one), id(other))), _RSSI_HERE)

    def set_power(self, controller: Controller, *, on: bool) -> None:
        """A radio without power neither hears nor speaks; its peers find out by their time-outs."""
        (self._off.discard if on else self._off.add)(id(controller))
        self._look_at_all()

    def in_reach(self, one: Controller, other: Controller) -> bool:
        """Whether a packet between them arrives."""
        if id(one) in self._off or id(other) in self._off:
            return False
        return frozenset((id(one), id(other))) not in self._apart

    def remove_controller(self, controller: Controller) -> None:
        """Take a radio away for good."""
        self.set_power(controller, on=False)
        super().remove_controller(controller)

    def _look_at_all(self) -> None:
        for channel in list(self._channels.values()):
            channel.watch()

    # What bumble's controllers call

    def send_advertising_pdu(self, sender_controller: Controller, packet: ll.AdvertisingPdu) -> None:
        """Everybody in reach hears it; a request to connect makes a channel."""
        loop = asyncio.get_running_loop()
        if isinstance(packet, ll.ConnectInd):
            self._connected(sender_controller, packet)
        for controller in list(self.controllers):
            if controller is not sender_controller and self.in_reach(sender_controller, controller):
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
        found = self._channel_of(connection)
        if connection is None or found is None:
            return
        channel, peer = found
        source = connection.self_address

        def deliver() -> None:
            peer.on_link_acl_data(source, core.PhysicalTransport.LE, data)

        channel.send(str(source), len(data), deliver)

    def send_ll_control_pdu(
        self, sender_address: hci.Address, receiver_address: hci.Address, packet: ll.ControlPdu
    ) -> None:
        """Queue a control packet; a goodbye takes the place of everything that was queued before it."""
        channel = self._channels.get(_pair(sender_address, receiver_address))
        receiver = self.find_le_controller(receiver_address)
        if channel is None or receiver is None:
            return
        ends = isinstance(packet, ll.TerminateInd)

        def deliver() -> None:
            receiver.on_ll_control_pdu(sender_address, packet)
            if ends:
                self._forget(sender_address, receiver_address)

        if ends:
            channel.hang_up(str(sender_address), deliver)
        else:
            channel.send(str(sender_address), 1, deliver)

    # Channels

    def _connected(self, central: Controller, packet: ll.ConnectInd) -> None:
        node = self.find_le_controller(packet.advertiser_address)
        if node is None:
            return
        one, other = packet.initiator_address, packet.advertiser_address
        pair = _pair(one, other)
        stale = self._channels.pop(pair, None)
        if stale is not None:
            stale.close()

        def lost() -> None:
            self._channels.pop(pair, None)
            for controller, peer in ((central, other), (node, one)):
                connection = controller.le_connections.get(peer)
                if connection is not None:
                    controller.on_le_disconnected(connection, hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR)

        self._channels[pair] = Channel(
            (str(one), str(other)),
            self.timing,
            self.dice,
            lambda: self.in_reach(central, node),
            lost,
        )

    def _channel_of(self, connection: Connection | None) -> tuple[Channel, Controller] | None:
        if connection is None:
            return None
        channel = self._channels.get(_pair(connection.self_address, connection.peer_address))
        peer = self.find_le_controller(connection.peer_address)
        return (channel, peer) if channel is not None and peer is not None else None

    def channel(self, one: hci.Address, other: hci.Address) -> Channel | None:
        """The channel between two addresses, for tests and benches."""
        return self._channels.get(_pair(one, other))

    def _forget(self, one: hci.Address, other: hci.Address) -> None:
        channel = self._channels.pop(_pair(one, other), None)
        if channel is not None:
            channel.close()


def _pair(one: hci.Address, other: hci.Address) -> frozenset[str]:
    return frozenset((str(one), str(other)))
