"""What every stack answers by itself: addresses, descriptors, bindings, neighbours (the device profile).

Requests and answers are of the Zigbee specification, 2.4.3 and 2.4.4; an answer's cluster is its
request's with the highest bit set.  Who answers is a :class:`Subject`: a node, or the
coordinator itself.
"""

import struct
from collections.abc import Callable
from enum import IntEnum

from transports.virtual.zigbee.descriptors import Binding, Subject, ieee_bytes, ieee_text, simple_descriptor

SUCCESS, DEVICE_NOT_FOUND, INVALID_EP, NOT_ACTIVE, NOT_SUPPORTED, NO_ENTRY = (
    0x00,
    0x81,
    0x82,
    0x83,
    0x84,
    0x88,
)
"""Status values (2.4.5)."""
RESPONSE = 0x8000
QUIET = 40
"""Energy of a channel on which little happens, of 255."""


class Cluster(IntEnum):
    """Requests that are known (table 2-43 and following)."""

    NWK_ADDRESS = 0x0000
    IEEE_ADDRESS = 0x0001
    NODE_DESCRIPTOR = 0x0002
    POWER_DESCRIPTOR = 0x0003
    SIMPLE_DESCRIPTOR = 0x0004
    ACTIVE_ENDPOINTS = 0x0005
    MATCH_DESCRIPTOR = 0x0006
    DEVICE_ANNOUNCE = 0x0013
    BIND = 0x0021
    UNBIND = 0x0022
    MGMT_LQI = 0x0031
    MGMT_ROUTES = 0x0032
    MGMT_BINDINGS = 0x0033
    MGMT_LEAVE = 0x0034
    MGMT_PERMIT_JOINING = 0x0036
    MGMT_UPDATE = 0x0038


def announcement(subject: Subject) -> bytes:
    """A Device_annce without its sequence number."""
    return struct.pack("<H", subject.nwk) + ieee_bytes(subject.ieee) + bytes((subject.capability,))


def answer(subject: Subject, cluster: int, request: bytes, *, asked_all: bool) -> bytes | None:
    """The answer to a request, without its sequence number; None says nothing.

    ``asked_all``: it came as a broadcast, to which only those speak who are meant.
    """
    try:
        found = _ANSWERS.get(cluster)
        if found is None:
            return None if asked_all or cluster & RESPONSE else bytes((NOT_SUPPORTED,))
        return found(subject, request, asked_all)
    except (struct.error, IndexError):
        return None  # cut short: a stack drops it


def _address(subject: Subject, request: bytes, asked_all: bool, mine: bool) -> bytes | None:
    if not mine:
        return None if asked_all else bytes((DEVICE_NOT_FOUND,)) + ieee_bytes(subject.ieee) + b"\xff\xff"
    known = struct.pack("<BQH", SUCCESS, int.from_bytes(ieee_bytes(subject.ieee), "little"), subject.nwk)
    return known + b"\x00\x00" if request[-2] == 1 else known


def _nwk_address(subject: Subject, request: bytes, asked_all: bool) -> bytes | None:
    return _address(subject, request, asked_all, request[:8] == ieee_bytes(subject.ieee))


def _ieee_address(subject: Subject, request: bytes, asked_all: bool) -> bytes | None:
    return _address(subject, request, asked_all, struct.unpack_from("<H", request)[0] == subject.nwk)


def _about(subject: Subject, request: bytes, rest: Callable[[], tuple[int, bytes]], empty: bytes) -> bytes:
    """Status, address and the rest; for whom else is asked this stack knows nothing."""
    nwk = struct.unpack_from("<H", request)[0]
    status, body = rest() if nwk == subject.nwk else (DEVICE_NOT_FOUND, empty)
    return struct.pack("<BH", status, nwk) + body


def _node(subject: Subject, request: bytes, asked_all: bool) -> bytes | None:
    return _about(subject, request, lambda: (SUCCESS, subject.node_descriptor()), b"")


def _power(subject: Subject, request: bytes, asked_all: bool) -> bytes | None:
    # Available and current source, and a full level (2.3.2.4).
    source = 1 if subject.mains else 4
    return _about(subject, request, lambda: (SUCCESS, bytes((source << 4, 0xC0 | source))), b"")


def _simple(subject: Subject, request: bytes, asked_all: bool) -> bytes | None:
    def rest() -> tuple[int, bytes]:
        endpoint = subject.endpoints.get(request[2])
        if endpoint is None:
            return (NOT_ACTIVE if 1 <= request[2] <= 240 else INVALID_EP), b"\x00"
        body = simple_descriptor(endpoint)
        return SUCCESS, bytes((len(body),)) + body

    return _about(subject, request, rest, b"\x00")


