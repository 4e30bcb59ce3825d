"""A radio in memory: a GATT link straight onto a virtual node, in real or in virtual time.

The virtual air has hosts, controllers and a stack between them, and each packet costs
what that costs.  Here is nothing but what a flasher can notice of a radio: values arrive
late and in order, a write without response is taken however many are waiting, what was not
delivered when a link ended is lost without a word, and a link can be gone after any packet.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeVar

from transports.ble.errors import GattRefused, NodeNotHeard, PairingFailed
from transports.errors import LinkLost
from transports.gatt import Characteristic, GattPeer, Persona, Property, named

LATENCY = 0.001
"""Seconds; with none at all, some orders of events could never be seen."""
SUPERVISION = 4.0
"""Seconds until both sides know that a link has faded."""

_ATT_HEADER = 3
_LONGEST_VALUE = 512
"""Of any attribute (Core Specification, Vol 3, Part F, 3.2.9)."""
_READ_NOT_PERMITTED, _WRITE_NOT_PERMITTED, _INSUFFICIENT_AUTHENTICATION = 0x02, 0x03, 0x05
_REQUEST_NOT_SUPPORTED, _INVALID_LENGTH = 0x06, 0x0D
"""ATT errors (Vol 3, Part F, 3.4.1.1)."""
_LISTENS = frozenset({Property.NOTIFY, Property.INDICATE})

T = TypeVar("T")

Wanted = Callable[[Persona], bool]


def at(address: str) -> Wanted:
    """Whoever has this address."""
    return lambda persona: persona.address.upper() == address.upper()


class Findable(Protocol):
    """A way to find a node by what it calls out."""

    def fits(self, address: str, name: str | None, services: tuple[str, ...], /) -> bool:
        """Whether this is it."""
        ...


def either(ways: Sequence[Findable]) -> Wanted:
    """Whoever can be found in one of these ways."""

    def fits(persona: Persona) -> bool:
        call = persona.advertisement
        return any(way.fits(persona.address, call.name or None, call.services) for way in ways)

    return fits


@dataclass(slots=True)
class Counts:
    """What passed between a node and its hosts, over all their links.

    ``packets`` arrived, in either direction, and so ``down + up``; ``lost`` never did.
    """

    packets: int = 0
    down: int = 0
    up: int = 0
    lost: int = 0
    links: int = 0


class MemoryAir:
    """Virtual nodes in reach of one adapter.

    Args:
        latency: seconds that a packet is under way.
        spacing: seconds between two packets of one direction; what is written meanwhile waits.
        supervision: seconds until a link that carries nothing any more is known to be lost.
        att_mtu: the most that the adapter takes part in.
    """

    def __init__(
        self,
        *,
        latency: float = LATENCY,
        spacing: float = 0.0,
        supervision: float = SUPERVISION,
        att_mtu: int = 517,
    ) -> None:
        self.latency = latency
        self.spacing = spacing
        self.supervision = supervision
        self.att_mtu = att_mtu
        self.radios: list[MemoryRadio] = []
        self._news: set[asyncio.Event] = set()

    def add(self, peer: GattPeer, *, drops: tuple[int, ...] = ()) -> "MemoryRadio":
        """Put a node on the air; its link fades at these of its packets (see :class:`MemoryRadio`)."""
        radio = MemoryRadio(self, peer, drops)
        self.radios.append(radio)
        radio.begin()
        return radio

    async def connect(self, wanted: Wanted, *, within: float, pair: bool = False) -> "MemoryGatt":
        """A link to the first node that calls so.

        Raises:
            NodeNotHeard: none did, in ``within`` seconds.
            PairingFailed: it is to be paired with, and does not do that.
        """
        changed = asyncio.Event()
        self._news.add(changed)
        try:
            async with asyncio.timeout(within):
                while (found := self._calling(wanted)) is None:
                    changed.clear()
                    await changed.wait()
        except TimeoutError:
            raise NodeNotHeard(f"the node was not heard in {within:g} s") from None
        finally:
            self._news.discard(changed)
        return found.connected(pair=pair)

    def changed(self) -> None:
        """Somebody calls who did not."""
        for event in self._news:
            event.set()

    def _calling(self, wanted: Wanted) -> "MemoryRadio | None":
        return next((each for each in self.radios if each.calls is not None and wanted(each.calls)), None)


class MemoryRadio:
    """One node's radio; implements :class:`~transports.gatt.NodeRadio`.

    ``drops`` are numbers of packets, counted from 1 over both directions and all links:
    the packet does not arrive, nor does any after it, and the link is lost.
    """

    def __init__(self, air: MemoryAir, peer: GattPeer, drops: tuple[int, ...] = ()) -> None:
        self.air = air
        self.peer = peer
        self.drops = set(drops)
        self.counts = Counts()
        self.in_reach = True
        self.persona: Persona | None = None
        self.link: MemoryGatt | None = None
        """The connection that the node knows of."""
        self._bonds: set[str] = set()
        """Addresses under which it was paired with: both sides have a key for them from then on."""

    def begin(self) -> None:
        """The node is on the air."""
        self.peer.attach(self)

    @property
    def calls(self) -> Persona | None:
        """What can be heard of it: a node that is connected calls no more."""
        return self.persona if self.in_reach and self.link is None else None

    def set_reach(self, *, reach: bool) -> None:
        """Take the node away from the adapter, or bring it back."""
        self.in_reach = reach
        if not reach and self.link is not None:
            self.link.fade()
        elif reach:
            self.air.changed()

    def connected(self, *, pair: bool = False) -> "MemoryGatt":
        """A host is there, that heard the node call.  Raises as :meth:`MemoryAir.connect`."""
        persona = self.calls
        if persona is None:
            raise NodeNotHeard("the node does not call")
        if pair and persona.address not in self._bonds:
            if not persona.bondable:
                raise PairingFailed(f"{persona.address} does not pair")
            self._bonds.add(persona.address)
        self.counts.links += 1
        self.link = link = MemoryGatt(self, persona, secured=pair)
        self.peer.connected()
        return link

    def ended(self, link: "MemoryGatt") -> None:
        """The node knows that this connection is over, and calls again."""
        if self.link is link:
            self.link = None
            self.peer.disconnected()
            self.air.changed()

    # The contract

    def appear(self, persona: Persona | None) -> None:
        """As in the contract."""
        link, self.link = self.link, None
        self.persona = persona
        if link is not None:
            link.fade()
            self.peer.disconnected()
        if persona is not None:
            self.air.changed()

    def notify(self, characteristic: str, data: bytes) -> bool:
        """As in the contract."""
        return self.link is not None and self.link.notified(characteristic, data)

    def hang_up(self) -> None:
        """As in the contract."""
        if self.link is not None:
            self.link.hung_up()


@dataclass(slots=True)
class _Way:
    """One direction of a link: parcels that arrive one after the other."""

    latency: float
    spacing: float
    counts: Counts
    parcels: deque[tuple[float, Callable[[], None]]] = field(default_factory=deque)
    _free: float = 0.0
    _timer: asyncio.TimerHandle | None = None

    def send(self, deliver: Callable[[], None]) -> None:
        """Have this happen when the parcel arrives."""
        now = asyncio.get_running_loop().time()
        leaves = max(now, self._free)
        self._free = leaves + self.spacing
        self.parcels.append((leaves + self.latency, deliver))
        self._arrange()

    def clear(self) -> None:
        """What has not arrived will not."""
        self.counts.lost += len(self.parcels)
        self.parcels.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arrange(self) -> None:
        if self._timer is None and self.parcels:
            self._timer = asyncio.get_running_loop().call_at(self.parcels[0][0], self._arrive)

    def _arrive(self) -> None:
        self._timer = None
        _, deliver = self.parcels.popleft()
        try:
            deliver()
        finally:
            self._arrange()


class MemoryGatt:
    """The host's end of a link; implements :class:`~transports.gatt.GattLink`."""

    def __init__(self, radio: MemoryRadio, persona: Persona, *, secured: bool) -> None:
        air = radio.air
        self._radio = radio
        self._persona = persona
        self._secured = secured
        self._down = _Way(air.latency, air.spacing, radio.counts)
        self._up = _Way(air.latency, air.spacing, radio.counts)
        self._room = min(air.att_mtu, persona.att_mtu) - _ATT_HEADER
        self._listened: set[str] = set()
        self._heard: deque[tuple[str, bytes]] = deque()
        self._news = asyncio.Event()
        self._asked: set[asyncio.Future[Any]] = set()
        self._asking = asyncio.Lock()
        self._faded = False
        self._lost = ""

    # The contract

    @property
    def address(self) -> str:
        """As in the contract."""
        return self._persona.address

    @property
    def lost(self) -> bool:
        """As in the contract."""
        return bool(self._lost)

    def has(self, characteristic: str) -> bool:
        """As in the contract."""
        return named(self._persona.services, characteristic) is not None

    def room(self, characteristic: str) -> int:
        """As in the contract."""
        self._found(characteristic)
        return self._room

    async def write(self, characteristic: str, data: bytes, *, response: bool) -> None:
        """As in the contract; a value that is too long for one packet takes as many as it needs."""
        found = self._found(characteristic)
        needed = Property.WRITE if response else Property.WRITE_WITHOUT_RESPONSE
        if needed not in found.properties:
            raise _refused("written", _WRITE_NOT_PERMITTED)
        if len(data) > (_LONGEST_VALUE if response else self._room):
            raise _refused("written", _INVALID_LENGTH)
        self._guarded(found, "written")
        if not response:
            self._to_node(partial(self._radio.peer.written, characteristic, data))
            await asyncio.sleep(0)
            return
        error = await self._ask(partial(self._radio.peer.written, characteristic, data))
        if error:
            raise _refused("written", error)

    async def read(self, characteristic: str) -> bytes:
        """As in the contract."""
        found = self._found(characteristic)
        if Property.READ not in found.properties:
            raise _refused("read", _READ_NOT_PERMITTED)
        self._guarded(found, "read")
        return await self._ask(partial(self._radio.peer.value, characteristic))

    async def subscribe(self, characteristic: str) -> None:
        """As in the contract."""
        found = self._found(characteristic)
        if not _LISTENS & found.properties:
            raise _refused("listened to", _REQUEST_NOT_SUPPORTED)
        self._guarded(found, "listened to")

        def listen() -> None:
            self._listened.add(characteristic)
            self._radio.peer.listened(characteristic, on=True)

        await self._ask(listen)

    async def heard(self) -> tuple[str, bytes]:
        """As in the contract."""
        while not self._heard:
            if self._lost:
                raise LinkLost(self._lost)
            self._news.clear()
            await self._news.wait()
        return self._heard.popleft()

    def discard_heard(self) -> int:
        """As in the contract."""
        count = len(self._heard)
        self._heard.clear()
        return count

    async def aclose(self) -> None:
        """As in the contract: what has not left the radio is lost."""
        if self._lost:
            return
        faded = self._faded
        self._end("the link was closed")
        self._down.clear()
        if not faded:
            self._down.send(self._node_learns)
        await asyncio.sleep(self._radio.air.latency)

    # What the node and the air do

    def notified(self, characteristic: str, data: bytes) -> bool:
        """The node sends a value; it is cut to what a notification takes."""
        if characteristic not in self._listened:
            return False
        if not self._faded:
            value = (characteristic, data[: self._room])
            self._up.send(partial(self._arrived, partial(self._came, value), up=True))
        return True

    def hung_up(self) -> None:
        """The node says goodbye instead of whatever it still had to send."""
        if self._faded:
            return
        self._faded = True
        self._up.clear()
        self._down.clear()
        self._up.send(partial(self._end, "the node ended the connection"))
        # As any radio does: not within the node's own call.
        asyncio.get_running_loop().call_soon(self._radio.ended, self)

    def fade(self) -> None:
        """Nothing passes any more; both sides find out by their time-outs."""
        if self._faded:
            return
        self._faded = True
        self._down.clear()
        self._up.clear()
        asyncio.get_running_loop().call_later(self._radio.air.supervision, self._supervision_over)

    def _supervision_over(self) -> None:
        self._end("the supervision time-out")
        self._radio.ended(self)

    def _node_learns(self) -> None:
        self._faded = True
        self._up.clear()
        self._radio.ended(self)

    def _end(self, why: str) -> None:
        if self._lost:
            return
        self._lost = f"{self.address} is not connected any more: {why}"
        self._news.set()
        for question in self._asked:
            if not question.done():
                question.set_exception(LinkLost(self._lost))

    def _came(self, value: tuple[str, bytes]) -> None:
        if not self._lost:
            self._heard.append(value)
            self._news.set()

    def _to_node(self, act: Callable[[], object]) -> None:
        if not self._faded:
            self._down.send(partial(self._arrived, act, up=False))

    def _arrived(self, act: Callable[[], object], *, up: bool) -> None:
        """A packet is there; or it is the one at which the link fades."""
        counts = self._radio.counts
        if counts.packets + 1 in self._radio.drops:
            self._radio.drops.discard(counts.packets + 1)
            counts.lost += 1
            self.fade()
            return
        counts.packets += 1
        counts.up, counts.down = counts.up + up, counts.down + (not up)
        act()

    async def _ask(self, act: Callable[[], T]) -> T:
        """What the node answers to a request; one at a time, as ATT has it."""
        async with self._asking:
            if self._lost:
                raise LinkLost(self._lost)
            answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()

            def answered(said: T) -> None:
                if not answer.done():
                    answer.set_result(said)

            def asked() -> None:
                said = act()
                if not self._faded:
                    self._up.send(partial(self._arrived, partial(answered, said), up=True))

            self._asked.add(answer)
            try:
                self._to_node(asked)
                return await answer
            finally:
                self._asked.discard(answer)

    def _found(self, characteristic: str) -> Characteristic:
        if self._lost:
            raise LinkLost(self._lost)
        found = named(self._persona.services, characteristic)
        if found is None:
            raise GattRefused(f"{self.address} has no characteristic {characteristic}")
        return found

    def _guarded(self, found: Characteristic, what: str) -> None:
        if found.secured and not self._secured:
            raise _refused(what, _INSUFFICIENT_AUTHENTICATION)


def _refused(what: str, error: int) -> GattRefused:
    return GattRefused(f"the value could not be {what}: ATT error 0x{error:02x}", att_error=error)
