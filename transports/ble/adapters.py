"""The adapters of a gateway, by name: each made when somebody wants it first, and shared by all.

Nothing of Bluetooth is imported before that, so that a site without radios pays for none.
What is under an adapter is chosen by its settings: BlueZ, or a controller behind a socket;
who brings another Bluetooth (a test its air in memory) hands in what makes it.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from transports.ble.place import HciPlace
from transports.errors import BadLink, TenderError

if TYPE_CHECKING:
    from transports.ble.adapter import Adapter
    from transports.ble.backend import Backend

log = logging.getLogger(__name__)

ADDRESS = re.compile(r"[0-9A-F]{2}(?::[0-9A-F]{2}){5}", re.IGNORECASE)
"""A Bluetooth address as people write it."""
DEFAULT_LINKS = 8
"""Links of an adapter of which nothing is configured and nothing was learned."""


@dataclass(frozen=True, slots=True)
class AdapterSettings:
    """One adapter: by its own address, or by where a controller listens (``unix:/path``, ``tcp:HOST:PORT``).

    ``links`` is the most connections at a time; None learns it.
    """

    address: str | None = None
    hci: str | None = None
    links: int | None = None


Maker = Callable[[str, AdapterSettings], "Awaitable[Backend]"]
"""From an adapter's name and settings to the Bluetooth under it."""


class Adapters:
    """All adapters, by the names that the configuration gives them.

    Args:
        settings: by name.
        make: what is under an adapter; by its settings if left out.
        learned: how many links each was seen to carry in earlier lives, by name.
    """

    def __init__(
        self,
        settings: Mapping[str, AdapterSettings] | None = None,
        *,
        make: "Maker | None" = None,
        learned: Mapping[str, int] | None = None,
    ) -> None:
        self.settings = dict(settings or {})
        self.learned = dict(learned or {})
        self._make = make or backend_of
        self._made: dict[str, Adapter] = {}
        self._making = asyncio.Lock()
        self._listeners: list[Callable[[Adapter], None]] = []

    @property
    def made(self) -> "Mapping[str, Adapter]":
        """Those that somebody wanted so far."""
        return self._made

    def names(self, others: Iterable[str] = ()) -> tuple[str, ...]:
        """Every adapter that is configured, and these, sorted."""
        return tuple(sorted({*self.settings, *others}))

    async def get(self, name: str) -> "Adapter":
        """The adapter of this name; an address or the place of a controller needs no configuration.

        Raises:
            BadLink: nothing is configured under this name, or its library is not installed.
            AdapterMissing, AdapterHung: it cannot be used.
        """
        name = self.named(name)
        async with self._making:
            found = self._made.get(name)
            if found is None:
                found = self._made[name] = await self._new(name)
                for listener in self._listeners:
                    listener(found)
            return found

    def cap(self, name: str) -> int:
        """How many nodes may be connected through it at one time."""
        name = self.named(name)
        made = self._made.get(name)
        if made is not None:
            return made.cap
        settings = self.settings.get(name, AdapterSettings())
        return settings.links or self.learned.get(name, DEFAULT_LINKS)

    def listen(self, made: "Callable[[Adapter], None]") -> None:
        """Call ``made`` with each adapter that is made from now on, and now with those that are there."""
        self._listeners.append(made)
        for adapter in self._made.values():
            made(adapter)

    async def aclose(self) -> None:
        """End every link and every scan; never raises."""
        for name, adapter in list(self._made.items()):
            try:
                await adapter.aclose()
            except (TenderError, OSError) as error:
                log.info("adapter=%s closing: %r", name, error)
        self._made.clear()

    def named(self, name: str) -> str:
        """One adapter is one, also for those who call it by its address though it has a name."""
        if name in self.settings or not ADDRESS.fullmatch(name):
            return name
        address = name.upper()
        return next((own for own, each in self.settings.items() if each.address == address), name)

    async def _new(self, name: str) -> "Adapter":
        settings = self.settings.get(name)
        if settings is None:
            settings = _by_itself(name)
            if settings is None:
                known = ", ".join(sorted(self.settings)) or "none"
                raise BadLink(
                    f"there is no adapter {name!r}",
                    remedy=f"Add [adapters.{name}] to the configuration, or name one of: {known}.",
                )
        adapter = cast("type[Adapter]", _imported("transports.ble.adapter").Adapter)
        backend = await self._make(name, settings)
        return adapter(backend, name, links=settings.links, learned=self.learned.get(name))


def _by_itself(name: str) -> AdapterSettings | None:
    """What needs no configuration: an adapter's own address, or the place of a controller."""
    if ADDRESS.fullmatch(name):
        return AdapterSettings(address=name.upper())
    try:
        HciPlace.parse(name)
    except ValueError:
        return None
    return AdapterSettings(hci=name)


async def backend_of(name: str, settings: AdapterSettings) -> "Backend":
    """BlueZ for an address, a host of our own for a controller behind a socket.

    Raises:
        BadLink: the library for it is not installed.
    """
    if settings.hci is not None:
        socket = _imported("transports.ble.hci_socket")
        return cast("Backend", socket.HciSocketBackend(settings.hci, name))
    bluez = _imported("transports.ble.bluez")
    return cast("Backend", bluez.BluezBackend(settings.address or name))


def _imported(module: str) -> Any:
    try:
        return import_module(module)
    except ModuleNotFoundError as missing:
        extra = "air" if missing.name == "bumble" else "ble"
        raise BadLink(
            f"ble: links need the package {missing.name!r}",
            remedy=f"Install Tender with the extra: pip install 'fleet-tender[{extra}]'.",
        ) from missing
