"""One adapter and everything that shares it: one scan, one connect at a time, a cap of links.

Whoever wants to hear nodes shares one scanner.  Connects are serialised, because BlueZ and
controllers alike lose their way with two at once.  Nothing that is asked of the Bluetooth
below is waited for without an end, and an adapter that went deaf or hangs is brought back.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

from bleak import BleakClient, BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakError

from transports.ble.adapters import DEFAULT_LINKS
from transports.ble.backend import CONNECT_S, Backend
from transports.ble.cap import Cap
from transports.ble.errors import AdapterFull, AdapterHung, AdapterMissing, NodeNotHeard, PairingFailed
from transports.ble.link import BleakLink
from transports.ble.watchdog import Remedy, State, Watchdog
from transports.errors import NodeUnreachable

log = logging.getLogger(__name__)

T = TypeVar("T")

_TRIES = 4
"""Connects with a fresh client each; the first ones often fail where many nodes are near."""
_BACK_OFF_S = 0.25
_AGAIN_S = 5.0
"""Within how many seconds a node is heard again that could not be connected to, or is taken for gone."""
_OF_A_TRY = (BleakError, TimeoutError, EOFError, OSError, KeyError)
"""How a connect may fail without that being a defect of ours."""
_SLACK_S = 15.0
"""bluetoothd's own time-outs come first; this one is for a daemon that hangs."""
_ASK_S = 15.0
"""Seconds for anything else that is asked of the Bluetooth below."""
_POWER_S = 30.0
_WATCH_S = 5.0
"""How often a scan is looked at."""
_KEPT_SIGHTINGS = 2000
_LATELY_S = 3.0
"""Two nodes that were both heard within these seconds are both there."""


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

    @property
    def name(self) -> str:
        """What it calls itself; not every one of a node's packets has it."""
        return self.data.local_name or ""

    @property
    def services(self) -> tuple[str, ...]:
        """The services that it names, in full and in small letters."""
        return tuple(uuid.lower() for uuid in self.data.service_uuids)

    @property
    def manufacturer(self) -> dict[int, bytes]:
        """What it says by company identifier."""
        return {int(company): bytes(said) for company, said in self.data.manufacturer_data.items()}

    @property
    def random(self) -> bool | None:
        """Whether its address is a random one; None if that is not told.

        BlueZ tells it among the device's properties (doc/org.bluez.Device.rst, ``AddressType``), bumble by
        the address itself.  Both show a bonded node by the address that its bond resolves to.
        """
        details = self.device.details
        if isinstance(details, dict):
            kind = details.get("props", {}).get("AddressType")
            return None if kind is None else kind == "random"
        public = getattr(details, "is_public", None)
        return None if public is None else not public


Wanted = Callable[[Sighting], bool]
"""Whether this is the node that is meant."""


