"""Serve a virtual node behind a real PTY, for any program that opens a serial port.

A PTY has no modem lines, but it has opens and closes, and on Linux an open is
what raises DTR on a real port.  So an open is told to the node as both lines
raised, the last close as both lowered; that is how a node with auto-reset gets
its reset from avrdude, from our own port and from pyserial alike.

One thing stays that a real port does not do: bytes that a program left unread are
there for the next one, unless it flushes its input when it opens, as pyserial does.

Opens come from inotify at once (:mod:`transports.virtual.opens`).  Where that
cannot be had, the hang-up flag of our side is asked every 10 ms while the port is
closed: it is the only other sign there is.  While the port is open nothing polls.
"""

import asyncio
import contextlib
import os
import pty
import select
import termios
import tty
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from transports.links import UartPeer
from transports.virtual.faults import FaultPlan
from transports.virtual.opens import Watcher, watcher
from transports.virtual.wire import TAKEN_LIMIT, Line

ASK_EVERY = 0.010
"""Seconds between two looks at the hang-up flag, where inotify cannot be had."""

UNREAD_LIMIT = 64 * 1024
"""Bytes kept for a host that does not read, beyond what the kernel keeps; more are overrun, as on a UART."""

READ_SIZE = 4096

_SPEEDS = {
    getattr(termios, name): int(name[1:]) for name in dir(termios) if name[0] == "B" and name[1:].isdigit()
}
"""Speeds by their number in a termios structure; those of ``BOTHER`` have none."""


