"""Where verified bytes live: by their digest, whole or not at all, and checked at every use.

Folders below the store's root::

    sha256/ab/abcd…   the artifacts, read-only files named by their digest
    incoming/         files being written; emptied at each start
    partial/          downloads that can be resumed
    quarantine/       the last few files that were not what their name says

The books belong to the event loop; reading, writing and hashing go to a thread.
One process uses a store at a time.
"""

import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from pathlib import Path
from threading import Event

from flashers.api.data import Digest
from gateway.artifacts.errors import ArtifactCorrupt, ArtifactMismatch, ArtifactMissing
from gateway.artifacts.files import make_folder, named_trouble, off_loop, publish, read_bounded, write_whole
from gateway.artifacts.index import Index, Stored
from gateway.artifacts.partial import clean_partials
from gateway.artifacts.room import Room, Usage, Victim
from gateway.artifacts.upload import Upload

MAX_QUARANTINED = 4
"""Files set aside for whoever looks into it; older ones are removed."""

DEFAULT_KEEP_FREE = 32 << 20
"""Bytes of the disk that are left to the journal and the log."""


class ArtifactStore:
    """Artifacts by digest; made by :meth:`open`."""

    def __init__(
        self, root: Path, *, cap: int, pinned: Callable[[], Iterable[Digest]], keep_free: int
    ) -> None:
        self.root = root
        self.partials = root / "partial"
        self._incoming = root / "incoming"
        self._quarantined = root / "quarantine"
        self.room = Room(root, cap=cap, keep_free=keep_free, pinned=pinned, remove=self._remove)

    @classmethod
    async def open(
        cls,
        root: Path,
        *,
        cap: int,
        pinned: Callable[[], Iterable[Digest]] = frozenset,
        keep_free: int = DEFAULT_KEEP_FREE,
    ) -> "ArtifactStore":
        """Open the store below ``root``; ``cap`` and ``keep_free`` are bytes.

        What a crash left half-written is removed; downloads that can be resumed are
        kept.  ``pinned`` is asked at every eviction, on the event loop: it gives the
        digests that open attempts, known-goods and baselines need, and must not block.

        Raises:
            DiskFull, DiskTrouble: the folder cannot be used.
        """
        store = cls(root, cap=cap, pinned=pinned, keep_free=keep_free)
        store.room.index, store.room.resumable = await off_loop(store._scan)
        return store

    def _scan(self) -> tuple[Index, dict[str, int]]:
        with named_trouble(f"cannot use {self.root}"):
            for folder in (self.root / "sha256", self._incoming, self.partials, self._quarantined):
                make_folder(folder)
            for left in self._incoming.iterdir():
                left.unlink(missing_ok=True)
            return Index(_found(self.root / "sha256")), clean_partials(self.partials)

    def has(self, digest: Digest) -> bool:
        """Whether the bytes are here; they are verified when they are opened."""
        return self.room.index.get(digest) is not None

    def size(self, digest: Digest) -> int | None:
        """Bytes of a stored artifact, or None."""
        entry = self.room.index.get(digest)
        return entry.size if entry else None

    def usage(self) -> Usage:
        """How full the store is."""
        return self.room.usage()

    def hold(self, *digests: Digest) -> AbstractContextManager[None]:
        """Keep these from being evicted until whoever needs them has pinned them."""
        return self.room.hold(digests)

    def trim(self) -> None:
        """Come down to the cap as far as pins allow: for a start with a smaller cap, once pins are known."""
        self.room.trim()

    async def open_verified(self, digest: Digest) -> bytes:
        """The artifact's bytes: those that are returned are those that were hashed.

        Raises:
            ArtifactMissing: it is not here.
            ArtifactCorrupt: the file is not what it was; it is set aside, and gone from the store.
            DiskTrouble: the disk cannot be read.
        """
        entry = self.room.index.get(digest)
        if entry is None:
            raise ArtifactMissing(f"{digest} is not in the store")
        try:
            return await off_loop(lambda: self._read(entry))
        finally:
            self.note(digest)

    def _read(self, entry: Stored) -> bytes:
        path = self.path_of(entry.digest)
        with named_trouble(f"cannot read {entry.digest}"):
            try:
                inode = path.stat().st_ino
                data = read_bounded(path, entry.size)
            except FileNotFoundError as error:
                raise ArtifactMissing(f"the file of {entry.digest} is gone") from error
            if data is not None and Digest.sha256(data) == entry.digest:
                return data
            self._set_aside(path, inode)
        raise ArtifactCorrupt(f"the file of {entry.digest} has other contents now; it was set aside")

    def _set_aside(self, path: Path, inode: int) -> None:
        with suppress(FileNotFoundError):
            if path.stat().st_ino == inode:  # else a fresh copy has taken its place meanwhile
                path.replace(self._quarantined / path.name)
        aside = sorted(self._quarantined.iterdir(), key=lambda one: one.stat().st_ctime_ns)
        for old in aside[:-MAX_QUARANTINED]:
            old.unlink(missing_ok=True)

    async def put(self, chunks: Iterable[bytes], digest: Digest, size: int) -> None:
        """Store bytes whose digest and size were announced; ``chunks`` is consumed in a thread.

        Nothing is read where the store has them already.

        Raises:
            ArtifactMismatch: they are other bytes; nothing was stored.
            StoreFull, DiskFull, DiskTrouble: nothing was stored.
        """
        path = self.path_of(digest)
        if self.has(digest):
            self.note(digest)
            return
        stop = Event()

        def write() -> None:
            temporary, found, length = write_whole(
                self._incoming, _until(stop, chunks), mode=0o444, limit=size
            )
            try:
                if not stop.is_set():
                    if found != digest or length != size:
                        raise ArtifactMismatch(f"{length} bytes of {found} came, not {size} of {digest}")
                    publish(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)

        with self.room.reserving(size):
            try:
                await off_loop(write, stop)
            finally:
                self.note(digest)

    async def put_bytes(self, data: bytes) -> Digest:
        """Store bytes that the operator vouches for, and tell their digest."""
        digest = Digest.sha256(data)
        await self.put([data], digest, len(data))
        return digest

    async def put_file(self, path: Path, *, limit: int) -> tuple[Digest, int]:
        """Store a file's bytes (at most ``limit``), and tell their digest and size.

        Raises:
            ArtifactMismatch: the file is larger.
            DiskTrouble: it cannot be read.
        """

        def read() -> bytes | None:
            with named_trouble(f"cannot read {path}"):
                return read_bounded(path, limit)

        data = await off_loop(read)
        if data is None:
            raise ArtifactMismatch(f"{path.name} has more than {limit} bytes")
        return await self.put_bytes(data), len(data)

    @asynccontextmanager
    async def upload(self, *, limit: int) -> AsyncIterator[Upload]:
        """A file of at most ``limit`` bytes to receive into, for a release that somebody hands over."""
        upload = Upload(self._incoming, self.room, limit)
        try:
            yield upload
        finally:
            upload.discard()

    def path_of(self, digest: Digest) -> Path:
        """Where an artifact lies or would lie; what is read there is not verified.

        Raises:
            ArtifactMismatch: the store does not keep by this algorithm.
        """
        if digest.algorithm != "sha256" or len(digest.value) != 32:
            raise ArtifactMismatch(f"the store keeps artifacts by SHA-256, not by {digest.algorithm}")
        name = digest.value.hex()
        return self.root / "sha256" / name[:2] / name

    def note(self, digest: Digest) -> None:
        """Let the books say what the disk says, and that it was just used."""
        path, used = self.path_of(digest), self.room.index.next_use()
        try:
            size = path.stat().st_size
        except OSError:
            self.room.index.drop(digest)
            return
        self.room.index.add(digest, size, used)
        with suppress(OSError):  # a read-only disk still lends what it has
            os.utime(path, ns=(used, used))

    def _remove(self, victim: Victim) -> None:
        with named_trouble(f"cannot remove {victim}"):
            if isinstance(victim, Digest):
                self.path_of(victim).unlink(missing_ok=True)
            else:
                (self.partials / f"{victim}.json").unlink(missing_ok=True)
                (self.partials / f"{victim}.part").unlink(missing_ok=True)


def _found(folder: Path) -> Iterator[Stored]:
    for path in folder.glob("??/*"):
        try:
            digest = Digest.parse(f"sha256:{path.name}")
        except ValueError:
            continue
        if len(digest.value) == 32 and path.parent.name == path.name[:2] and not path.is_symlink():
            seen = path.stat()
            yield Stored(digest, seen.st_size, seen.st_mtime_ns)


def _until(stop: Event, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks, until nobody waits for them any more."""
    for chunk in chunks:
        if stop.is_set():
            return
        yield chunk
