"""A virtual Zigbee network for hosts that nobody here wrote, in real time as they are."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from flashers.api import Digest, VirtualSetup
from flashers.sim import SimApp
from flashers.zigbee_ota import PLUGIN
from flashers.zigbee_ota.virtual.node import VirtualZigbeeNode
from transports.virtual.zigbee.network import VirtualNetwork

IEEE = "00:12:4b:00:1c:aa:bb:01"
OLD = PLUGIN.build(SimApp("1.0.0"), 800, {})
NEW = PLUGIN.build(SimApp("2.1.0"), 1000, {})
OLD_VERSION, NEW_VERSION = 0x01000000, 0x02010000
"""The file versions of these two."""


@dataclass
class ZigbeeSite:
    """A network whose coordinator is at ``path``, as JavaScript writes it: ``tcp://…``."""

    network: VirtualNetwork
    path: str
    folder: Path

    def add(self, ieee: str = IEEE, *, hops: int = 1, loss: float = 0.0, **traits: str) -> VirtualZigbeeNode:
        """One more node in range, which runs the old firmware and joins as soon as it may."""
        options = {name.replace("_", "-"): value for name, value in traits.items()}
        setup = VirtualSetup(PLUGIN.params.model_validate({}), flash={"app": OLD}, options=options)
        node = VirtualZigbeeNode(setup)
        self.network.add(node.zigbee("node", ieee), hops=hops, loss=loss, joined=False)
        return node

    def file(self, data: bytes = NEW, name: str = "new.ota") -> str:
        """Firmware, where a host can read it."""
        path = self.folder / name
        path.write_bytes(data)
        return str(path)


def runs(node: VirtualZigbeeNode, data: bytes) -> bool:
    """Whether it really runs the firmware of this file, whatever it says."""
    return node.truth().running == {0: Digest.sha256(data)}


@pytest.fixture
async def zigbee_site(tmp_path: Path) -> AsyncIterator[ZigbeeSite]:
    """A network without nodes, and without a host so far."""
    async with VirtualNetwork(seed=1) as network:
        url = await network.offer_tcp()
        yield ZigbeeSite(network, url.replace("socket://", "tcp://"), tmp_path)
