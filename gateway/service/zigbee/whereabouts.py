"""Which node of this gateway is at a place; asked for every frame that comes, so it has to be quick."""

from gateway.service.site import Site
from gateway.service.zigbee.reach import place_of
from transports.links import Medium


class Whereabouts:
    """From places (``zigbee:NETWORK#IEEE``) to nodes' names."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._links: dict[str, str] = {}
        self._found: dict[str, str] = {}

    def node_at(self, place: str) -> str | None:
        """The node there, None if it is nobody's."""
        return self._by_place().get(place)

    def places(self) -> set[str]:
        """Where nodes are."""
        return set(self._by_place())

    def networks(self) -> set[str]:
        """The networks that nodes' links name."""
        return {place.partition("#")[0].removeprefix("zigbee:") for place in self._by_place()}

    def _by_place(self) -> dict[str, str]:
        """Made anew when there are other nodes, or one has another link."""
        links = {name: table.link for name, table in self._site.nodes.items()}
        if links != self._links:
            self._links = links
            specs = {name: self._site.nodes[name].spec for name in links}
            self._found = {place_of(s): name for name, s in specs.items() if s.medium is Medium.ZIGBEE}
        return self._found
