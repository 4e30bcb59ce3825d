"""What a host lends a flasher, without a host: a session on a bench.

It does what the contract says and keeps everything that the flasher tells it, for a
case to look at.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from flashers.api import Calling, Identity, ResetKind, Role
from transports.console import Console as Lines
from transports.errors import BadLink, LinesUnsupported, LinkError, LinkLost
from transports.gatt import GattLink
from transports.links import ByteLink, Medium
from transports.tap import TappedLink
from transports.zcl import AttributeValue, NodeFacts, Zcl, ZigbeeLink
from transports.zigbee.errors import CoordinatorLost

T = TypeVar("T")

PULSE = 0.05
"""Seconds for which a modem line is dropped."""

Radio = Callable[[tuple[Calling, ...]], Awaitable[GattLink]]
"""Connects to whichever node is heard first that one of these fits; raises as ``Session.connect``."""


class BenchSession:
    """A :class:`flashers.api.Session` over whatever ``open_link`` opens.

    ``reports`` are the progress as it was told, ``bytes_sent`` the image's bytes on the
    link, ``identities`` and ``notes`` what was expected and noted.  For a node behind a
    radio ``radio`` connects, and ``address`` is the node's own; ``callings`` are how it said
    it would be found, which a host keeps: hand them to the next session as a host does.  For a
    node of a Zigbee network ``zigbee`` is the way to it; ``words`` are what it was asked to remember.
    """

    def __init__(
        self,
        open_link: Callable[[], Awaitable[ByteLink]] | None = None,
        *,
        node: str = "node-1",
        radio: Radio | None = None,
        address: str | None = None,
        callings: dict[Role, Calling] | None = None,
        zigbee: Callable[[], ZigbeeLink] | None = None,
        words: dict[str, str] | None = None,
    ) -> None:
        self.node = node
        self.address = address
        self.callings = callings if callings is not None else {}
        self.cancelled = False
        self.opens = 0
        self.resets: list[ResetKind] = []
        self.reports: list[tuple[int, int]] = []
        self.bytes_sent = 0
        self.notes: list[str] = []
        self.identities: list[Identity] = []
        self.on_progress: Callable[[int, int], None] | None = None
        self.console = Lines()
        self._open_link = open_link
        self._link: TappedLink | None = None
        self._radio = radio
        self._gatt: GattLink | None = None
        self._role = Role.APP
        self._zigbee = zigbee
        self._zcl: LosableZigbee | None = None
        self.words = words if words is not None else {}
        self.waits: list[tuple[str, float]] = []

    @property
    def medium(self) -> Medium:
        """As in the contract."""
        if self._zigbee is not None:
            return Medium.ZIGBEE
        return Medium.UART if self._radio is None else Medium.BLE

    async def connect(self, role: Role = Role.APP) -> GattLink:
        """As in the contract."""
        if self._radio is None:
            raise BadLink(f"{self.node} is not behind a radio")
        if self._gatt is None or self._gatt.lost or not self._leads_to(role):
            await self._hang_up()
            self.opens += 1
            self._gatt = await self._radio(self._calls(role))
            self._role = role
        return self._gatt

    def _leads_to(self, role: Role) -> bool:
        return role in (self._role, Role.UNKNOWN) or self._calls(role) == self._calls(self._role)

    def _calls(self, role: Role) -> tuple[Calling, ...]:
        own = Calling(address=self.address)
        if role is Role.UNKNOWN:
            return (self.callings.get(Role.APP, own), *self.callings.values())
        return (self.callings.get(role, own),)

    async def will_call(self, role: Role, calling: Calling) -> None:
        """As in the contract; nobody else is on this bench."""
        self.callings[role] = calling

    async def zigbee(self) -> ZigbeeLink:
        """As in the contract."""
        if self._zigbee is None:
            raise BadLink(f"{self.node} is on no Zigbee network")
        if self._zcl is not None and self._zcl.lost:
            await self._hang_up()
        if self._zcl is None:
            self.opens += 1
            self._zcl = LosableZigbee(self._zigbee())
        return self._zcl

    async def remember(self, name: str, value: str | None) -> None:
        """As in the contract, in ``words``: hand them to the next session as a host does."""
        if value is None:
            self.words.pop(name, None)
        else:
            self.words[name] = value

    def remembered(self, name: str) -> str | None:
        """As in the contract."""
        return self.words.get(name)

    def waiting(self, why: str, *, at_most: float) -> None:
        """As in the contract."""
        self.waits.append((why, at_most))

    async def _hang_up(self) -> None:
        link, self._gatt = self._gatt, None
        if link is not None:
            await link.aclose()
        zcl, self._zcl = self._zcl, None
        if zcl is not None:
            await zcl.aclose()

    async def open(self, role: Role = Role.APP) -> ByteLink:
        """As in the contract."""
        del role
        return await self.tapped()

    async def tapped(self) -> TappedLink:
        """The same, as a console reads it."""
        if self._link is not None:
            try:  # a link that was lost says so at an empty write
                await self._link.link.write(b"")
            except LinkError:
                await self.close()
        if self._open_link is None:
            raise BadLink(f"{self.node} is not on a line")
        if self._link is None:
            self.opens += 1
            self._link = TappedLink(await self._open_link(), console=self.console)
        return self._link

    async def close(self) -> None:
        """As in the contract."""
        link, self._link = self._link, None
        if link is not None:
            await link.aclose()
        await self._hang_up()

    def expect(self, identity: Identity) -> None:
        """As in the contract; whoever answers is welcome."""
        self.identities.append(identity)

    def lines(self) -> "BenchConsole":
        """As in the contract."""
        return BenchConsole(self)

    async def reset(self, kind: ResetKind) -> None:
        """As in the contract."""
        self.resets.append(kind)
        if kind is not ResetKind.NONE:
            try:
                await self._pulse(await self.open(), kind)
                return
            except LinesUnsupported:
                pass
        await self.close()
        await self.open()

    async def _pulse(self, link: ByteLink, kind: ResetKind) -> None:
        for level in (False, True):
            if kind is ResetKind.DTR:
                await link.set_lines(dtr=level)
            else:
                await link.set_lines(rts=level)
            await asyncio.sleep(0 if level else PULSE)

    def progress(self, done: int, total: int) -> None:
        """As in the contract."""
        self.reports.append((done, total))
        if self.on_progress is not None:
            self.on_progress(done, total)

    def sent(self, count: int) -> None:
        """As in the contract."""
        self.bytes_sent += count

    def note(self, text: str) -> None:
        """As in the contract."""
        self.notes.append(text)


class LosableZigbee:
    """A node of a network, and whether its coordinator was lost since: then it is asked for anew."""

    def __init__(self, link: ZigbeeLink) -> None:
        self._link = link
        self.lost = False

    @property
    def facts(self) -> NodeFacts:
        """As in the contract."""
        return self._link.facts

    async def ask(self, frame: Zcl, *, within: float) -> Zcl:
        """As in the contract."""
        return await self._watched(self._link.ask(frame, within=within))

    async def send(self, frame: Zcl, *, acknowledged: bool) -> float:
        """As in the contract."""
        return await self._watched(self._link.send(frame, acknowledged=acknowledged))

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
        return await self._watched(
            self._link.read(
                cluster,
                attributes,
                endpoint=endpoint,
                client=client,
                manufacturer=manufacturer,
                within=within,
            )
        )

    async def bindings(self, *, within: float) -> tuple[str, ...]:
        """As in the contract."""
        return await self._watched(self._link.bindings(within=within))

    def listen(self, cluster: int) -> None:
        """As in the contract."""
        self._link.listen(cluster)

    async def heard(self) -> Zcl:
        """As in the contract."""
        return await self._watched(self._link.heard())

    async def aclose(self) -> None:
        """As in the contract."""
        await self._link.aclose()

    async def _watched(self, work: Awaitable[T]) -> T:
        try:
            return await work
        except (LinkLost, CoordinatorLost):
            self.lost = True
            raise


class BenchConsole:
    """The console of whatever link the session has open; a :class:`flashers.api.Console`."""

    def __init__(self, session: BenchSession) -> None:
        self._session = session

    def mark(self) -> int:
        """As in the contract."""
        return self._session.console.mark()

    def lines_since(self, mark: int) -> list[str]:
        """As in the contract."""
        return self._session.console.lines_since(mark)

    async def wait_for(self, pattern: re.Pattern[str], *, since: int, timeout: float) -> str | None:
        """As in the contract."""
        link = await self._session.tapped()
        try:
            return await link.wait_for(pattern, since=since, timeout=timeout)
        except TimeoutError:
            return None
