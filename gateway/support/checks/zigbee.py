"""The coordinators of Zigbee networks: their library installed, their port there and ours to open.

No coordinator is opened: it has one host at a time, and that is the gateway.  How a network that is
open does is the running service's word, which the check of nodes asks for.
"""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from gateway.config.networks import NetworkTable
from gateway.support.checks.links import port_ailments
from gateway.support.ground import Ailment, Badness, Ground
from transports.links import Medium
from transports.zigbee.radios import LIBRARIES


def check(ground: Ground) -> Sequence[Ailment]:
    """Every network of the configuration."""
    if ground.loaded is None:
        return []
    config, found = ground.loaded.config, list[Ailment]()
    nodes: dict[str, list[str]] = {}
    for node, table in config.nodes.items():
        if table.spec.medium is Medium.ZIGBEE:
            nodes.setdefault(table.spec.target, []).append(node)
    for name, network in sorted(config.networks.items()):
        found += _installed(name, network)
        if not network.path.startswith("socket://"):
            found += port_ailments(Path(network.path), [f"network {name}"], ground)
        if name not in nodes and ground.overview is None:
            text = f"No node of the configuration is on the Zigbee network {name}."
            remedy = "Let nodes join and adopt them; nodes that were adopted are in the journal."
            found.append(
                Ailment(Badness.FINE, "zigbee-no-nodes", text, remedy, f"tender zigbee nodes {name}")
            )
    return found


def _installed(name: str, network: NetworkTable) -> Iterator[Ailment]:
    library = LIBRARIES[network.radio]
    packages = {"zigpy": "zigpy", library.module.partition(".")[0]: library.package}
    missing = [package for module, package in packages.items() if find_spec(module) is None]
    if missing:
        text = f"The network {name} needs the package {missing[0]}, which is not installed."
        command = f"pip install 'fleet-tender[{library.extra}]'"
        remedy = f"Install Tender with its extra {library.extra}."
        yield Ailment(Badness.BROKEN, "zigbee-not-installed", text, remedy, command)
