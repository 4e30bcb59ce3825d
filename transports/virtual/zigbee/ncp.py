"""The serial side of the coordinator: TI's ZNP, as host programs speak it to a CC2652.

Commands and their numbers are those of the Z-Stack Monitor and Test API for Z-Stack 3.x, with the
additions of common firmware (remove and add an association).  Every request gets its answer at
once; what takes time comes later as an indication.  A data request is confirmed when the radio
knows how it ended, with the status that the chip gives; at most sixteen are under way.
"""

import random
import struct
from collections.abc import Callable

from transports.links import Transmit
from transports.virtual.zigbee import descriptors, mt, timing, zdo
from transports.virtual.zigbee.agenda import Agenda
from transports.virtual.zigbee.aps import Aps
from transports.virtual.zigbee.channel import Outcome
from transports.virtual.zigbee.coordinator import Coordinator
from transports.virtual.zigbee.flash import FlashCommands
from transports.virtual.zigbee.mt import Kind, System
from transports.virtual.zigbee.stack import NodeStack
from transports.zcl import EndpointDescription

IN_FLIGHT = 16
"""Data requests that the chip holds at once."""
CAPABILITIES = 0x0659
"""SYS, AF, ZDO, UTIL, GP and APP_CNF, as such firmware answers a ping (MT API, 3.8.1.2)."""
VERSION = struct.pack("<BBBBBI", 2, 1, 2, 7, 1, 20240710)
"""Transport 2, product 1 (Z-Stack 3.x0), 2.7.1, and the build that firmware for a CC2652 reports."""
BOOT_SECONDS = 0.1
"""From a reset until the chip says so; ours."""
START_SECONDS = 0.05
"""From the command until the network is there; ours (a real one scans first)."""
STARTED_AS_COORDINATOR, STARTING = 0x09, 0x08

OK, FAILURE, INVALID, BUFFER_FULL = 0x00, 0x01, 0x02, 0x11
STATUS = {
    Outcome.DELIVERED: OK,
    Outcome.NO_ACK: 0xE9,
    Outcome.NO_ACCESS: 0xE1,
    Outcome.OFF: 0xC2,
    Outcome.EXPIRED: 0xF0,
    Outcome.OVERFLOW: 0xF1,
    Outcome.NO_APS_ACK: 0xB7,
    Outcome.TOO_LONG: 0xE5,
    Outcome.NO_ROUTE: 0xCD,
}
"""What a data confirm says (ZComDef.h): MAC_NO_ACK, MAC_CHANNEL_ACCESS_FAILURE, NWK_INVALID_REQUEST,
MAC_TRANSACTION_EXPIRED, MAC_TRANSACTION_OVERFLOW, APS_NO_ACK, MAC_FRAME_TOO_LONG, NWK_NO_ROUTE."""

ACK_REQUESTED = 0x10
GROUP, SHORT, LONG, BROADCAST = 0x01, 0x02, 0x03, 0x0F
"""Address modes."""
FIRST_BROADCAST = 0xFFF8
AWAKE = 0xFFFD

Answer = bytes | None
Handler = Callable[[bytes], Answer]

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


