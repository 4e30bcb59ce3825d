"""What a session needs of a node's Zigbee network, and a link to a node that is watched and recorded.

There is no connection that could be lost: what is lost is the coordinator, which says nothing of
the node, or an answer, which says that the node sleeps, has no power or is out of reach.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from flashers.api import Role
from gateway.attempt.radio import Waits
from gateway.attempt.steps import Kind
from gateway.model.outcomes import Direction
from gateway.model.records import Record, Trouble
from transports.counters import LinkCounters
from transports.errors import LinkLost, NodeUnreachable
from transports.recorder import FlightRecorder, FrameKind
from transports.zcl import AttributeValue, Hosted, NodeFacts, Zcl, ZigbeeLink, hosted
from transports.zigbee.errors import CoordinatorLost

T = TypeVar("T")

_OVERHEAD = 3
"""Bytes of a ZCL header without a manufacturer (ZCL revision 8, 2.4.1)."""


_SILENT = "Give it power, press its button, or mend the way to it; Tender goes on when it is heard."


class NotHeard(Waits, NodeUnreachable):
    """The node is asleep, has no power, or is out of reach; it waits without holding anything."""

    code = "zigbee-not-heard"
    remedy = "Press its button, or give it power; it begins by itself when it is heard."
    retryable = True


class NetworkAway(Waits, CoordinatorLost):
    """The coordinator is not there; the attempt goes on by itself when it is back."""


class ZigbeeWay(Protocol):
    """The way to one node of a network."""

    async def link(self) -> ZigbeeLink:
        """The node, whether it is there or not.

        Raises:
            BadLink: there is no such network.
            NodeUnreachable: it is none of the network's.
            LinkError: the coordinator is not there.
        """
        ...

    def away(self) -> str:
        """Why the network cannot be used now; empty if it can."""
        ...

    def heard(self) -> None:
        """The node answered."""
        ...

    def missed(self) -> str:
        """The node was asked in vain: it is not there until it is heard; in words, when that was last."""
        ...

    def words(self) -> str:
        """When it was heard last: ``was heard 3 h ago``."""
        ...

    def overdue(self) -> bool:
        """Whether a sleepy node was not heard for so long that something is wrong."""
        ...


def may_wait(record: Record) -> bool:
    """Whether a node that does not answer may be waited for with nothing held, as long as it takes.

    What runs on it has to be firmware that was there before anything was started: an image that
    is half in its second place, or not started yet, hurts nobody, whether or not it could go back.
    """
    forward = record.direction is Direction.FORWARD
    return not record.touched or (record.rules.separate and forward and not record.activations)


def started(record: Record) -> bool:
    """Whether something was started on it that nobody has seen run."""
    if record.direction is Direction.FORWARD:
        return record.activations > 0
    return record.starts.get(Kind.BACK_ACTIVATE.value, 0) > 0


def silence(way: ZigbeeWay) -> Trouble:
    """A node that shows nothing, as it is told: there is no cable to look at."""
    return Trouble("node-silent", f"The node does not answer, and {way.words()}.", _SILENT, retryable=True)


def absent(way: ZigbeeWay, record: Record, role: Role, *, unheard: bool) -> NotHeard | NetworkAway | None:
    """Why a node that showed nothing is waited for with nothing held; None if that means something.

    One that sleeps is heard again, whatever was done to it, so its silence means something only
    once that was to be expected.
    """
    if record.cancel is not None and not record.touched:
        return None
    if why := way.away():
        return NetworkAway(why)
    sleeps = role is Role.ASLEEP and not (started(record) and way.overdue())
    if sleeps or (role is Role.SILENT and unheard and may_wait(record)):
        return NotHeard(f"{record.node} {way.missed()}")
    return None


class WatchedZigbee:
    """A node of a network; what passes is counted, recorded, and tells that the node is alive.

    Args:
        link: what is watched.
        way: told whether the node is there.
        passed: called for every frame, in either direction; tells the time.
        counters: where it is counted.
        recorder: where it is kept, as whole ZCL frames; a note names the cluster when it is another one.
    """

    def __init__(
        self,
        link: ZigbeeLink,
        way: ZigbeeWay,
        passed: Callable[[], float],
        counters: LinkCounters,
        recorder: FlightRecorder,
    ) -> None:
        self._link = link
        self._way = way
        self._passed = passed
        self._counters = counters
        self._recorder = recorder
        self._last: tuple[int, int] | None = None
        self.lost = False
        """The coordinator went away: this link is dead."""
        self.unheard = False
        """The node was asked last in vain."""

    @property
    def facts(self) -> NodeFacts:
        """As in the contract."""
        return self._link.facts

    @property
    def hosted(self) -> Hosted | None:
        """As :func:`transports.zcl.hosted` has it; what the host does it tells by progress."""
        return hosted(self._link)

    async def ask(self, frame: Zcl, *, within: float) -> Zcl:
        """As in the contract."""
        self._down(frame)
        answer = await self._asked(self._link.ask(frame, within=within))
        self._up(answer)
        return answer

    async def send(self, frame: Zcl, *, acknowledged: bool) -> float:
        """As in the contract."""
        self._down(frame)
        took = await self._asked(self._link.send(frame, acknowledged=acknowledged))
        self._passed()
        return took

    async def read(
        self,
        cluster: int,
        attributes: Sequence[int],
        *,
        endpoint: int,
        client: bool = False,
        manufacturer: int | None = None,
        within: float,
    ) -> Mapping[int, AttributeValue]:
        """As in the contract."""
        names = " ".join(f"{attribute:04x}" for attribute in attributes)
        now = self._passed()
        self._recorder.note(now, f"reads {names} of cluster {cluster:04x} at endpoint {endpoint}")
        self._counters.down(_OVERHEAD + 2 * len(attributes), now)
        values = await self._asked(
            self._link.read(
                cluster,
                attributes,
                endpoint=endpoint,
                client=client,
                manufacturer=manufacturer,
                within=within,
            )
        )
        now = self._passed()
        self._recorder.note(
            now, ", ".join(f"{name:04x} = {value!r}" for name, value in values.items()) or "none"
        )
        self._counters.up(_OVERHEAD + 4 * len(values), now)
        self._answered()
        return values

    async def bindings(self, *, within: float) -> tuple[str, ...]:
        """As in the contract."""
        found = await self._asked(self._link.bindings(within=within))
        self._recorder.note(self._passed(), f"bindings: {', '.join(found) or 'none'}")
        self._answered()
        return found

    def listen(self, cluster: int) -> None:
        """As in the contract."""
        self._recorder.note(self._passed(), f"listens to cluster {cluster:04x}")
        self._link.listen(cluster)

    async def heard(self) -> Zcl:
        """As in the contract."""
        try:
            frame = await self._link.heard()
        except (LinkLost, CoordinatorLost) as error:
            self._lose(error)
            raise
        self._up(frame)
        return frame

    async def aclose(self) -> None:
        """As in the contract."""
        await self._link.aclose()

    async def _asked(self, work: Awaitable[T]) -> T:
        try:
            return await work
        except NodeUnreachable as error:
            self.unheard = True
            self._counters.failed(error)
            self._recorder.note(self._passed(), f"{error.code}: {error.message}")
            raise
        except (LinkLost, CoordinatorLost) as error:
            self._lose(error)
            raise

    def _down(self, frame: Zcl) -> None:
        self._record(self._passed(), FrameKind.DOWN, frame)

    def _up(self, frame: Zcl) -> None:
        self._record(self._passed(), FrameKind.UP, frame)
        self._answered()

    def _answered(self) -> None:
        self.unheard = False
        self._counters.answered()
        self._way.heard()

    def _record(self, now: float, kind: FrameKind, frame: Zcl) -> None:
        where = (frame.endpoint, frame.cluster)
        if where != self._last:
            self._last = where
            self._recorder.note(now, f"cluster {frame.cluster:04x} at endpoint {frame.endpoint}")
        data = replace(frame, tsn=frame.tsn or 0).encode()
        self._recorder.record(now, kind, data)
        count = self._counters.down if kind is FrameKind.DOWN else self._counters.up
        count(len(data), now)

    def _lose(self, error: LinkLost | CoordinatorLost) -> None:
        if not self.lost:
            self.lost = True
            self._counters.lost(error)
            self._recorder.note(self._passed(), f"lost: {error.message}")
