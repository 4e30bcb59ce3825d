"""What was read out of nodes before we erased it: kept to go back to, and for nothing else.

A read-out may hold keys and customers' data.  It lies in a folder and files that
only the service's user can read, bounded in number and bytes, and apart from the
artifact store: whatever serves artifacts cannot be asked for a backup.
"""

import asyncio
import os
import stat
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flashers.api.data import Digest
from gateway.artifacts.errors import ArtifactCorrupt, ArtifactMissing, BackupsFull
from gateway.artifacts.files import make_folder, named_trouble, off_loop, publish, read_bounded, write_whole


@dataclass(frozen=True, slots=True)
class BackupLimits:
    """How much may be kept; the oldest that nobody needs goes first."""

    count: int = 64
    bytes: int = 64 << 20


class BackupStore:
    """Backups by digest; ``pinned`` gives those that are some node's way back."""

    def __init__(
        self,
        folder: Path,
        *,
        limits: BackupLimits | None = None,
        pinned: Callable[[], Iterable[Digest]] = frozenset,
    ) -> None:
        self._folder = folder
        self._limits = limits or BackupLimits()
        self._pinned = pinned
        self._held: Counter[Digest] = Counter()
        self._one_at_a_time = asyncio.Lock()

    @contextmanager
    def hold(self, digest: Digest) -> Iterator[None]:
        """Keep a backup from making way for others until it is pinned; taken before :meth:`save`."""
        self._held[digest] += 1
        try:
            yield
        finally:
            self._held -= Counter([digest])

    async def save(self, data: bytes) -> Digest:
        """Keep a backup, down to the disk, and tell its digest.

        Raises:
            BackupsFull: what is there is needed, or the backup alone is over the limit.
            DiskFull, DiskTrouble: it is not kept.
        """
        digest = Digest.sha256(data)
        async with self._one_at_a_time:
            needed = frozenset(self._pinned()) | frozenset(self._held)
            await off_loop(lambda: self._save(data, digest, needed))
        return digest

    def _save(self, data: bytes, digest: Digest, needed: frozenset[Digest]) -> None:
        path = self._path(digest)
        with named_trouble("cannot keep the backup"):
            make_folder(self._folder, stat.S_IRWXU)
            self._folder.chmod(stat.S_IRWXU)
            others = self._others(path)
            # A number that only grows, so that a clock set back makes no backup look old.
            last = max((used for used, _, _ in others), default=0)
            used = max(time.time_ns(), last + 1)
            if not (path.is_file() and read_bounded(path, len(data)) == data):
                self._make_room(others, len(data), needed)
                temporary, _, _ = write_whole(self._folder, [data], mode=0o600, limit=len(data))
                publish(temporary, path)
            os.utime(path, ns=(used, used))

    def _others(self, mine: Path) -> list[tuple[int, Path, int]]:
        """The other backups, oldest first; what a crash left half-written is removed."""
        found = []
        for path in self._folder.iterdir():
            if path.suffix == ".tmp":
                path.unlink(missing_ok=True)
            elif path != mine:
                seen = path.stat()
                found.append((seen.st_mtime_ns, path, seen.st_size))
        return sorted(found)

    def _make_room(self, others: list[tuple[int, Path, int]], size: int, needed: frozenset[Digest]) -> None:
        names = {digest.value.hex() for digest in needed}
        count, total = len(others) + 1, sum(length for _, _, length in others) + size
        leaving: list[Path] = []
        for _, path, length in others:
            if count <= self._limits.count and total <= self._limits.bytes:
                break
            if path.name not in names:
                leaving.append(path)
                count, total = count - 1, total - length
        if count > self._limits.count or total > self._limits.bytes:
            raise BackupsFull(f"{size} bytes do not fit beside {count - 1} backups that are needed")
        for path in leaving:
            path.unlink(missing_ok=True)

    async def open_verified(self, digest: Digest) -> bytes:
        """A backup's bytes: those that are returned are those that were hashed.

        Raises:
            ArtifactMissing: it is not here.
            ArtifactCorrupt: the file is not what it was.  It stays where it is: damaged
                as it is, it may still be somebody's last hope.
            DiskTrouble: the disk cannot be read.
        """
        return await off_loop(lambda: self._open(digest))

    def _open(self, digest: Digest) -> bytes:
        with named_trouble(f"cannot read the backup {digest}"):
            try:
                data = read_bounded(self._path(digest), self._limits.bytes)
            except FileNotFoundError as error:
                raise ArtifactMissing(f"there is no backup {digest}", remedy="Add a baseline.") from error
        if data is None or Digest.sha256(data) != digest:
            remedy = "Add a baseline for the node: its backup cannot be used."
            raise ArtifactCorrupt(f"the backup {digest} has other contents now", remedy=remedy)
        return data

    async def remove(self, digest: Digest) -> None:
        """Forget a backup."""
        async with self._one_at_a_time:
            await off_loop(lambda: self._path(digest).unlink(missing_ok=True))

    def _path(self, digest: Digest) -> Path:
        return self._folder / digest.value.hex()
