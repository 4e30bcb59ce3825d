"""What doctor and support bundle stand on: the configuration, the machine, and the service if it runs."""

import os
import socket
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from gateway.api.client import Client, ServiceNotRunning
from gateway.config.errors import BadConfig
from gateway.config.load import Loaded, load_config
from transports.errors import TenderError

REPLY_TIMEOUT = 30.0
"""Seconds that a service may take for an answer before it counts as not answering."""


class Badness(StrEnum):
    """How bad a finding is, in the words of `tender status`."""

    FINE = "fine"
    WAITS = "waits"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Ailment:
    """One thing that was found: what is so, what would mend it, and the command that comes next."""

    level: Badness
    code: str
    message: str
    remedy: str
    next: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the kernel tells about itself; other folders in tests."""

    proc: Path = Path("/proc")
    sys: Path = Path("/sys")
    lock_files: Path = Path("/run/lock")
    bus: Path = Path("/run/dbus/system_bus_socket")
    bus_policies: tuple[Path, ...] = (
        Path("/usr/share/dbus-1/system.d/bluetooth.conf"),
        Path("/etc/dbus-1/system.d/bluetooth.conf"),
    )


@dataclass(frozen=True, slots=True)
class Owner:
    """As whom the service runs, and how that is known."""

    uid: int
    groups: frozenset[int]
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class Ground:
    """Everything that is found out once.

    ``overview`` is what the service says; without one ``silence`` is the error that
    asking gave.
    """

    config_file: Path | None
    loaded: Loaded | None
    bad_config: BadConfig | None
    socket: Path
    service: Client
    overview: Mapping[str, Any] | None = None
    silence: TenderError | None = None
    owner: Owner | None = None
    machine: Machine = field(default_factory=Machine)


def look_around(config_file: Path | None, socket_file: Path, machine: Machine | None = None) -> Ground:
    """Read the configuration, and ask whether there is a service."""
    machine = machine or Machine()
    loaded, bad = None, None
    try:
        loaded = load_config(config_file)
    except BadConfig as error:
        bad = error
    service = Client(socket_file, reply_timeout=REPLY_TIMEOUT)
    overview, silence = None, None
    try:
        overview = service.get("overview")
    except TenderError as error:
        silence = error
    except OSError as error:
        silence = ServiceNotRunning(f"{socket_file}: {error}")
    state = loaded.config.state if loaded is not None else None
    owner = _owner(socket_file, state, machine)
    return Ground(config_file, loaded, bad, socket_file, service, overview, silence, owner, machine)


def _owner(socket_file: Path, state: Path | None, machine: Machine) -> Owner | None:
    """The user of the process behind the socket, else that of the state folder."""
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probing:
        probing.settimeout(1.0)
        probing.connect(str(socket_file))
        raw = probing.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("=iII"))
        pid, uid, gid = struct.unpack("=iII", raw)
        return Owner(uid, frozenset({gid, *_groups_of(pid, machine)}), pid)
    with suppress(OSError):
        if state is not None:
            info = state.stat()
            return Owner(info.st_uid, frozenset({info.st_gid, *_groups_of_user(info.st_uid)}))
    return None


def _groups_of(pid: int, machine: Machine) -> list[int]:
    """Supplementary groups, from the line ``Groups:`` of /proc/PID/status (proc(5))."""
    with suppress(OSError, ValueError):
        for line in (machine.proc / str(pid) / "status").read_text().splitlines():
            if line.startswith("Groups:"):
                return [int(word) for word in line.split()[1:]]
    return []


def _groups_of_user(uid: int) -> list[int]:
    import pwd

    with suppress(KeyError, OSError):
        user = pwd.getpwuid(uid)
        return os.getgrouplist(user.pw_name, user.pw_gid)
    return []
