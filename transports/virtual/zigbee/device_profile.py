"""The device profile (ZDO) for a host: its own requests, and what nodes say of themselves.

A request of a node is sent over the air, and its answer is an indication.  Hosts differ in which
they read: each answer has one of its own, and there is one for all, for hosts that ask for that.
"""

import struct

from transports.virtual.zigbee import descriptors, zdo
from transports.virtual.zigbee.chip import (
    FAILURE,
    FIRST_BROADCAST,
    INVALID,
    OK,
    STARTED_AS_COORDINATOR,
    STARTING,
    Answer,
    Chip,
    Handler,
    Handlers,
    well,
)
from transports.virtual.zigbee.install_codes import key_of
from transports.virtual.zigbee.mt import Kind, System
from transports.virtual.zigbee.stack import NodeStack

BROADCAST = 0x0F
"""The address mode."""
AWAKE = 0xFFFD
"""The broadcast to all whose receiver is on."""
KEY_BYTES = 16
START_SECONDS = 0.05
"""From the command until the network is there; ours (a real one scans first)."""

_REQUESTS_BY_ADDRESS = {
    zdo.Cluster.NODE_DESCRIPTOR,
    zdo.Cluster.POWER_DESCRIPTOR,
    zdo.Cluster.SIMPLE_DESCRIPTOR,
    zdo.Cluster.ACTIVE_ENDPOINTS,
    zdo.Cluster.MATCH_DESCRIPTOR,
    zdo.Cluster.BIND,
    zdo.Cluster.UNBIND,
    zdo.Cluster.MGMT_LQI,
    zdo.Cluster.MGMT_ROUTES,
    zdo.Cluster.MGMT_BINDINGS,
    zdo.Cluster.MGMT_LEAVE,
}
"""ZDO commands of the interface that are a short address and the request as it is on the air."""

_INDICATED = {0x8000 + request for request in _REQUESTS_BY_ADDRESS} | {
    zdo.RESPONSE | zdo.Cluster.MGMT_PERMIT_JOINING
}


