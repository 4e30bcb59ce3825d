"""zigpy's application with a door in front of it: every packet is seen by us first.

zigpy answers OTA requests by itself, and drops packets that are identical to one of the last ten
seconds: both end transfers.  It is neither forked nor patched for it: of the class of whatever
radio library is configured a class is derived at run time whose ``packet_received`` asks us
first.  The same door gives every sent packet a number of its own (see :mod:`.transactions`), and
leaves out what costs air without use: Green Power commissioning, and a scan of its groups for
every node that comes back.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import zigpy.types as t
from zigpy.device import BaseDevice, ZigbeeDevice

from transports.zcl import Zcl
from transports.zigbee.errors import BadFrame
from transports.zigbee.traffic import Traffic
from transports.zigbee.transactions import Transactions

if TYPE_CHECKING:
    from zigpy.application import ControllerApplication as Base
else:
    Base = object

log = logging.getLogger(__name__)

SEEN_EVERY = 30.0
"""Seconds between two notes of "last seen" in zigpy's database, for nodes that send blocks of requests."""
CLOSING = 5.0
"""Seconds for a radio library to close its port; one that hangs must not hang the gateway."""
STRANGER_EVERY = 30.0
"""Seconds between two searches for an unknown sender: each is a broadcast through the whole network."""
STRANGERS = 1000
"""Unknown addresses that are kept in mind."""
_NO_ZCL = frozenset({0x0000, 0xA1E0})
"""Application profiles that are not ZCL's: device objects, Green Power."""


