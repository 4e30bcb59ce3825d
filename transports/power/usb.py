"""Power of a USB hub's port, through the kernel.

Since Linux 6.0 each port of a hub has an attribute ``disable`` (kernel documentation,
``sysfs-bus-usb``): 1 disables the port and takes its power, on hubs that can switch it;
0 gives it back.  Whether a hub really takes the power no program can see: `lsusb -v`
shows what it claims ("ganged" takes it from all of its ports).
"""

import asyncio
import errno
import re
from pathlib import Path

from transports.power.circuits import UsbPort
from transports.power.errors import PowerError, SwitchDenied, SwitchMissing

_DEVICE = re.compile(r"\d+-\d+(\.\d+)*")
"""A device on a bus, as the kernel names it by its ports."""


class UsbSwitch:
    """One port."""

    def __init__(self, port: UsbPort) -> None:
        self._port = port

    async def check(self) -> None:
        """Find the port.  Raises SwitchMissing."""
        await asyncio.to_thread(self._attribute)

    async def off(self) -> None:
        """Disable the port."""
        await asyncio.to_thread(self._write, "1")

    async def on(self) -> None:
        """Enable it again."""
        await asyncio.to_thread(self._write, "0")

    def _attribute(self) -> Path:
        port = self._port
        hub = Path(port.sysfs) / "bus" / "usb" / "devices" / port.hub
        # The port lies below the hub's interface, whose name has bus, configuration and number in it.
        found = sorted(hub.glob(f"*:*/{port.hub}-port{port.port}"))
        if not found:
            raise SwitchMissing(f"hub {port.hub} has no port {port.port} here")
        attribute = found[0] / "disable"
        if not attribute.exists():
            raise SwitchMissing(
                f"port {port.port} of hub {port.hub} cannot be switched by this kernel",
                remedy='Use Linux 6.0 or newer, or a command such as uhubctl (kind = "relay").',
            )
        return attribute

    def _write(self, value: str) -> None:
        attribute = self._attribute()
        try:
            attribute.write_text(value)
            now = attribute.read_text().strip()
        except OSError as error:
            what = f"{attribute}: {error.strerror or error}"
            if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise SwitchDenied(
                    what,
                    remedy="Let the service write it: a udev rule for the file, and no "
                    'ProtectKernelTunables= in its unit; or use a command (kind = "relay").',
                ) from error
            raise PowerError(what) from error
        if now != value:
            raise PowerError(f"{attribute} says {now} after {value} was written")


def device_of_port(device: str, sysfs: str = "/sys") -> str | None:
    """The USB device that a serial port (``/dev/ttyUSB0``, or a link to it) belongs to: ``1-1.4``.

    None if it is on no USB.  Reads files, so it is not for the loop.
    """
    name = Path(device).resolve().name
    place = (Path(sysfs) / "class" / "tty" / name / "device").resolve()
    return next((part for part in reversed(place.parts) if _DEVICE.fullmatch(part)), None)


def port_of_device(device: str, sysfs: str = "/sys") -> UsbPort:
    """The port that a USB device is in: ``1-1.4`` is in port 4 of ``1-1``, ``1-1`` in port 1 of ``usb1``."""
    hub, dot, port = device.rpartition(".")
    if not dot:
        bus, _, port = device.partition("-")
        hub = f"usb{bus}"
    return UsbPort(hub, int(port), sysfs)


def is_behind(device: str, port: UsbPort) -> bool:
    """Whether a USB device loses its power with a port: it is in it, or in a hub that is."""
    return device == port.device or device.startswith(f"{port.device}.")
