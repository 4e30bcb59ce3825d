"""One adapter and everything that shares it: one scan, one connect at a time, a cap of links.

Whoever wants to hear nodes shares one scanner.  Connects are serialised, because BlueZ and
controllers alike lose their way with two at once.  How many links an adapter can carry is
configured or learned: where connecting fails while others are open, that many were too many.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bleak import BleakClient, BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakError

from transports.ble.backend import CONNECT_S, Backend
from transports.ble.errors import AdapterFull, AdapterHung, NodeNotHeard, PairingFailed
from transports.ble.link import BleakLink
from transports.errors import NodeUnreachable

log = logging.getLogger(__name__)

_TRIES = 4
"""Connects with a fresh client each; the first ones often fail where many nodes are near."""
_BACK_OFF_S = 0.25
_SLACK_S = 15.0
"""bluetoothd's own time-outs come first; this one is for a daemon that hangs."""
_DEAF_S = 60.0
"""Seconds without any advertisement after which a scanner counts as deaf, where some came before."""
_KEPT_SIGHTINGS = 2000


@dataclass(frozen=True, slots=True)
class Sighting:
    """A node that was heard; ``at`` is the loop's time in seconds."""

    device: BLEDevice
    data: AdvertisementData
    at: float

    @property
    def address(self) -> str:
        """Its address, in capitals."""
        return str(self.device.address).upper()

    @property
    def rssi(self) -> int:
        """How strongly it was heard, in dBm."""
        return int(self.data.rssi)


