"""Data requests of a host (AF), and what they end with.

A request is taken at once and confirmed when the radio knows how it ended, with the status that
the chip gives for that.  At most sixteen are under way; one more finds the buffers full.
"""

import struct

from transports.virtual.zigbee import descriptors, timing, zdo
from transports.virtual.zigbee.aps import Aps
from transports.virtual.zigbee.channel import Outcome
from transports.virtual.zigbee.chip import (
    BUFFER_FULL,
    FAILURE,
    FIRST_BROADCAST,
    INVALID,
    OK,
    Answer,
    Chip,
    Handlers,
    well,
)
from transports.virtual.zigbee.mt import Kind, System
from transports.zcl import EndpointDescription

IN_FLIGHT = 16
"""Data requests that the chip holds at once."""
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


class DataRequests:
    """The AF part of the interface."""

    def __init__(self, chip: Chip) -> None:
        self.requests = 0
        """Taken."""
        self.buffer_full = 0
        """Refused because sixteen were under way."""
        self._chip = chip
        self._agenda = chip.agenda
        self._coordinator = chip.coordinator
        self._flying = 0

    def restarted(self) -> None:
        """The chip starts anew."""
        self._flying = 0

    def handlers(self) -> Handlers:
        """What answers which request."""
        af = Kind.SREQ | System.AF
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
        endpoints = self._coordinator.subject.endpoints
        if endpoint in endpoints:
            return bytes((FAILURE,))
        endpoints[endpoint] = EndpointDescription(endpoint, device, inputs, outputs, profile)
        return bytes((OK,))

    def _unregister(self, data: bytes) -> Answer:
        return bytes((OK if self._coordinator.subject.endpoints.pop(data[0], None) else FAILURE,))

    def _data_request(self, data: bytes) -> Answer:
        nwk, to, own, cluster, tsn, options, _, size = struct.unpack_from("<HBBHBBBB", data)
        mode = BROADCAST if nwk >= FIRST_BROADCAST else SHORT
        return self._request(mode, nwk, to, own, cluster, tsn, options, data[10 : 10 + size])

    def _data_request_ext(self, data: bytes) -> Answer:
        mode, address, to, _, own, cluster, tsn, options, _, size = struct.unpack_from("<BQBHBHBBBH", data)
        if mode == LONG:
            node = self._coordinator.by_ieee(descriptors.ieee_text(struct.pack("<Q", address)))
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
        coordinator = self._coordinator
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
        life = self._chip.life

        def confirm(outcome: Outcome) -> None:
            self._agenda.later(0, confirmed, outcome)  # never before the answer

        def confirmed(outcome: Outcome) -> None:
            if life == self._chip.life:
                self._flying -= 1
                if own:  # the stack keeps the confirms of the device profile to itself
                    self._chip.indicate(System.AF, 0x80, bytes((STATUS[outcome], own, tsn)))

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
        if frame.to_endpoint not in self._coordinator.subject.endpoints:
            return
        stamp = int(self._agenda.now / timing.BACKOFF_PERIOD) & 0xFFFFFFFF
        data = struct.pack(
            "<HHHBBBBBIBB", 0, frame.cluster, frame.source.nwk, frame.from_endpoint, frame.to_endpoint,
            frame.target is None, lqi, 0, stamp, 0, len(frame.data),
        )  # fmt: skip
        self._chip.indicate(System.AF, 0x81, data + frame.data + struct.pack("<HB", frame.source.nwk, 29))
