"""What is known of a link at one moment, for whoever judges it."""

from dataclasses import dataclass, field

from gateway.model.links import NetworkSight, NodeOnLink, RadioView, Traffic
from transports.uart.adapters import Adapter


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """What a diagnosis is drawn from.

    ``exists`` is whether the port is there, None where only trying tells.  ``held_by``
    is a stranger that has the port.  ``others`` are the links on the same hub.
    ``upstream`` is as in the status.
    """

    channel: str
    nodes: tuple[NodeOnLink, ...]
    traffic: Traffic
    exists: bool | None = None
    adapter: Adapter | None = None
    held_by: str | None = None
    others: tuple["LinkFacts", ...] = field(default=(), repr=False)
    upstream: str = "none"
    radio: RadioView | None = None
    """Of an adapter, which is no port."""
    network: NetworkSight | None = None
    """Of a Zigbee network."""

    @property
    def is_dead(self) -> bool:
        """Nothing comes over it, though it was tried."""
        return self.exists is False or bool(self.traffic.last_error) or self.traffic.silent
