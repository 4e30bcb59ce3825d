"""The system's Bluetooth under an adapter: BlueZ, by bleak's own backend.

What is added to bleak here: the adapter is named by its address; a connection that an earlier
life left open is ended before a new one is made; nothing that BlueZ kept of a node's table
outlives a connection that failed or a new firmware; and a node is paired with as its profile says.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from bleak import BleakClient, BleakScanner
from bleak.backends.bluezdbus.client import BleakClientBlueZDBus
from bleak.backends.bluezdbus.scanner import BleakScannerBlueZDBus
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementDataCallback
from bleak.exc import BleakDBusError, BleakDeviceNotFoundError, BleakError
from bleak_retry_connector import close_stale_connections
from dbus_fast import Message

from transports.ble.agent import Agent
from transports.ble.backend import CONNECT_S
from transports.ble.errors import AdapterHung, AdapterMissing, BluezMissing
from transports.ble.system_bus import (
    Refused,
    adapter_path,
    device_property,
    node_path,
    rediscovered,
    remove_device,
    set_power,
    system_bus,
)

log = logging.getLogger(__name__)

_OFF_S = 0.5
"""How long an adapter stays off when its power is cycled."""
_SETTLE_S = 0.25
"""How long after a connection BlueZ and bleak may clean up before the node is removed under them."""

_SCAN_TRIES = 8
_EVERYWHERE = {"00001800-0000-1000-8000-00805f9b34fb", "00001801-0000-1000-8000-00805f9b34fb"}
"""Generic Access and Generic Attribute, which every node has and none is connected to for."""


class BluezScanner(BleakScannerBlueZDBus):
    """bleak's scanner on the adapter of an address, wherever that is now."""

    def __init__(self, *args: Any, adapter_address: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._address = adapter_address

    async def start(self) -> None:
        """As in bleak.

        Raises:
            BleakError: the adapter is not there, or cannot scan.
        """
        try:
            async with system_bus() as bus:
                self._adapter = (await adapter_path(bus, self._address)).rpartition("/")[2]
        except (AdapterMissing, AdapterHung, BluezMissing) as error:
            raise BleakError(str(error)) from error
        for _ in range(_SCAN_TRIES):
            try:
                await super().start()
            except BleakDBusError as error:
                if error.dbus_error != "org.bluez.Error.InProgress":
                    raise
                await asyncio.sleep(_SETTLE_S)  # the scan before this one is not quite over
            else:
                return
        await super().start()


class BluezClient(BleakClientBlueZDBus):
    """bleak's client, for one connection; ``passkey`` is for a node that is paired with."""

    def __init__(
        self, address_or_ble_device: BLEDevice, *, adapter_address: str, passkey: int | None, **kwargs: Any
    ) -> None:
        super().__init__(address_or_ble_device, **kwargs)
        self._device = address_or_ble_device
        self._adapter_address = adapter_address
        self._passkey = passkey

    async def connect(self, pair: bool, dangerous_use_bleak_cache: bool = False, **kwargs: Any) -> None:
        """As in bleak, from a clean state; a node that BlueZ has forgotten is looked for first."""
        del dangerous_use_bleak_cache
        await close_stale_connections(self._device)
        try:
            async with system_bus() as bus:
                path = await adapter_path(bus, self._adapter_address)
                self._adapter = path.rpartition("/")[2]
                known = await node_path(bus, path, self.address)
                self._device_path = known or f"{path}/dev_{self.address.upper().replace(':', '_')}"
                if known is None and not await rediscovered(bus, self._device_path):
                    raise BleakDeviceNotFoundError(self.address, f"{self.address} is not heard any more")
        except (Refused, AdapterMissing, AdapterHung, BluezMissing) as error:
            raise BleakError(str(error)) from error
        await super().connect(pair, **kwargs)
        table = [service for service in self.services or () if service.uuid not in _EVERYWHERE]
        if not any(service.characteristics for service in table):
            # Known of BlueZ: services resolved, it says, and has none yet, or none any more, or bare ones.
            await self.disconnect()
            raise BleakError("failed to discover services: the table is empty")

    async def _pair(self) -> Message:
        assert self._bus is not None  # noqa: S101 - bleak's own contract, as in the method this stands in for
        assert self._device_path is not None  # noqa: S101
        try:
            await Agent(self._device_path, self._passkey).register(self._bus)
        except (Refused, AdapterHung, BluezMissing) as error:
            raise BleakError(f"pairing is not possible: {error}") from error
        return await super()._pair()


class BluezBackend:
    """Implements :class:`~transports.ble.backend.Backend` over BlueZ.

    Args:
        address: the adapter's own.
    """

    def __init__(self, address: str) -> None:
        self._address = address.upper()

    @property
    def address(self) -> str:
        """As in the contract."""
        return self._address

    async def power_on(self) -> None:
        """As in the contract."""
        async with system_bus() as bus:
            await set_power(bus, await adapter_path(bus, self._address), on=True)

    async def power_cycle(self) -> None:
        """As in the contract."""
        async with system_bus() as bus:
            path = await adapter_path(bus, self._address)
            await set_power(bus, path, on=False)
            await asyncio.sleep(_OFF_S)
            await set_power(bus, path, on=True)

    def scanner(self, callback: AdvertisementDataCallback) -> BleakScanner:
        """As in the contract; every advertisement is wanted, not only the first of each node."""
        return BleakScanner(
            callback,
            backend=BluezScanner,
            bluez={"filters": {"DuplicateData": True}},
            adapter_address=self._address,
        )

    def client(
        self, device: BLEDevice, gone: Callable[[BleakClient], None], *, passkey: int | None, pair: bool
    ) -> BleakClient:
        """As in the contract."""
        return BleakClient(
            device,
            gone,
            pair=pair,
            timeout=CONNECT_S,
            backend=BluezClient,
            adapter_address=self._address,
            passkey=passkey,
        )

    async def forget(self, device: BLEDevice) -> None:
        """As in the contract.

        BlueZ keeps a node's table as long as it keeps the node, so it is made to forget both; a
        node that is bonded is kept for its keys, and says itself when its table has changed
        (Service Changed: Core Specification, Vol 3, Part G, 7.1).  bleak's own cache is never used, and
        bleak-retry-connector's way to clear it would cost the bond.
        """
        await close_stale_connections(device)
        await asyncio.sleep(_SETTLE_S)
        path = str(device.details["path"])
        try:
            async with system_bus() as bus:
                if await device_property(bus, path, "Paired"):
                    return
                await remove_device(bus, path)
        except (Refused, AdapterHung, BluezMissing) as error:
            log.info("%s is not forgotten: %s", device.address, error)