class PtyHost:
    """A PTY whose node side is a virtual node.

    Args:
        peer: the node.
        link: a path that is made a symbolic link to the PTY; an old one is replaced.
        latency: seconds that a byte is under way, each way.
        baud: None carries bytes as fast as the kernel does; a number paces to that speed;
            ``"client"`` paces to the speed that the program has set on the port.
        faults: what goes wrong (see :mod:`transports.virtual.faults`); ``cut-link`` hangs up on
            the program, and the path then leads to a fresh PTY.
    """

    def __init__(
        self,
        peer: UartPeer,
        *,
        link: Path | str | None = None,
        latency: float = 0.0,
        baud: int | Literal["client"] | None = None,
        faults: FaultPlan | str = "",
    ) -> None:
        self.link = None if link is None else Path(link)
        self.opens = 0
        self.lost_unread = 0
        self._follow_client = baud == "client"
        speed = 115_200 if baud == "client" else baud
        self.line = Line(
            peer, to_host=self._to_host, cut=self._cut, latency=latency, baud=speed, faults=faults
        )
        self._master = -1
        self._name = ""
        self._out = bytearray()
        self._open = False
        self._holders = 0
        self._watch: Watcher | None = None
        self._mark: int | None = None
        self._asking: asyncio.TimerHandle | None = None
        self._resting: asyncio.Task[None] | None = None

    @property
    def path(self) -> Path:
        """What a program opens: the symbolic link if there is one, else the PTY itself."""
        return self.link if self.link is not None else Path(self._name)

    @property
    def story(self) -> list[str]:
        """What the faults have done so far."""
        return self.line.story.lines

    @property
    def is_open(self) -> bool:
        """A program has the port open."""
        return self._open

    async def start(self) -> Self:
        """Make the PTY; from now on programs can open it."""
        self._make()
        return self

    async def aclose(self) -> None:
        """Take the PTY away; whoever has it open sees it unplugged."""
        self.unplug()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def unplug(self) -> None:
        """Pull the adapter: the PTY is gone at once, and its path with it."""
        if self._master < 0:
            return
        loop = asyncio.get_running_loop()
        if self._watch is not None and self._mark is not None:
            self._watch.remove(self._mark)
        if self._asking is not None:
            self._asking.cancel()
        if self._resting is not None:
            self._resting.cancel()
        self._watch = self._mark = self._asking = self._resting = None
        loop.remove_reader(self._master)
        loop.remove_writer(self._master)
        os.close(self._master)
        self._master = -1
        self._holders = 0
        self._out.clear()
        self.line.clear()
        if self.link is not None and self.link.is_symlink() and str(self.link.readlink()) == self._name:
            self.link.unlink()
        self._closed()

    def replug(self) -> None:
        """Put the adapter back: a fresh PTY under the same path."""
        if self._master < 0:
            self._make()

    def _make(self) -> None:
        self._master, node_side = pty.openpty()
        try:
            tty.setraw(node_side)
            self._name = os.ttyname(node_side)
            os.set_blocking(self._master, False)
        finally:
            os.close(node_side)  # from here on the hang-up flag says whether somebody has it open
        self._watch = watcher()
        self._mark = (
            None if self._watch is None else self._watch.add(Path(self._name), self._opened_or_closed)
        )
        if self.link is not None:
            self._point_link()
        if self._mark is None:
            self._ask()

    def _point_link(self) -> None:
        assert self.link is not None  # noqa: S101 - asked by the caller
        fresh = self.link.with_name(f".{self.link.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(self._name)
        fresh.replace(self.link)

    def _opened_or_closed(self, opened: bool) -> None:
        """Follow the events in their order; the flag only tells how things are now.

        Several programs may have the port open, and the kernel merges equal events
        that follow each other, so the count may be too low.  It is then only believed
        together with the flag, or with a further open.
        """
        if opened:
            if self._open and self._holders == 0:
                self._closed()
            self._holders += 1
            if not self._open:
                self._opened()
        else:
            self._holders = max(0, self._holders - 1)
            if self._open and self._holders == 0 and self._hung_up():
                self._take_last_words()
                self._closed()

    def _ask(self) -> None:
        """Without inotify: look at the flag, again and again until the port is open."""
        if self._hung_up():
            self._asking = asyncio.get_running_loop().call_later(ASK_EVERY, self._ask)
        else:
            self._asking = None
            self._opened()

    def _hung_up(self) -> bool:
        poll = select.poll()
        poll.register(self._master, 0)
        return any(event & select.POLLHUP for _, event in poll.poll(0))

    def _opened(self) -> None:
        self._open = True
        self.opens += 1
        self.line.set_lines(dtr=True, rts=True)
        asyncio.get_running_loop().add_reader(self._master, self._readable)

    def _closed(self) -> None:
        if not self._open:
            return
        self._open = False
        self._out.clear()
        if self._master >= 0:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._master)
            loop.remove_writer(self._master)
        self.line.set_lines(dtr=False, rts=False)

    def _readable(self) -> None:
        try:
            data = os.read(self._master, READ_SIZE)
        except BlockingIOError:
            return
        except OSError:  # EIO: the last program has closed it
            self._hang_up_seen()
            return
        self._to_node(data)
        if self.line.down.backlog > TAKEN_LIMIT and self._resting is None:
            self._resting = asyncio.get_running_loop().create_task(self._rest())

    def _hang_up_seen(self) -> None:
        if self._watch is not None:
            self._watch.drain()
        if self._open and self._hung_up():
            self._holders = 0
            self._closed()
        if self._mark is None and not self._open:
            self._ask()

    def _to_node(self, data: bytes) -> None:
        if self._follow_client:
            self.line.set_baud(self._client_baud())
        self.line.down.send(data)

    async def _rest(self) -> None:
        """Leave bytes in the kernel while the line is full, so that the program is held back."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._master)
        await self.line.down.room()
        self._resting = None
        if self._open:
            loop.add_reader(self._master, self._readable)

    def _take_last_words(self) -> None:
        """Read what was written before the last close."""
        with contextlib.suppress(OSError):
            while data := os.read(self._master, READ_SIZE):
                self._to_node(data)

    def _to_host(self, data: bytes) -> None:
        if not self._open:
            return
        if len(self._out) > UNREAD_LIMIT:
            self.lost_unread += len(data)
            return
        if self._follow_client:
            self.line.set_baud(self._client_baud())
        self._out += data
        self._flush()

    def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._out:
                del self._out[: os.write(self._master, self._out)]
        except BlockingIOError:
            loop.add_writer(self._master, self._flush)
            return
        except OSError:
            self._out.clear()
        loop.remove_writer(self._master)

    def _client_baud(self) -> int | None:
        """The speed that the program has set; the controlling side can read it."""
        return _SPEEDS.get(termios.tcgetattr(self._master)[5], self.line.down.baud)

    def _cut(self) -> None:
        self.unplug()
        self.replug()
