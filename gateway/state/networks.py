"""Zigbee networks in an export: without them every node would have to be joined again by hand.

Of each network go along zigpy's database, copied as SQLite's backup gives it while the service works,
and the newest backup of the coordinator.  A network is moved to its place as one folder.
"""

import logging
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from gateway.artifacts.files import make_folder, sync_folder

log = logging.getLogger("tender.state")

FOLDER, DATABASE, BACKUPS = "zigbee", "zigbee.db", "backups"
"""Where networks are kept in the state folder, and what each has there."""
MEMBERS = "networks"
NAMES = MEMBERS + r"/[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}/(zigbee\.db|backups/[0-9][A-Za-z0-9._-]{0,79}\.json)"
"""What such members are called; none of them leads out of its folder."""


def members(state: Path, work: Path) -> Iterator[tuple[str, Path]]:
    """The files of every network; copies are made in ``work``, and what cannot be read is left out."""
    for number, folder in enumerate(sorted((state / FOLDER).glob("*/"))):
        copy, within = work / f"network-{number}.db", f"{MEMBERS}/{folder.name}"
        if not re.fullmatch(NAMES, f"{within}/{DATABASE}"):
            continue
        if (folder / DATABASE).is_file() and _copied(folder / DATABASE, copy):
            yield f"{within}/{DATABASE}", copy
        for backup in sorted((folder / BACKUPS).glob("[0-9]*.json"))[-1:]:
            yield f"{within}/{BACKUPS}/{backup.name}", backup


def settle(ready: Path, state: Path, aside: Path, step: Callable[[str], None]) -> None:
    """Move the networks of an import to their places, each once; what is there goes aside."""
    source, target = ready / MEMBERS, state / FOLDER
    if not source.exists():
        return
    make_folder(target, 0o700)
    for folder in sorted(source.iterdir()):
        step(f"move network {folder.name}")
        there = target / folder.name
        if there.exists():
            make_folder(aside / FOLDER, 0o700)
            there.rename(aside / FOLDER / folder.name)
        folder.rename(there)
        sync_folder(target)


def _copied(source: Path, target: Path) -> bool:
    """Whether the database was copied; whoever writes it meanwhile is not disturbed."""
    try:
        with (
            closing(sqlite3.connect(f"file:{quote(str(source))}?mode=ro", uri=True)) as database,
            closing(sqlite3.connect(target)) as copy,
        ):
            database.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        log.warning("%s is not exported: %s", source, error)
        target.unlink(missing_ok=True)
        return False
    return True
