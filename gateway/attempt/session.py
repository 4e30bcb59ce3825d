"""What the host lends a flasher: the node's link, tapped, timed and counted.

The link is opened once and kept, because opening a port can restart the node behind
it.  Everything that passes is recorded in a bounded ring, so that an attempt that
did not succeed can be looked at afterwards.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress

from flashers.api import Calling, Console, Identity, IdentityChanged, ResetKind, Role, Strength
from gateway.attempt.radio import OutOfReach, Radio, WatchedGatt, may_wait
from gateway.attempt.watched import WatchedLink
from gateway.attempt.words import Words
from gateway.attempt.zigbee import WatchedZigbee, ZigbeeWay, absent, silence
from gateway.model.records import Record, Trouble
from transports.ble.errors import NodeNotHeard
from transports.console import Console as Lines
from transports.counters import LinkCounters
from transports.errors import BadLink, LinesUnsupported, LinkError
from transports.gatt import GattLink
from transports.links import ByteLink, LinkSpec, Medium
from transports.recorder import FlightRecorder
from transports.tap import TappedLink
from transports.zcl import ZigbeeLink
from transports.zigbee.address import ieee_address

Opener = Callable[[LinkSpec], Awaitable[ByteLink]]
"""How a link is opened; the service's is :func:`transports.open.open_link`."""

_CONNECT_TICK_S, _CONNECT_TICKS = 20.0, 30
"""For so long, together, connecting is no stall: an adapter connects to one node at a time."""
_WAIT_AT_MOST_S = 86_400.0
"""No flasher waits for longer than a day with the link in its hand."""
_RESET_PULSE_S = 0.05
"""How long a line is held for a reset; common auto-reset circuits need a few milliseconds."""


