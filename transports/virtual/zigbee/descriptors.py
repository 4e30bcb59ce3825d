"""A device as its stack describes it: addresses, descriptors, bindings, neighbours.

(Zigbee specification, 2.3.2, as it is on the air.)  Nodes have one, and the coordinator.
"""

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import IntEnum

from transports.zcl import EndpointDescription

REVISION = 22 << 9
"""In the server mask: the revision of the specification that a stack complies with (2.3.2.3.10)."""


class Logical(IntEnum):
    """Kinds of devices (2.3.2.3.1)."""

    COORDINATOR = 0
    ROUTER = 1
    END_DEVICE = 2


def ieee_bytes(text: str) -> bytes:
    """An address as it is on the air, lowest byte first."""
    return bytes.fromhex(text.replace(":", ""))[::-1]


def ieee_text(data: bytes) -> str:
    """An address as people write it."""
    return data[::-1].hex(":")


@dataclass(frozen=True, slots=True)
class Binding:
    """One line of a binding table; ``target`` is an address and an endpoint, or a group."""

    endpoint: int
    cluster: int
    target: str | int
    target_endpoint: int = 0


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One line of a neighbour table."""

    ieee: str
    nwk: int
    logical: Logical
    relation: int
    """0 parent, 1 child, 2 sibling, 3 none of them (2.4.4.3.2)."""
    awake: bool
    depth: int
    lqi: int


def _none() -> Iterable[Neighbour]:
    return ()


@dataclass(slots=True, eq=False)
class Subject:
    """A device as its descriptors describe it."""

    ieee: str
    logical: Logical
    mains: bool
    awake: bool
    manufacturer: int
    max_buffer: int
    endpoints: dict[int, EndpointDescription]
    nwk: int = 0xFFFE
    bindings: list[Binding] = field(default_factory=list)
    neighbours: Callable[[], Iterable[Neighbour]] = _none
    server_mask: int = 0

    @property
    def capability(self) -> int:
        """MAC capability flags (2.3.2.3.6)."""
        router = self.logical is not Logical.END_DEVICE
        return 0x80 | router << 1 | self.mains << 2 | self.awake << 3

    def node_descriptor(self) -> bytes:
        """13 bytes; the band is 2.4 GHz (2.3.2.3)."""
        return struct.pack(
            "<BBBHBHHHB", self.logical, 0x40, self.capability, self.manufacturer, self.max_buffer,
            self.max_buffer, self.server_mask, self.max_buffer, 0,
        )  # fmt: skip


def simple_descriptor(endpoint: EndpointDescription) -> bytes:
    """An endpoint's profile, device and clusters (2.3.2.5)."""
    return (
        struct.pack("<BHHB", endpoint.id, endpoint.profile, endpoint.device, 1)
        + _clusters(endpoint.servers)
        + _clusters(endpoint.clients)
    )


def _clusters(numbers: tuple[int, ...]) -> bytes:
    return bytes((len(numbers),)) + struct.pack(f"<{len(numbers)}H", *numbers)
