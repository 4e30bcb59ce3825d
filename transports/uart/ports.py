"""The serial ports of this machine, each with the name that will still be right tomorrow.

``/dev/ttyUSB0`` is whatever was plugged in first.  udev keeps two better names:
``by-id`` follows the adapter wherever it is plugged in, if it has a serial number
of its own; ``by-path`` follows the socket, whatever adapter is in it.
"""

from dataclasses import dataclass
from pathlib import Path

from serial.tools import list_ports

from transports.links import LinkSpec

NAMES = Path("/dev/serial")
"""Where udev puts the stable names (60-serial.rules)."""


@dataclass(frozen=True, slots=True)
class Port:
    """A serial port; what nobody tells is None.

    ``vid`` and ``pid`` are the USB vendor's and product's numbers, ``serial`` the
    adapter's own serial number.
    """

    device: Path
    by_id: Path | None = None
    by_path: Path | None = None
    vid: int | None = None
    pid: int | None = None
    serial: str | None = None
    description: str | None = None

    @property
    def stable_path(self) -> Path:
        """The name to write into a configuration.

        Adapters without a serial number share their by-id name, so it is not used for them.
        """
        if self.by_id is not None and self.serial:
            return self.by_id
        return self.by_path or self.device

    @property
    def link(self) -> LinkSpec:
        """The port as a link."""
        return LinkSpec("uart", str(self.stable_path))


def list_local_ports(names: Path = NAMES) -> list[Port]:
    """All ports that the kernel has a driver for, by device name; reads sysfs and opens none of them."""
    by_id, by_path = stable_names(names / "by-id"), stable_names(names / "by-path")
    ports = [
        Port(
            device=Path(found.device),
            by_id=by_id.get(Path(found.device)),
            by_path=by_path.get(Path(found.device)),
            vid=found.vid,
            pid=found.pid,
            serial=found.serial_number or None,
            description=None if found.description in (None, "n/a") else found.description,
        )
        for found in list_ports.comports()
    ]
    return sorted(ports, key=lambda port: str(port.device))


def stable_names(folder: Path) -> dict[Path, Path]:
    """Which device each of the folder's links leads to: device → link; empty without udev."""
    try:
        links = sorted(folder.iterdir())
    except OSError:
        return {}
    return {link.resolve(): link for link in links if link.is_symlink()}