class Adapter:
    """An adapter at work.

    Args:
        backend: the Bluetooth under it.
        name: in the configuration.
        links: the most connections at a time; None begins with eight and learns.
    """

    def __init__(self, backend: Backend, name: str, *, links: int | None = None) -> None:
        self.backend = backend
        self.name = name
        self.cap = links or 8
        self._learns = links is None
        self.open_links: set[BleakLink] = set()
        self.seen: dict[str, Sighting] = {}
        self.power_cycles = 0
        self._powered = False
        self._connecting = asyncio.Lock()
        self._scanner: BleakScanner | None = None
        self._users = 0
        self._scanning = asyncio.Lock()
        self._last_heard = 0.0
        self._waiters: set[Callable[[Sighting], None]] = set()

    # Hearing

    @asynccontextmanager
    async def scanning(self) -> AsyncIterator[None]:
        """Listen as long as anybody wants to; all share one scanner.

        Raises:
            AdapterMissing, AdapterHung: the adapter cannot.
        """
        async with self._scanning:
            self._users += 1
            if self._scanner is None:
                try:
                    await self._start()
                except BaseException:
                    self._users -= 1
                    raise
        try:
            yield
        finally:
            async with self._scanning:
                self._users -= 1
                if not self._users:
                    await self._stop()

    async def hear(self, wanted: Callable[[Sighting], bool], *, within: float) -> Sighting:
        """Wait for an advertisement that fits.

        Raises:
            NodeNotHeard: none came in ``within`` seconds.
            AdapterMissing, AdapterHung: as for ``scanning``.
        """
        found: asyncio.Future[Sighting] = asyncio.get_running_loop().create_future()

        def look(sighting: Sighting) -> None:
            if not found.done() and wanted(sighting):
                found.set_result(sighting)

        self._waiters.add(look)
        try:
            async with self.scanning():
                async with asyncio.timeout(within):
                    return await found
        except TimeoutError:
            if await self._deaf():
                raise AdapterHung(f"the adapter {self.name} heard nothing at all for {_DEAF_S:g} s") from None
            raise NodeNotHeard(f"the node was not heard in {within:g} s") from None
        finally:
            self._waiters.discard(look)

    async def _start(self) -> None:
        await self._power_on()
        scanner = self.backend.scanner(self._heard)
        try:
            await scanner.start()
        except BleakError as error:
            await self._cycle(f"cannot scan: {error}")
            scanner = self.backend.scanner(self._heard)
            try:
                await scanner.start()
            except BleakError as again:
                raise AdapterHung(f"the adapter {self.name} cannot scan: {again}") from again
        self._scanner = scanner
        self._last_heard = asyncio.get_running_loop().time()

    async def _stop(self) -> None:
        scanner, self._scanner = self._scanner, None
        if scanner is not None:
            try:
                await scanner.stop()
            except (BleakError, EOFError, OSError) as error:
                log.info("adapter=%s stopping the scan: %r", self.name, error)

    def _heard(self, device: BLEDevice, data: AdvertisementData) -> None:
        self._last_heard = asyncio.get_running_loop().time()
        sighting = Sighting(device, data, self._last_heard)
        self.seen.pop(sighting.address, None)
        self.seen[sighting.address] = sighting
        if len(self.seen) > _KEPT_SIGHTINGS:
            self.seen.pop(next(iter(self.seen)))
        for look in list(self._waiters):
            look(sighting)

    async def _deaf(self) -> bool:
        """Whether nothing at all was heard for long; if so the adapter is switched off and on."""
        silent = asyncio.get_running_loop().time() - self._last_heard
        if silent < _DEAF_S or not self.seen or self.open_links:
            return False
        async with self._scanning:
            await self._cycle(f"heard nothing for {silent:.0f} s")
            await self._stop()
            if self._users:
                await self._start()
        return True

    # Connecting

    async def connect(
        self,
        address: str,
        *,
        within: float,
        passkey: int | None = None,
        pair: bool = False,
        wanted: Callable[[Sighting], bool] | None = None,
    ) -> BleakLink:
        """A link to the node at this address, or to the one that ``wanted`` knows.

        Raises:
            AdapterFull: its links are all in use.
            NodeNotHeard, AdapterMissing, AdapterHung: as for ``hear``.
            PairingFailed: the node did not take us.
            LinkError: it is there, and cannot be connected to.
        """
        if len(self.open_links) >= self.cap:
            raise AdapterFull(f"{len(self.open_links)} nodes are connected through {self.name}")
        fits = wanted or (lambda sighting: sighting.address == address.upper())
        sighting = await self.hear(fits, within=within)
        async with self._connecting:
            if len(self.open_links) >= self.cap:
                raise AdapterFull(f"{len(self.open_links)} nodes are connected through {self.name}")
            return await self._connect(sighting, passkey=passkey, pair=pair)

    async def _connect(self, sighting: Sighting, *, passkey: int | None, pair: bool) -> BleakLink:
        trouble: Exception | None = None
        for number in range(_TRIES):
            if number:
                await asyncio.sleep(_BACK_OFF_S * 2**number)
                await self.backend.forget(sighting.device)
            gone = _Gone()
            client = self.backend.client(sighting.device, gone, passkey=passkey, pair=pair)
            try:
                async with asyncio.timeout(CONNECT_S + _SLACK_S):
                    await client.connect()
            except (BleakError, TimeoutError, EOFError, OSError, KeyError) as error:
                trouble = error
                log.info("adapter=%s node=%s try %d: %r", self.name, sighting.address, number + 1, error)
                await _let_go(client)
                if "pairing" in str(error).lower() or "Authentication" in str(error):
                    raise PairingFailed(f"{sighting.address}: {error}") from error
                continue
            link = BleakLink(client, self.open_links.discard)
            self.open_links.add(link)
            gone.tell(link)
            return link
        if self._learns and self.open_links:
            self.cap = max(1, len(self.open_links))
            log.warning("adapter=%s carries %d links, it seems", self.name, self.cap)
        raise NodeUnreachable(f"{sighting.address} cannot be connected to: {trouble}") from trouble

    # The adapter itself

    async def _power_on(self) -> None:
        if not self._powered:
            await self.backend.power_on()
            self._powered = True

    async def _cycle(self, why: str) -> None:
        log.warning("adapter=%s is switched off and on: %s", self.name, why)
        self.power_cycles += 1
        await self.backend.power_cycle()

    async def aclose(self) -> None:
        """End every link and the scan."""
        for link in list(self.open_links):
            await link.aclose()
        async with self._scanning:
            await self._stop()


class _Gone:
    """Hears of a connection's end, which may come before anybody has made a link of it."""

    def __init__(self) -> None:
        self._ended = False
        self._link: BleakLink | None = None

    def __call__(self, client: BleakClient) -> None:
        del client
        self._ended = True
        if self._link is not None:
            self._link.gone()

    def tell(self, link: BleakLink) -> None:
        """Who wants to know."""
        self._link = link
        if self._ended:
            link.gone()


async def _let_go(client: BleakClient) -> None:
    try:
        async with asyncio.timeout(5.0):
            await client.disconnect()
    except (BleakError, TimeoutError, EOFError, OSError) as error:
        log.debug("letting go of %s: %r", client.address, error)
