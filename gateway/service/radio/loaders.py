"""Whose bootloader a candidate may be: a node that is called otherwise in there stays one node."""

from flashers.api import Role, plus_one
from gateway.service.adapters.reach import place_of
from gateway.service.radio.matching import Call
from gateway.service.site import Site
from transports.links import Medium


def loader_of(site: Site, call: Call) -> str | None:
    """The node of ours that may call so from its loader.

    By what its flasher said before it sent it there, or by the address after its own, which
    loaders have that nobody here has seen yet.  Services alone say nothing: every node of the
    type may have them.
    """
    for name, table in site.nodes.items():
        spec = table.spec
        if spec.medium is not Medium.BLE or spec.address is None:
            continue
        if plus_one(spec.address) == call.address:
            return name
        said = site.reach.callings.of(place_of(spec)).get(Role.LOADER)
        if said is None or not (said.address or said.name):
            continue
        if said.fits(call.address, call.name, call.services):
            return name
    return None


def why_not(node: str) -> str:
    """What people are told of such a candidate."""
    return f"it may be {node} in its bootloader"
