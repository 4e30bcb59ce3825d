"""A journal that is damaged: told from one that cannot be written, and kept aside for whoever can mend it."""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path

_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_ENDS = ("", "-wal", "-shm", "-journal")
"""The files that a database consists of: https://sqlite.org/tempfiles.html."""
_KEPT = 3
"""Damaged journals that are kept, newest first: a failing card must not be filled with them."""


def is_damage(error: sqlite3.Error) -> bool:
    """Whether this says that the file's content is wrong, and not that the disk is full or away."""
    # The low byte is the primary code: https://sqlite.org/rescode.html.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE


def check(connection: sqlite3.Connection) -> None:
    """Walk through the whole file.  Raises sqlite3.DatabaseError where something is wrong with it."""
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        error = sqlite3.DatabaseError(found)
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


def set_aside(path: Path, epoch: int) -> Path:
    """Rename the journal's files; the name that its main one has now.  Raises OSError."""
    kept = path.with_name(f"{path.name}.damaged-{epoch}")
    for end in reversed(_ENDS):
        with suppress(FileNotFoundError):
            Path(f"{path}{end}").rename(f"{kept}{end}")
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    older = sorted(path.parent.glob(f"{path.name}.damaged-*[0-9]"), key=lambda each: each.stat().st_mtime)
    for each in older[:-_KEPT]:
        for end in _ENDS:
            Path(f"{each}{end}").unlink(missing_ok=True)
    return kept


def last_epoch(path: Path) -> int:
    """The largest epoch that was begun here, by the journal or by the note beside it; 0 if neither says."""
    try:
        noted = int(_note(path).read_text())
    except (OSError, ValueError):
        noted = 0
    return max(noted, epoch_of(path))


def note_epoch(path: Path, epoch: int) -> None:
    """Keep it outside of the journal as well: events must be told apart also after that is gone.

    A disk without room keeps the older note; the journal has it all the same.
    """
    note = _note(path)
    with suppress(OSError, ValueError):
        if note.exists() and int(note.read_text()) >= epoch:
            return
    with suppress(OSError):
        fresh = note.with_suffix(".new")
        with fresh.open("w") as file:
            file.write(f"{epoch}\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(note)


def _note(path: Path) -> Path:
    return path.with_name("epoch")


def epoch_of(path: Path) -> int:
    """The epoch of a damaged journal, 0 if that cannot be read any more."""
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)
        try:
            row = connection.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
            return int(row[0]) if row is not None else 0
        finally:
            connection.close()
    except (sqlite3.Error, ValueError):
        return 0
