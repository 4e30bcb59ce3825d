"""Serial ports of this machine, in the event loop and without a thread.

pyserial knows how a port is configured; the bytes are ours: its file descriptor
is watched by the loop, so a hundred ports cost a hundred descriptors and an
unplugged adapter is noticed when the kernel notices.  Paths are looked up anew at
each open, so ``/dev/serial/by-path/...`` finds an adapter that was plugged in
again under another number.
"""

import array
import asyncio
import errno
import fcntl
import os
import select
import termios
from pathlib import Path

import serial

from transports.errors import LinesUnsupported, LinkBusy, LinkDenied, LinkError, LinkNotFound
from transports.inbox import Inbox
from transports.links import LinkSpec
from transports.uart.holders import holder_of
from transports.uart.settings import BUS_OPTIONS, Parity, Settings

READ_SIZE = 64 * 1024
CLOSE_DRAIN = 1.0
"""Seconds that closing waits for bytes still in the driver; the kernel itself would wait up to thirty."""
DRAIN_STEP = 0.005
PTY_MAJORS = range(136, 144)
"""Device numbers of the PTYs' node sides (Documentation/admin-guide/devices.txt of Linux)."""

_PARITY = {
    Parity.NONE: serial.PARITY_NONE,
    Parity.ODD: serial.PARITY_ODD,
    Parity.EVEN: serial.PARITY_EVEN,
    Parity.MARK: serial.PARITY_MARK,
    Parity.SPACE: serial.PARITY_SPACE,
}


async def open_local(spec: LinkSpec) -> "LocalPort":
    """Open a port; Linux raises DTR and RTS with it.

    A port that somebody holds with a lock is refused before it is opened, so its
    lines have not moved.

    Raises:
        BadLink: an option is unknown or impossible.
        LinkNotFound, LinkBusy, LinkDenied: as they say.
        LinkError: the port refuses these settings.
    """
    settings = Settings.of(spec, also=BUS_OPTIONS)
    path = Path(spec.target)
    try:
        holder = holder_of(path)
    except OSError as why:
        raise _refused(path, why) from why
    if holder is not None:
        raise LinkBusy(f"{path} is held by {holder}")
    try:
        port = serial.Serial(
            str(path),
            settings.baud,
            bytesize=settings.bits,
            parity=_PARITY[settings.parity],
            stopbits=settings.stop,
            rtscts=settings.rtscts,
            timeout=0,
            exclusive=True,
        )
    except OSError as why:  # pyserial's own error is one
        raise _refused(path, why) from why
    except (termios.error, ValueError) as why:
        raise LinkError(
            f"{path} refuses {spec}: {why}",
            remedy="Set what the port can do (a PTY knows no parity), or correct the profile.",
        ) from why
    return LocalPort(port, path)


def _refused(path: Path, why: OSError) -> LinkError:
    match why.errno:
        case errno.ENOENT | errno.ENODEV | errno.ENXIO | errno.ENOTDIR:
            return LinkNotFound(f"there is no port {path}")
        case errno.EACCES | errno.EPERM:
            return LinkDenied(f"{path} may not be opened by this user")
        case errno.EBUSY | errno.EAGAIN:
            return LinkBusy(f"{path} is held by another program")
        case _:
            return LinkError(f"{path} cannot be opened: {why}")


