"""The ports that nodes hang on: there, ours to open, in nobody else's hands, and by a name that lasts.

No port is opened: Linux raises DTR on every open, which restarts many boards.
"""

import grp
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from gateway.support.ground import Ailment, Badness, Ground, Machine, Owner
from transports.links import LinkSpec
from transports.uart.holders import holder_of

_GRABBERS = {
    "ModemManager": "It opens every new port and talks to it as to a modem.",
    "brltty": "It takes adapters with the numbers of CH340, CP210x and FTDI for a braille display.",
}
"""Programs that open serial ports uninvited; both come with desktop systems."""
_SLOW_MS = 4
"""A latency timer of an FTDI adapter above this costs a round trip more than the link does."""


def check(ground: Ground) -> Sequence[Ailment]:
    """Every port of the configuration once, and who might take it."""
    if ground.loaded is None:
        return []
    ports: dict[str, list[str]] = {}
    for name, node in ground.loaded.config.nodes.items():
        spec = node.spec
        if spec.scheme == "uart":
            ports.setdefault(spec.target, []).append(name)
    found: list[Ailment] = []
    for target, nodes in sorted(ports.items()):
        found += port_ailments(Path(target), nodes, ground)
    return [*found, *_grabbers(ground.machine)] if ports else found


def uart_ports(specs: Sequence[LinkSpec]) -> list[Path]:
    """The ports among some links, each once."""
    return [Path(target) for target in dict.fromkeys(spec.target for spec in specs if spec.scheme == "uart")]


def port_ailments(port: Path, nodes: Sequence[str], ground: Ground) -> Iterator[Ailment]:
    """What is the matter with one port; ``nodes`` are what hangs on it."""
    of = f"{port} ({', '.join(nodes[:4])}{', …' if len(nodes) > 4 else ''})"
    try:
        info = port.stat()
    except OSError as error:
        text = f"{of}: {error.strerror}"
        remedy = "Plug the adapter in, or correct the link."
        yield Ailment(Badness.BROKEN, "link-not-found", text, remedy, "ls -l /dev/serial/by-path /dev/tty*")
        return
    if ground.owner is not None and not _may_open(info, ground.owner):
        group = _group_name(info.st_gid)
        text = f"{of}: the service's user ({ground.owner.uid}) may not open it."
        remedy = f"Add the service's user to the group {group}."
        command = f"usermod -aG {group} {_user_name(ground.owner.uid)} && systemctl restart tender"
        yield Ailment(Badness.BROKEN, "link-denied", text, remedy, command)
    yield from _held(port, of, ground)
    yield from _name(port, of)
    yield from _latency(port, of, ground.machine)


def _may_open(info: os.stat_result, owner: Owner) -> bool:
    if owner.uid == 0:
        return True
    if owner.uid == info.st_uid:
        wanted = stat.S_IRUSR | stat.S_IWUSR
    elif info.st_gid in owner.groups:
        wanted = stat.S_IRGRP | stat.S_IWGRP
    else:
        wanted = stat.S_IROTH | stat.S_IWOTH
    return info.st_mode & wanted == wanted


def _held(port: Path, of: str, ground: Ground) -> Iterator[Ailment]:
    own = {os.getpid(), ground.owner.pid if ground.owner is not None else None}
    holders, unseen = holders_of(port, ground.machine)
    others = [f"process {pid} ({name})" for pid, name in holders if pid not in own]
    if not others and not holders:
        with suppress(OSError):
            held = holder_of(port, locks=ground.machine.proc / "locks", lock_files=ground.machine.lock_files)
            others = [held] if held and not any(f"process {pid}" in held.split(" (") for pid in own) else []
    if others:
        text = f"{of} is held by {', '.join(others)}."
        remedy = "Stop that program, or give it the link by a lease while it needs it."
        yield Ailment(Badness.BROKEN, "link-busy", text, remedy, f"fuser -v {port}")
    elif unseen:
        text = f"{of}: nobody is seen to hold it, but {unseen} processes cannot be looked into by this user."
        yield Ailment(Badness.FINE, "link-holders-unseen", text, "Ask again as root.", "sudo tender doctor")


def holders_of(port: Path, machine: Machine) -> tuple[list[tuple[int, str]], int]:
    """Processes with the port open, by their descriptors in /proc, and how many may not be looked into."""
    device, found, unseen = str(port.resolve()), list[tuple[int, str]](), 0
    for folder in machine.proc.glob("[0-9]*"):
        try:
            descriptors = list((folder / "fd").iterdir())
        except PermissionError:
            unseen += 1
            continue
        except OSError:
            continue  # it has ended meanwhile
        for descriptor in descriptors:
            with suppress(OSError):
                if str(descriptor.readlink()) == device:
                    found.append((int(folder.name), _comm(folder)))
                    break
    return found, unseen


def _name(port: Path, of: str) -> Iterator[Ailment]:
    if port.name.startswith(("ttyUSB", "ttyACM")) and port.parent == Path("/dev"):
        text = f"{of} is whichever adapter was plugged in first."
        remedy = "Write its name of /dev/serial/by-path (the socket) or by-id (the adapter)."
        yield Ailment(Badness.FINE, "link-name-unstable", text, remedy, "ls -l /dev/serial/by-path")


def _latency(port: Path, of: str, machine: Machine) -> Iterator[Ailment]:
    """Linux, ftdi_sio: the adapter collects what comes for so many milliseconds; 16 unless it is set."""
    file = machine.sys / "class" / "tty" / port.resolve().name / "device" / "latency_timer"
    try:
        value = int(file.read_text())
    except (OSError, ValueError):
        return
    if value > _SLOW_MS:
        text = f"{of}: the adapter's latency timer is {value} ms, which every answer waits for."
        remedy = "Set it to 1, by a udev rule for the adapter if it is to last."
        yield Ailment(Badness.FINE, "latency-timer", text, remedy, f"echo 1 > {file}")


def _grabbers(machine: Machine) -> Iterator[Ailment]:
    for folder in machine.proc.glob("[0-9]*"):
        name = _comm(folder)
        if name in _GRABBERS:
            text = f"{name} runs (process {folder.name}).  {_GRABBERS[name]}"
            remedy = "Stop it, or have udev tell it to leave the adapters alone (ID_MM_DEVICE_IGNORE=1)."
            command = f"systemctl disable --now {name}"
            yield Ailment(Badness.WAITS, "port-grabber", text, remedy, command)


def _comm(folder: Path) -> str:
    try:
        return (folder / "comm").read_text().strip()
    except OSError:
        return ""


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _user_name(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
