"""A transfer's headway, journalled in quarters.

Without it a gateway that loses power in the middle of a long transfer, three times,
would take a node that gets further each time for one that never moves.
"""

import asyncio
from collections.abc import Awaitable, Callable

from gateway.attempt.session import HostSession

_LEAST_BYTES = 4096
"""Headway smaller than this is not worth a write."""
_PAUSE_S = 0.5


class Marking:
    """Calls ``reached`` with the acknowledged bytes whenever another quarter of ``size`` is done."""

    def __init__(self, session: HostSession, size: int, reached: Callable[[int], Awaitable[None]]) -> None:
        self._session = session
        self._step_bytes = max(size // 4, _LEAST_BYTES)
        self._reached = reached
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        """Begin to watch."""
        self._task = asyncio.create_task(self._watch())

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Stop; what could not be journalled is an error of the step."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait({self._task})
        if kind is None and not self._task.cancelled():
            self._task.result()

    async def _watch(self) -> None:
        last = 0
        while True:
            await asyncio.sleep(_PAUSE_S)
            if self._session.done >= last + self._step_bytes:
                last = self._session.done
                await self._reached(last)
