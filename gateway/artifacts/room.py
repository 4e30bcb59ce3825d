"""Who may take how much of the disk, and who has to go when it gets tight.

All of it runs on the event loop and lets nothing else run in between: what is
pinned is asked, chosen from and removed in one go.  A digest that is pinned, held
or being written is therefore never taken.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from flashers.api.data import Digest
from gateway.artifacts.errors import ArtifactError, DiskFull, StoreFull
from gateway.artifacts.index import Index

Victim = Digest | str
"""A stored artifact, or the key of a download that waits to be resumed."""


@dataclass(frozen=True, slots=True)
class Usage:
    """How full the store is, in bytes; ``partial`` are downloads that wait to be resumed."""

    artifacts: int
    stored: int
    pinned: int
    partial: int
    cap: int


class Room:
    """The books of a store: a cap of its own, and a reserve of the disk left to others.

    ``pinned`` gives the digests that open attempts, known-goods and baselines need;
    ``remove`` takes a victim's files away.
    """

    def __init__(
        self,
        root: Path,
        *,
        cap: int,
        keep_free: int,
        pinned: Callable[[], Iterable[Digest]],
        remove: Callable[[Victim], None],
    ) -> None:
        self.cap = cap
        self.index = Index()
        self.resumable: dict[str, int] = {}
        self._root = root
        self._keep_free = keep_free
        self._pinned = pinned
        self._remove = remove
        self._held: Counter[Digest] = Counter()
        self._reserved: Counter[object] = Counter()

    @property
    def used(self) -> int:
        """Bytes that count against the cap."""
        return self.index.bytes + sum(self.resumable.values()) + self._reserved.total()

    def usage(self) -> Usage:
        """How full the store is."""
        needed = self._needed()
        entries = self.index.least_used_first()
        return Usage(
            artifacts=len(entries),
            stored=self.index.bytes,
            pinned=sum(entry.size for entry in entries if entry.digest in needed),
            partial=sum(self.resumable.values()),
            cap=self.cap,
        )

    @contextmanager
    def hold(self, digests: Iterable[Digest]) -> Iterator[None]:
        """Keep these from being evicted while the context lasts."""
        mine = Counter(digests)
        self._held += mine
        try:
            yield
        finally:
            self._held -= mine

    @contextmanager
    def reserving(self, size: int) -> Iterator[None]:
        """Room for ``size`` bytes while they are written.

        Raises:
            StoreFull: the cap is reached, and the rest is needed; nothing was removed.
            DiskFull: the disk has no room; nothing was removed.
        """
        token = object()
        self.reserve(token, size)
        try:
            yield
        finally:
            self.release(token)

    def reserve(self, token: object, size: int, *, on_disk: int = 0) -> None:
        """As :meth:`reserving`, for what grows: several calls add up.

        ``on_disk`` of the bytes are there already, from an earlier run.
        """
        self._make(size, on_disk)
        self._reserved[token] += size

    def release(self, token: object) -> None:
        """The reserved bytes are stored, or not coming."""
        self._reserved.pop(token, None)

    def trim(self) -> None:
        """Come down to the cap as far as what is needed allows."""
        with suppress(StoreFull, DiskFull):
            self._make(0)
            return
        for victim, _ in self._victims():
            self._take(victim)

    def _make(self, size: int, on_disk: int = 0) -> None:
        over_cap = self.used + size - self.cap
        # Nothing is asked of the disk for zero bytes: a full disk must still open.
        coming = size - on_disk
        short = coming + self._keep_free - shutil.disk_usage(self._root).free if coming > 0 else 0
        trouble: ArtifactError | None = None
        if over_cap > 0:
            trouble = StoreFull(
                f"{size} bytes more do not fit into the cap of {self.cap}; the rest is needed"
            )
        if short > max(over_cap, 0):
            trouble = DiskFull(f"{coming} bytes are to be stored; {short} are lacking on the disk")
        victims: list[Victim] = []
        freed = 0
        for victim, length in self._victims() if trouble else ():
            victims.append(victim)
            freed += length
            if freed >= max(over_cap, short):
                trouble = None
                break
        if trouble is not None:
            raise trouble
        for victim in victims:
            self._take(victim)

    def _take(self, victim: Victim) -> None:
        self._remove(victim)
        if isinstance(victim, Digest):
            self.index.drop(victim)
        else:
            self.resumable.pop(victim, None)

    def _needed(self) -> set[Digest]:
        return set(self._pinned()) | set(self._held)

    def _victims(self) -> list[tuple[Victim, int]]:
        """What may go, the least valuable first: half downloads, then by last use."""
        needed = self._needed()
        names = {digest.value.hex() for digest in needed}
        partials: list[tuple[Victim, int]] = [
            (key, size) for key, size in self.resumable.items() if key not in names
        ]
        entries = self.index.least_used_first()
        return partials + [(entry.digest, entry.size) for entry in entries if entry.digest not in needed]
