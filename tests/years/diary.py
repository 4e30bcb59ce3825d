"""What happened, kept so that a failure can be understood: a digest of all, and each node's last lines."""

import hashlib
from collections import Counter, defaultdict, deque

LAST = 50
"""Lines that are kept of each node, and of the gateway."""


class Diary:
    """Everything in order; only the newest is kept as text."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._last: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=LAST))
        self.counts: Counter[str] = Counter()
        self.lines = 0
        self.marks: list[str] = []
        """The digest after every thousandth line: where two runs part is between two of these."""

    def note(self, at: float, who: str, what: str, text: str = "") -> None:
        """Something happened to a node, or to the gateway as a whole (``gateway``)."""
        line = f"{at:.6f} {who} {what} {text}".rstrip()
        self._hash.update(line.encode() + b"\n")
        self._last[who].append(f"day {at / 86_400:.4f} {what} {text}".rstrip())
        self.counts[what] += 1
        self.lines += 1
        if self.lines % 1000 == 0:
            self.marks.append(self.digest)

    @property
    def digest(self) -> str:
        """Of everything so far."""
        return self._hash.hexdigest()[:16]

    def last(self, who: str) -> list[str]:
        """The newest lines of a node."""
        return list(self._last[who])
