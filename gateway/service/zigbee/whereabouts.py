"""Which node of this gateway is at a place; asked for every frame that comes, so it has to be quick."""

from gateway.config.model import NodeTable
from gateway.service.site import Site
from gateway.service.zigbee.reach import place_of
from transports.links import Medium


class Whereabouts:
    """From places (``zigbee:NETWORK#IEEE``) to nodes' names."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._tables: dict[str, NodeTable] = {}
        self._found: dict[str, str] = {}

    def node_at(self, place: str) -> str | None:
        """The node there, None if it is nobody's."""
        node = self._found.get(place)
        if node is not None and self._site.nodes.get(node) is self._tables[node]:
            return node
        return self._by_place().get(place)

    def places(self) -> set[str]:
        """Where nodes are."""
        return set(self._by_place())

    def networks(self) -> set[str]:
        """The networks that nodes' links name."""
        return {place.partition("#")[0].removeprefix("zigbee:") for place in self._by_place()}

    def of(self, network: str) -> dict[str, str]:
        """The nodes of one network, by IEEE address."""
        found = ((*place.partition("#")[::2], node) for place, node in self._by_place().items())
        return {ieee: node for channel, ieee, node in found if channel == f"zigbee:{network}"}

    def _by_place(self) -> dict[str, str]:
        """Made anew when there are other nodes, or something else is said of one."""
        if self._site.nodes != self._tables:
            self._tables = dict(self._site.nodes)
            specs = {name: table.spec for name, table in self._tables.items()}
            self._found = {place_of(s): name for name, s in specs.items() if s.medium is Medium.ZIGBEE}
        return self._found
