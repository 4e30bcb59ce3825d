"""What a network is, in files: enough to go on with another coordinator, without anybody joining again.

The format is the open coordinator backup of the zigpy project, which zigbee2mqtt and ZHA read as
well.  It holds the network's key: only the service's user may read it.
"""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transports.zigbee.errors import NetworkTrouble

KEPT = 20
"""Backups that are kept; the oldest go."""
FORMAT = "zigpy/open-coordinator-backup"


@dataclass(frozen=True, slots=True)
class BackupFile:
    """One backup, as a person would tell it from another."""

    path: Path
    made: str
    """When, as an ISO time with its zone."""
    coordinator: str
    """IEEE address of the coordinator."""
    extended_pan_id: str
    pan_id: int
    channel: int
    frame_counter: int
    nodes: int


class Backups:
    """The backups of one network, in its folder; file work, so never in the event loop."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def list(self) -> tuple[BackupFile, ...]:
        """All that can be read, the newest first."""
        found = []
        for path in sorted(self.folder.glob("*.json"), key=_number, reverse=True):
            try:
                found.append(described(path, load(path)))
            except NetworkTrouble:
                continue
        return tuple(found)

    def write(self, backup: dict[str, Any]) -> Path:
        """Keep one, on the disk before this returns; it replaces none."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        number = max((_number(path) for path in self.folder.glob("*.json")), default=0) + 1
        made = backup["metadata"]["internal"]["creation_time"].split(".")[0]
        path = self.folder / f"{number:06d}-{re.sub('[^0-9T]', '', made)}.json"
        half = path.with_suffix(".tmp")
        with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(backup, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        half.rename(path)
        for old in sorted(self.folder.glob("*.json"), key=_number, reverse=True)[KEPT:]:
            old.unlink(missing_ok=True)
        return path


def _number(path: Path) -> int:
    """Files are counted, since a gateway's clock may be wrong; one that a person put there is the oldest."""
    head = path.name.partition("-")[0]
    return int(head) if head.isdecimal() else 0


def load(path: Path) -> dict[str, Any]:
    """A backup's content.

    Raises:
        NetworkTrouble: it is no backup of a coordinator.
    """
    try:
        content = json.loads(path.read_text())
        if content["metadata"]["format"] != FORMAT:
            raise NetworkTrouble(f"{path} is no open coordinator backup")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NetworkTrouble(
            f"{path} cannot be read as a backup of a coordinator: {error}",
            remedy="Give a file in the open coordinator backup format: one of `tender zigbee backup list`.",
        ) from error
    return dict(content)


def described(path: Path, content: dict[str, Any]) -> BackupFile:
    """What a backup is of.

    Raises:
        NetworkTrouble: something that every backup has is missing.
    """
    try:
        internal = content["metadata"].get("internal", {})
        return BackupFile(
            path=path,
            made=str(internal.get("creation_time", internal.get("date", ""))),
            coordinator=colons(content["coordinator_ieee"]),
            extended_pan_id=colons(content["extended_pan_id"]),
            pan_id=int(content["pan_id"], 16),
            channel=int(content["channel"]),
            frame_counter=int(content["network_key"]["frame_counter"]),
            nodes=len(content["devices"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise NetworkTrouble(f"{path} is not whole: {error!r}") from error


def colons(digits: str) -> str:
    """Sixteen hexadecimal digits as addresses are written here."""
    digits = digits.lower()
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))
