"""The state folder: is it there, ours, writable, and is there room."""

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from gateway.support.ground import Ailment, Badness, Ground, Owner

LITTLE_ROOM = 64 << 20
NO_ROOM = 4 << 20
"""Free bytes: below the first a few releases no longer fit, below the second the journal hardly does."""


def check(ground: Ground) -> Sequence[Ailment]:
    """The folder that everything is kept in."""
    if ground.loaded is None:
        return []
    folder = ground.loaded.config.state
    try:
        info = folder.stat()
    except FileNotFoundError:
        text = f"There is no folder {folder} yet; the service makes it at its first start."
        return [Ailment(Badness.FINE, "state-missing", text, "Start the service.", "systemctl start tender")]
    except OSError as error:
        text = f"{folder}: {error.strerror}"
        return [Ailment(Badness.WAITS, "state-not-seen", text, "Ask again as root.", "sudo tender doctor")]
    return [*_mode(folder, info), *_owner(folder, info, ground.owner), *_room(folder)]


def _mode(folder: Path, info: os.stat_result) -> Iterator[Ailment]:
    if info.st_mode & (stat.S_IROTH | stat.S_IWOTH):
        text = f"Everybody on this machine may look into {folder}."
        yield Ailment(Badness.WAITS, "state-open", text, "Close it to others.", f"chmod o-rwx {folder}")


def _owner(folder: Path, info: os.stat_result, owner: Owner | None) -> Iterator[Ailment]:
    if owner is None or owner.uid in (0, info.st_uid):
        return
    text = f"{folder} belongs to user {info.st_uid}, and the service runs as user {owner.uid}."
    command = f"chown -R {owner.uid} {folder}"
    yield Ailment(Badness.BROKEN, "state-owner", text, "Give the folder to the service's user.", command)


def _room(folder: Path) -> Iterator[Ailment]:
    room = os.statvfs(folder)
    if room.f_flag & os.ST_RDONLY:
        text = (
            f"The file system of {folder} is read-only: nothing can be written down, so nothing is flashed."
        )
        remedy = "See in the kernel's log why (often a worn card), and mount it writable."
        yield Ailment(Badness.BROKEN, "state-read-only", text, remedy, "dmesg | tail -50")
    free = room.f_bavail * room.f_frsize
    if free < LITTLE_ROOM:
        level = Badness.BROKEN if free < NO_ROOM else Badness.WAITS
        text = f"{free / (1 << 20):.1f} MiB are free for {folder}."
        remedy = "Make room, or lower `store.max_bytes`."
        yield Ailment(level, "disk-little", text, remedy, f"df -h {folder}; du -xh -d1 {folder}")
    if room.f_files and not room.f_favail:
        text = f"No more files can be made in {folder}: its inodes are used up."
        yield Ailment(Badness.BROKEN, "disk-inodes", text, "Remove small files.", f"df -i {folder}")
