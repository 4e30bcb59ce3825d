"""Which library speaks with which coordinator, and the configuration that zigpy is given.

All of them come through the same door: a library's class is named here, made to let us see every
packet first, and knows nothing else of Tender.  zigpy is configured to do what costs no air: no
scans of the topology, no firmware providers, no announcements of images, nothing from the internet.
"""

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from transports.errors import BadLink
from transports.zigbee.networks import NetworkSettings, Radio


@dataclass(frozen=True, slots=True)
class Library:
    """A radio library: its package, its application's module, its extra, and the usual baud rate."""

    package: str
    module: str
    extra: str
    baud: int = 115200


LIBRARIES = {
    Radio.ZNP: Library("zigpy-znp", "zigpy_znp.zigbee.application", "zigbee"),
    Radio.EZSP: Library("bellows", "bellows.zigbee.application", "zigbee"),
    Radio.DECONZ: Library("zigpy-deconz", "zigpy_deconz.zigbee.application", "zigbee-deconz", 38400),
    Radio.ZIGATE: Library("zigpy-zigate", "zigpy_zigate.zigbee.application", "zigbee-zigate"),
    Radio.XBEE: Library("zigpy-xbee", "zigpy_xbee.zigbee.application", "zigbee-xbee", 57600),
}
"""By what the coordinator speaks; the baud rates are those with which these coordinators are sold."""


@cache
def controller(radio: Radio) -> Any:
    """The radio library's application class.

    Raises:
        BadLink: the library is not installed; its remedy names what to install.
    """
    library = LIBRARIES[radio]
    try:
        return import_module(library.module).ControllerApplication
    except ModuleNotFoundError as missing:
        raise BadLink(
            f"zigbee: a coordinator with radio {radio.value!r} needs the package {library.package!r} "
            f"({missing.name!r} is not there)",
            remedy=f"Install it: pip install 'fleet-tender[{library.extra}]' (package {library.package}).",
        ) from missing


def configuration(settings: NetworkSettings, database: Path) -> dict[str, Any]:
    """What zigpy is given: raw, since its schema must be applied only once."""
    library = LIBRARIES[settings.radio]
    return {
        "database_path": str(database),
        "device": {"path": settings.path, "baudrate": settings.baud or library.baud},
        "network": {} if settings.channel is None else {"channel": settings.channel},
        "ota": {
            "enabled": False,
            "broadcast_enabled": False,
            "providers": [],
            "extra_providers": [],
        },
        "topology_scan_enabled": False,
        "backup_enabled": False,  # we make them ourselves, when something has changed
        "watchdog_enabled": True,
    }
