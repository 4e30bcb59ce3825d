"""Take an export in: first all of it beside the state, verified; then in one step in its place.

What is unpacked lies in a folder of its own until it is complete, checked and on the
disk.  Giving that folder its final name is the step: whoever is killed before has
changed nothing, and whoever is killed after has the rest done by the next start
(:func:`settle`), which can be done any number of times.
"""

import hashlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gateway.artifacts.files import make_folder, named_trouble, off_loop, sync_folder, write_all
from gateway.clock import now
from gateway.journal import Database, Journal
from gateway.journal.database import newest_shape
from gateway.journal.errors import JournalError, JournalTooNew
from gateway.lock import only_one
from gateway.state import networks
from gateway.state.contents import JOURNAL, Contents, Member, read
from gateway.state.errors import ExportDamaged, ExportTooNew, NoExport, StateError, StateThere
from gateway.state.keys import Opener
from gateway.state.sealing import plaintext
from transports.errors import TenderError

READY = "import.ready"
"""A complete import that waits to be moved to its place; see :func:`settle`."""
REPLACED = "replaced"
"""What was in the place of the last import, for whoever did not mean it."""
_STAGING = "import-"
_BESIDE = ("", "-wal", "-shm", "-journal")
"""The files of a journal: what SQLite keeps beside it belongs to it (https://sqlite.org/tempfiles.html)."""


class OtherGateway(StateError):
    """The export is of a gateway of another name than the one in the configuration."""

    code = "export-of-other-gateway"
    remedy = "Give this gateway that name (`gateway.name`), or add --from-other-gateway."


@dataclass(frozen=True, slots=True)
class Imported:
    """What was taken in."""

    contents: Contents
    epoch: int
    lacking: tuple[str, ...]
    """Digests that nodes need and that are not here."""


async def look_into(file: Path, opener: Opener) -> Contents:
    """Verify all of an export and tell what is in it; nothing is written.

    Raises:
        NoExport, ExportTooNew, ExportLocked, ExportTruncated, ExportDamaged, BadSealKey.
    """

    def check() -> Contents:
        def take(_: Contents, member: Member, blocks: Iterable[bytes]) -> None:
            _checked(member, blocks, lambda block: None)

        with _opened(file) as source:
            return read(plaintext(source, opener), take)

    return await off_loop(check)


async def import_state(
    file: Path,
    opener: Opener,
    state: Path,
    gateway: str,
    *,
    replace: bool = False,
    other_gateway: bool = False,
    ask_all: bool = True,
    step: Callable[[str], None] = lambda _: None,
) -> Imported:
    """Put an export in the place of the state folder's contents.

    ``ask_all`` has every node asked what it runs, also where that restarts its application.
    ``step`` is told of each step that lasts, before it is made: a test ends the process there.

    Raises:
        StateInUse: a service works there.
        StateThere: there is a journal, and ``replace`` was not said.
        OtherGateway, NoExport, ExportTooNew, ExportLocked, ExportTruncated, ExportDamaged, BadSealKey:
            nothing was changed.
        DiskFull, DiskTrouble: nothing was changed.
    """
    make_folder(state, 0o750)
    with only_one(state):
        await off_loop(lambda: settle(state, step))
        if (state / JOURNAL).exists() and not replace:
            raise StateThere(f"{state} has a journal")
        _clear(state)
        with named_trouble(f"cannot write in {state}"):
            staging = Path(tempfile.mkdtemp(dir=state, prefix=_STAGING))
        try:
            step("unpack")
            contents = await off_loop(lambda: _unpack(file, opener, staging))
            if contents.gateway != gateway and not other_gateway:
                raise OtherGateway(f"it is of {contents.gateway!r}, and this gateway is {gateway!r}")
            imported = await _check(staging, contents, gateway, ask_all=ask_all)
            step("sync")
            await off_loop(lambda: _sync(staging))
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
        await off_loop(lambda: _commit(staging, state, step))
        await off_loop(lambda: settle(state, step))
    return imported


def _commit(staging: Path, state: Path, step: Callable[[str], None]) -> None:
    with named_trouble(f"cannot write in {state}"):
        step("commit")
        staging.rename(state / READY)
        sync_folder(state)


def settle(state: Path, step: Callable[[str], None] = lambda _: None) -> None:
    """Move a complete import to its place, if one waits; for every start, with the folder's lock held.

    Each file is moved once and the journal last, so that it does not matter how often
    this was begun.

    Raises:
        DiskFull, DiskTrouble: it can be gone on with.
    """
    ready = state / READY
    aside = ready / REPLACED
    if not ready.exists():
        return
    with named_trouble(f"cannot take in the import in {state}"):
        if (ready / JOURNAL).exists():
            step("put aside")
            _put_aside(state, aside)
            for source, target in (
                (ready / "store", state / "store" / "sha256"),
                (ready / "backups", state / "backups"),
                (ready / "releases", state / "releases"),
            ):
                step(f"move {source.name}")
                _move_all(source, target, by_prefix=source.name == "store")
            networks.settle(ready, state, aside, step)
            if (ready / "config.json").exists():
                (ready / "config.json").replace(state / "imported-config.json")
            step("move journal")
            (ready / JOURNAL).replace(state / JOURNAL)
            sync_folder(state)
        step("clean")
        if aside.exists():
            shutil.rmtree(state / REPLACED, ignore_errors=True)
            aside.replace(state / REPLACED)
        shutil.rmtree(ready)
        sync_folder(state)


