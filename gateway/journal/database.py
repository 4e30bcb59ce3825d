"""SQLite, opened so that what was acknowledged survives a power cut.

WAL, synced at every commit: in a replay of every traced write, torn ones included,
no acknowledged commit is lost (see ``tests/gateway/journal``).  All work runs on one
thread of its own, one transaction after another, so that a slow card never stops
the loop and there is no lock to wait for.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import TypeVar

from gateway.journal import damage
from gateway.journal.errors import (
    JournalDamaged,
    JournalDiskError,
    JournalError,
    JournalFull,
    JournalLost,
    JournalReadOnly,
    JournalTooNew,
)

T = TypeVar("T")

APPLICATION_ID = 0x54_4E_44_52
"""``TNDR`` in the file's header, so that `file` and we can tell it from other databases."""


class Database:
    """One journal file; ``threaded=False`` runs in the caller's thread, for virtual time."""

    def __init__(self, path: Path | str, *, threaded: bool = True) -> None:
        self.path = path
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="journal") if threaded else None
        self._connection: sqlite3.Connection | None = None
        self.trouble: JournalFull | None = None
        """Why the last transaction was not written; None once one was."""
        self.troubled: Callable[[], None] = lambda: None
        """Called in the loop whenever one was not written."""
        self.begin_anew: Callable[[str], sqlite3.Connection] | None = None
        """Called in the journal's thread when the file is damaged, with what is wrong; gives the new one."""
        self.renewed: Callable[[], None] = lambda: None
        """Called in the loop after that."""
        self._damage = ""

    async def open(self) -> None:
        """Open or create the file and bring it to the newest shape.

        Raises:
            JournalTooNew: a newer Tender wrote it; nothing was changed.
            JournalError: it is damaged, or is no journal.
        """
        await self._submit(self._open)

    async def run(
        self, work: Callable[[sqlite3.Connection], T], *, committed: Callable[[T], None] | None = None
    ) -> T:
        """Do ``work`` in one transaction; when this returns it is on the disk.

        ``committed`` is called in the loop with what it gave, also if the caller was
        cancelled meanwhile.

        Raises:
            JournalFull: there is no room; nothing of the work was written.
            JournalError: the file is damaged.
        """
        try:
            return await self._submit(lambda: self._mended(work), committed)
        except JournalLost:
            self.renewed()
            raise

    async def snapshot(self, target: Path) -> None:
        """Copy the file as it is at one moment to a new one, between two transactions.

        Raises:
            JournalFull, JournalError: there is no copy, or half of one.
        """
        await self._submit(lambda: self._snapshot(target))

    async def check(self) -> None:
        """Look through the whole file.  Raises JournalDamaged."""
        await self.run(damage.check)

    async def renew(self, message: str) -> None:
        """Begin anew with what ``begin_anew`` gives.  Raises JournalError, OSError."""
        await self._submit(lambda: self._begin_anew(message))

    async def turn(self) -> None:
        """Return when all that was asked before is done: a sign of life of the journal's thread."""
        await self._submit(lambda: None)

    async def close(self) -> None:
        """Close, after all that was asked before; allowed more than once."""
        if self._connection is not None:
            await self._submit(self._close)
        if self._worker is not None:
            self._worker.shutdown(wait=True)

    async def _submit(self, work: Callable[[], T], done: Callable[[T], None] | None = None) -> T:
        try:
            if self._worker is None:
                result = work()
                if done is not None:
                    done(result)
                return result
            # A caller that is cancelled leaves the transaction to its end: half of it is never seen.
            job = asyncio.get_running_loop().run_in_executor(self._worker, work)
            if done is not None:
                job.add_done_callback(lambda ended: _tell(ended, done))
            return await asyncio.shield(job)
        except sqlite3.DatabaseError as error:
            named = _named(error)
            if isinstance(named, JournalFull):
                self.trouble = named
                self.troubled()
            raise named from error

    def _open(self) -> None:
        version = _checked_version(self.path)
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        try:
            # EXTRA is FULL, and syncs the folder after a rollback journal is removed: the one that
            # turning to WAL needs could come back after a power cut, and be rolled into newer pages.
            connection.execute("PRAGMA synchronous = EXTRA")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA foreign_keys = ON")
            _migrate(connection, version)
        except BaseException:
            connection.close()
            raise
        self._connection = connection

    def connect(self) -> sqlite3.Connection:
        """Open or create the file, in the journal's thread."""
        self._open()
        if self._connection is None:
            raise JournalError("the journal is closed")
        return self._connection

    def _mended(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The work; where the file turns out to be damaged, another takes its place."""
        if self._damage:
            self._begin_anew(self._damage)  # there was no room for it before
        try:
            return self._in_transaction(work)
        except sqlite3.DatabaseError as error:
            if self.begin_anew is None or not damage.is_damage(error):
                raise
            self._begin_anew(str(error))
            raise JournalLost(f"the journal was damaged ({error}) and has been begun anew") from error

    def _begin_anew(self, message: str) -> None:
        if self.begin_anew is None:
            raise JournalDamaged(f"the journal is damaged: {message}")
        self._damage = message
        self._close()
        try:
            self.begin_anew(message)
        except OSError as error:
            self._close()
            raise JournalFull(f"the damaged journal cannot be kept aside: {error}") from error
        except BaseException:
            self._close()
            raise
        self._damage = ""

    def _snapshot(self, target: Path) -> None:
        if self._connection is None:
            raise JournalError("the journal is closed")
        _copy(self._connection, target)

    def _close(self) -> None:
        # In the worker's turn: what a cancelled caller left behind is still done before.
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _in_transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._connection
        if connection is None:
            raise JournalError("the journal is closed")
        connection.execute("BEGIN IMMEDIATE")
        changes = connection.total_changes
        try:
            result = work(connection)
            wrote = connection.total_changes != changes
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        if wrote:
            self.trouble = None
        return result


def copy_closed(source: Path, target: Path) -> None:
    """Copy a journal that nobody has open; it stays in its shape.

    Raises:
        JournalTooNew: a newer Tender wrote it.
        JournalError: it is damaged, or is no journal.
    """
    _checked_version(source)
    try:
        connection = sqlite3.connect(source, isolation_level=None)
        try:
            _copy(connection, target)
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        raise _named(error) from error


def pack(copy: Path) -> None:
    """Make a copy that nobody has open smaller, and one file, without those that SQLite keeps beside it.

    Raises:
        JournalFull, JournalError: it cannot be done.
    """
    try:
        connection = sqlite3.connect(copy, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("VACUUM")
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        raise _named(error) from error


def newest_shape() -> int:
    """The number of the newest step that this Tender knows."""
    return migrations()[-1][0]


def _copy(connection: sqlite3.Connection, target: Path) -> None:
    copy = sqlite3.connect(target, isolation_level=None)
    try:
        copy.execute("PRAGMA synchronous = OFF")  # whoever wants it to last syncs what is made of it
        connection.backup(copy)  # all at once: nothing is written between two of its pages
    finally:
        copy.close()


def _tell(job: "asyncio.Future[T]", done: Callable[[T], None]) -> None:
    if not job.cancelled() and job.exception() is None:
        done(job.result())


def migrations() -> list[tuple[int, str]]:
    """Every numbered step as (number, SQL), in order."""
    folder = resources.files("gateway.journal.migrations")
    files = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [(int(name[:4]), (folder / name).read_text()) for name in files]


def _checked_version(path: Path | str) -> int:
    """The shape of the file, 0 for a new one; only read, so that what is refused stays as it is."""
    if path == ":memory:" or not Path(path).exists() or not Path(path).stat().st_size:
        return 0
    address = Path(path).absolute().as_uri()
    at_rest = not any(Path(f"{path}{end}").exists() for end in ("-wal", "-journal"))
    try:
        # Read as it lies there, not even the files are made that a reader would share with a writer.
        version, application, tables = _header(f"{address}?{'immutable=1' if at_rest else 'mode=ro'}")
    except sqlite3.OperationalError:
        # A power cut in the middle of turning to WAL: only a writer may roll that back.
        version, application, tables = _header(address)
    newest = migrations()[-1][0]
    if tables and application != APPLICATION_ID:
        raise JournalError(f"{path} is a database of something else")
    if version > newest:
        raise JournalTooNew(f"{path} has shape {version}, and this Tender knows shapes up to {newest}")
    return version


def _header(address: str) -> tuple[int, int, int]:
    """Shape, kind and number of tables."""
    connection = sqlite3.connect(address, uri=True)
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    finally:
        connection.close()
    return version, application, tables


def _migrate(connection: sqlite3.Connection, version: int) -> None:
    for number, sql in migrations():
        if number > version:
            connection.executescript(
                f"BEGIN IMMEDIATE; {sql}; PRAGMA user_version = {number};"
                f"PRAGMA application_id = {APPLICATION_ID}; COMMIT;"
            )


def _named(error: sqlite3.DatabaseError) -> Exception:
    text = str(error)
    if damage.is_damage(error):
        return JournalDamaged(f"the journal is damaged: {text}")
    if "readonly" in text:
        return JournalReadOnly(f"the journal could not be written: {text}")
    if "disk I/O" in text:
        return JournalDiskError(f"the journal could not be written: {text}")
    if "full" in text or "locked" in text:
        return JournalFull(f"the journal could not be written: {text}")
    if "unable to open" in text:
        return JournalError(f"the journal cannot be opened: {text}", remedy="Check the state folder's owner.")
    if isinstance(error, sqlite3.OperationalError | sqlite3.IntegrityError | sqlite3.ProgrammingError):
        return JournalError(f"the journal refused a statement: {text}")
    return JournalError(f"the journal is damaged: {text}")
