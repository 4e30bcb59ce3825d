"""The Zigbee networks of a gateway, by name: each made when somebody wants it first, and shared by all.

Nothing of zigpy is imported before that, so that a site without Zigbee pays for none.  What is
under a network is chosen by its settings; who brings another one (a test its network in memory)
hands in what makes it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from transports.errors import BadLink, TenderError
from transports.zigbee.network import Network

log = logging.getLogger(__name__)

CONCURRENT = 4
"""Nodes of one network that are updated at a time: the first verdict comes early, and the channel is full."""


class Radio(StrEnum):
    """Which protocol a coordinator speaks with its host."""

    ZNP = "znp"
    """Texas Instruments (CC2652, CC1352, CC2538, CC2531)."""
    EZSP = "ezsp"
    """Silicon Labs (EFR32)."""
    DECONZ = "deconz"
    """dresden elektronik (ConBee, RaspBee)."""
    ZIGATE = "zigate"
    """ZiGate (NXP JN51xx)."""
    XBEE = "xbee"
    """Digi XBee."""
    ZIGBEE2MQTT = "zigbee2mqtt"
    """No coordinator of ours: zigbee2mqtt has it, and we are its guest; whoever says so makes the network."""


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """One network: which coordinator, and where it is.

    ``path`` is a serial port or ``socket://HOST:PORT``; ``baud`` None is what is usual for the radio.
    ``channel`` (11–26) is used when a network is formed, and only then; None lets the radio choose.
    ``concurrent`` is how many nodes are updated at one time.
    """

    path: str
    radio: Radio = Radio.ZNP
    baud: int | None = None
    channel: int | None = None
    concurrent: int = CONCURRENT


Maker = Callable[[str, NetworkSettings], Awaitable[Network]]
"""From a network's name and settings to the network."""


class Networks:
    """All networks, by the names that the configuration gives them.

    Args:
        settings: by name.
        folder: where what has to outlive a restart is kept: ``FOLDER/NAME/zigbee.db`` and
            ``FOLDER/NAME/backups/``; it is made when it is needed.
        make: what makes a network; by its settings if left out.
        guests: what makes those that other software owns.
    """

    def __init__(
        self,
        settings: Mapping[str, NetworkSettings] | None = None,
        *,
        folder: Path,
        make: Maker | None = None,
        guests: Maker | None = None,
    ) -> None:
        self.settings = dict(settings or {})
        self.folder = folder
        self._guests = guests
        self._make = make or self._by_settings
        self._made: dict[str, Network] = {}
        self._making = asyncio.Lock()
        self._listeners: list[Callable[[Network], None]] = []

    @property
    def made(self) -> Mapping[str, Network]:
        """Those that somebody wanted so far."""
        return self._made

    def names(self, others: Iterable[str] = ()) -> tuple[str, ...]:
        """Every network that is configured, and these, sorted."""
        return tuple(sorted({*self.settings, *others}))

    async def get(self, name: str) -> Network:
        """The network of this name; it is returned also while its coordinator is not there.

        Its radio is opened only after every listener has heard of it, so that whoever answers
        for its nodes does so from the first frame.

        Raises:
            BadLink: nothing is configured under this name, or its library is not installed.
            NetworkTrouble: what is kept of it cannot be read.
        """
        async with self._making:
            found = self._made.get(name)
            if found is None:
                settings = self.settings.get(name)
                if settings is None:
                    known = ", ".join(sorted(self.settings)) or "none"
                    raise BadLink(
                        f"there is no Zigbee network {name!r}",
                        remedy=f"Add [networks.{name}] to the configuration, or name one of: {known}.",
                    )
                found = self._made[name] = await self._make(name, settings)
                for listener in self._listeners:
                    listener(found)
            return found

    def concurrent(self, name: str) -> int:
        """How many nodes of it are updated at one time."""
        settings = self.settings.get(name)
        return settings.concurrent if settings is not None else CONCURRENT

    def listen(self, made: Callable[[Network], None]) -> None:
        """Call ``made`` with each network that is made from now on, and now with those that are there."""
        self._listeners.append(made)
        for network in self._made.values():
            made(network)

    async def aclose(self) -> None:
        """Let go of every coordinator; never raises."""
        for name, network in list(self._made.items()):
            try:
                await network.aclose()
            except (TenderError, OSError) as error:
                log.info("network=%s closing: %r", name, error)
        self._made.clear()

    async def _by_settings(self, name: str, settings: NetworkSettings) -> Network:
        if settings.radio is Radio.ZIGBEE2MQTT:
            if self._guests is None:
                raise BadLink(f"nothing here knows how to be a guest in the network {name!r}")
            return await self._guests(name, settings)
        module = imported("transports.zigbee.zigpy_network")
        return cast("Network", await module.ZigpyNetwork.opened(name, settings, self.folder / name))


def imported(module: str) -> Any:
    """A module that needs a radio library or zigpy.

    Raises:
        BadLink: the library is not installed; its remedy names what to install.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as missing:
        raise BadLink(
            f"zigbee: networks need the package {missing.name!r}",
            remedy="Install Tender with the extra: pip install 'fleet-tender[zigbee]'.",
        ) from missing
