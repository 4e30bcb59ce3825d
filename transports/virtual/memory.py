"""A line in memory: a node and its host in one process, in real or in virtual time.

It behaves as a port does: opening raises DTR and RTS, closing drops them, only
one host may hold it, bytes that nobody is there to read are lost, and pulling the
plug ends every call with :class:`~transports.errors.LinkLost`.
"""

from transports.errors import LinesUnsupported, LinkBusy, LinkNotFound
from transports.inbox import Inbox
from transports.links import LinkSpec, UartPeer
from transports.virtual.faults import FaultPlan
from transports.virtual.wire import Line


class MemoryLine:
    """A virtual node's line that :meth:`open` gives the host's end of.

    Args:
        peer: the node.
        latency: seconds that a byte is under way, each way (a round trip takes twice that).
        baud: bits per second with ten bits a byte; None carries everything at once.
        faults: what goes wrong, as a plan or its text (see :mod:`transports.virtual.faults`).
        modem_lines: whether the host may drive DTR and RTS, as on a port and not on a PTY.
    """

    def __init__(
        self,
        peer: UartPeer,
        *,
        latency: float = 0.0,
        baud: int | None = None,
        faults: FaultPlan | str = "",
        modem_lines: bool = True,
    ) -> None:
        self.modem_lines = modem_lines
        self.paced = baud is not None
        self.opens = 0
        self.lost_unread = 0
        self.line = Line(
            peer, to_host=self._to_host, cut=self._cut, latency=latency, baud=baud, faults=faults
        )
        self._plugged = True
        self._host: MemoryLink | None = None

    @property
    def story(self) -> list[str]:
        """What the faults have done so far."""
        return self.line.story.lines

    @property
    def held(self) -> bool:
        """A host has the line open."""
        return self._host is not None

    async def open(self) -> "MemoryLink":
        """Take the host's end; raises DTR and RTS.

        Raises:
            LinkNotFound: it is unplugged.
            LinkBusy: it is open already.
        """
        if not self._plugged:
            raise LinkNotFound("the line is unplugged")
        if self._host is not None:
            raise LinkBusy("the line is open already")
        self._host = MemoryLink(self)
        self.opens += 1
        self.line.set_lines(dtr=True, rts=True)
        return self._host

    def unplug(self) -> None:
        """Pull the adapter: the host's end is lost, and so is what was under way."""
        self._plugged = False
        self.line.clear()
        self._lose("the line was unplugged")

    def replug(self) -> None:
        """Put the adapter back; it can be opened again."""
        self._plugged = True

    def _cut(self) -> None:
        self.line.clear()
        self._lose("the link was cut")

    def _lose(self, why: str) -> None:
        host, self._host = self._host, None
        if host is not None:
            host.inbox.fail(why)
            self.line.set_lines(dtr=False, rts=False)

    def _to_host(self, data: bytes) -> None:
        if self._host is None:
            return
        inbox = self._host.inbox
        if inbox.unread >= inbox.limit:  # a UART has nobody to hold back: bytes are overrun
            self.lost_unread += len(data)
            return
        inbox.feed(data)

    def release(self, host: "MemoryLink") -> None:
        """The host's end was closed."""
        if self._host is host:
            self._lose("the link was closed")


class MemoryLink:
    """The host's end of a :class:`MemoryLine`; a :class:`~transports.links.ByteLink`."""

    def __init__(self, owner: MemoryLine) -> None:
        self.inbox = Inbox()
        self._owner = owner

    async def read(self) -> bytes:
        """As in the contract."""
        return await self.inbox.take()

    async def write(self, data: bytes) -> None:
        """As in the contract."""
        self.inbox.check()
        down = self._owner.line.down
        down.send(data)
        await down.room()
        self.inbox.check()

    def discard_input(self) -> bytes:
        """As in the contract."""
        return self.inbox.drain()

    async def set_lines(self, *, dtr: bool | None = None, rts: bool | None = None) -> None:
        """As in the contract."""
        self.inbox.check()
        if not self._owner.modem_lines:
            raise LinesUnsupported
        self._owner.line.set_lines(dtr=dtr, rts=rts)

    async def set_baud(self, baud: int) -> None:
        """As in the contract; only a paced line has a speed."""
        self.inbox.check()
        if self._owner.paced:
            self._owner.line.set_baud(baud)

    async def aclose(self) -> None:
        """As in the contract."""
        self._owner.release(self)


class MemoryLines:
    """Lines by name, so that a link's text (``memory:NAME``) can be opened.

    Its :meth:`open` is an opener for :func:`transports.open.register`.
    """

    def __init__(self, lines: dict[str, MemoryLine] | None = None) -> None:
        self.lines = dict(lines or {})

    async def open(self, spec: LinkSpec) -> MemoryLink:
        """Open the line of this name.

        Raises:
            LinkNotFound: there is none, or it is unplugged.
            LinkBusy: it is open already.
        """
        if spec.target not in self.lines:
            raise LinkNotFound(f"there is no line {spec.target!r} in memory")
        return await self.lines[spec.target].open()
