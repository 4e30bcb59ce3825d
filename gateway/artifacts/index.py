"""What the store holds, how much of it there is, and what would go first.

Kept in memory and rebuilt from the files at each start, so it cannot disagree
with them for longer than one run.  The order of use is a counter that only
grows, kept in the files' modification times: a gateway whose clock says 1970
after a loss of power still throws away what was least lately used.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from flashers.api.data import Digest


@dataclass(frozen=True, slots=True)
class Stored:
    """One artifact in the store; ``used`` orders by last use and is no time."""

    digest: Digest
    size: int
    used: int


class Index:
    """The stored artifacts by digest."""

    def __init__(self, found: Iterable[Stored] = ()) -> None:
        self._stored = {entry.digest: entry for entry in found}
        self._last_use = max((entry.used for entry in self._stored.values()), default=0)

    def next_use(self) -> int:
        """A number above all that were given: nanoseconds of the clock while that runs forward."""
        self._last_use = max(self._last_use + 1, time.time_ns())
        return self._last_use

    def add(self, digest: Digest, size: int, used: int) -> None:
        """Note that it is there, or that it was used."""
        self._stored[digest] = Stored(digest, size, used)

    def drop(self, digest: Digest) -> None:
        """Note that it is gone."""
        self._stored.pop(digest, None)

    def get(self, digest: Digest) -> Stored | None:
        """The entry, if it is there."""
        return self._stored.get(digest)

    @property
    def bytes(self) -> int:
        """The sum of all sizes."""
        return sum(entry.size for entry in self._stored.values())

    def __len__(self) -> int:
        return len(self._stored)

    def least_used_first(self) -> list[Stored]:
        """All entries, the one to go first in front."""
        return sorted(self._stored.values(), key=lambda entry: entry.used)
