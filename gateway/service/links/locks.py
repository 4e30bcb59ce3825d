"""Lock files, as programs that share ports have made them since UUCP, and files to ``flock``.

A lock file outlives a process that is killed.  Ours is known by its process id, its
inode and its time, all in the journal before it gets its name; only that very file is
removed after a crash, and never one that a living process has made.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from gateway.model.links import LockMark
from gateway.service.links.errors import LinkLocked, LockTrouble
from transports.uart.holders import is_alive

_PID_FORMAT = "{:10d}\n"
"""FHS 3.0, section 5.9: the process id as ten characters, and a newline."""


def prepare_lock_file(folder: Path, port: Path) -> LockMark:
    """Write the file beside its place, so that it can be journalled before it counts.

    Raises:
        LockTrouble: it cannot be written.
    """
    final = folder / f"LCK..{port.resolve().name}"
    beside = _beside(final)
    try:
        beside.unlink(missing_ok=True)
        beside.write_text(_PID_FORMAT.format(os.getpid()))
        beside.chmod(0o644)
        info = beside.stat()
    except OSError as error:
        raise LockTrouble(f"{beside} cannot be written: {error.strerror}") from error
    return LockMark(str(final), os.getpid(), info.st_ino, info.st_mtime_ns)


def take_lock_file(mark: LockMark) -> None:
    """Give the prepared file its name; a lock of a process that is dead is removed.

    Raises:
        LinkLocked: a living process has the lock.
        LockTrouble: it cannot be made.
    """
    final = Path(mark.path)
    try:
        while True:
            try:
                # Atomic, and fails if there is one: link(2).
                os.link(_beside(final), final)
                break
            except FileExistsError:
                holder = _pid_in(final)
                if holder is not None and holder != os.getpid() and is_alive(holder):
                    raise LinkLocked(f"{final} is of process {holder}") from None
                final.unlink(missing_ok=True)
        _beside(final).unlink(missing_ok=True)
    except OSError as error:
        raise LockTrouble(f"{final} cannot be made: {error.strerror}") from error


def drop_lock_file(mark: LockMark) -> None:
    """Remove our own lock file; anybody else's stays.

    Raises:
        LockTrouble: it cannot be removed.
    """
    final = Path(mark.path)
    with suppress(OSError):
        _beside(final).unlink(missing_ok=True)
    try:
        info = final.stat()
        same = (info.st_ino, info.st_mtime_ns) == (mark.inode, mark.mtime_ns)
        if same and _pid_in(final) == mark.pid:
            final.unlink(missing_ok=True)
    except FileNotFoundError:
        return
    except OSError as error:
        raise LockTrouble(f"{final} cannot be removed: {error.strerror}") from error


def take_flock(file: Path) -> int:
    """The descriptor of the locked file; the kernel unlocks it when we die.

    Raises:
        LinkLocked: somebody else has it locked.
        LockTrouble: it cannot be opened.
    """
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise LockTrouble(f"{file} cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise LinkLocked(f"another process has {file} locked") from error
    return descriptor


def _beside(final: Path) -> Path:
    return final.with_name(f"TMP..{final.name.removeprefix('LCK..')}.tender")


def _pid_in(file: Path) -> int | None:
    try:
        words = file.read_text(errors="replace").split()
    except OSError:
        return None
    return int(words[0]) if words and words[0].isdigit() else None