class LocalPort:
    """An open serial port; a :class:`~transports.links.ByteLink`.

    ``write`` returns when the kernel has taken every byte.  A write that is
    cancelled may have been taken in part.  Unread bytes are bounded: beyond the
    limit they stay in the kernel, whose flow control then holds the node back.
    """

    def __init__(self, port: serial.Serial, path: Path) -> None:
        self._port = port
        self._path = path
        self._fd = port.fileno()
        self._loop = asyncio.get_running_loop()
        self._inbox = Inbox(pause=self._pause, resume=self._resume)
        self._writing = asyncio.Lock()
        self._writable: asyncio.Future[None] | None = None
        if os.major(os.fstat(self._fd).st_rdev) not in PTY_MAJORS:
            # Keeps programs out that know no locks.  Not on a PTY: there it would outlive us if we
            # are killed, since only the last close of both ends forgets it.
            fcntl.ioctl(self._fd, termios.TIOCEXCL)
        self._resume()

    async def read(self) -> bytes:
        """As in the contract."""
        return await self._inbox.take()

    async def write(self, data: bytes) -> None:
        """As in the contract; writes of several tasks do not mix."""
        async with self._writing:
            rest = memoryview(data)
            while True:
                self._inbox.check()
                try:
                    rest = rest[os.write(self._fd, rest) :]
                except BlockingIOError:
                    pass
                except OSError as why:
                    self._lose(why)
                    self._inbox.check()
                if not rest:
                    return
                await self._room()

    def discard_input(self) -> bytes:
        """As in the contract; what the kernel still holds is dropped as well."""
        got = [self._inbox.drain()]
        while not self._inbox.lost and (more := self._read_now()):
            got.append(more)
            if sum(map(len, got)) > self._inbox.limit:
                break
        return b"".join(got)

    async def set_lines(self, *, dtr: bool | None = None, rts: bool | None = None) -> None:
        """As in the contract."""
        self._inbox.check()
        try:
            if dtr is not None:
                self._port.dtr = dtr
            if rts is not None:
                self._port.rts = rts
        except OSError as why:
            if why.errno in (errno.ENOTTY, errno.EINVAL):
                raise LinesUnsupported(f"{self._path} has no modem lines") from why
            self._lose(why)
            self._inbox.check()

    async def set_baud(self, baud: int) -> None:
        """As in the contract; waits until what was written has gone out at the old speed."""
        self._inbox.check()
        await self._drained()
        try:
            self._port.baudrate = baud
        except (OSError, termios.error, ValueError) as why:
            raise LinkError(f"{self._path} cannot be set to {baud} baud: {why}") from why

    async def aclose(self) -> None:
        """As in the contract; waits a moment for what was written to go out."""
        if not self._port.is_open:
            return
        drained = False
        try:
            drained = self._inbox.lost or await self._drained()
        finally:
            self._inbox.fail(f"{self._path} was closed")
            self._leave_loop()
            self._close(drained=drained)

    def _close(self, *, drained: bool) -> None:
        if not self._port.is_open:
            return
        try:
            if not drained:  # close(2) would wait for a line that is stuck
                termios.tcflush(self._fd, termios.TCOFLUSH)
        except termios.error:
            pass
        try:
            self._port.close()
        except OSError:
            pass

    async def _drained(self) -> bool:
        """Wait until the driver's output buffer is empty, but not for ever; there is no event for it."""
        deadline = self._loop.time() + CLOSE_DRAIN
        while self._unsent():
            if self._loop.time() >= deadline:
                return False
            await asyncio.sleep(DRAIN_STEP)
        return True

    def _unsent(self) -> int:
        count = array.array("i", [0])
        try:
            fcntl.ioctl(self._fd, termios.TIOCOUTQ, count)
        except OSError:
            return 0
        return count[0]

    async def _room(self) -> None:
        """Wait until the kernel takes more, or the link is lost."""
        self._writable = self._loop.create_future()
        self._loop.add_writer(self._fd, self._wake_writer)
        try:
            await self._writable
        finally:
            self._writable = None
            if not self._inbox.lost:
                self._loop.remove_writer(self._fd)

    def _wake_writer(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    def _resume(self) -> None:
        self._loop.add_reader(self._fd, self._readable)

    def _pause(self) -> None:
        self._loop.remove_reader(self._fd)

    def _readable(self) -> None:
        data = self._read_now()
        if data:
            self._inbox.feed(data)
        elif not self._inbox.lost and self._hung_up():
            self._lose(None)

    def _read_now(self) -> bytes:
        try:
            return os.read(self._fd, READ_SIZE)
        except BlockingIOError:
            return b""
        except OSError as why:
            self._lose(why)
            return b""

    def _hung_up(self) -> bool:
        """An empty read is a hang-up only if poll says so: a flushed buffer looks the same."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        events = poll.poll(0)
        return any(event & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, event in events)

    def _lose(self, why: OSError | None) -> None:
        reason = "unplugged or hung up" if why is None else (why.strerror or str(why)).lower()
        self._inbox.fail(f"{self._path} is lost: {reason}")
        self._leave_loop()

    def _leave_loop(self) -> None:
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
        self._wake_writer()
