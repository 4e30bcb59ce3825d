"""What a serial port is made of, read from sysfs: which adapter, and which hub it shares with others.

Nothing is opened.  Sources: the kernel's Documentation/ABI (sysfs-bus-usb: ``idVendor``,
``idProduct``, ``serial``, ``product``), where a USB device is a folder named by bus and
ports (``1-1.4.2``: bus 1, port 1, port 4, port 2) inside that of its hub (``1-1.4``), and
a root hub is ``usb1``; udev's 60-serial.rules for the stable names.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

SYSFS = Path("/sys")
NAMES = Path("/dev/serial")
_PTY = Path("/dev/pts")
_DEVICE = re.compile(r"\d+-\d+(?:\.\d+)*")


@dataclass(frozen=True, slots=True)
class Adapter:
    """A port's adapter; what nobody tells is None.

    ``hub`` is the kernel's name of the USB hub that it is plugged into: what shares a
    hub, shares its fate.
    """

    kind: str
    """``usb``, ``local`` (a UART of the machine), ``pty`` or ``network``."""
    device: str | None = None
    vid: int | None = None
    pid: int | None = None
    serial: str | None = None
    product: str | None = None
    driver: str | None = None
    position: str | None = None
    """The kernel's name of the USB device, such as ``1-1.4.2``."""
    hub: str | None = None
    by_path: str | None = None
    by_id: str | None = None

    @property
    def named(self) -> str:
        """In words, for people."""
        if self.vid is None or self.pid is None:
            words = {"local": "a UART of this machine", "network": "the network", "pty": "a PTY"}
            return words.get(self.kind, "an adapter")
        parts = [f"{self.vid:04x}:{self.pid:04x}"]
        parts += [self.product] if self.product else []
        parts += [f"serial {self.serial}"] if self.serial else []
        parts += [f"at {self.position}"] if self.position else []
        return " ".join(parts)


def adapters_of(
    ports: Iterable[Path], *, sysfs: Path = SYSFS, names: Path = NAMES
) -> dict[Path, Adapter | None]:
    """The adapter behind each port, or None if there is no such port; it reads a few small files of each."""
    by_path, by_id = _names(names / "by-path"), _names(names / "by-id")
    return {port: _adapter(Path(os.path.realpath(port)), sysfs, by_path, by_id) for port in ports}


def adapter_of(port: Path, *, sysfs: Path = SYSFS, names: Path = NAMES) -> Adapter | None:
    """The same for one port."""
    return adapters_of([port], sysfs=sysfs, names=names)[port]


def _adapter(
    device: Path, sysfs: Path, by_paths: Mapping[Path, str], by_ids: Mapping[Path, str]
) -> Adapter | None:
    if not device.exists():
        return None
    by_path, by_id = by_paths.get(device), by_ids.get(device)
    if device.is_relative_to(_PTY):
        return Adapter("pty", str(device), by_path=by_path, by_id=by_id)
    tty = sysfs / "class" / "tty" / device.name / "device"
    if not tty.exists():
        return Adapter("local", str(device), by_path=by_path, by_id=by_id)
    folder = Path(os.path.realpath(tty))
    driver = Path(os.path.realpath(tty / "driver")).name if (tty / "driver").exists() else None
    usb = next((each for each in (folder, *folder.parents) if (each / "idVendor").is_file()), None)
    if usb is None:
        return Adapter("local", str(device), driver=driver, by_path=by_path, by_id=by_id)
    return Adapter(
        "usb",
        str(device),
        vid=_number(usb / "idVendor"),
        pid=_number(usb / "idProduct"),
        serial=_text(usb / "serial"),
        product=_text(usb / "product"),
        driver=driver,
        position=usb.name,
        hub=hub_of(usb.name),
        by_path=by_path,
        by_id=by_id,
    )


def hub_of(position: str) -> str | None:
    """The hub that a USB device is plugged into: of ``1-1.4.2`` that is ``1-1.4``, of ``1-1`` ``usb1``."""
    if not _DEVICE.fullmatch(position):
        return None
    above, dot, _ = position.rpartition(".")
    return above if dot else f"usb{position.partition('-')[0]}"


def _names(folder: Path) -> dict[Path, str]:
    """The stable name by device; the last in order, since udev keeps older ones beside it."""
    try:
        return {Path(os.path.realpath(each)): str(each) for each in sorted(folder.iterdir())}
    except OSError:
        return {}


def _text(file: Path) -> str | None:
    try:
        return file.read_text(errors="replace").strip() or None
    except OSError:
        return None


def _number(file: Path) -> int | None:
    try:
        return int(_text(file) or "", 16)
    except ValueError:
        return None