class Ncp:
    """The far end of a coordinator's serial line.

    Args:
        coordinator: what it is the interface of.
        agenda: when things happen.
        dice: what the chip calls random.
        changed: told that the flash may have changed.
    """

    def __init__(
        self,
        coordinator: Coordinator,
        agenda: Agenda,
        dice: random.Random,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.coordinator = coordinator
        self.requests = 0
        """Data requests taken."""
        self.buffer_full = 0
        """Data requests refused because sixteen were under way."""
        self.unknown: list[tuple[int, int]] = []
        """Commands that were not understood."""
        self.powered = True
        self._agenda = agenda
        self._dice = dice
        self._changed = changed
        self._transmit: Transmit | None = None
        self._decoder = mt.Decoder()
        self._flying = 0
        self._life = 0
        self._tsn = 0
        self._watched = False
        self._began = agenda.now
        coordinator.host = self
        flash = FlashCommands(lambda: coordinator.memory, changed)
        self._handlers: dict[tuple[int, int], Handler] = {
            **{(Kind.SREQ | System.SYS, number): handler for number, handler in flash.handlers.items()},
            **self._system(),
            **self._application(),
            **self._device_profile(),
            **self._utilities(),
        }

    # The line

    def attach(self, transmit: Transmit) -> None:
        """A medium has been connected."""
        self._transmit = transmit

    def lines(self, *, dtr: bool, rts: bool) -> None:
        """Its adapter's lines: without an effect, since nothing holds the chip in its loader here."""
        self._decoder.clear()

    def receive(self, data: bytes) -> None:
        """Bytes from the host."""
        if not self.powered:
            return
        for first, second, body in self._decoder.feed(data):
            self._command(first, second, body)

    def _command(self, first: int, second: int, body: bytes) -> None:
        handler = self._handlers.get((first, second))
        answer: Answer = None
        if handler is not None:
            try:
                answer = handler(body)
            except (struct.error, IndexError):
                self._error(first, second, 0x04)
                return
            if first & 0xE0 == Kind.SREQ:
                self._send(Kind.SRSP, first & 0x1F, second, answer if answer is not None else b"")
        else:
            self.unknown.append((first, second))
            if first & 0xE0 == Kind.SREQ:
                self._error(first, second, 0x02)

    def _error(self, first: int, second: int, code: int) -> None:
        """The command is unknown (2) or has a wrong length (4) (MT API, 2.1.4)."""
        self._send(Kind.SRSP, System.RPC_ERROR, 0x00, bytes((code, first, second)))

    def _send(self, kind: Kind, system: int, command: int, data: bytes = b"") -> None:
        if self._transmit is not None and self.powered and len(data) <= mt.MAX_DATA:
            self._transmit(mt.encode(kind, system, command, data))

    def _indicate(self, system: System, command: int, data: bytes) -> None:
        self._send(Kind.AREQ, system, command, data)

    def restart(self, *, reason: int = 0) -> None:
        """The chip starts anew; the host is told when it has."""
        self._life += 1
        self._flying = 0
        self._watched = False
        self._decoder.clear()
        self.coordinator.stop()
        self._changed()
        self._agenda.later(BOOT_SECONDS, self._booted, self._life, reason)

    def switch(self, *, on: bool) -> None:
        """Give power to the chip, or take it."""
        if on == self.powered:
            return
        self.powered = on
        if on:
            self.restart()
        else:
            self._life += 1
            self._flying = 0
            self.coordinator.stop()
            self._changed()

    def _booted(self, life: int, reason: int) -> None:
        if life == self._life:
            self._began = self._agenda.now
            self._indicate(System.SYS, 0x80, bytes((reason,)) + VERSION[:5])

    # SYS and the rest that is short

    def _system(self) -> dict[tuple[int, int], Handler]:
        ask, sys, app = Kind.SREQ, System.SYS, System.APP_CNF
        memory = self.coordinator.memory
        well: Handler = lambda _: bytes((OK,))  # noqa: E731
        return {
            (Kind.AREQ | sys, 0x00): self._reset,
            (ask | sys, 0x01): lambda _: struct.pack("<H", CAPABILITIES),
            (ask | sys, 0x02): lambda _: VERSION,
            (ask | sys, 0x04): lambda _: memory.own_ieee,
            (ask | sys, 0x0C): lambda _: self._dice.randbytes(2),
            (ask | sys, 0x0F): lambda data: data[1:2],
            (ask | sys, 0x14): well,
            (ask | app, 0x01): well,
            (ask | app, 0x02): well,
            (ask | app, 0x03): well,
            (ask | app, 0x04): well,
            (ask | app, 0x05): self._commission,
            (ask | app, 0x06): well,
            (ask | app, 0x07): well,
            (ask | app, 0x08): self._set_channels,
            (ask | app, 0x09): well,
            (ask | app, 0xFF): well,
        }

    def _reset(self, data: bytes) -> Answer:
        self.restart()
        return None

    def _set_channels(self, data: bytes) -> Answer:
        primary, mask = struct.unpack("<BI", data)
        if primary:
            self.coordinator.channels = mask
        return bytes((OK,))

    def _commission(self, data: bytes) -> Answer:
        """BDB commissioning; only the forming of a network means something to a coordinator."""
        mode = data[0]
        if mode & 0x04:
            self._agenda.later(START_SECONDS, self._start, self._life, True)
        else:
            self._agenda.later(START_SECONDS, self._indicate, System.APP_CNF, 0x80, bytes((OK, mode, 0)))
        return bytes((OK,))

    def _start(self, life: int, commissioning: bool) -> None:
        if life != self._life:
            return
        if not self.coordinator.running:
            self._indicate(System.ZDO, 0xC0, bytes((STARTING,)))
            formed = self.coordinator.start()
        else:
            formed = False
        if commissioning:
            # A network that is resumed is reported as one that could not be formed anew.
            self._indicate(System.APP_CNF, 0x80, bytes((OK if formed else 0x08, 0x02, 0x00)))
        self._indicate(System.ZDO, 0xC0, bytes((STARTED_AS_COORDINATOR,)))
        self._changed()

    # AF

    def _application(self) -> dict[tuple[int, int], Handler]:
        af = Kind.SREQ | System.AF
        well: Handler = lambda _: bytes((OK,))  # noqa: E731
        return {
            (af, 0x00): self._register,
            (af, 0x01): self._data_request,
            (af, 0x02): self._data_request_ext,
            (af, 0x03): self._data_request_routed,
            (af, 0x04): self._unregister,
            (af, 0x10): well,
            (af, 0x13): well,
        }

    def _register(self, data: bytes) -> Answer:
        endpoint, profile, device, _, _, count = struct.unpack_from("<BHHBBB", data)
        inputs = struct.unpack_from(f"<{count}H", data, 8)
        at = 8 + 2 * count
        outputs = struct.unpack_from(f"<{data[at]}H", data, at + 1)
        endpoints = self.coordinator.subject.endpoints
        if endpoint in endpoints:
            return bytes((FAILURE,))
        endpoints[endpoint] = EndpointDescription(endpoint, device, inputs, outputs, profile)
        return bytes((OK,))

    def _unregister(self, data: bytes) -> Answer:
        return bytes((OK if self.coordinator.subject.endpoints.pop(data[0], None) else FAILURE,))

    def _data_request(self, data: bytes) -> Answer:
        nwk, to, own, cluster, tsn, options, _, size = struct.unpack_from("<HBBHBBBB", data)
        mode = BROADCAST if nwk >= FIRST_BROADCAST else SHORT
        return self._request(mode, nwk, to, own, cluster, tsn, options, data[10 : 10 + size])

    def _data_request_ext(self, data: bytes) -> Answer:
        mode, address, to, _, own, cluster, tsn, options, _, size = struct.unpack_from("<BQBHBHBBBH", data)
        if mode == LONG:
            node = self.coordinator.by_ieee(descriptors.ieee_text(struct.pack("<Q", address)))
            mode, address = SHORT, node.nwk if node is not None else 0xFFFE
        nwk = address & 0xFFFF
        if mode == SHORT and nwk >= FIRST_BROADCAST:
            mode = BROADCAST
        return self._request(mode, nwk, to, own, cluster, tsn, options, data[20 : 20 + size])

    def _data_request_routed(self, data: bytes) -> Answer:
        nwk, to, own, cluster, tsn, options, _, relays = struct.unpack_from("<HBBHBBBB", data)
        at = 10 + 2 * relays
        return self._request(SHORT, nwk, to, own, cluster, tsn, options, data[at + 1 : at + 1 + data[at]])

    def _request(
        self, mode: int, nwk: int, to: int, own: int, cluster: int, tsn: int, options: int, payload: bytes
    ) -> Answer:
        coordinator = self.coordinator
        if not coordinator.running:
            return bytes((STATUS[Outcome.OFF],))
        if own and own not in coordinator.subject.endpoints:
            return bytes((INVALID,))
        if len(payload) > timing.MAX_ASDU:
            return bytes((INVALID,))
        if self._flying >= IN_FLIGHT:
            self.buffer_full += 1
            return bytes((BUFFER_FULL,))
        self.requests += 1
        life = self._life

        def confirm(outcome: Outcome) -> None:
            if life == self._life:
                self._flying -= 1
                if own:  # the stack keeps the confirms of the device profile to itself
                    self._indicate(System.AF, 0x80, bytes((STATUS[outcome], own, tsn)))

        self._flying += 1
        if mode == SHORT:
            coordinator.send(
                nwk, payload, cluster=cluster, from_endpoint=own, to_endpoint=to,
                acknowledged=bool(options & ACK_REQUESTED), done=confirm,
            )  # fmt: skip
        else:
            if own or cluster != zdo.Cluster.MGMT_PERMIT_JOINING:
                coordinator.broadcast(payload, cluster=cluster, from_endpoint=own, to_endpoint=to)
            self._agenda.later(timing.cycle(timing.OVERHEAD + len(payload)), confirm, Outcome.DELIVERED)
        return bytes((OK,))

    def message(self, frame: Aps, lqi: int) -> None:
        """An application's frame came in: AF_INCOMING_MSG."""
        if frame.to_endpoint not in self.coordinator.subject.endpoints:
            return
        stamp = int(self._agenda.now / timing.BACKOFF_PERIOD) & 0xFFFFFFFF
        data = struct.pack(
            "<HHHBBBBBIBB", 0, frame.cluster, frame.source.nwk, frame.from_endpoint, frame.to_endpoint,
            frame.target is None, lqi, 0, stamp, 0, len(frame.data),
        )  # fmt: skip
        self._indicate(System.AF, 0x81, data + frame.data + struct.pack("<HB", frame.source.nwk, 29))

    # ZDO

    def _device_profile(self) -> dict[tuple[int, int], Handler]:
        ask = Kind.SREQ | System.ZDO
        well: Handler = lambda _: bytes((OK,))  # noqa: E731
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
            self.coordinator.broadcast(body, cluster=cluster, from_endpoint=0, to_endpoint=0)
        else:
            self.coordinator.send(
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
            self.coordinator.permit(seconds)
            self._ask(nwk, zdo.Cluster.MGMT_PERMIT_JOINING, request)
        return bytes((OK,))

    def _watch(self, data: bytes) -> Answer:
        self._watched = True
        return bytes((OK,))

    def _startup(self, data: bytes) -> Answer:
        formed = self.coordinator.memory.formed
        self._agenda.later(START_SECONDS, self._start, self._life, False)
        return bytes((0 if formed else 1,))

    def _network(self, data: bytes) -> Answer:
        memory, running = self.coordinator.memory, self.coordinator.running
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
            self._indicate(System.ZDO, 0xFF, head + body)
        if cluster == zdo.Cluster.DEVICE_ANNOUNCE:
            self._indicate(System.ZDO, 0xC1, origin + body)
        elif cluster in {0x8000, 0x8001}:
            # In the interface the start stands before the count.
            self._indicate(System.ZDO, 0x80 | cluster & 0xFF, body if len(body) > 11 else body + b"\0\0")
        elif cluster in _INDICATED:
            self._indicate(System.ZDO, 0x80 | cluster & 0xFF, origin + body)

    def came(self, node: NodeStack, parent: int) -> None:
        """TC_DEV_IND."""
        nwk = next(nwk for nwk, other in self.coordinator.nodes.items() if other is node)
        data = struct.pack("<H", nwk) + descriptors.ieee_bytes(node.ieee) + struct.pack("<H", parent)
        self._indicate(System.ZDO, 0xCA, data)
        self._changed()

    def went(self, node: NodeStack, *, rejoin: bool) -> None:
        """LEAVE_IND."""
        data = struct.pack("<H", node.nwk) + descriptors.ieee_bytes(node.ieee) + bytes((0, 0, rejoin))
        self._indicate(System.ZDO, 0xC9, data)
        self._changed()

    def route(self, node: NodeStack, relays: list[int]) -> None:
        """SRC_RTG_IND."""
        data = struct.pack(f"<HB{len(relays)}H", node.nwk, len(relays), *relays)
        self._indicate(System.ZDO, 0xC4, data)

    # UTIL

    def _utilities(self) -> dict[tuple[int, int], Handler]:
        ask = Kind.SREQ | System.UTIL
        well: Handler = lambda _: bytes((OK,))  # noqa: E731
        return {
            (ask, 0x00): self._device_info,
            (ask, 0x06): well,
            (ask, 0x09): lambda _: struct.pack("<I", int(self._agenda.now - self._began)),
            (ask, 0x0A): well,
            (ask, 0x40): self._lookup,
            (ask, 0x48): lambda _: struct.pack("<H", len(self._children())),
            (ask, 0x49): self._association,
            (ask, 0x4A): self._association_of,
            (ask, 0x63): well,
            (ask, 0x64): well,
        }

    def _children(self) -> list[NodeStack]:
        coordinator = self.coordinator
        return [node for node in coordinator.nodes.values() if coordinator.is_child(node)]

    def _device_info(self, data: bytes) -> Answer:
        coordinator = self.coordinator
        children = [node.nwk for node in self._children()][:16]
        state = STARTED_AS_COORDINATOR if coordinator.running else 0
        head = bytes((OK,)) + coordinator.memory.own_ieee
        nwk = 0x0000 if coordinator.running else 0xFFFE
        return head + struct.pack(f"<HBBB{len(children)}H", nwk, 0x07, state, len(children), *children)

    def _lookup(self, data: bytes) -> Answer:
        node = self.coordinator.by_ieee(descriptors.ieee_text(data[:8]))
        return struct.pack("<H", node.nwk if node is not None else 0xFFFE)

    def _association(self, data: bytes) -> Answer:
        children = self._children()
        return _associated(children[data[0]] if data[0] < len(children) else None, data[0])

    def _association_of(self, data: bytes) -> Answer:
        ieee, (nwk,) = descriptors.ieee_text(data[:8]), struct.unpack_from("<H", data, 8)
        found = enumerate(self._children())
        number, node = next(
            ((number, node) for number, node in found if ieee == node.ieee or (nwk and nwk == node.nwk)),
            (0, None),
        )
        return _associated(node, number)


def _associated(node: NodeStack | None, number: int) -> bytes:
    """A line of the table of associated devices, as the chip has it in memory: 36 bytes."""
    if node is None:
        return struct.pack("<HHB", 0xFFFE, 0xFFFF, 0xFF) + bytes(31)
    relation = 1 if node.description.sleepy else 2
    return struct.pack("<HHBBBB", node.nwk, number, relation, 0, 0, 0) + bytes(28)
