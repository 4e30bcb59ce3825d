"""An adapter that is a controller behind a socket: what the virtual air offers, or another machine.

The other end may begin later than we do, and may be started anew at any time.  Every link is
lost then, as when an adapter is unplugged; the adapter itself comes back without being asked,
and whoever was listening goes on listening.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from bleak import BleakClient, BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementDataCallback
from bleak.exc import BleakError

from transports.ble.backend import HciBackend
from transports.ble.errors import AdapterHung, AdapterMissing
from transports.ble.h4 import H4
from transports.ble.hci import HciAdapter
from transports.ble.place import HciPlace

log = logging.getLogger(__name__)

_OPEN_S = 5.0
_BACK_OFF_S = (0.2, 0.5, 1.0, 2.0)
"""Waits before each try to come back; the last one goes on for ever."""


class HciSocketBackend:
    """Implements :class:`~transports.ble.backend.Backend` over HCI on a socket.

    Args:
        place: ``unix:/path`` or ``tcp:HOST:PORT``.
        name: of the adapter in the configuration.

    Raises:
        ValueError: ``place`` is neither.
    """

    def __init__(self, place: str, name: str) -> None:
        self.place = HciPlace.parse(place)
        self._name = name
        self._adapter: HciAdapter | None = None
        self._stream: H4 | None = None
        self._opening = asyncio.Lock()
        self._returning: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def address(self) -> str:
        """The controller's own address; empty until it was asked."""
        return self._adapter.address if self._adapter is not None else ""

    @property
    def connected(self) -> bool:
        """Whether there is a controller at the other end now."""
        return self._stream is not None and self._stream.open

    async def power_on(self) -> None:
        """As in the contract."""
        async with self._opening:
            await self._usable()

    async def power_cycle(self) -> None:
        """As in the contract; a stream that has ended is opened anew."""
        await self.power_on()

    def scanner(self, callback: AdvertisementDataCallback) -> BleakScanner:
        """As in the contract."""
        return self._behind().scanner(callback)

    def client(
        self, device: BLEDevice, gone: Callable[[BleakClient], None], *, passkey: int | None, pair: bool
    ) -> BleakClient:
        """As in the contract."""
        return self._behind().client(device, gone, passkey=passkey, pair=pair)

    async def forget(self, device: BLEDevice) -> None:
        """Nothing is cached here."""
        await self._behind().forget(device)

    async def aclose(self) -> None:
        """Let go of the controller, and do not come back."""
        self._closed = True
        returning, self._returning = self._returning, None
        if returning is not None:
            returning.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await returning
        if self._stream is not None:
            self._stream.close()

    def _behind(self) -> HciBackend:
        if self._adapter is None:
            raise AdapterMissing(f"the adapter {self._name} was not switched on")
        return HciBackend(self._adapter)

    async def _usable(self) -> None:
        adapter = self._adapter
        if adapter is None or not self.connected:
            stream = await self._dial()
            if adapter is None:
                adapter = self._adapter = HciAdapter(stream, stream, "", self._name)
            else:
                adapter.plug(stream, stream)
            self._stream = stream
        try:
            await adapter.power_on()
        except BleakError as error:
            if self._stream is not None:
                self._stream.close()
            raise AdapterHung(f"the controller at {self.place} does not answer: {error}") from error

    async def _dial(self) -> H4:
        loop = asyncio.get_running_loop()

        def made() -> H4:
            return H4(lost=self._ended, strict=True)

        try:
            async with asyncio.timeout(_OPEN_S):
                if self.place.path:
                    return (await loop.create_unix_connection(made, self.place.path))[1]
                return (await loop.create_connection(made, self.place.host, self.place.port))[1]
        except (OSError, TimeoutError) as error:
            raise AdapterMissing(
                f"no controller listens at {self.place}: {error}",
                remedy="Start the air that offers it (`tender virtual air FILE`), or correct `hci`.",
            ) from error

    def _ended(self, stream: H4) -> None:
        if stream is not self._stream:
            return
        self._stream = None
        if not self._closed and self._returning is None:
            log.warning("adapter=%s the controller at %s is gone", self._name, self.place)
            self._returning = asyncio.get_running_loop().create_task(self._come_back())

    async def _come_back(self) -> None:
        number = 0
        while not self._closed:
            await asyncio.sleep(_BACK_OFF_S[min(number, len(_BACK_OFF_S) - 1)])
            number += 1
            try:
                async with self._opening:
                    if not self.connected:
                        await self._usable()
            except (AdapterMissing, AdapterHung, BleakError) as error:
                log.debug("adapter=%s: %s", self._name, error)
            else:
                if self.connected:
                    log.info("adapter=%s the controller at %s is back", self._name, self.place)
                    self._returning = None
                    return