class Adapter:
    """An adapter at work.

    Args:
        backend: the Bluetooth under it.
        name: in the configuration.
        links: the most connections at a time; None begins with eight, learns, and tries more again.
        learned: what was learned of it before.
    """

    def __init__(
        self, backend: Backend, name: str, *, links: int | None = None, learned: int | None = None
    ) -> None:
        self.backend = backend
        self.name = name
        self.limit = Cap(
            links or learned or DEFAULT_LINKS,
            learns=links is None,
            changed=lambda _: self._tell("cap"),
            ceiling=DEFAULT_LINKS,
            now=self._now,
        )
        self.open_links: set[BleakLink] = set()
        self.seen: dict[str, Sighting] = {}
        self.power_cycles = 0
        self.state = State.FINE
        self.message = ""
        """What is the matter, while it is not fine."""
        self.cycled_for = ""
        """Why it was switched off and on last."""
        self.watchdog = Watchdog()
        self._powered = False
        self._connecting = asyncio.Lock()
        self._scanner: BleakScanner | None = None
        self._users = 0
        self._scanning = asyncio.Lock()
        self._watch: asyncio.Task[None] | None = None
        self._lookers: set[Callable[[Sighting], None]] = set()
        self._news: list[Callable[[Adapter, str], None]] = []

    @property
    def cap(self) -> int:
        """The most connections at a time."""
        return self.limit.most

    @property
    def last_heard(self) -> float | None:
        """The loop's time at which anything was heard last."""
        return self.watchdog.last_heard

    # Whoever wants to know

    def attend(self, look: Callable[[Sighting], None]) -> Callable[[], None]:
        """Call ``look`` with everything that is heard while anybody listens; returns what ends that."""
        self._lookers.add(look)
        return lambda: self._lookers.discard(look)

    def listen(self, news: Callable[["Adapter", str], None]) -> None:
        """Call ``news`` with what changed: ``state``, ``power-cycled``, ``cap`` or ``links``."""
        self._news.append(news)

    def heard_lately(self, wanted: Wanted, *, within: float = _LATELY_S) -> list[Sighting]:
        """The nodes that fit and were heard in so many seconds, the newest last."""
        since = asyncio.get_running_loop().time() - within
        return [sighting for sighting in self.seen.values() if sighting.at >= since and wanted(sighting)]

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

    async def hear(self, wanted: Wanted, *, within: float) -> Sighting:
        """Wait for an advertisement that fits.

        Raises:
            NodeNotHeard: none came in ``within`` seconds.
            AdapterMissing, AdapterHung: as for ``scanning``; also if it hears nothing at all any more.
        """
        found: asyncio.Future[Sighting] = asyncio.get_running_loop().create_future()

        def look(sighting: Sighting) -> None:
            if not found.done() and wanted(sighting):
                found.set_result(sighting)

        ignore = self.attend(look)
        try:
            async with self.scanning(), asyncio.timeout(within):
                return await found
        except TimeoutError:
            if self.state is not State.FINE:
                raise AdapterHung(f"the adapter {self.name}: {self.message}") from None
            raise NodeNotHeard(f"the node was not heard in {within:g} s") from None
        finally:
            ignore()

    async def _start(self) -> None:
        """Begin the scan; on an adapter that cannot, after switching it off and on once."""
        await self._power_on()
        try:
            await self._scan()
        except (BleakError, TimeoutError, EOFError, OSError) as error:
            await self._cycle(f"it cannot scan: {str(error) or 'no answer'}")
            try:
                await self._scan()
            except (BleakError, TimeoutError, EOFError, OSError) as again:
                self._powered = False
                text = f"it cannot scan: {str(again) or 'no answer'}"
                self._judge(State.HUNG, text)
                raise AdapterHung(f"the adapter {self.name}: {text}") from again
        if self.state in (State.HUNG, State.MISSING):
            self._judge(State.FINE)
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._watch_over())

    async def _scan(self) -> None:
        scanner = self.backend.scanner(self._heard)
        await _bounded(scanner.start(), _ASK_S)
        self._scanner = scanner
        self.watchdog.listening(self._now())

    async def _stop(self) -> None:
        scanner, self._scanner = self._scanner, None
        watch, self._watch = self._watch, None
        if watch is not None and watch is not asyncio.current_task():
            watch.cancel()
        await self._stop_scan(scanner)

    async def _stop_scan(self, scanner: BleakScanner | None) -> None:
        if scanner is not None:
            try:
                await _bounded(scanner.stop(), _ASK_S)
            except (BleakError, TimeoutError, EOFError, OSError) as error:
                log.info("adapter=%s stopping the scan: %r", self.name, error)

    def _heard(self, device: BLEDevice, data: AdvertisementData) -> None:
        now = self._now()
        self.watchdog.heard(now)
        if self.state is State.DEAF:
            self._judge(State.FINE)
        sighting = Sighting(device, data, now)
        self.seen.pop(sighting.address, None)
        self.seen[sighting.address] = sighting
        if len(self.seen) > _KEPT_SIGHTINGS:
            self.seen.pop(next(iter(self.seen)))
        for look in list(self._lookers):
            look(sighting)

    async def _watch_over(self) -> None:
        """Look whether the scan still hears; ends with it."""
        while True:
            await asyncio.sleep(_WATCH_S)
            remedy = self.watchdog.due(self._now(), links=len(self.open_links))
            if remedy is Remedy.NONE:
                continue
            silence = self._now() - (self.last_heard or 0.0)
            async with self._scanning:
                scanner, self._scanner = self._scanner, None
                self.watchdog.done(remedy, self._now())
                await self._stop_scan(scanner)
                with suppress(AdapterHung, AdapterMissing):
                    if remedy is Remedy.POWER:
                        await self._cycle(f"it heard nothing for {silence:.0f} s")
                    await self._start()
            if self.watchdog.deaf and self.state in (State.FINE, State.DEAF) and len(self.seen) > 1:
                # Where one node alone was ever heard, it may be that one that fell silent.
                text = f"it has heard nothing for {silence:.0f} s, and {len(self.seen)} nodes before"
                self._judge(State.DEAF, text)

    # Connecting

    async def connect(
        self,
        address: str,
        *,
        within: float,
        passkey: int | None = None,
        pair: bool | Wanted = False,
        wanted: Wanted | None = None,
        fresh: bool = False,
    ) -> BleakLink:
        """A link to the node at this address, or to the one that ``wanted`` knows.

        ``pair`` may depend on who it is that was heard: a loader that has no bonds is not paired with.
        ``fresh`` drops what is kept of its table first, for one that may have another firmware now.

        Raises:
            AdapterFull: its links are all in use.
            NodeNotHeard, AdapterMissing, AdapterHung: as for ``hear``.
            PairingFailed: the node did not take us.
            LinkError: it is there, and cannot be connected to.
        """
        self._has_room()
        fits = wanted or (lambda sighting: sighting.address == address.upper())
        sighting = await self.hear(fits, within=within)
        trouble: Exception | None = None
        for number in range(_TRIES):
            if trouble is not None:
                await asyncio.sleep(_BACK_OFF_S * 2**number)
                sighting = await self._heard_again(fits, trouble, within=min(within, _AGAIN_S))
            async with self._connecting:
                self._has_room()
                pairs = pair(sighting) if callable(pair) else pair
                try:
                    return await self._try(sighting, passkey=passkey, pair=pairs, fresh=fresh or number > 0)
                except _OF_A_TRY as error:
                    log.info("adapter=%s node=%s try %d: %r", self.name, sighting.address, number + 1, error)
                    trouble = error
        self.limit.failed(sighting.address, len(self.open_links))
        if self.watchdog.fruitless(sighting.address, links=len(self.open_links)):
            await self._revive("several nodes are heard, and none can be connected to")
        raise NodeUnreachable(f"{sighting.address} cannot be connected to: {trouble!r}") from trouble

    async def _heard_again(self, fits: Wanted, trouble: Exception, *, within: float) -> Sighting:
        """The node, after a try that failed: it may be gone, or somewhere else in another role.

        Nothing is held meanwhile, so that a node which comes and goes keeps nobody from connecting.
        """
        try:
            return await self.hear(fits, within=within)
        except NodeNotHeard:
            text = f"it cannot be connected to ({trouble!r}), and was not heard again in {within:g} s"
            raise NodeUnreachable(text) from trouble

    def _has_room(self) -> None:
        if len(self.open_links) >= self.cap:
            raise AdapterFull(f"{len(self.open_links)} nodes are connected through {self.name}")

    async def _try(self, sighting: Sighting, *, passkey: int | None, pair: bool, fresh: bool) -> BleakLink:
        """One try with a client of its own."""
        if fresh:
            with suppress(BleakError, TimeoutError, EOFError, OSError):
                await _bounded(self.backend.forget(sighting.device), _ASK_S)
        gone = _Gone()
        client = self.backend.client(sighting.device, gone, passkey=passkey, pair=pair)
        began = self._now()
        try:
            await _bounded(client.connect(), CONNECT_S + _SLACK_S)
        except _OF_A_TRY as error:
            await _let_go(client)
            if "pairing" in str(error).lower() or "Authentication" in str(error):
                raise PairingFailed(f"{sighting.address}: {error}") from error
            if self._now() - began >= CONNECT_S + _SLACK_S:
                await self._overran(sighting.address)
            raise
        link = BleakLink(client, self._ended)
        self.open_links.add(link)
        self.limit.connected(len(self.open_links))
        self.watchdog.connected()
        if self.state is State.HUNG:
            self._judge(State.FINE)
        gone.tell(link)
        self._tell("links")
        return link

    async def _overran(self, address: str) -> None:
        """A connect did not end by itself: the daemon, or the controller, hangs."""
        if self.watchdog.overran(links=len(self.open_links)):
            await self._revive("a connect does not end")
            raise AdapterHung(f"connecting to {address} did not end; {self.name} was switched off and on")

    def _ended(self, link: BleakLink) -> None:
        self.open_links.discard(link)
        self._tell("links")

    # The adapter itself

    async def _power_on(self) -> None:
        if self._powered:
            return
        try:
            await _bounded(self.backend.power_on(), _POWER_S)
        except AdapterMissing as error:
            self._judge(State.MISSING, error.message)
            raise
        except (AdapterHung, TimeoutError) as error:
            text = str(error) or "it does not answer"
            self._judge(State.HUNG, text)
            raise AdapterHung(f"the adapter {self.name}: {text}") from error
        self._powered = True

    async def _revive(self, why: str) -> None:
        """Switch it off and on, and go on listening if anybody does."""
        async with self._scanning:
            scanner, self._scanner = self._scanner, None
            await self._stop_scan(scanner)
            await self._cycle(why)
            if self._users:
                await self._start()

    async def _cycle(self, why: str) -> None:
        log.warning("adapter=%s is switched off and on: %s", self.name, why)
        self.power_cycles += 1
        self.cycled_for = why
        self._tell("power-cycled")
        for link in list(self.open_links):
            link.gone()
        try:
            await _bounded(self.backend.power_cycle(), _POWER_S)
        except (AdapterHung, AdapterMissing, TimeoutError) as error:
            self._powered = False
            missing = isinstance(error, AdapterMissing)
            self._judge(State.MISSING if missing else State.HUNG, str(error) or "it does not answer")
            if isinstance(error, TimeoutError):
                raise AdapterHung(f"the adapter {self.name} does not answer") from error
            raise

    def _judge(self, state: State, message: str = "") -> None:
        """How it is from now on; told if that is news."""
        self.message = message
        if state is not self.state:
            self.state = state
            log.warning("adapter=%s is %s%s", self.name, state, f": {message}" if message else "")
            self._tell("state")

    def _tell(self, what: str) -> None:
        for news in list(self._news):
            news(self, what)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def aclose(self) -> None:
        """End every link and the scan."""
        for link in list(self.open_links):
            await link.aclose()
        async with self._scanning:
            await self._stop()
        close = getattr(self.backend, "aclose", None)
        if close is not None:
            await close()


async def _bounded(work: Awaitable[T], seconds: float) -> T:
    """What is asked of a Bluetooth that may hang.  Raises TimeoutError."""
    task = asyncio.current_task()
    asked = task.cancelling() if task is not None else 0
    async with asyncio.timeout(seconds):
        result = await work
    if task is not None and task.cancelling() > asked:
        # A library that waits by asyncio.wait_for forgets in Python 3.11 that it was cancelled, if the
        # answer comes at that moment; whoever then goes on is never stopped.
        raise asyncio.CancelledError
    return result


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
