"""One Zigbee network of this gateway, as everything above the radio library sees it.

The real one (``transports/zigbee/zigpy_network.py``) is zigpy over a coordinator; one in memory
(``transports/virtual/memory_zigbee.py``) serves virtual time.  Whatever a node sends is handed
out exactly once: to whoever listens to that node and cluster, else to the stand-in, else it goes
the way of zigpy.  The OTA cluster (0x0019) never goes zigpy's way, whose answers end transfers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from transports.zcl import NodeFacts, Zcl, ZigbeeLink

OTA = 0x0019
"""The cluster of over-the-air upgrades (ZCL revision 8, 11.1)."""

StandIn = Callable[[str, Zcl], Zcl | None]
"""(node's IEEE address, request) → what to answer; None says nothing, which is always safe."""


@dataclass(frozen=True, slots=True)
class NetworkState:
    """How a network is; ``trouble`` is empty while it works, and until it was tried."""

    up: bool
    trouble: str = ""
    remedy: str = ""
    """What to do about the trouble."""
    channel: int | None = None
    pan_id: int | None = None
    extended_pan_id: str | None = None
    coordinator: str | None = None
    """IEEE address of the coordinator."""
    firmware: str = ""
    """What the coordinator says of itself."""
    joining_for: float = 0.0
    """Seconds for which nodes may still join."""


class Network(Protocol):
    """A network that is up, or tries to be: it is reconnected by itself, ever more patiently."""

    @property
    def name(self) -> str:
        """As in the configuration."""
        ...

    @property
    def state(self) -> NetworkState:
        """How it is now."""
        ...

    def node(self, ieee: str) -> ZigbeeLink:
        """One node, for the length of a lease.

        Raises:
            NodeUnreachable: it is none of this network's.
        """
        ...

    def nodes(self) -> Mapping[str, NodeFacts]:
        """Everybody who joined, by IEEE address, the coordinator left out."""
        ...

    def stand_in(self, answer: StandIn) -> None:
        """Who answers OTA requests of nodes that nobody listens to; nobody does until this was said."""
        ...

    def hear(self, listener: Callable[[str, Zcl | None], None]) -> Callable[[], None]:
        """Call ``listener`` with every sign of life of every node; returns what ends it.

        None stands for what is no ZCL frame: an announce, a join.
        """
        ...

    def wants_fast_poll(self, wanted: Callable[[str], bool]) -> None:
        """Whom to ask, with a node's IEEE address, whether one that checks in shall stay awake.

        A node for which a question is under way, or to which somebody listens, stays awake anyhow.
        """
        ...

    def changed(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call ``listener`` when its state changed, or a node joined, was interviewed, or left."""
        ...

    async def permit(self, seconds: float, *, through: str | None = None) -> None:
        """Let nodes join for so long (at most 254 s; 0 ends it), through one router or all.

        Raises:
            CoordinatorLost, NetworkTrouble, NodeUnreachable: it was not done.
        """
        ...

    async def interview(self, ieee: str) -> NodeFacts:
        """Ask a node anew what it is.  Raises as :meth:`permit`."""
        ...

    async def remove(self, ieee: str) -> None:
        """Have a node leave, and forget it.  Raises as :meth:`permit`."""
        ...

    async def aclose(self) -> None:
        """Let go of the coordinator; never raises."""
        ...
