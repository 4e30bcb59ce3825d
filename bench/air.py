"""The air that speed over Bluetooth LE is measured on, and the node behind it."""

from dataclasses import asdict, dataclass
from typing import Any

from flashers.api import VirtualSetup
from flashers.mcuboot_smp.make import make_image
from flashers.mcuboot_smp.params import SmpParams
from flashers.mcuboot_smp.virtual import VirtualMcubootNode
from flashers.sim import SimApp
from transports.gatt import GattPeer

ADDRESS = "C0:00:00:00:00:10"
CENTRAL = "00:11:22:33:44:55"
ATT_MTU = 247


@dataclass(frozen=True, slots=True)
class Asked:
    """One run: the node's buffers, the share of packets that are lost, bytes of the image."""

    buf_size: int
    buf_count: int = 4
    loss: float = 0.0
    size: int = 256_000

    def image(self, number: int = 1) -> bytes:
        """What is sent."""
        return make_image(SimApp(f"2.0.{number}"), size=self.size, seed=number)

    def plain(self) -> dict[str, Any]:
        """As JSON takes it."""
        return asdict(self)


def node_of(asked: Asked) -> VirtualMcubootNode:
    """A node with these buffers, that writes its flash in no time: what is left is the air."""
    options = {
        "page": "4096",
        "slot-pages": str(asked.size // 4096 + 8),
        "buf-size": str(asked.buf_size),
        "buf-count": str(asked.buf_count),
    }
    running = make_image(SimApp("1.0.0"), size=2000)
    return VirtualMcubootNode(VirtualSetup(SmpParams(), flash={"app": running}, options=options))


def virtual_node(asked: Asked, address: str = ADDRESS) -> GattPeer:
    """The same, as the air drives it."""
    return node_of(asked).radio("bench", address)
