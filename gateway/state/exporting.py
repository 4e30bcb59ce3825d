"""Make an export: a copy of the journal, trimmed, with what its nodes would need, sealed.

The journal's tables are nobody's business here: the copy is the file as SQLite's
backup gives it, so what any part of Tender keeps there comes along.  Only the two
kinds of rows that grow for ever and that nothing depends on are cut to a bound.
"""

import hashlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flashers.api import Digest
from gateway.artifacts.files import BLOCK, make_folder, named_trouble, off_loop
from gateway.clock import now
from gateway.journal import Database, Journal
from gateway.journal.database import copy_closed, pack
from gateway.lock import only_one
from gateway.releases import strict_json
from gateway.releases.dsse import Envelope
from gateway.releases.manifest import read_manifest
from gateway.state import networks
from gateway.state.contents import CONFIG, JOURNAL, Artifacts, Contents, Member, write
from gateway.state.errors import NoState
from gateway.state.keys import Seal
from gateway.state.sealing import Header, Sealer
from transports.errors import TenderError

if TYPE_CHECKING:
    from gateway.config.model import Config

KEPT_ENDED = 2_000
"""Ended attempts that go along, beside the last :data:`KEPT_OF_NODE` of each node and all that are open."""
KEPT_OF_NODE = 20
_WORK = "export-"

Snapshot = Callable[[Path], Awaitable[None]]
"""Copies the journal, consistently, to a new file."""


@dataclass(frozen=True, slots=True)
class Exported:
    """An export that was made."""

    path: Path
    size: int
    contents: Contents


async def export_running(
    journal: Journal, state: Path, target: Path, seal: Seal, what: Artifacts, config: Mapping[str, Any]
) -> Exported:
    """Export while the service works; the journal's own thread makes the copy.

    Raises:
        DiskFull, DiskTrouble, JournalError: ``target`` is not there.
    """
    return await _export(journal.database.snapshot, state, target, seal, what, config, journal.gateway)


async def export_stopped(
    gateway: str, state: Path, target: Path, seal: Seal, what: Artifacts, config: Mapping[str, Any]
) -> Exported:
    """Export from the files of a service that does not run.

    Raises:
        NoState: there is no journal.
        StateInUse: a service works there.
        DiskFull, DiskTrouble, JournalError: ``target`` is not there.
    """
    source = state / "journal.sqlite"
    if not source.exists():
        raise NoState(f"there is no journal in {state}")

    async def snapshot(path: Path) -> None:
        await off_loop(lambda: copy_closed(source, path))

    with only_one(state):
        return await _export(snapshot, state, target, seal, what, config, gateway)


async def _export(
    snapshot: Snapshot,
    state: Path,
    target: Path,
    seal: Seal,
    what: Artifacts,
    config: Mapping[str, Any],
    gateway: str,
) -> Exported:
    with work_folder(state) as work:
        await snapshot(work / JOURNAL)
        facts = await _look_into(work / JOURNAL, gateway)
        return await off_loop(lambda: _seal(work, state, target, seal, what, config, gateway, facts))


@contextmanager
def work_folder(state: Path) -> Iterator[Path]:
    """A folder beside the state for one export; gone afterwards, or at the next start."""
    with named_trouble(f"cannot write in {state}"):
        folder = Path(tempfile.mkdtemp(dir=state, prefix=_WORK))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def config_for_reference(config: "Config") -> dict[str, object]:
    """Every value of a configuration but its secrets: for whoever has to write it anew."""
    from gateway.config.load import Loaded
    from gateway.config.show import values

    return {each.key: each.value for each in values(Loaded(config, {}))}


