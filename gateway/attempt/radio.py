"""What a session needs of a node's radio, and a GATT link that is watched and recorded."""

from collections.abc import Callable
from typing import Protocol, Self

from flashers.api import Calling, Role, RollbackKind
from gateway.model.outcomes import Direction
from gateway.model.records import Record
from transports.ble.errors import NodeNotHeard
from transports.counters import LinkCounters
from transports.errors import LinkLost
from transports.gatt import GattLink
from transports.recorder import FlightRecorder, FrameKind


class Waits:
    """An error that only means to wait; it is tried again after ``again_s`` seconds, with nothing held."""

    again_s: float = 0.0

    def after(self, seconds: float) -> Self:
        """The same, tried again after so many seconds."""
        self.again_s = seconds
        return self


class OutOfReach(Waits, NodeNotHeard):
    """The node is not heard; it waits without holding anything."""

    code = "ble-not-heard"
    remedy = "Bring the node closer, wake it, or give it power; it begins by itself when it is heard."


def may_wait(record: Record) -> bool:
    """Whether the node's silence says nothing but that it is out of reach."""
    if not record.touched:
        return True
    untried = not record.activations and record.direction is Direction.FORWARD
    return record.rules.separate and untried and record.rollback is not RollbackKind.NONE


class Radio(Protocol):
    """The way to one node over the air."""

    @property
    def bonded(self) -> bool:
        """Whether it is known by a bond, which its address alone cannot fake."""
        ...

    def same(self, made_for: Role, role: Role) -> bool:
        """Whether a connection that was made for one role may serve for another."""
        ...

    async def connect(self, role: Role) -> GattLink:
        """Connect to the node in this role; its table is read anew.  Raises as ``Session.connect``."""
        ...

    async def will_call(self, role: Role, calling: Calling) -> None:
        """As ``Session.will_call``."""
        ...

    def restarting(self) -> None:
        """The node is about to start something else: what is kept of its table is not to be believed."""
        ...


class WatchedGatt:
    """Any GATT link; what passes is counted, recorded, and tells that the node is alive.

    Args:
        link: what is watched.
        passed: called for every value, in either direction; tells the time.
        counters: where it is counted.
        recorder: where it is kept.  A note names the characteristic whenever it is another one.
    """

    def __init__(
        self,
        link: GattLink,
        passed: Callable[[], float],
        counters: LinkCounters,
        recorder: FlightRecorder,
    ) -> None:
        self._link = link
        self._passed = passed
        self._counters = counters
        self._recorder = recorder
        self._gone = False
        self._last = ""

    @property
    def address(self) -> str:
        """As in the contract."""
        return self._link.address

    @property
    def lost(self) -> bool:
        """As in the contract."""
        return self._gone or self._link.lost

    def has(self, characteristic: str) -> bool:
        """As in the contract."""
        return self._link.has(characteristic)

    def room(self, characteristic: str) -> int:
        """As in the contract."""
        return self._link.room(characteristic)

    async def write(self, characteristic: str, data: bytes, *, response: bool) -> None:
        """As in the contract."""
        now = self._passed()
        self._record(now, FrameKind.DOWN, characteristic, data)
        try:
            await self._link.write(characteristic, data, response=response)
        except LinkLost as error:
            self._lose(error)
            raise
        self._counters.down(len(data), self._passed())

    async def read(self, characteristic: str) -> bytes:
        """As in the contract."""
        try:
            data = await self._link.read(characteristic)
        except LinkLost as error:
            self._lose(error)
            raise
        self._up(characteristic, data)
        return data

    async def subscribe(self, characteristic: str) -> None:
        """As in the contract."""
        try:
            await self._link.subscribe(characteristic)
        except LinkLost as error:
            self._lose(error)
            raise
        self._recorder.note(self._passed(), f"listens to {characteristic}")

    async def heard(self) -> tuple[str, bytes]:
        """As in the contract."""
        try:
            characteristic, data = await self._link.heard()
        except LinkLost as error:
            self._lose(error)
            raise
        self._up(characteristic, data)
        return characteristic, data

    def discard_heard(self) -> int:
        """As in the contract."""
        return self._link.discard_heard()

    async def aclose(self) -> None:
        """As in the contract."""
        self._recorder.note(self._passed(), "disconnected")
        await self._link.aclose()

    def _up(self, characteristic: str, data: bytes) -> None:
        now = self._passed()
        self._record(now, FrameKind.UP, characteristic, data)
        self._counters.up(len(data), now)

    def _record(self, now: float, kind: FrameKind, characteristic: str, data: bytes) -> None:
        if characteristic != self._last:
            self._last = characteristic
            self._recorder.note(now, f"characteristic {characteristic}")
        self._recorder.record(now, kind, data)

    def _lose(self, error: LinkLost) -> None:
        if not self._gone:
            self._gone = True
            self._counters.lost(error)
            self._recorder.note(self._passed(), f"lost: {error.message}")
