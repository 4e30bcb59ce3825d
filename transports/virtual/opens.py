"""Notice at once when somebody opens or closes a PTY's node side.

Nothing tells the holder of a PTY's controlling side that the other side was
opened: it wakes no poll, and the hang-up flag only clears by itself.  Worse, a
close and an open in quick succession leave no trace in the flag at all, and with
them the reset of a node would be lost.  inotify(7) reports both, in order, on
devpts as on any file system.  One instance serves all PTYs of an event loop,
since a user has only 128 of them by default.

The standard library has no inotify, so three functions of the C library are
called directly; where they are missing, callers fall back to asking the flag now
and then.
"""

import asyncio
import ctypes
import os
import struct
from collections.abc import Callable
from pathlib import Path
from weakref import WeakKeyDictionary

IN_OPEN = 0x20
IN_CLOSE = 0x08 | 0x10
"""``IN_CLOSE_WRITE`` and ``IN_CLOSE_NOWRITE``; numbers of inotify.h in Linux."""
IN_Q_OVERFLOW = 0x4000
_EVENT = struct.Struct("iIII")

_of_loop: "WeakKeyDictionary[asyncio.AbstractEventLoop, Watcher]" = WeakKeyDictionary()


class Watcher:
    """One inotify instance in one event loop; it lives as long as somebody watches a path."""

    def __init__(self, loop: asyncio.AbstractEventLoop, fd: int, libc: ctypes.CDLL) -> None:
        self._loop = loop
        self._fd = fd
        self._libc = libc
        self._callbacks: dict[int, Callable[[bool], None]] = {}
        loop.add_reader(fd, self.drain)

    def add(self, path: Path, callback: Callable[[bool], None]) -> int | None:
        """Call back with True at each open, False at each close; None if the path cannot be watched."""
        mark = int(self._libc.inotify_add_watch(self._fd, os.fsencode(path), IN_OPEN | IN_CLOSE))
        if mark < 0:
            return None
        self._callbacks[mark] = callback
        return mark

    def remove(self, mark: int) -> None:
        """Watch it no longer."""
        if self._callbacks.pop(mark, None) is None:
            return
        self._libc.inotify_rm_watch(self._fd, mark)
        if not self._callbacks:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            _of_loop.pop(self._loop, None)

    def drain(self) -> None:
        """Hand out what has happened; called by the loop, and by whoever must know before going on."""
        try:
            data = os.read(self._fd, 64 * 1024)
        except BlockingIOError:
            return
        while data:
            mark, mask, _, name_length = _EVENT.unpack_from(data)
            data = data[_EVENT.size + name_length :]
            callback = self._callbacks.get(mark)
            if callback is not None and mask & (IN_OPEN | IN_CLOSE):
                callback(bool(mask & IN_OPEN))


def watcher() -> Watcher | None:
    """The running loop's watcher, or None where inotify cannot be had."""
    loop = asyncio.get_running_loop()
    known = _of_loop.get(loop)
    if known is not None:
        return known
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        fd = int(libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
    except (OSError, AttributeError):
        return None
    if fd < 0:
        return None
    made = _of_loop[loop] = Watcher(loop, fd, libc)
    return made
