"""Where things are if nobody says otherwise; as quick to import as commands want it."""

from collections.abc import Mapping
from pathlib import Path

CONFIG_FILE = Path("/etc/tender/gateway.toml")
"""Read by `tender` where no other file is named, if it is there."""
STATE_FOLDER = Path("/var/lib/tender")
SOCKET_FILE = Path("/run/tender/tender.sock")


def default_state(environment: Mapping[str, str]) -> Path:
    """The folder that the service manager made for us (``StateDirectory=``), else the usual one."""
    # systemd.exec(5): several folders are separated by colons.
    given = environment.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(given) if given else STATE_FOLDER


def default_socket(environment: Mapping[str, str]) -> Path:
    """In the folder that the service manager made for us (``RuntimeDirectory=``), else in the usual one."""
    given = environment.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    return Path(given) / SOCKET_FILE.name if given else SOCKET_FILE


def drop_ins(file: Path) -> Path:
    """The folder whose ``*.toml`` are read after this file: ``gateway.d`` beside ``gateway.toml``."""
    return file.with_suffix(".d")
