"""What must hold at every single flash operation, asked before it happens."""

import asyncio
import hashlib
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from flashers.api import RollbackKind, UartNode, radio_node, uart_node
from flashers.mcuboot_smp.virtual import VirtualMcubootNode
from flashers.mcuboot_smp.virtual.bootloader import Bootloader
from flashers.mcuboot_smp.virtual.node import Life
from flashers.nordic_dfu.virtual.legacy import VirtualLegacyNode
from flashers.nordic_dfu.virtual.secure import VirtualSecureNode
from flashers.sim import Operation, SimFlash
from flashers.stk500.virtual import VirtualStk500
from flashers.zigbee_ota.virtual.node import VirtualZigbeeNode
from gateway.attempt import facts
from gateway.attempt.advance import pins
from gateway.model.outcomes import Direction
from gateway.model.records import Observation, Record
from tests.matrix.fates import Cut
from tests.matrix.radio import Overheard
from transports.links import Transmit

T = TypeVar("T")

Node = VirtualStk500 | VirtualMcubootNode | VirtualSecureNode | VirtualLegacyNode | VirtualZigbeeNode

_WAYS = frozenset({RollbackKind.REFLASH, RollbackKind.RESTORE})
_MOST_REMEMBERED = 200_000
_boots: dict[bytes, bool] = {}


def flash_of(node: Node) -> SimFlash:
    """The node's flash."""
    match node:
        case VirtualStk500():
            return node.flash
        case VirtualMcubootNode():
            return node.slots.flash
        case VirtualSecureNode():
            return node.store.flash
        case VirtualLegacyNode():
            return node.banks.flash
        case VirtualZigbeeNode():
            return node.store.flash


def _boots_now(node: Node) -> bool:
    """Whether it is its loader that is at work, after a start."""
    if isinstance(node, VirtualMcubootNode):
        return node.life is Life.BOOTING
    return not isinstance(node, VirtualStk500) and node.where == "booting"


class Guard:
    """Looks at node and journal before each operation; what it finds wrong it keeps.

    It stands between the line and the node, and is a :class:`~transports.links.UartPeer`.
    ``noisy`` lines can make a loader write what nobody asked it to: a bit more or less
    turns "read a page" of STK500 into "write a page".  Such operations are counted.
    """

    def __init__(self, node: Node, cuts: tuple[Cut, ...], *, two_slots: bool, noisy: bool) -> None:
        self.node = node
        self.broken: list[str] = []
        self.unasked = 0
        self.sizes: list[int] = []
        self.settled = 0
        """Operations until the node was left alone; what is cut afterwards is nobody's attempt."""
        self.record: Record | None = None
        self.diary: list[tuple[float, Record | Observation | Operation]] = []
        self._traits = f"{node.params.mode}{node.options}" if isinstance(node, VirtualMcubootNode) else ""
        self._cuts = {cut.operation: cut for cut in cuts}
        self._two_slots = two_slots
        self._noisy = noisy
        self._proved = False
        self._asked = False
        flash_of(node).watch = self._before

    # The line: whatever is done while bytes arrive is done for the host

    def attach(self, transmit: Transmit) -> None:
        """As in the contract."""
        self._on_line.attach(transmit)

    def lines(self, *, dtr: bool, rts: bool) -> None:
        """As in the contract."""
        self._on_line.lines(dtr=dtr, rts=rts)

    def receive(self, data: bytes) -> None:
        """As in the contract."""
        self.asked(lambda: self._on_line.receive(data))

    @property
    def _on_line(self) -> UartNode:
        return uart_node(self.node)

    # The air

    def on_air(self, name: str, address: str) -> Overheard:
        """The node's radio, watched."""
        return Overheard(radio_node(self.node).radio(name, address), self.asked)

    def asked(self, do: Callable[[], T]) -> T:
        """Have something done by the node that the host asked for."""
        self._asked = True
        try:
            return do()
        finally:
            self._asked = False

    # What the gateway wrote and saw

    def stored(self, record: Record) -> None:
        """This record is in the journal now."""
        self.record = record
        self._note(record)

    def saw(self, observation: Observation) -> None:
        """The gateway saw this, and knows from now on what it means."""
        record = self.record
        self._note(observation)
        self._proved = record is not None and all(
            facts.runs_want(record, part, observation.seen) for part in record.parts
        )

    # What the node does

    def _before(self, operation: Operation) -> None:
        self.sizes.append(operation.size)
        self._note(operation)
        wrong = self._wrong(operation)
        if self._noisy:
            self.unasked += bool(wrong)
        else:
            self.broken += [f"operation {operation.number}: {each}" for each in wrong]
        cut = self._cuts.get(operation.number)
        if cut is not None:
            off_for = None if cut.stays_off else 1.0
            self.node.cut_power_at(operation.number, torn=cut.torn, off_for=off_for)

    def _note(self, what: Record | Observation | Operation) -> None:
        self.diary.append((asyncio.get_running_loop().time(), what))

    def _wrong(self, operation: Operation) -> list[str]:
        record, wrong = self.record, list[str]()
        by_itself = _boots_now(self.node) or not self._asked
        if record is None or not record.touched:
            return ["the journal does not say that the node is touched"]
        if record.done and not by_itself:
            wrong.append("after the attempt's end")
        large = operation.erase or operation.size > 1  # a single byte is a flag: a confirmation
        if self._proved and record.direction is Direction.FORWARD and large and not by_itself:
            wrong.append("after the node was seen running the target")
        if self._two_slots:
            if not self._boots():
                wrong.append("a node with two slots has no firmware that boots")
        elif record.rollback not in _WAYS or not all(
            part.known_good is not None and part.known_good.artifact in pins(record) for part in record.parts
        ):
            wrong.append("nothing to go back to is pinned")
        return wrong

    def _boots(self) -> bool:
        """Whether it would come up if its power failed now."""
        if not isinstance(self.node, VirtualMcubootNode):
            return self.node.truth().bootable
        key = self._traits.encode() + self.node.slots.flash.data
        return _remembered(hashlib.blake2b(key, digest_size=16).digest(), partial(_boot, self.node))


def _remembered(key: bytes, ask: Callable[[], bool]) -> bool:
    if key not in _boots:
        if len(_boots) >= _MOST_REMEMBERED:
            _boots.clear()
        _boots[key] = ask()
    return _boots[key]


def _boot(node: VirtualMcubootNode) -> bool:
    return Bootloader(node.slots.copy(), node.params.mode, node.options).boot() is not None