def _active(subject: Subject, request: bytes, asked_all: bool) -> bytes | None:
    ids = bytes(sorted(subject.endpoints))
    return _about(subject, request, lambda: (SUCCESS, bytes((len(ids),)) + ids), b"\x00")


def _match(subject: Subject, request: bytes, asked_all: bool) -> bytes | None:
    profile, count = struct.unpack_from("<HB", request, 2)
    inputs = struct.unpack_from(f"<{count}H", request, 5)
    at = 5 + 2 * count
    outputs = struct.unpack_from(f"<{request[at]}H", request, at + 1)
    ids = bytes(
        endpoint.id
        for endpoint in subject.endpoints.values()
        if endpoint.profile == profile
        and (set(inputs) & set(endpoint.servers) or set(outputs) & set(endpoint.clients))
    )
    if asked_all and not ids:
        return None
    return struct.pack("<BHB", SUCCESS, subject.nwk, len(ids)) + ids


def binding_of(request: bytes) -> Binding:
    """What a bind or unbind request is about."""
    endpoint, cluster, mode = struct.unpack_from("<BHB", request, 8)
    if mode == 3:
        return Binding(endpoint, cluster, ieee_text(request[12:20]), request[20])
    return Binding(endpoint, cluster, int(struct.unpack_from("<H", request, 12)[0]))


def _bind(subject: Subject, request: bytes, asked_all: bool) -> bytes | None:
    binding = binding_of(request)
    if binding.endpoint not in subject.endpoints:
        return bytes((INVALID_EP,))
    if binding not in subject.bindings:
        subject.bindings.append(binding)
    return bytes((SUCCESS,))


def _unbind(subject: Subject, request: bytes, asked_all: bool) -> bytes | None:
    binding = binding_of(request)
    if binding not in subject.bindings:
        return bytes((NO_ENTRY,))
    subject.bindings.remove(binding)
    return bytes((SUCCESS,))


def _table(lines: list[bytes], start: int, at_most: int) -> bytes:
    part = lines[start : start + at_most]
    return bytes((SUCCESS, len(lines), start, len(part))) + b"".join(part)


def _lqi(subject: Subject, request: bytes, asked_all: bool) -> bytes | None:
    lines = []
    for one in subject.neighbours():
        flags = one.logical | one.awake << 2 | one.relation << 4
        lines.append(
            bytes(8) + ieee_bytes(one.ieee) + struct.pack("<HBBBB", one.nwk, flags, 2, one.depth, one.lqi)
        )
    return _table(lines, request[0], 3)


def _routes(subject: Subject, request: bytes, asked_all: bool) -> bytes | None:
    return _table([], request[0], 1)


def _bindings(subject: Subject, request: bytes, asked_all: bool) -> bytes | None:
    lines = []
    for one in subject.bindings:
        line = ieee_bytes(subject.ieee) + struct.pack("<BH", one.endpoint, one.cluster)
        if isinstance(one.target, str):
            line += b"\x03" + ieee_bytes(one.target) + bytes((one.target_endpoint,))
        else:
            line += b"\x01" + struct.pack("<H", one.target)
        lines.append(line)
    return _table(lines, request[0], 3)


def _update(subject: Subject, request: bytes, asked_all: bool) -> bytes | None:
    """An energy scan: every channel is as quiet as the next one.  Channel changes are not answered."""
    mask, duration = struct.unpack_from("<IB", request)
    assert isinstance(mask, int)  # noqa: S101 - as its format says
    if duration > 5:
        return None
    count = mask.bit_count()
    return struct.pack("<BIHHB", SUCCESS, mask, 0, 0, count) + bytes((QUIET,)) * count


def _well(subject: Subject, request: bytes, asked_all: bool) -> bytes | None:
    return None if asked_all else bytes((SUCCESS,))


def _silence(subject: Subject, request: bytes, asked_all: bool) -> bytes | None:
    return None


_ANSWERS: dict[int, Callable[[Subject, bytes, bool], bytes | None]] = {
    Cluster.NWK_ADDRESS: _nwk_address,
    Cluster.IEEE_ADDRESS: _ieee_address,
    Cluster.NODE_DESCRIPTOR: _node,
    Cluster.POWER_DESCRIPTOR: _power,
    Cluster.SIMPLE_DESCRIPTOR: _simple,
    Cluster.ACTIVE_ENDPOINTS: _active,
    Cluster.MATCH_DESCRIPTOR: _match,
    Cluster.DEVICE_ANNOUNCE: _silence,
    Cluster.BIND: _bind,
    Cluster.UNBIND: _unbind,
    Cluster.MGMT_LQI: _lqi,
    Cluster.MGMT_ROUTES: _routes,
    Cluster.MGMT_BINDINGS: _bindings,
    Cluster.MGMT_LEAVE: _well,
    Cluster.MGMT_PERMIT_JOINING: _well,
    Cluster.MGMT_UPDATE: _update,
}
