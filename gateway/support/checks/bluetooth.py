"""The adapters that nodes behind a radio are heard by: BlueZ up, the adapter there, not blocked, ours to use.

Nothing is switched on and no scan begins; a controller behind a socket is not connected to,
since it has one host at a time, and that is the gateway.
"""

import asyncio
import grp
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree as ET

from gateway.support.ground import Ailment, Badness, Ground, Machine, Owner
from transports.ble.adapters import ADDRESS, AdapterSettings
from transports.ble.place import HciPlace
from transports.errors import LinkNotFound, TenderError
from transports.links import Medium

_DAEMON = "bluetoothd"
_START = "systemctl enable --now bluetooth"


def check(ground: Ground) -> Sequence[Ailment]:
    """Every adapter of the configuration, and those that nodes name by their address."""
    if ground.loaded is None:
        return []
    config = ground.loaded.config
    adapters = {name: table.settings for name, table in config.adapters.items()}
    for node in config.nodes.values():
        spec = node.spec
        if spec.medium is Medium.BLE and spec.target not in adapters and ADDRESS.fullmatch(spec.target):
            adapters[spec.target] = AdapterSettings(address=spec.target.upper())
    found: list[Ailment] = []
    for name, settings in sorted(adapters.items()):
        if settings.hci is not None:
            found += _behind_a_socket(name, HciPlace.parse(settings.hci))
    addresses = {name: settings.address for name, settings in adapters.items() if settings.address}
    return [*found, *_with_bluez(addresses, ground)] if addresses else found


def _behind_a_socket(name: str, place: HciPlace) -> Iterator[Ailment]:
    yield from _installed("bumble", "air")
    if place.path and not Path(place.path).is_socket():
        yield Ailment(
            Badness.BROKEN,
            "ble-adapter-missing",
            f"The adapter {name}: no controller listens at {place}.",
            "Start the air that offers it, or correct `hci`; it is found by itself when it comes.",
            "tender virtual air FILE",
        )


def _with_bluez(addresses: dict[str, str], ground: Ground) -> Iterator[Ailment]:
    yield from _installed("bleak", "ble")
    machine = ground.machine
    yield from _blocked(machine)
    if not any((machine.sys / "class" / "bluetooth").glob("hci*")):
        yield Ailment(
            Badness.BROKEN,
            "ble-adapter-missing",
            f"The kernel knows no Bluetooth adapter; {', '.join(sorted(addresses))} should be there.",
            "Plug it in; a built-in one may be switched off in the firmware's set-up or device tree.",
            "ls /sys/class/bluetooth",
        )
    if not _runs(machine):
        text = "BlueZ's daemon does not run, and nothing reaches an adapter without it."
        remedy = "Install the package bluez and start it."
        yield Ailment(Badness.BROKEN, "ble-no-bluez", text, remedy, _START)
        return
    if ground.owner is not None:
        yield from _allowed(ground.owner, machine)
    if machine.bus.exists():
        yield from _known(addresses)


def _installed(package: str, extra: str) -> Iterator[Ailment]:
    if find_spec(package) is None:
        text = f"A node is behind a radio, and the package {package} is not installed."
        remedy = f"Install Tender with its extra {extra}."
        command = f"pip install 'fleet-tender[{extra}]'"
        yield Ailment(Badness.BROKEN, "ble-not-installed", text, remedy, command)


def _blocked(machine: Machine) -> Iterator[Ailment]:
    """Switches of the kernel's (Documentation/ABI/stable/sysfs-class-rfkill)."""
    for switch in sorted((machine.sys / "class" / "rfkill").glob("rfkill*")):
        if _text(switch / "type") != "bluetooth":
            continue
        name = _text(switch / "name") or switch.name
        if _text(switch / "hard") == "1":
            text = f"The adapter {name} is switched off by a switch or by the machine's firmware."
            remedy = "Turn the switch, or allow Bluetooth in the firmware's set-up."
            yield Ailment(Badness.BROKEN, "ble-adapter-blocked", text, remedy, "rfkill list bluetooth")
        elif _text(switch / "soft") == "1":
            text = f"The adapter {name} is blocked (rfkill)."
            yield Ailment(
                Badness.BROKEN, "ble-adapter-blocked", text, "Unblock it.", "rfkill unblock bluetooth"
            )


def _runs(machine: Machine) -> bool:
    return any(_text(folder / "comm") == _DAEMON for folder in machine.proc.glob("[0-9]*"))


def _allowed(owner: Owner, machine: Machine) -> Iterator[Ailment]:
    """What the message bus lets the service's user do (dbus-daemon(1), "policy")."""
    groups: set[str] = set()
    files = [file for file in machine.bus_policies if file.exists()]
    if owner.uid == 0 or not files:
        return
    for file in files:
        with suppress(OSError, ET.ParseError):
            for policy in ET.fromstring(file.read_bytes()).iter("policy"):  # noqa: S314 - root's own
                if any(rule.get("send_destination") == "org.bluez" for rule in policy.iter("allow")):
                    if policy.get("context") in ("default", "mandatory"):
                        return
                    groups.add(policy.get("group") or "")
    groups.discard("")
    if any(_gid(group) in owner.groups for group in groups):
        return
    wanted = min(groups) if groups else "bluetooth"
    yield Ailment(
        Badness.BROKEN,
        "ble-denied",
        f"The message bus does not let the service's user ({owner.uid}) talk to BlueZ.",
        f"Add it to the group {wanted}.",
        f"usermod -aG {wanted} tender && systemctl restart tender",
    )


def _known(addresses: dict[str, str]) -> Iterator[Ailment]:
    """Whether BlueZ has them; it is asked, and nothing is changed."""
    from transports.ble.system_bus import adapter_path, system_bus

    async def missing(address: str) -> str:
        async with system_bus() as bus:
            await adapter_path(bus, address)
        return ""

    for name, address in sorted(addresses.items()):
        try:
            asyncio.run(missing(address))
        except LinkNotFound as error:
            yield Ailment(
                Badness.BROKEN,
                error.code,
                f"The adapter {name}: {error}.",
                error.remedy,
                "bluetoothctl list",
            )
        except TenderError as error:
            yield Ailment(Badness.WAITS, error.code, f"The adapter {name}: {error}", error.remedy, _START)


def _gid(group: str) -> int | None:
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        return None


def _text(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""
