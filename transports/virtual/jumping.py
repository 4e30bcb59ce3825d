"""The selector of virtual time: it waits by setting the clock.

A loop waits in its selector and nowhere else, so this is the one place where time
can be made to jump without touching anything else of asyncio.  What it may not
jump over is told in :mod:`transports.virtual.clock`.
"""

import math
import selectors
import time
from collections.abc import Mapping
from typing import Any

MAX_TURNS_WITHOUT_TIME = 1_000_000
"""Turns of the loop at one instant after which the run counts as a livelock (some seconds of CPU)."""

_TURNS_OF_A_NUDGE = 1_000
_NUDGE_S = 1e-9

MAX_OUTSIDE_WAIT = 60.0
"""Real seconds that the clock stands still for outside work before the run is given up."""


class VirtualTimeError(Exception):
    """A run in virtual time cannot go on; a fault of the program under test, not of a node."""


class VirtualDeadlock(VirtualTimeError):
    """Everybody waits for somebody else: nothing is ready and no timer is set."""


class VirtualLivelock(VirtualTimeError):
    """The loop turns and turns, and no time passes."""


class VirtualTimeLimit(VirtualTimeError):
    """The run wanted to live longer than its limit of virtual seconds."""


class JumpingSelector(selectors.BaseSelector):
    """Waits by setting the clock, except for what happens outside the process's own timers."""

    def __init__(self, limit: float | None) -> None:
        self.now = 0.0
        self.limit = limit
        self.outside = 0
        self.internal = 0
        self.real: selectors.BaseSelector | None = None
        self._turns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Let time pass, or wait for what is outside."""
        if self.real is None and not self.outside:
            if timeout == 0:
                self._count_turn()
            else:
                self._jump(timeout)
            return []
        return self._select_really(timeout)

    def _jump(self, timeout: float | None) -> None:
        if timeout is None:
            raise VirtualDeadlock("nothing is ready, no timer is set, and the run is not done")
        self._advance(timeout)

    def _advance(self, seconds: float) -> None:
        then = self.now + seconds
        if self.limit is not None and then > self.limit:
            self.now = self.limit
            raise VirtualTimeLimit(f"the run is not done after {self.limit:g} virtual seconds")
        self.now = then
        self._turns = 0

    def _count_turn(self) -> None:
        self._turns += 1
        if self._turns % _TURNS_OF_A_NUDGE == 0:
            # Rounding can leave somebody a wait too short to be one; a real clock passes it by itself.
            # After half a year of seconds a nanosecond is less than a number of this size can hold.
            self.now = max(self.now + _NUDGE_S, math.nextafter(self.now, math.inf))
        if self._turns > MAX_TURNS_WITHOUT_TIME:
            raise VirtualLivelock(f"{MAX_TURNS_WITHOUT_TIME} turns of the loop at t={self.now:g} s")

    def _select_really(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        real = self._made()
        if self.outside:
            found = real.select(0 if timeout == 0 else MAX_OUTSIDE_WAIT)
            if not found and timeout != 0:
                raise VirtualDeadlock(f"outside work is not done after {MAX_OUTSIDE_WAIT:g} real seconds")
            return found
        if timeout == 0:
            self._count_turn()
            return real.select(0)
        if len(real.get_map()) <= self.internal:
            found = real.select(0)
            if not found:
                self._jump(timeout)
            return found
        started = time.monotonic()
        found = real.select(timeout)
        passed = time.monotonic() - started
        self._advance(passed if timeout is None or found else max(passed, timeout))
        return found

    def _made(self) -> selectors.BaseSelector:
        if self.real is None:
            self.real = selectors.DefaultSelector()
        return self.real

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Watch a real file descriptor; from now on time runs as it really does."""
        return self._made().register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """Watch it no more."""
        return self._made().unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Watch it for something else."""
        return self._made().modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """What is watched."""
        return {} if self.real is None else self.real.get_map()

    def close(self) -> None:
        """Close the real selector, if one was ever made."""
        if self.real is not None:
            self.real.close()
