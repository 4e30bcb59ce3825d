"""How much at once, how large, and how safely: learned from what the channel confirms, never from a clock.

Nothing here waits.  A fixed delay between blocks is either too long for the channel or too short for
the node; what a coordinator confirms, and what a node asks for twice, tells which.
"""

from dataclasses import dataclass, field

LADDER = (64, 50, 40, 32, 24, 16)
"""Bytes in a block, largest first.

About 65 fit into an unfragmented frame next to a node; a source route costs 2 + 2n bytes of it, and
50 and 40 are what most servers give, so that nodes were tried with them.
"""
MOST_IN_FLIGHT = 16
"""What a large coordinator takes at once (Z-Stack's default); the network holds back what is too much."""
_FAILS_IN_A_ROW = 3


@dataclass(slots=True)
class BlockSize:
    """The largest block that arrives, found from above and kept for the session."""

    most: int
    least: int
    _limit: int = 0
    _failed: int = 0
    _before: int = 0
    """What it was before it was lowered on suspicion; 0 where it was not."""
    _innocent: bool = False
    """A smaller block failed as well: the size is not to blame for what does not arrive."""

    def __post_init__(self) -> None:
        self._limit = self.most

    @property
    def limit(self) -> int:
        """No larger block is sent."""
        return self._limit

    def too_long(self, size: int) -> bool:
        """The network says that a block of this size does not fit; False where none is smaller."""
        smaller = self._below(size)
        if smaller is None:
            return False
        self._limit, self._before, self._failed = min(self._limit, smaller), 0, 0
        return True

    def arrived(self) -> None:
        """A block was confirmed."""
        self._failed = 0
        self._before = 0

    def lost(self) -> None:
        """A block was given up; several in a row may mean that it is too large for some hop."""
        self._failed += 1
        if self._failed < _FAILS_IN_A_ROW or self._innocent:
            return
        self._failed = 0
        if self._before:
            self._limit, self._before, self._innocent = self._before, 0, True
            return
        smaller = self._below(self._limit)
        if smaller is not None:
            self._before, self._limit = self._limit, smaller

    def _below(self, size: int) -> int | None:
        return next((step for step in LADDER if self.least <= step < size), None)


@dataclass(slots=True)
class Window:
    """How many blocks of a page may be under way: as many as keep the channel busy, and no queue behind it.

    Two things are measured.  What waits in the coordinator is ``in flight × (1 − fastest / latency)``
    (Brakmo, TCP Vegas, 1994); it is held at a few blocks, so that sessions which share a coordinator share
    it evenly, and one that is alone has all of it.  And what did not arrive although it was confirmed was
    lost by a relay that had its hands full: then less is under way, and at last there is a pause between
    blocks in which it can hand them on.
    """

    most: int = MOST_IN_FLIGHT
    _limit: float = 2.0
    _fastest: list[float] = field(default_factory=lambda: [float("inf")] * 2)
    """Without and with an acknowledgement from the node, which comes later."""
    _ceiling: float = MOST_IN_FLIGHT
    latency: float = 0.0
    """Seconds for a confirm, smoothed."""
    pause: float = 0.0
    """Seconds between two blocks, beside what their confirms take."""

    FEW, MANY = 2.0, 4.0
    FORGETS = 1.0001
    """The fastest confirm is forgotten slowly, since routes change; each page measures it anew."""
    LONGEST_PAUSE, NO_PAUSE = 0.04, 0.002

    @property
    def limit(self) -> int:
        """No more blocks than this are under way."""
        return max(1, min(self.most, int(self._limit), int(self._ceiling)))

    @property
    def slowest(self) -> bool:
        """Whether nothing is left to slow down by."""
        return self.limit == 1 and self.pause >= self.LONGEST_PAUSE

    def confirmed(self, took: float, in_flight: int, *, sure: bool = False) -> None:
        """A block was confirmed after ``took`` seconds, with so many under way when it was sent."""
        took = max(took, 1e-4)
        self.latency = took if not self.latency else self.latency * 0.9 + took * 0.1
        self._fastest[sure] = min(self._fastest[sure] * self.FORGETS, took)
        queued = in_flight * (1 - self._fastest[sure] / took)
        if queued < self.FEW and in_flight + 1 >= self.limit:
            self._limit = min(self.most, self._ceiling, self._limit + 1 / self._limit)
        elif queued > self.MANY:
            self._limit = max(1.0, self._limit - 1 / self._limit)

    def failed(self) -> None:
        """One was not: the channel is full, or nobody is there."""
        self._limit = max(1.0, self._limit * 0.7)

    def page_over(self, gaps: int) -> None:
        """All of a page is with the node now; so many of its blocks had to be asked for again."""
        if not gaps:
            self._ceiling = min(float(self.most), self._ceiling + 1)
            self.pause = self.pause / 2 if self.pause > self.NO_PAUSE else 0.0
            return
        before = self.limit
        self._ceiling = self._limit = max(1.0, before * 0.4)
        if before == 1:
            self.pause = min(max(self.pause * 2, self.latency / 4), self.LONGEST_PAUSE)


@dataclass(slots=True)
class Acknowledging:
    """Whether single blocks are acknowledged end to end: where that costs less than what gets lost.

    Without it a lost block costs the node's own time-out; with it every block costs a frame back.
    The node's repeated questions tell how much is lost, and how long it waits before it asks again.
    """

    _loss: float = 0.0
    _waits: float = 2.0
    _memory: float = 64.0

    MOST_MEMORY = 1024.0
    COST = 0.012
    """Seconds that an acknowledgement takes from two hops away: a short frame each, CSMA included."""

    @property
    def wanted(self) -> bool:
        """Whether the next block is to be acknowledged."""
        return self._loss * self._waits > self.COST

    def answered(self) -> None:
        """The node went on: its last block had arrived."""
        self._loss *= 1 - 1 / self._memory

    def repeated(self, after: float) -> None:
        """It asked once more for the same, so many seconds after it was answered."""
        was = self.wanted
        self._waits = max(self._waits * 0.5 + after * 0.5, 0.1)
        self._loss += 1 / self._memory
        if self.wanted and not was:
            # Each time it turns out to be needed again, it is kept for longer.
            self._memory = min(self._memory * 2, self.MOST_MEMORY)


@dataclass(slots=True)
class Gaps:
    """Whether pages pay: what of them arrives, by what the node then asks for piece by piece."""

    _sent: float = 0.0
    _missing: float = 0.0

    TOO_MANY, ENOUGH = 0.35, 48

    def sent(self, blocks: int) -> None:
        """So many blocks of a page are to be sent."""
        self._sent = self._sent * 0.75 + blocks
        self._missing *= 0.75

    def missing(self, blocks: int = 1) -> None:
        """So many of them were asked for again."""
        self._missing += blocks

    @property
    def share(self) -> float:
        """Of what was sent in pages lately, how much did not arrive."""
        return min(1.0, self._missing / self._sent) if self._sent else 0.0

    @property
    def hopeless(self) -> bool:
        """Blocks are faster: each gap costs the node a time-out, then a question."""
        return self._sent >= self.ENOUGH and self.share > self.TOO_MANY
