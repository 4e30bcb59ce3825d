"""The wall clock, with the honesty to say whether it can be believed.

Nothing is decided by it; it is told to people.  Whether it is synchronised is what
the kernel says (``adjtimex``), and a time before this program was written is never
believed.
"""

import ctypes
import time

from flashers.api import Stamp

_STA_UNSYNC = 0x0040
"""adjtimex(2), status bit: the clock is not synchronised."""
_TIMEX_BYTES = 208
_STATUS_OFFSET = 5 * ctypes.sizeof(ctypes.c_long)
"""struct timex: modes (padded), offset, freq, maxerror, esterror, then status."""
_WRITTEN_UNIX_S = 1_780_000_000
"""A clock that says less than this (May 2026) was never set."""


def now() -> Stamp:
    """This moment, and whether the clock that tells it is synchronised."""
    unix_ms = time.time_ns() // 1_000_000
    return Stamp(unix_ms, unix_ms // 1000 > _WRITTEN_UNIX_S and _kernel_says_synchronised())


def _kernel_says_synchronised() -> bool:
    buffer = ctypes.create_string_buffer(_TIMEX_BYTES)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.adjtimex(buffer) < 0:
            return False
    except (OSError, AttributeError):
        return False
    status = int.from_bytes(buffer.raw[_STATUS_OFFSET : _STATUS_OFFSET + 4], "little")
    return not status & _STA_UNSYNC