def _put_aside(state: Path, aside: Path) -> None:
    """What is there now; its journal last, so that a later turn knows whether there was one."""
    if not (state / JOURNAL).exists():
        return
    make_folder(aside, 0o700)
    if (state / "releases").exists() and not (aside / "releases").exists():
        (state / "releases").rename(aside / "releases")
    for path in (state / f"journal.sqlite{end}" for end in reversed(_BESIDE)):
        if path.exists():
            path.replace(aside / path.name)
    sync_folder(aside)
    sync_folder(state)


def _move_all(source: Path, target: Path, *, by_prefix: bool) -> None:
    if not source.exists():
        return
    make_folder(target, 0o700 if target.name == "backups" else 0o755)
    for path in sorted(source.iterdir()):
        folder = target / path.name[:2] if by_prefix else target
        make_folder(folder)
        path.replace(folder / path.name)
        sync_folder(folder)


def _clear(state: Path) -> None:
    """Remove what imports that were killed have left unfinished."""
    for left in state.glob(f"{_STAGING}*"):
        shutil.rmtree(left, ignore_errors=True)


def _opened(file: Path) -> BinaryIO:
    try:
        return file.open("rb")
    except OSError as error:
        raise NoExport(f"{file}: {error.strerror}") from error


def _unpack(file: Path, opener: Opener, staging: Path) -> Contents:
    def take(contents: Contents, member: Member, blocks: Iterable[bytes]) -> None:
        if contents.shape > newest_shape():
            raise ExportTooNew(
                f"its journal has shape {contents.shape}; this Tender knows shapes up to {newest_shape()}"
            )
        path = staging / member.name
        with named_trouble(f"cannot unpack {member.name}"):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            mode = 0o444 if member.name.startswith("store/") else 0o600
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            try:
                _checked(member, blocks, lambda block: write_all(descriptor, block))
                os.fchmod(descriptor, 0o644 if member.name.startswith("releases/") else mode)
            finally:
                os.close(descriptor)

    with _opened(file) as source:
        return read(plaintext(source, opener), take)


def _checked(member: Member, blocks: Iterable[bytes], keep: Callable[[bytes], None]) -> None:
    """Consume a member's bytes, and see that they are what its manifest and its name say."""
    hasher = hashlib.sha256()
    for block in blocks:
        hasher.update(block)
        keep(block)
    named = member.name.partition("/")[2] if member.name.startswith(("store/", "backups/")) else None
    if hasher.hexdigest() != member.sha256 or named not in (None, member.sha256):
        raise ExportDamaged(f"{member.name} is not what its manifest says")


async def _check(staging: Path, contents: Contents, gateway: str, *, ask_all: bool) -> Imported:
    """Open the journal as a service would, see that all of it can be read, and begin a new epoch."""
    journal = Journal(Database(staging / JOURNAL), gateway, now)
    try:
        await journal.open()
        await journal.database.run(_sound)
        needed = {digest.value.hex(): str(digest) for digest in await journal.pinned()}
        await journal.open_attempts()
        await journal.seen()
        lacking = tuple(sorted(text for name, text in needed.items() if not _have(staging, name)))
        facts = {
            "made_ms": contents.made_ms,
            "made_synchronised": contents.made_synchronised,
            "tender": contents.tender,
            "gateway": contents.gateway,
            "artifacts": contents.artifacts,
            "nodes": contents.nodes,
            "known_goods": contents.known_goods,
            "open_attempts": contents.open_attempts,
            "lacking": len(lacking),
            "epoch_before": contents.epoch,
        }
        epoch = await journal.begin_anew("import", facts, costly=ask_all)
    except JournalTooNew as error:
        raise ExportTooNew(error.message) from error
    except JournalError as error:
        raise ExportDamaged(f"its journal cannot be used: {error.message}") from error
    except TenderError as error:
        raise ExportDamaged(f"its journal cannot be read: {error.message}") from error
    finally:
        await journal.close()
    return Imported(contents, epoch, lacking)


def _have(staging: Path, name: str) -> bool:
    return (staging / "store" / name).exists() or (staging / "backups" / name).exists()


def _sound(connection: sqlite3.Connection) -> None:
    (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        raise JournalError(str(verdict))
    if connection.execute("PRAGMA foreign_key_check").fetchone() is not None:
        raise JournalError("a row refers to one that is not there")


def _sync(folder: Path) -> None:
    """Everything down to the disk."""
    with named_trouble("cannot finish unpacking"):
        for path in [*folder.rglob("*"), folder]:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
