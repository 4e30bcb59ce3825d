"""Which types a node that joined may be of: every profile's plugin is asked, and people decide."""

from gateway.service.node_types import NodeTypes
from transports.errors import TenderError
from transports.links import Medium
from transports.zcl import NodeFacts


class TypesOfNodes:
    """The profiles of nodes on Zigbee networks."""

    def __init__(self, node_types: NodeTypes) -> None:
        self._node_types = node_types

    def of(self, facts: NodeFacts) -> tuple[str, ...]:
        """The names of the profiles that it fits, those that say most of it first."""
        found = []
        for name in self._node_types.profiles:
            if Medium.ZIGBEE not in self._node_types.profiles.get(name).media:
                continue
            try:
                node_type = self._node_types.get(name)
            except TenderError:
                continue  # a plugin that is not installed fits nobody
            fits = node_type.plugin.fits
            if fits is not None and fits(facts, node_type.params):
                found.append((-len(node_type.profile.params), name))
        return tuple(name for _, name in sorted(found))
