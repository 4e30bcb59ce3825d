"""How many requests may be under way at once: a number that is earned.

With a window a transfer does not wait for each answer; on a link with 20 ms of
round trip three requests at a time are three times as fast.  But small targets
lose what arrives while they write their flash, and on them every overlap costs.
So the window starts at one, grows while answers come, and shrinks at a loss.
What a loss right after growing teaches is remembered for that size: it is tried
again only after four times as many answers, so that even a node that loses every
overlap is slowed by one or two per cent.  Where the link itself loses nothing, each answer
is enough to try one more.
"""

_FACTOR = 4
_SILENCE_FACTOR = 256
"""After a loss that cost the resend timer, and not just an answer."""
_LONGEST_PATIENCE = 4096


class Window:
    """Decides how many requests may be unanswered.

    ``limit`` is the most that the node can hold, ``lossless`` what the link is as long as it lives.
    """

    def __init__(self, limit: int, *, lossless: bool = False) -> None:
        self.limit = max(1, limit)
        self.size = 1
        self._streak = 0
        self._patience = [1 if lossless else 2 * size for size in range(self.limit + 1)]
        """Answers in a row, at each size, before one more is tried."""

    def answered(self) -> None:
        """A request was answered and its bytes were taken."""
        self._streak += 1
        if self.size < self.limit and self._streak >= self._patience[self.size]:
            self.size += 1
            self._streak = 0

    def lost(self, *, silently: bool = False) -> None:
        """A request, or its answer, did not arrive; ``silently`` if only a timer told.

        With one request at a time that is the line's fault and teaches nothing; with more
        it may be ours, unless this size has proved itself before.
        """
        if self.size > 1:
            below = self.size - 1
            if self._streak < 2 * self.size:
                factor = _SILENCE_FACTOR if silently else _FACTOR
                self._patience[below] = min(self._patience[below] * factor, _LONGEST_PATIENCE)
            else:
                self._patience[below] = max(2 * below, self._patience[below] // _FACTOR)
        self.size = max(1, self.size // 2)
        self._streak = 0
