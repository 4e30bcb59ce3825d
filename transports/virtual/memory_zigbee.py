"""A Zigbee network in memory: what a host has of a coordinator, straight onto virtual nodes.

Who hears what is decided by the same code as on a real coordinator (``transports/zigbee/traffic.py``),
so a test in virtual time is one of that, too.  One :class:`MemoryNetwork` is one life of a host; the
mesh behind it (:class:`~transports.virtual.memory_mesh.MemoryMesh`) goes on without.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from transports.errors import LinkError, LinkLost, NodeUnreachable
from transports.virtual.memory_mesh import MemoryMesh, MemoryNode
from transports.zcl import AttributeValue, NodeFacts, Zcl
from transports.zigbee.attributes import READ, READ_RESPONSE, answered, asked
from transports.zigbee.errors import CoordinatorLost, NotDelivered
from transports.zigbee.network import NetworkState, StandIn
from transports.zigbee.traffic import POLL_CONTROL, Inbox, Traffic

__all__ = ["MemoryMesh", "MemoryNetwork", "MemoryZigbee"]

COORDINATOR = "00:12:4b:00:00:00:00:00"
_BASIC, _MANUFACTURER, _MODEL = 0x0000, 0x0004, 0x0005
"""ManufacturerName and ModelIdentifier (ZCL revision 8, 3.2.2.2)."""
_ANSWER_WITHIN = 10.0
_CHECK_IN_RESPONSE = 0x00
"""Poll Control (ZCL revision 8, 3.16.5.5): whether to poll fast, and for how many quarters of a second."""
_STAYS_AWAKE = 40


class MemoryNetwork:
    """One life of a host at a mesh's coordinator; implements :class:`~transports.zigbee.network.Network`.

    Args:
        mesh: the nodes; a new one if left out.
        name: as in the configuration.
        wall: the wall clock, for when a node was last seen.
    """

    def __init__(
        self,
        mesh: MemoryMesh | None = None,
        *,
        name: str = "memory",
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.mesh = mesh if mesh is not None else MemoryMesh()
        self.name = name
        self._wall = wall
        self._traffic = Traffic(self._answer, self._check_in)
        self._known: dict[str, NodeFacts] = {}
        self._changed: list[Callable[[], None]] = []
        self._closed = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._links: set[MemoryZigbee] = set()
        self._numbers = 0
        self.under_way = 0
        self.most_under_way = 0
        """Frames that the coordinator had in hand at one time, at most."""
        self.mesh.host = self._arrived

    # The contract

    @property
    def state(self) -> NetworkState:
        """As in the contract."""
        if not self.is_up:
            return NetworkState(up=False, trouble="the coordinator is not there")
        left = 0.0
        with suppress(RuntimeError):  # before there is a loop, nobody joins
            left = max(0.0, self.mesh.joining_until - asyncio.get_running_loop().time())
        return NetworkState(
            up=True, channel=15, pan_id=0x1A62, coordinator=COORDINATOR, firmware="memory", joining_for=left
        )

    def node(self, ieee: str) -> "MemoryZigbee":
        """As in the contract."""
        place = self.mesh.nodes.get(ieee)
        if place is None or not place.joined:
            raise NodeUnreachable(f"{ieee} is no node of the network {self.name}")
        link = MemoryZigbee(self, place)
        self._links.add(link)
        return link

    def nodes(self) -> Mapping[str, NodeFacts]:
        """As in the contract."""
        return {ieee: self.facts(node) for ieee, node in self.mesh.nodes.items() if node.joined}

    def stand_in(self, answer: StandIn) -> None:
        """As in the contract."""
        self._traffic.stand_in(answer)

    def hear(self, listener: Callable[[str, Zcl | None], None]) -> Callable[[], None]:
        """As in the contract."""
        return self._traffic.hear(listener)

    def wants_fast_poll(self, wanted: Callable[[str], bool]) -> None:
        """As in the contract."""
        self._traffic.wants_fast_poll(wanted)

    def changed(self, listener: Callable[[], None]) -> Callable[[], None]:
        """As in the contract."""
        self._changed.append(listener)
        return lambda: self._changed.remove(listener) if listener in self._changed else None

    async def permit(self, seconds: float, *, through: str | None = None) -> None:
        """As in the contract."""
        self._coordinator()
        if through is not None and through not in self.mesh.nodes:
            raise NodeUnreachable(f"{through} is no node of the network {self.name}")
        self.mesh.joining_until = asyncio.get_running_loop().time() + min(seconds, 254.0)
        self._tell()

    async def interview(self, ieee: str) -> NodeFacts:
        """As in the contract."""
        self._coordinator()
        link = self.node(ieee)
        (endpoint, *_) = [each.id for each in link.place.description.endpoints]
        try:
            said = await link.read(_BASIC, (_MANUFACTURER, _MODEL), endpoint=endpoint, within=_ANSWER_WITHIN)
        finally:
            await link.aclose()
        facts = replace(
            link.facts,
            manufacturer=_text(said.get(_MANUFACTURER)),
            model=_text(said.get(_MODEL)),
            interviewed=True,
        )
        self._known[ieee] = facts
        self._tell()
        return facts

    async def remove(self, ieee: str) -> None:
        """As in the contract."""
        self._coordinator()
        node = self.mesh.nodes.get(ieee)
        if node is None or not node.joined:
            raise NodeUnreachable(f"{ieee} is no node of the network {self.name}")
        node.joined = False
        self._known.pop(ieee, None)
        self._tell()

    async def aclose(self) -> None:
        """As in the contract: the mesh goes on without this host."""
        if self._closed:
            return
        self._closed = True
        if self.mesh.host == self._arrived:
            self.mesh.host = None
        self._drop_links()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # What a test may do

    @property
    def is_up(self) -> bool:
        """Whether this host has a coordinator."""
        return not self._closed and self.mesh.here and self.mesh.host == self._arrived

    def die(self) -> None:
        """The host's process is gone, at once and without a word."""
        self._closed = True
        if self.mesh.host == self._arrived:
            self.mesh.host = None
        self._drop_links()
        for task in self._tasks:
            task.cancel()

    def unplug(self) -> None:
        """The coordinator is taken away."""
        self.mesh.here = False
        self._drop_links()
        self._tell()

    def replug(self) -> None:
        """And back; links of before stay lost."""
        self.mesh.here = True
        self._tell()

    @property
    def answering(self) -> "frozenset[asyncio.Task[None]]":
        """Answers of the stand-in that are under way."""
        return frozenset(self._tasks)

    # Inside

    def facts(self, node: MemoryNode) -> NodeFacts:
        """What is known of a node now."""
        known = self._known.get(node.ieee)
        if known is None:
            known = self._known[node.ieee] = _described(node)
        return known

    def number(self) -> int:
        """A sequence number for a frame that has none."""
        self._numbers = (self._numbers + 1) % 256
        return self._numbers

    async def give(self, node: MemoryNode, frame: Zcl, *, acknowledged: bool) -> float:
        """Send a frame; the seconds that it took.  Raises as a link's ``send``."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await node.give(frame, acknowledged=acknowledged)
        finally:
            self.under_way -= 1
        if not self.is_up:
            raise LinkLost("the coordinator is gone")
        return loop.time() - began

    @property
    def traffic(self) -> Traffic:
        """Who waits for what."""
        return self._traffic

    def left(self, link: "MemoryZigbee") -> None:
        """A link was closed."""
        self._links.discard(link)

    def _arrived(self, ieee: str, frame: Zcl | None) -> None:
        facts = self.facts(self.mesh.nodes[ieee])
        self._known[ieee] = replace(
            facts, last_heard=asyncio.get_running_loop().time(), last_seen_unix=self._wall()
        )
        if frame is None:
            self._traffic.sign_of_life(ieee)
            self._tell()
            return
        self._traffic.received(ieee, frame)

    def _answer(self, ieee: str, frame: Zcl) -> "asyncio.Task[None]":
        task = asyncio.ensure_future(self._say(ieee, frame))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _say(self, ieee: str, frame: Zcl) -> None:
        with suppress(LinkError):  # it asks again
            await self.give(self.mesh.nodes[ieee], frame, acknowledged=True)

    def _check_in(self, ieee: str, frame: Zcl) -> None:
        """Keep a node awake that somebody waits for."""
        wanted = self._traffic.stays_awake(ieee)
        payload = bytes((wanted,)) + (_STAYS_AWAKE if wanted else 0).to_bytes(2, "little")
        self._answer(
            ieee,
            Zcl(POLL_CONTROL, _CHECK_IN_RESPONSE, payload, endpoint=frame.endpoint, tsn=frame.tsn),
        )

    def _coordinator(self) -> None:
        if not self.is_up:
            raise CoordinatorLost(f"the coordinator of {self.name} is not there")

    def _drop_links(self) -> None:
        for link in self._links:
            link.lose()
        self._links.clear()
        self._traffic.lost()

    def _tell(self) -> None:
        for listener in tuple(self._changed):
            listener()


class MemoryZigbee:
    """One node, for the length of a lease; implements :class:`~transports.zcl.ZigbeeLink`."""

    def __init__(self, network: MemoryNetwork, place: MemoryNode) -> None:
        self.place = place
        self._network = network
        self._inbox = Inbox()
        self._over = not network.is_up
        self._sending: set[asyncio.Task[float]] = set()

    @property
    def facts(self) -> NodeFacts:
        """As in the contract."""
        return self._network.facts(self.place)

    async def send(self, frame: Zcl, *, acknowledged: bool) -> float:
        """As in the contract."""
        self._here()
        if frame.tsn is None:
            frame = replace(frame, tsn=self._network.number())
        return await self._network.give(self.place, frame, acknowledged=acknowledged)

    async def ask(self, frame: Zcl, *, within: float) -> Zcl:
        """As in the contract."""
        self._here()
        frame, answer = self._expected(frame)
        sending = asyncio.ensure_future(self._network.give(self.place, frame, acknowledged=True))
        try:
            async with asyncio.timeout(within):
                both: set[asyncio.Future[Any]] = {sending, answer}
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
                if not answer.done():
                    await asyncio.shield(sending)
                return await answer
        except TimeoutError:
            if not sending.done():
                raise NotDelivered(
                    f"a request to {self.place.ieee} was not confirmed in {within:g} s"
                ) from None
            raise NodeUnreachable(f"{self.place.ieee} did not answer within {within:g} s") from None
        except asyncio.CancelledError:
            if answer.cancelled() and self._over:
                raise LinkLost(f"the coordinator went away as {self.place.ieee} was asked") from None
            raise
        finally:
            self._network.traffic.forget(self.place.ieee, frame)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

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
        question = Zcl(
            cluster,
            READ,
            asked(list(dict.fromkeys(attributes))),
            endpoint=endpoint,
            to_client=client,
            general=True,
            manufacturer=manufacturer,
        )
        answer = await self.ask(question, within=within)
        return answered(answer.payload)[0] if answer.command == READ_RESPONSE else {}

    async def bindings(self, *, within: float) -> tuple[str, ...]:
        """As in the contract; a node that is not there answers nothing."""
        self._here()
        if not self.place.there:
            await asyncio.sleep(within)
            raise NodeUnreachable(f"{self.place.ieee} did not tell its bindings within {within:g} s")
        return tuple(sorted(self.place.bindings))

    def listen(self, cluster: int) -> None:
        """As in the contract."""
        if not self._over:
            self._network.traffic.listen(self.place.ieee, cluster, self._inbox)

    async def heard(self) -> Zcl:
        """As in the contract."""
        self._here()
        frame = await self._inbox.get()
        if frame is None:
            raise LinkLost("the coordinator is gone, or the link was closed")
        return frame

    async def aclose(self) -> None:
        """As in the contract."""
        self._network.traffic.leave(self._inbox)
        self._inbox.close()
        self._over = True
        self._network.left(self)

    def lose(self) -> None:
        """The coordinator is gone."""
        self._over = True
        self._inbox.close()

    def _here(self) -> None:
        if self._over or not self._network.is_up:
            raise LinkLost("the coordinator is gone")

    def _expected(self, frame: Zcl) -> tuple[Zcl, "asyncio.Future[Zcl]"]:
        for _ in range(256):
            numbered = frame if frame.tsn is not None else replace(frame, tsn=self._network.number())
            answer = self._network.traffic.ask(self.place.ieee, numbered)
            if answer is not None:
                return numbered, answer
            if frame.tsn is not None:
                break
        raise LinkError(f"another request to {self.place.ieee} has the number {frame.tsn}")


def _described(node: MemoryNode) -> NodeFacts:
    said = node.description
    return NodeFacts(
        ieee=node.ieee,
        nwk=int(node.ieee[-5:].replace(":", ""), 16),
        sleepy=said.sleepy,
        mains=said.mains,
        manufacturer_code=said.manufacturer_code,
        servers={each.id: each.servers for each in said.endpoints},
        clients={each.id: each.clients for each in said.endpoints},
        lqi=255,
        hops=node.hops,
    )


def _text(value: AttributeValue | None) -> str | None:
    return value if isinstance(value, str) else None