class DeviceProfile:
    """The ZDO part of the interface, and the commissioning that leads to the same start."""

    def __init__(self, chip: Chip) -> None:
        self._chip = chip
        self._coordinator = chip.coordinator
        self._tsn = 0
        self._watched = False

    def restarted(self) -> None:
        """The chip starts anew."""
        self._watched = False

    def handlers(self) -> Handlers:
        """What answers which request."""
        ask, app = Kind.SREQ | System.ZDO, Kind.SREQ | System.APP_CNF
        by_address = {(ask, cluster & 0xFF): self._asking(cluster) for cluster in _REQUESTS_BY_ADDRESS}
        return by_address | {
            (ask, 0x00): self._nwk_address,
            (ask, 0x01): self._ieee_address,
            (ask, 0x36): self._permit_joining,
            (ask, 0x37): well,
            (ask, 0x3E): self._watch,
            (ask, 0x3F): well,
            (ask, 0x40): self._startup,
            (ask, 0x45): well,
            (ask, 0x46): well,
            (ask, 0x4A): lambda data: bytes((FAILURE,)) + data[1:3] + b"\0",
            (ask, 0x4B): well,
            (ask, 0x50): self._network,
            (ask, 0x53): well,
            (app, 0x04): self._install_code,
            (app, 0x05): self._commission,
            (app, 0x06): self._codes_only,
            (app, 0x08): self._set_channels,
        }

    def _asking(self, cluster: int) -> Handler:
        def handler(data: bytes) -> Answer:
            (nwk,) = struct.unpack_from("<H", data)
            return self._ask(nwk, cluster, data[2:])

        return handler

    def _ask(self, nwk: int, cluster: int, request: bytes) -> Answer:
        self._tsn = (self._tsn + 1) % 256
        body = bytes((self._tsn,)) + request
        if nwk >= FIRST_BROADCAST:
            self._coordinator.broadcast(body, cluster=cluster, from_endpoint=0, to_endpoint=0)
        else:
            self._coordinator.send(
                nwk, body, cluster=cluster, from_endpoint=0, to_endpoint=0, acknowledged=True
            )
        return bytes((OK,))

    def _nwk_address(self, data: bytes) -> Answer:
        return self._ask(AWAKE, zdo.Cluster.NWK_ADDRESS, data)

    def _ieee_address(self, data: bytes) -> Answer:
        (nwk,) = struct.unpack_from("<H", data)
        return self._ask(nwk, zdo.Cluster.IEEE_ADDRESS, data)

    def _permit_joining(self, data: bytes) -> Answer:
        mode, nwk, seconds, significance = struct.unpack("<BHBB", data)
        request = bytes((seconds, significance))
        if nwk >= FIRST_BROADCAST or nwk == 0x0000:
            self._ask(0x0000, zdo.Cluster.MGMT_PERMIT_JOINING, request)
        if nwk >= FIRST_BROADCAST and mode == BROADCAST:
            self._ask(nwk, zdo.Cluster.MGMT_PERMIT_JOINING, request)
        elif 0 < nwk < FIRST_BROADCAST:
            # Whoever asks through a router is let in by the trust center all the same.
            self._coordinator.permit(seconds)
            self._ask(nwk, zdo.Cluster.MGMT_PERMIT_JOINING, request)
        return bytes((OK,))

    def _watch(self, data: bytes) -> Answer:
        self._watched = True
        return bytes((OK,))

    def _startup(self, data: bytes) -> Answer:
        formed = self._coordinator.memory.formed
        self._chip.agenda.later(START_SECONDS, self._start, self._chip.life, False)
        return bytes((0 if formed else 1,))

    def _network(self, data: bytes) -> Answer:
        memory, running = self._coordinator.memory, self._coordinator.running
        nib = memory.nib
        address, state = (0x0000, STARTED_AS_COORDINATOR) if running else (0xFFFE, 0x00)
        return (
            struct.pack("<HBHH", address, state, nib.pan_id, 0x0000)
            + nib.extended_pan_id
            + bytes(8)
            + bytes((nib.channel,))
        )

    def device_profile(self, source: int, cluster: int, data: bytes, *, broadcast: bool) -> None:
        """What nodes say of themselves: its own indication, and the one for all where that is asked for."""
        body = data[1:]
        origin = struct.pack("<H", source)
        if self._watched:
            head = struct.pack("<HBHBBH", source, broadcast, cluster, 0, data[0], 0xFFFD if broadcast else 0)
            self._chip.indicate(System.ZDO, 0xFF, head + body)
        if cluster == zdo.Cluster.DEVICE_ANNOUNCE:
            self._chip.indicate(System.ZDO, 0xC1, origin + body)
        elif cluster in {0x8000, 0x8001}:
            # In the interface the start stands before the count.
            self._chip.indicate(System.ZDO, 0x80 | cluster & 0xFF, body if len(body) > 11 else body + b"\0\0")
        elif cluster in _INDICATED:
            self._chip.indicate(System.ZDO, 0x80 | cluster & 0xFF, origin + body)

    def came(self, node: NodeStack, parent: int) -> None:
        """TC_DEV_IND."""
        nwk = next(nwk for nwk, other in self._coordinator.nodes.items() if other is node)
        data = struct.pack("<H", nwk) + descriptors.ieee_bytes(node.ieee) + struct.pack("<H", parent)
        self._chip.indicate(System.ZDO, 0xCA, data)
        self._chip.changed()

    def went(self, node: NodeStack, *, rejoin: bool) -> None:
        """LEAVE_IND."""
        data = struct.pack("<H", node.nwk) + descriptors.ieee_bytes(node.ieee) + bytes((0, 0, rejoin))
        self._chip.indicate(System.ZDO, 0xC9, data)
        self._chip.changed()

    def route(self, node: NodeStack, relays: list[int]) -> None:
        """SRC_RTG_IND."""
        data = struct.pack(f"<HB{len(relays)}H", node.nwk, len(relays), *relays)
        self._chip.indicate(System.ZDO, 0xC4, data)

    def _install_code(self, data: bytes) -> Answer:
        """A code with its checksum (1), or the key that was made of it (2)."""
        ieee, code = descriptors.ieee_text(data[1:9]), data[9:]
        try:
            key = key_of(code) if data[0] == 1 else code
        except ValueError:
            return bytes((INVALID,))
        if len(key) != KEY_BYTES:
            return bytes((INVALID,))
        self._coordinator.install_keys[ieee] = key
        return bytes((OK,))

    def _codes_only(self, data: bytes) -> Answer:
        self._coordinator.codes_only = bool(data[0])
        return bytes((OK,))

    def _set_channels(self, data: bytes) -> Answer:
        primary, mask = struct.unpack("<BI", data)
        if primary:
            self._coordinator.channels = mask
        return bytes((OK,))

    def _commission(self, data: bytes) -> Answer:
        """BDB commissioning; only the forming of a network means something to a coordinator."""
        mode = data[0]
        if mode & 0x04:
            self._chip.agenda.later(START_SECONDS, self._start, self._chip.life, True)
        else:
            self._chip.agenda.later(
                START_SECONDS, self._chip.indicate, System.APP_CNF, 0x80, bytes((OK, mode, 0))
            )
        return bytes((OK,))

    def _start(self, life: int, commissioning: bool) -> None:
        if life != self._chip.life:
            return
        if not self._coordinator.running:
            self._chip.indicate(System.ZDO, 0xC0, bytes((STARTING,)))
            formed = self._coordinator.start()
        else:
            formed = False
        if commissioning:
            # A network that is resumed is reported as one that could not be formed anew.
            self._chip.indicate(System.APP_CNF, 0x80, bytes((OK if formed else 0x08, 0x02, 0x00)))
        self._chip.indicate(System.ZDO, 0xC0, bytes((STARTED_AS_COORDINATOR,)))
        self._chip.changed()
