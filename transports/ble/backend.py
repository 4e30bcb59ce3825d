"""Which Bluetooth is under an adapter: BlueZ, or a host of our own over HCI.

Chosen in the configuration; everything above is the same code for both.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from bleak import BleakClient, BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementDataCallback
from bleak.exc import BleakError

from transports.ble.errors import AdapterHung

if TYPE_CHECKING:  # a site with BlueZ has no need of bumble, and need not have it
    from transports.ble.hci import HciAdapter

CONNECT_S = 10.0
"""Seconds for one try to connect to a node that was just heard."""


class Backend(Protocol):
    """One adapter of some Bluetooth."""

    @property
    def address(self) -> str:
        """The adapter's own address, by which it is known."""
        ...

    async def power_on(self) -> None:
        """Make it usable.

        Raises:
            AdapterMissing: it is not there.
            AdapterHung: it does not answer.
        """
        ...

    async def power_cycle(self) -> None:
        """Switch it off and on; everything connected is lost.  Raises as ``power_on``."""
        ...

    def scanner(self, callback: AdvertisementDataCallback) -> BleakScanner:
        """A scanner on this adapter, not started."""
        ...

    def client(
        self, device: BLEDevice, gone: Callable[[BleakClient], None], *, passkey: int | None, pair: bool
    ) -> BleakClient:
        """A fresh client, not connected."""
        ...

    async def forget(self, device: BLEDevice) -> None:
        """Drop what is cached of a node: its table may be another one now."""
        ...


class HciBackend:
    """A host of our own; see :mod:`transports.ble.hci`."""

    def __init__(self, adapter: "HciAdapter") -> None:
        self._adapter = adapter

    @property
    def address(self) -> str:
        """As in the contract."""
        return self._adapter.address

    async def power_on(self) -> None:
        """As in the contract."""
        try:
            await self._adapter.power_on()
        except BleakError as error:
            raise AdapterHung(str(error)) from error

    async def power_cycle(self) -> None:
        """As in the contract; a reset is all that HCI has."""
        await self.power_on()

    def scanner(self, callback: AdvertisementDataCallback) -> BleakScanner:
        """As in the contract."""
        from transports.ble.hci import backends

        return BleakScanner(callback, backend=backends(self._adapter)[0])

    def client(
        self, device: BLEDevice, gone: Callable[[BleakClient], None], *, passkey: int | None, pair: bool
    ) -> BleakClient:
        """As in the contract."""
        from transports.ble.hci import backends

        kind = backends(self._adapter, passkey)[1]
        return BleakClient(device, gone, pair=pair, timeout=CONNECT_S, backend=kind)

    async def forget(self, device: BLEDevice) -> None:
        """Nothing is cached here."""
        await asyncio.sleep(0)
