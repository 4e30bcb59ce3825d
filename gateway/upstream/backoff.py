"""How long to wait before the next try, so that a broker that comes back is not run over.

Every gateway of a fleet loses the broker at the same moment; the jitter spreads
their return, and the doubling keeps a metered link from being eaten by handshakes.
"""

import random
from collections.abc import Callable

_STABLE = 2.0
"""A connection that lasted this many times the wait before it was a good one."""


class Backoff:
    """Doubles from ``first`` to ``cap`` seconds, each wait shortened by up to a half at random."""

    def __init__(self, first: float, cap: float, *, chance: Callable[[], float] = random.random) -> None:
        self._first = first
        self._cap = cap
        self._chance = chance
        self._failures = 0
        self._last = 0.0

    def next(self, lasted: float) -> float:
        """Seconds to wait, after a connection that lasted ``lasted`` seconds (0: there was none).

        Only a connection that lasted starts the count anew: a broker that accepts
        and at once hangs up is not tried faster than one that is away.
        """
        if lasted > 0 and lasted >= _STABLE * self._last:
            self._failures = 0
        # 2.0 ** 1024 overflows; no cap needs that many doublings.
        wait = min(self._cap, self._first * 2.0 ** min(self._failures, 64))
        self._failures += 1
        self._last = wait * (1.0 - 0.5 * self._chance())
        return self._last