class Application(Base):
    """What is put in front of a radio library's application; made by :func:`application_of`."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self.traffic: Traffic | None = None
        self.heard: dict[str, float] = {}
        self.changed: Callable[[], None] = lambda: None
        self.transactions = Transactions()
        self.lost = asyncio.Event()
        self.why_lost: BaseException | None = None
        self._senders: dict[int, tuple[ZigbeeDevice, str]] = {}
        self._strangers: dict[int, float] = {}
        self._ways: dict[int, list[t.NWK]] = {}
        self._noted: dict[str, float] = {}

    def opened_for(self, traffic: Traffic, heard: dict[str, float], changed: Callable[[], None]) -> None:
        """Say for whom the door is, before the radio is opened.

        Args:
            traffic: where frames go.
            heard: when each node sent anything, in the loop's time; noted here.
            changed: called when a node came, was interviewed or left.
        """
        self.traffic, self.heard, self.changed = traffic, heard, changed

    def packet_received(self, packet: t.ZigbeePacket) -> None:
        """Whatever a radio library received, of any cluster."""
        sender = self._sender(packet)
        if sender is None or self.traffic is None:
            if self._may_be_searched(packet):
                super().packet_received(packet)
            return
        device, ieee = sender
        if device.ieee == self.state.node_info.ieee:
            super().packet_received(packet)  # the coordinator talks to itself
            return
        now = asyncio.get_running_loop().time()
        self.heard[ieee] = now
        try:
            frame = _frame(packet)
        except BadFrame as error:
            log.info("node=%s cluster=%#06x dropped: %s", ieee, packet.cluster_id, error)
            return
        if frame is None:
            self.traffic.sign_of_life(ieee)
        elif self.traffic.received(ieee, frame):
            self._note(device, ieee, packet, now)
            return
        try:
            super().packet_received(packet)
        except Exception as error:  # noqa: BLE001 - what one node sends must not end the reading of the port
            log.info(
                "node=%s cluster=%#06x zigpy stumbled over its frame: %r", ieee, packet.cluster_id, error
            )

    async def send_packet(self, packet: t.ZigbeePacket) -> None:
        """Whatever is sent, by us or by zigpy, under a number of its own."""
        number = await self.transactions.take()
        confirmed = False
        try:
            packet.tsn = number  # type: ignore[assignment]
            await super().send_packet(packet)  # type: ignore[safe-super]
            confirmed = True
        except Exception as error:
            confirmed = not isinstance(error, TimeoutError)
            raise
        finally:
            self.transactions.give_back(number, confirmed=confirmed)

    async def disconnect(self) -> None:
        """Close the port; one that cannot be closed is left."""
        try:
            async with asyncio.timeout(CLOSING):
                await super().disconnect()  # type: ignore[safe-super,no-untyped-call]
        except TimeoutError:
            log.info("the coordinator's port did not close within %g s", CLOSING)

    def connection_lost(self, exc: Exception) -> None:
        """The port was closed, or the coordinator does not answer its watchdog."""
        super().connection_lost(exc)
        if not self.lost.is_set():
            self.why_lost = exc
            self.lost.set()

    def handle_join(
        self, nwk: t.NWK, ieee: t.EUI64, parent_nwk: t.NWK, *, handle_rejoin: bool = True
    ) -> None:
        """A node joined, or announced itself."""
        known = ieee in self.devices
        self.forget_senders()
        super().handle_join(nwk, ieee, parent_nwk, handle_rejoin=False)
        if ieee in self.devices and ieee != self.state.node_info.ieee:
            way = self._ways.pop(nwk, None)
            if way is not None:
                self.handle_relays(nwk, way)
            name = str(ieee)
            self.heard[name] = asyncio.get_running_loop().time()
            if not known:
                self.changed()
            if handle_rejoin and self.traffic is not None:
                self.traffic.sign_of_life(name)

    def handle_relays(self, nwk: t.NWK, relays: list[t.NWK]) -> None:
        """Which routers a node's frame came through; of an unknown one it is kept until it is known."""
        try:
            self.get_device(nwk=nwk)
        except KeyError:
            if len(self._ways) < STRANGERS:
                self._ways[nwk] = relays
            if not self._is_due(nwk):
                return
        super().handle_relays(nwk, relays)

    def handle_leave(self, nwk: t.NWK, ieee: t.EUI64) -> None:
        """A node says that it leaves, or its router does."""
        self.forget_senders()
        super().handle_leave(nwk, ieee)
        self.changed()

    def device_initialized(self, device: BaseDevice) -> None:
        """A node was interviewed."""
        self.forget_senders()
        super().device_initialized(device)
        self.changed()

    async def permit_gp(self, time_s: int) -> None:
        """No Green Power: its commissioning is a broadcast that nothing here has a use for."""

    def get_device(self, ieee: t.EUI64 | None = None, nwk: t.NWK | int | None = None) -> BaseDevice:
        """A node by an address; zigpy itself goes through all of them for each frame that is sent."""
        if ieee is None and nwk is not None:
            known = self._senders.get(nwk)
            if known is not None and known[0].nwk == nwk and self.devices.get(known[0].ieee) is known[0]:
                return known[0]
        return super().get_device(ieee=ieee, nwk=nwk)  # type: ignore[arg-type]

    def forget_senders(self) -> None:
        """A node's address or object may be another one from now on."""
        self._senders.clear()

    def _sender(self, packet: t.ZigbeePacket) -> tuple[ZigbeeDevice, str] | None:
        """Who sent it; looked up once, since zigpy goes through all its devices for it."""
        source = packet.src
        if source is None or source.addr_mode is not t.AddrMode.NWK:
            return None
        nwk: Any = source.address
        known = self._senders.get(nwk)
        if known is not None and known[0].nwk == nwk and self.devices.get(known[0].ieee) is known[0]:
            return known
        try:
            device = self.get_device(nwk=nwk)
        except KeyError:
            return None
        if not isinstance(device, ZigbeeDevice):
            return None
        known = self._senders[nwk] = (device, str(device.ieee))
        return known

    def _may_be_searched(self, packet: t.ZigbeePacket) -> bool:
        """An unknown node that floods is not searched for with every packet; device objects always pass."""
        source = packet.src
        if source is None or packet.dst_ep == 0 or source.addr_mode is not t.AddrMode.NWK:
            return True
        nwk: Any = source.address
        return self._is_due(nwk)

    def _is_due(self, nwk: int) -> bool:
        """Whether it is time to search for an unknown node."""
        now = asyncio.get_running_loop().time()
        if now - self._strangers.get(nwk, now - STRANGER_EVERY) < STRANGER_EVERY:
            return False
        if len(self._strangers) >= STRANGERS:
            self._strangers.clear()
        self._strangers[nwk] = now
        return True

    def _note(self, device: ZigbeeDevice, ieee: str, packet: t.ZigbeePacket, now: float) -> None:
        """What zigpy notes of every packet, of one that does not go its way."""
        if packet.lqi is not None:
            device.lqi = packet.lqi
        if now - self._noted.get(ieee, now - SEEN_EVERY) >= SEEN_EVERY:
            self._noted[ieee] = now
            device.last_seen = packet.timestamp


def _frame(packet: t.ZigbeePacket) -> Zcl | None:
    """A packet as a ZCL frame, or None where it is for something else."""
    profile, cluster, endpoint = packet.profile_id, packet.cluster_id, packet.src_ep
    if not endpoint or not packet.dst_ep or profile in _NO_ZCL:
        return None
    data = packet.data.serialize()
    return Zcl.decode(data, cluster=int(cluster), endpoint=int(endpoint), profile=int(profile))


@cache
def application_of(controller: Any) -> type[Application]:
    """The radio library's application with our door in front."""
    return cast("type[Application]", type("TenderApplication", (Application, controller), {}))
