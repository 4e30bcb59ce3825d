"""What a host asks of the chip itself (UTIL): its state, its children, its lights."""

import struct

from transports.virtual.zigbee import descriptors
from transports.virtual.zigbee.chip import OK, STARTED_AS_COORDINATOR, Answer, Chip, Handlers, well
from transports.virtual.zigbee.mt import Kind, System
from transports.virtual.zigbee.stack import NodeStack


class Utilities:
    """The UTIL part of the interface."""

    def __init__(self, chip: Chip) -> None:
        self._coordinator = chip.coordinator
        self._agenda = chip.agenda
        self._began = chip.agenda.now

    def restarted(self) -> None:
        """The chip starts anew."""
        self._began = self._agenda.now

    def handlers(self) -> Handlers:
        """What answers which request."""
        ask = Kind.SREQ | System.UTIL
        return {
            (ask, 0x00): self._device_info,
            (ask, 0x06): well,
            (ask, 0x09): lambda _: struct.pack("<I", int(self._agenda.now - self._began)),
            (ask, 0x0A): well,
            (ask, 0x40): self._lookup,
            (ask, 0x48): lambda _: struct.pack("<H", len(self._children())),
            (ask, 0x49): self._association,
            (ask, 0x4A): self._association_of,
            (ask, 0x63): well,
            (ask, 0x64): well,
        }

    def _children(self) -> list[NodeStack]:
        coordinator = self._coordinator
        return [node for node in coordinator.nodes.values() if coordinator.is_child(node)]

    def _device_info(self, data: bytes) -> Answer:
        coordinator = self._coordinator
        children = [node.nwk for node in self._children()][:16]
        state = STARTED_AS_COORDINATOR if coordinator.running else 0
        head = bytes((OK,)) + coordinator.memory.own_ieee
        nwk = 0x0000 if coordinator.running else 0xFFFE
        return head + struct.pack(f"<HBBB{len(children)}H", nwk, 0x07, state, len(children), *children)

    def _lookup(self, data: bytes) -> Answer:
        node = self._coordinator.by_ieee(descriptors.ieee_text(data[:8]))
        return struct.pack("<H", node.nwk if node is not None else 0xFFFE)

    def _association(self, data: bytes) -> Answer:
        children = self._children()
        return _associated(children[data[0]] if data[0] < len(children) else None, data[0])

    def _association_of(self, data: bytes) -> Answer:
        ieee, (nwk,) = descriptors.ieee_text(data[:8]), struct.unpack_from("<H", data, 8)
        found = enumerate(self._children())
        number, node = next(
            ((number, node) for number, node in found if ieee == node.ieee or (nwk and nwk == node.nwk)),
            (0, None),
        )
        return _associated(node, number)


def _associated(node: NodeStack | None, number: int) -> bytes:
    """A line of the table of associated devices, as the chip has it in memory: 36 bytes."""
    if node is None:
        return struct.pack("<HHB", 0xFFFE, 0xFFFF, 0xFF) + bytes(31)
    relation = 1 if node.description.sleepy else 2
    return struct.pack("<HHBBBB", node.nwk, number, relation, 0, 0, 0) + bytes(28)
