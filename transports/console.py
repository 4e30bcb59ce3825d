"""What a node says in words: the bytes of a link as lines, whatever else is among them.

A node's boot line is often the only proof of what runs, and it comes between
binary frames, cut anywhere, or in the wrong speed.  So every byte received goes
through here, in bounded memory, and junk is made readable instead of refused.
"""

import re
from collections import deque

LINE_LIMIT = 512
"""Bytes of a line; a longer one is cut into lines of this length."""

LINES_KEPT = 1000

_ENDS = re.compile(rb"[\r\n\x00]")
"""What ends a line; NUL as well, which idle lines and framing errors produce.  Empty lines are not kept."""


class Console:
    """The last lines of a link.

    Lines have numbers that count from the first one ever; a mark is such a number,
    and stays meaningful when older lines have been dropped.
    """

    def __init__(self, *, lines_kept: int = LINES_KEPT, line_limit: int = LINE_LIMIT) -> None:
        self.dropped = 0
        self._kept: deque[str] = deque()
        self._lines_kept = lines_kept
        self._line_limit = line_limit
        self._begun = b""

    def feed(self, data: bytes) -> None:
        """Bytes have come."""
        *ended, begun = _ENDS.split(self._begun + data)
        for line in ended:
            self._add(line)
        # The last piece of an overlong line waits, even a full one: its end may be what comes next.
        whole = max(0, len(begun) - 1) // self._line_limit * self._line_limit
        self._add(begun[:whole])
        self._begun = begun[whole:]

    def _add(self, line: bytes) -> None:
        for start in range(0, len(line), self._line_limit):
            self._keep(line[start : start + self._line_limit])

    def _keep(self, line: bytes) -> None:
        self._kept.append(line.decode(errors="replace"))
        if len(self._kept) > self._lines_kept:
            self._kept.popleft()
            self.dropped += 1

    def mark(self) -> int:
        """The number that the line has which is being received, or else the next one."""
        return self.dropped + len(self._kept)

    @property
    def begun(self) -> str:
        """The line that is being received: a prompt, or the first half of something."""
        return self._begun.decode(errors="replace")

    def lines_since(self, mark: int = 0) -> list[str]:
        """Whole lines from the mark on, without their ends and without empty ones."""
        skipped = max(0, mark - self.dropped)
        return [line for number, line in enumerate(self._kept) if number >= skipped]

    def find(self, pattern: re.Pattern[str], mark: int = 0, *, unfinished: bool = False) -> str | None:
        """The first line since the mark in which the pattern is found.

        Args:
            pattern: what to search.
            mark: where to begin.
            unfinished: look at the line that is being received as well; for prompts, since
                a line that says a number may still be missing its last digit.
        """
        candidates = self.lines_since(mark)
        if unfinished and self.mark() >= mark:
            candidates.append(self.begun)
        return next((line for line in candidates if pattern.search(line)), None)
