"""The numbers under which a coordinator's confirms come back.

A confirm of the coordinator names only the number of the frame that was handed to it: one byte.
The radio library for ZNP waits for "the confirm with number N", from whichever node, and zigpy
numbers the frames of each node by itself, so that two nodes' frames under way at once can be
taken for each other's.  Here every frame of a network has a number that no other has which is
under way, and none that was given up lately, since its confirm may still come.
"""

import asyncio
from collections import deque

UNDER_WAY = 192
"""Frames that have a number at one time; the other 64 are resting, or about to."""
REST = 30.0
"""Seconds for which the number of a frame without a confirm is not used: longer than any radio waits."""


class Transactions:
    """Hands out numbers 1–255 in turn."""

    def __init__(self) -> None:
        self._room = asyncio.Semaphore(UNDER_WAY)
        self._last = 0
        self._taken: set[int] = set()
        self._resting: deque[tuple[float, int]] = deque()

    async def take(self) -> int:
        """The next number that nobody uses; waits while too many are under way."""
        await self._room.acquire()
        now = asyncio.get_running_loop().time()
        while self._resting and (self._resting[0][0] <= now or len(self._resting) > 255 - UNDER_WAY):
            self._taken.discard(self._resting.popleft()[1])
        number = self._last
        while True:
            number = number % 255 + 1
            if number not in self._taken:
                break
        self._last = number
        self._taken.add(number)
        return number

    def give_back(self, number: int, *, confirmed: bool) -> None:
        """It is free again, or rests for a while where its confirm may still come."""
        if confirmed:
            self._taken.discard(number)
        else:
            self._resting.append((asyncio.get_running_loop().time() + REST, number))
        self._room.release()
