"""Where a link leads: the weakest identity, and the only one of a node that cannot say who it is.

A serial port is where its USB socket is: udev's by-path name, else the path of hubs and
ports as the kernel numbers them.  Any other link leads where its name says.  On a line
that nodes share, the address is part of the place.

Sources: udev's 60-serial.rules for /dev/serial/by-path; the kernel's sysfs, where a
USB interface is a folder such as ``1-1.4:1.0`` (hubs and ports, configuration, interface).
"""

import asyncio
import os
import re
from collections.abc import Callable
from pathlib import Path

from transports.links import LinkSpec

Places = Callable[[LinkSpec], str | None]
"""Where a link leads now; None where that cannot be told, as for a port that is unplugged."""

_BY_PATH = Path("/dev/serial/by-path")
_TTYS = Path("/sys/class/tty")
_USB = re.compile(r"\d+-\d+(?:\.\d+)*:\d+\.\d+")
_FRESH_S = 1.0
"""A folder is read again after this: many nodes ask in one turn of the scheduler."""


class LocalPlaces:
    """The sockets of this machine; implements :data:`Places`."""

    def __init__(self, by_path: Path = _BY_PATH, ttys: Path = _TTYS) -> None:
        self._by_path = by_path
        self._ttys = ttys
        self._names: dict[str, str] = {}
        self._read_at = -_FRESH_S

    def __call__(self, spec: LinkSpec) -> str | None:
        """Where it leads now."""
        if spec.scheme != "uart":
            return _with_address(spec.channel, spec)
        device = os.path.realpath(spec.target)
        if not Path(device).exists():
            return None
        found = self._stable_names().get(device) or self._hub_path(device)
        return _with_address(found, spec) if found is not None else None

    def _stable_names(self) -> dict[str, str]:
        """by-path names by the device that they lead to now."""
        now = asyncio.get_running_loop().time()
        if now - self._read_at >= _FRESH_S:
            self._read_at = now
            self._names = {}
            try:
                with os.scandir(self._by_path) as entries:
                    for entry in sorted(entries, key=lambda each: each.name):
                        # udev keeps an older name beside the present one; the last in order is kept.
                        self._names[os.path.realpath(entry.path)] = entry.name
            except OSError:
                pass  # no udev
        return self._names

    def _hub_path(self, device: str) -> str | None:
        found = _USB.findall(os.path.realpath(self._ttys / Path(device).name / "device"))
        return f"usb-{found[-1]}" if found else None


def _with_address(place: str, spec: LinkSpec) -> str:
    return f"{place}#{spec.address}" if spec.address is not None else place