def clear_work(state: Path) -> None:
    """Remove what exports that were killed have left; for a start, before any is made."""
    for left in state.glob(f"{_WORK}*"):
        shutil.rmtree(left, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class _Facts:
    epoch: int
    shape: int
    pinned: frozenset[Digest]
    nodes: int
    known_goods: int
    open_attempts: int


async def _look_into(copy: Path, gateway: str) -> _Facts:
    """Trim the copy, and see what its nodes need."""
    journal = Journal(Database(copy), gateway, now)
    await journal.open()
    try:
        shape = await journal.database.run(_trim)
        known = await journal.all_known_goods()
        return _Facts(
            epoch=journal.epoch,
            shape=shape,
            pinned=frozenset(await journal.pinned()),
            nodes=len(await journal.database.run(_nodes)),
            known_goods=sum(len(targets) for targets in known.values()),
            open_attempts=len(await journal.open_attempts()),
        )
    finally:
        await journal.close()


def _nodes(connection: sqlite3.Connection) -> list[Any]:
    return connection.execute("SELECT name FROM nodes").fetchall()


def _trim(connection: sqlite3.Connection) -> int:
    """Leave out what grows for ever; the answer is the journal's shape."""
    connection.execute("DELETE FROM traces")
    connection.execute(
        "DELETE FROM events WHERE NOT unsent AND sequence < (SELECT max(sequence) FROM events)"
    )
    connection.execute(
        """DELETE FROM attempts WHERE NOT open
        AND id <= (SELECT max(id) FROM attempts) - ?
        AND (deployment IS NULL OR deployment NOT IN (SELECT id FROM deployments WHERE open))
        AND (SELECT count(*) FROM attempts AS later
             WHERE later.node = attempts.node AND later.id > attempts.id) >= ?""",
        (KEPT_ENDED, KEPT_OF_NODE),
    )
    (shape,) = connection.execute("PRAGMA user_version").fetchone()
    return int(shape)


def _seal(
    work: Path,
    state: Path,
    target: Path,
    seal: Seal,
    what: Artifacts,
    config: Mapping[str, Any],
    gateway: str,
    facts: _Facts,
) -> Exported:
    with named_trouble(f"cannot export {state}"):
        pack(work / JOURNAL)
        (work / CONFIG).write_bytes(strict_json.dumps(dict(config)))
        found = dict(_members(work, state, what, facts.pinned))
        lacking = sorted(str(digest) for digest in facts.pinned if not _there(digest, found))
        made = now()
        contents = Contents(
            gateway=gateway,
            tender=version("fleet-tender"),
            made_ms=made.unix_ms,
            made_synchronised=made.synchronised,
            epoch=facts.epoch,
            shape=facts.shape,
            artifacts=what,
            nodes=facts.nodes,
            known_goods=facts.known_goods,
            open_attempts=facts.open_attempts,
            members=tuple(_member(name, path) for name, path in found.items()),
            lacking=tuple(lacking),
        )
    header = Header(seal=seal.table, gateway=gateway, tender=contents.tender, made_ms=made.unix_ms)
    _write(target, contents, found, seal, header)
    return Exported(target, target.stat().st_size, contents)


def _write(target: Path, contents: Contents, found: Mapping[str, Path], seal: Seal, header: Header) -> None:
    """The file is whole under its name, or not there under it."""
    with named_trouble(f"cannot write {target}"):
        make_folder(target.parent)
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".tmp")
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                sealer = Sealer(file, seal, header)
                write(contents, lambda member: found[member], sealer)
                sealer.finish()
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
            folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _members(
    work: Path, state: Path, what: Artifacts, pinned: frozenset[Digest]
) -> Iterator[tuple[str, Path]]:
    yield JOURNAL, work / JOURNAL
    yield CONFIG, work / CONFIG
    for path in sorted((state / "releases").glob("*.dsse.json")):
        yield f"releases/{path.name}", path
    yield from networks.members(state, work)
    if what == "none":
        return
    wanted = {digest.value.hex() for digest in pinned} | _nowhere_else(state / "releases")
    for kind, paths in (
        ("store", (state / "store" / "sha256").glob("??/*")),
        ("backups", (state / "backups").glob("*")),
    ):
        for path in sorted(paths):
            if len(path.name) == 64 and (what == "all" or path.name in wanted):
                held = _held(path, work)
                if held is not None and _sound(held):
                    yield f"{kind}/{path.name}", held


def _nowhere_else(shelf: Path) -> set[str]:
    """Artifacts of releases that came as a file: they name no address where they could be had again."""
    found: set[str] = set()
    for path in shelf.glob("*.dsse.json"):
        with suppress(TenderError):  # what cannot be read is judged, and told, by whoever uses it
            manifest = read_manifest(Envelope.parse(path.read_bytes()).payload)
            found |= {each.digest.value.hex() for each in manifest.artifacts if not each.addresses()}
    return found


def _held(path: Path, work: Path) -> Path | None:
    """The file under a name of our own, which nobody removes to make room; None if it is gone already."""
    held = work / path.name
    try:
        if not held.exists():
            os.link(path, held)
    except FileNotFoundError:
        return None
    return held


def _there(digest: Digest, found: Mapping[str, Path]) -> bool:
    name = digest.value.hex()
    return f"store/{name}" in found or f"backups/{name}" in found


def _sound(path: Path) -> bool:
    """Whether an artifact is what its name says; another one is left out, and told as lacking."""
    return _sha256(path) == path.name


def _member(name: str, path: Path) -> Member:
    return Member(name=name, size=path.stat().st_size, sha256=_sha256(path))


def _sha256(path: Path) -> str:
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            hasher.update(block)
    return hasher.hexdigest()
