"""The queue before a virtual node's flash: what was asked for is done later, one after the other.

Everything that a loader says about an object it says when that was queued, which is why
an answer proves so little.

Source: nRF5 SDK 17.1.0, ``nrf_fstorage_sd.c``: a queue of fixed length, and an error when it is full.
"""

from collections import deque
from collections.abc import Callable

Later = Callable[[float, Callable[[], None]], None]
"""Does something after so many seconds, unless the node restarts before."""


class FlashQueue:
    """As long as one life of the loader.

    Args:
        room: operations that may wait, the one that is being done included.
        later: the node's clock.
    """

    def __init__(self, room: int, later: Later) -> None:
        self._room = room
        self._later = later
        self._queue: deque[tuple[float, Callable[[], None]]] = deque()
        self._idle: list[Callable[[], None]] = []

    def put(self, takes: float, what: Callable[[], None]) -> bool:
        """Do this after whatever is queued, which takes so many seconds; False if there is no room."""
        if not takes and not self._queue:
            what()
            return True
        if len(self._queue) >= self._room:
            return False
        self._queue.append((takes, what))
        if len(self._queue) == 1:
            self._later(takes, self._next)
        return True

    def when_idle(self, what: Callable[[], None]) -> None:
        """Do this once everything is done that is queued now."""
        if self._queue:
            self._idle.append(what)
        else:
            what()

    def _next(self) -> None:
        _, what = self._queue[0]
        what()
        self._queue.popleft()
        if self._queue:
            self._later(self._queue[0][0], self._next)
            return
        waiting, self._idle = self._idle, []
        for each in waiting:
            each()
