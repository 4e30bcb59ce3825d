"""Files that are either whole or not there, whatever ends the process or the power.

Everything here blocks; :func:`off_loop` takes it to a thread.
"""

import asyncio
import errno
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import TypeVar

from flashers.api.data import Digest
from gateway.artifacts.errors import ArtifactMismatch, DiskFull, DiskTrouble

T = TypeVar("T")

BLOCK = 256 << 10
"""Bytes read or written at a time."""

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def named_trouble(what: str) -> Iterator[None]:
    """Turn what the system says into one of our errors.

    Raises:
        DiskFull: no room, or over a quota or limit.
        DiskTrouble: anything else.
    """
    try:
        yield
    except OSError as error:
        kind = DiskFull if error.errno in _NO_ROOM else DiskTrouble
        raise kind(f"{what}: {error.strerror or error}") from error


async def off_loop(work: Callable[[], T], stop: Event | None = None) -> T:
    """Run blocking work in a thread, and never leave it behind.

    A thread cannot be cancelled.  If the caller is, ``stop`` is set for work that looks
    at it, and the caller still waits for the end: no file is written any more once its
    owner believes that it is not.
    """
    job = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(job)
    except asyncio.CancelledError:
        if stop is not None:
            stop.set()
        while not job.done():
            try:
                await asyncio.wait([job])
            except asyncio.CancelledError:
                continue
        if not job.cancelled():
            job.exception()
        raise


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path, mode: int = 0o755) -> None:
    """Make a folder, durably, unless it is there."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=mode, exist_ok=True)
    sync_folder(folder.parent)


def write_whole(folder: Path, chunks: Iterable[bytes], *, mode: int, limit: int) -> tuple[Path, Digest, int]:
    """Write chunks to a new temporary file in ``folder``, down to the disk.

    Returns:
        The file, its SHA-256 and its size; the caller publishes or removes it.

    Raises:
        ArtifactMismatch: more than ``limit`` bytes came; the file is gone.
        DiskFull, DiskTrouble: the file is gone.
    """
    with named_trouble(f"cannot write in {folder}"):
        descriptor, name = tempfile.mkstemp(dir=folder, suffix=".tmp")
    temporary, hasher, size = Path(name), hashlib.sha256(), 0
    try:
        with named_trouble(f"cannot write {temporary}"), os.fdopen(descriptor, "wb", buffering=0) as file:
            for chunk in chunks:
                size += len(chunk)
                if size > limit:
                    raise ArtifactMismatch(f"more than the {limit} bytes that were announced")
                write_all(file.fileno(), chunk)
                hasher.update(chunk)
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary, Digest("sha256", hasher.digest()), size


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte: a nearly full disk takes a part of them before it refuses."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def publish(temporary: Path, final: Path) -> None:
    """Give a finished file its name, durably; readers see it whole or not at all."""
    with named_trouble(f"cannot store {final.name}"):
        make_folder(final.parent)
        temporary.replace(final)
        sync_folder(final.parent)


def blocks_of(path: Path) -> Iterator[bytes]:
    """A file's bytes, a block at a time."""
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block


def read_bounded(path: Path, limit: int) -> bytes | None:
    """A file's bytes, or None if it has more than ``limit`` of them."""
    with path.open("rb") as file:
        data = file.read(limit + 1)
    return data if len(data) <= limit else None