class HostSession:
    """A node, reachable, for one lease; implements :class:`flashers.api.Session`."""

    def __init__(
        self,
        node: str,
        spec: LinkSpec,
        opener: Opener,
        *,
        identity: Identity | None = None,
        progress: Callable[[int, int], None] | None = None,
        counters: LinkCounters | None = None,
        radio: Radio | None = None,
        network: ZigbeeWay | None = None,
        words: Words | None = None,
    ) -> None:
        self._node = node
        self._spec = spec
        self._opener = opener
        self._known = identity
        self._report = progress
        self._counters = counters if counters is not None else LinkCounters()
        self._loop = asyncio.get_running_loop()
        self._watched: WatchedLink | None = None
        self._link: TappedLink | None = None
        self._radio = radio
        self._gatt: WatchedGatt | None = None
        self._made_for = Role.UNKNOWN
        self._network = network
        self._zcl: WatchedZigbee | None = None
        self._lines = Lines()
        self._words = words if words is not None else Words()
        self.recorder = FlightRecorder()
        self.identity: Identity | None = None
        self.identified = False
        """Whether it was made sure, since the link was opened, that it is the node that is meant."""
        self.unheard = False
        """Whether the node was not to be heard when it was to be connected to last."""
        self.cancelled = False
        """Whether what is being left is left on request; set by the guard, and for the tidying up."""
        self.bytes_sent = 0
        self.done = 0
        self.total = 0
        self.last_activity = self._loop.time()

    @property
    def node(self) -> str:
        """The node's name."""
        return self._node

    @property
    def address(self) -> str | None:
        """The node's address on a shared link."""
        return self._spec.address

    @property
    def by_address(self) -> Identity | None:
        """Who a node on the air is by the address that it answered at, or by its bond; None for a line.

        On a Zigbee network every frame is under the network's key, and an address is the part's own.
        """
        if self._network is not None and self._spec.address is not None:
            return Identity(ieee_address(self._spec.address), Strength.HW_ID)
        if self._radio is None or self._spec.address is None:
            return None
        return Identity(
            self._spec.address.upper(), Strength.BONDED if self._radio.bonded else Strength.ADDRESS
        )

    @property
    def medium(self) -> Medium:
        """What kind of link leads to the node."""
        return self._spec.medium

    async def connect(self, role: Role = Role.APP) -> GattLink:
        """The connection to the node in this role; made anew if it was lost, or leads elsewhere."""
        radio = self._on_the_air()
        if self._gatt is not None and (self._gatt.lost or not radio.same(self._made_for, role)):
            await self._hang_up()
        if self._gatt is None:
            self.identified = False
            link = await self._connected(radio, role)
            self._gatt = WatchedGatt(link, self._alive, self._counters, self.recorder)
            self._made_for = role
            self.note(f"connected to {link.address} ({role})")
        return self._gatt

    async def will_call(self, role: Role, calling: Calling) -> None:
        """The host keeps it, and goes by it from now on."""
        await self._on_the_air().will_call(role, calling)
        self.note(f"in its {role} it will be {calling}")

    async def zigbee(self) -> ZigbeeLink:
        """The node on its network, kept until the end of the lease; anew if the coordinator was lost."""
        if self._network is None:
            raise BadLink(f"{self._spec} does not lead to a node of a Zigbee network")
        if self._zcl is not None and self._zcl.lost:
            await self._hang_up()
        if self._zcl is None:
            self.identified = False
            try:
                link = await self._network.link()
            except LinkError as error:
                self._counters.failed(error)
                raise
            self._counters.opened()
            self._zcl = WatchedZigbee(link, self._network, self._alive, self._counters, self.recorder)
            self._alive()
        return self._zcl

    def silence(self) -> Trouble | None:
        """What there is to say of a node that shows nothing; None where nothing more is known."""
        return silence(self._network) if self._network is not None else None

    def absent(self, record: Record, role: Role) -> LinkError | None:
        """Why a node that showed nothing is waited for with nothing held; None if that means something."""
        if role not in (Role.SILENT, Role.ASLEEP):
            return None
        if self._network is not None:
            unheard = self._zcl is None or self._zcl.unheard
            return absent(self._network, record, role, unheard=unheard)
        if self.unheard and role is Role.SILENT and may_wait(record) and record.cancel is None:
            return OutOfReach(f"{record.node} is not heard")
        return None

    async def remember(self, name: str, value: str | None) -> None:
        """Keep a word; it is on the disk when this returns."""
        await self._words.keep(name, value)

    def remembered(self, name: str) -> str | None:
        """What was kept."""
        return self._words.known.get(name)

    def waiting(self, why: str, *, at_most: float) -> None:
        """Nothing will pass for a while; the next thing that passes ends it."""
        at_most = min(max(at_most, 0.0), _WAIT_AT_MOST_S)
        self.note(f"{why}: at most {at_most:.0f} s")
        self.last_activity = self._loop.time() + at_most

    def restarting(self) -> None:
        """The node is about to start something: what is known of its table ends with that."""
        if self._radio is not None:
            self._radio.restarting()

    def _on_the_air(self) -> Radio:
        if self._radio is None:
            raise BadLink(f"{self._spec} does not lead to a node behind a radio")
        return self._radio

    async def _connected(self, radio: Radio, role: Role) -> GattLink:
        """Connecting takes its own time, and may have to wait for that of others: that is no stall."""
        work = asyncio.ensure_future(radio.connect(role))
        try:
            for _ in range(_CONNECT_TICKS):
                self._alive()
                await asyncio.wait({work}, timeout=_CONNECT_TICK_S)
                if work.done():
                    break
            link = await work
        except LinkError as error:
            self.unheard = isinstance(error, NodeNotHeard)
            self._counters.failed(error)
            raise
        except asyncio.CancelledError:
            work.cancel()
            await asyncio.wait({work})
            if not work.cancelled() and work.exception() is None:
                await work.result().aclose()
            raise
        self._counters.opened()
        self.unheard = False
        self._alive()
        return link

    async def _hang_up(self) -> None:
        link, self._gatt = self._gatt, None
        if link is not None:
            self._counters.closed()
            await link.aclose()
        zcl, self._zcl = self._zcl, None
        if zcl is not None:
            self._counters.closed()
            await zcl.aclose()

    async def open(self, role: Role = Role.APP) -> ByteLink:
        """The tapped link; opened anew if it was lost."""
        del role  # on a UART a node is found at the same place in all its roles
        return await self.tapped()

    async def tapped(self) -> TappedLink:
        """The same, as the host sees it."""
        if self._watched is not None and self._watched.lost:
            await self.close()
        if self._link is None:
            self.identified = False
            self._watched = WatchedLink(await self._opened(), self._alive, self._counters)
            self._link = TappedLink(self._watched, recorder=self.recorder, console=self._lines)
            self._alive()
        return self._link

    async def close(self) -> None:
        """Give the link back."""
        if self._link is not None:
            link, self._link = self._link, None
            self._counters.closed()
            await link.aclose()
        await self._hang_up()

    async def _opened(self) -> ByteLink:
        try:
            link = await self._opener(self._spec)
        except LinkError as error:
            self._counters.failed(error)
            raise
        self._counters.opened()
        return link

    def expect(self, identity: Identity) -> None:
        """Compare who answers with who is known here."""
        self.identity = identity
        known = self._known
        if known is not None and known.strength is identity.strength and known.value != identity.value:
            raise IdentityChanged(f"{identity.value} answers here, and {known.value} is known")

    def lines(self) -> Console:
        """The node's console."""
        return _SessionConsole(self, self._lines)

    async def reset(self, kind: ResetKind) -> None:
        """Restart the node by the port's lines, or by opening the port again."""
        self._counters.reset()
        if self._radio is not None or self._network is not None:
            await self._hang_up()  # a radio has no lines, and a node is not restarted by a connection
            return
        if kind is not ResetKind.NONE:
            link = await self.open()
            with suppress(LinesUnsupported):
                await self._pulse(link, kind)
                return
        # A port whose lines cannot be driven: Linux raises them on every open.
        await self.close()
        await self.open()

    async def restarts(self, kind: ResetKind) -> bool:
        """Restart the node by the port's lines; False where they cannot be driven, and nothing was done."""
        if kind is ResetKind.NONE or self._radio is not None or self._network is not None:
            return False
        link = await self.open()
        try:
            await self._pulse(link, kind)
        except LinesUnsupported:
            return False
        return True

    async def _pulse(self, link: ByteLink, kind: ResetKind) -> None:
        dtr, rts = kind is ResetKind.DTR, kind is ResetKind.RTS
        await link.set_lines(dtr=False if dtr else None, rts=False if rts else None)
        await asyncio.sleep(_RESET_PULSE_S)
        await link.set_lines(dtr=True if dtr else None, rts=True if rts else None)

    def progress(self, done: int, total: int) -> None:
        """Bytes that the node has acknowledged."""
        self._alive()
        self.done, self.total = done, total
        if self._report is not None:
            self._report(done, total)

    def sent(self, count: int) -> None:
        """Bytes of the image put on the link."""
        self.bytes_sent += count

    def note(self, text: str) -> None:
        """A line for the trace."""
        self.recorder.note(self._loop.time(), text)

    def _alive(self) -> float:
        self.last_activity = now = self._loop.time()
        return now


class _SessionConsole:
    """The console of whatever link the session has open; see :class:`flashers.api.Console`."""

    def __init__(self, session: HostSession, lines: Lines) -> None:
        self._session = session
        self._lines = lines

    def mark(self) -> int:
        return self._lines.mark()

    def lines_since(self, mark: int) -> list[str]:
        return self._lines.lines_since(mark)

    async def wait_for(self, pattern: re.Pattern[str], *, since: int, timeout: float) -> str | None:
        link = await self._session.tapped()
        try:
            return await link.wait_for(pattern, since=since, timeout=timeout)
        except TimeoutError:
            return None
