"""Everything that a virtual node has set itself to do; a restart forgets it."""

import asyncio
from collections.abc import Callable


class Timers:
    """Timers by name: the same name anew replaces what was set.

    ``guard`` runs what is due; it is where a loss of power inside of it ends.  Before a loop runs,
    nothing is due: a node comes to life on a network.
    """

    def __init__(self, guard: Callable[[Callable[[], None]], None]) -> None:
        self._guard = guard
        self._set: dict[str, asyncio.TimerHandle] = {}

    def later(self, name: str, seconds: float, what: Callable[[], None]) -> None:
        """Do it then."""
        self.stop(name)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        self._set[name] = loop.call_later(seconds, self._due, name, what)

    def stop(self, name: str) -> None:
        """Do not."""
        handle = self._set.pop(name, None)
        if handle is not None:
            handle.cancel()

    def waits(self, name: str) -> bool:
        """Whether it is still to be done."""
        return name in self._set

    def forget(self) -> None:
        """Do nothing of it all."""
        for handle in self._set.values():
            handle.cancel()
        self._set.clear()

    def _due(self, name: str, what: Callable[[], None]) -> None:
        self._set.pop(name, None)
        self._guard(what)
