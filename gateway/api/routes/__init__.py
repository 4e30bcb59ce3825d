"""The local API's routes beyond the core's, one module an area of :mod:`gateway.verbs`."""

from collections.abc import Callable, Sequence

from aiohttp import web

from gateway.api.routes import discovery, links, nodes, rescue, rollout, seeing, standing, state, zigbee
from gateway.control import Control

AREAS: tuple[Callable[[Control], Sequence[web.RouteDef]], ...] = (
    discovery.routes,
    links.routes,
    nodes.routes,
    rescue.routes,
    rollout.routes,
    seeing.routes,
    standing.routes,
    state.routes,
    zigbee.routes,
)
"""What adds an area's routes to the server, given the gateway."""
