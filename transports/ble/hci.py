"""A backend for bleak that needs no operating system: a Bluetooth host of its own over any HCI.

The virtual air has one of its controllers at the other end; a real one on a serial port or
USB would do as well.  bleak's own interface is kept to the letter, so that everything above
is the same code that runs over BlueZ, and it is as unbounded in its writes without response.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any, cast

from bleak.assigned_numbers import CharacteristicPropertyName
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient, NotifyCallback
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, AdvertisementDataCallback, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakDBusError, BleakDeviceNotFoundError, BleakError
from bumble import core, gatt_client, hci
from bumble.att import ATT_CID, ATT_Error, ATT_Write_Command
from bumble.core import AdvertisingData, BaseBumbleError, InvalidStateError
from bumble.device import Advertisement, Connection, Device, DeviceConfiguration, Peer
from bumble.gatt import Characteristic
from bumble.host import Host
from bumble.keys import MemoryKeyStore
from bumble.pairing import PairingConfig, PairingDelegate
from bumble.transport.common import TransportSink, TransportSource

log = logging.getLogger(__name__)

_OWN_RANDOM = "F0:F1:F2:F3:F4:F5"
"""A static address that is never used: we connect with the controller's public one."""
ATT_MTU = 517
"""What BlueZ asks for; the node's own limit is usually smaller."""


class Passkeys(PairingDelegate):
    """Types the passkey that a profile names; without one it just pairs."""

    def __init__(self, passkey: int | None) -> None:
        types = PairingDelegate.IoCapability.KEYBOARD_INPUT_ONLY
        super().__init__(PairingDelegate.IoCapability.NO_OUTPUT_NO_INPUT if passkey is None else types)
        self._passkey = passkey

    async def get_number(self) -> int | None:
        """The passkey that the node shows."""
        return self._passkey


class HciAdapter:
    """A Bluetooth host over one controller; ``address`` is what the controller says, once it was asked."""

    device: Device

    def __init__(self, source: TransportSource, sink: TransportSink, address: str, name: str) -> None:
        self.address = address
        self.name = name
        self._keys = MemoryKeyStore()
        self._scanners: set[HciScanner] = set()
        self._connecting = asyncio.Lock()
        self.plug(source, sink)

    def plug(self, source: TransportSource, sink: TransportSink) -> None:
        """Go on with another controller, or with the same one behind another stream; bonds are kept."""
        config = DeviceConfiguration(name="tender", address=hci.Address(_OWN_RANDOM), le_enabled=True)
        self.device = Device(host=Host(source, sink), config=config)
        self.device.keystore = self._keys
        self.device.on("advertisement", self._heard)

    async def power_on(self) -> None:
        """Reset the controller and make it ours; whoever was listening goes on listening.

        Raises:
            BleakError: it does not answer.
        """
        try:
            async with asyncio.timeout(5.0):
                await self.device.power_on()
        except (TimeoutError, BaseBumbleError) as error:
            raise BleakError(f"the adapter {self.address} does not answer: {error!r}") from error
        self.address = self.device.public_address.to_string(False)
        self.device.scanning = False  # a reset ends it, and bumble does not notice
        if self._scanners:
            await self._scan(self.device.start_scanning(legacy=True, filter_duplicates=False))

    async def add_scanner(self, scanner: "HciScanner") -> None:
        """Begin to hand over what is heard; the radio listens while anybody wants it to."""
        self._scanners.add(scanner)
        if len(self._scanners) == 1:
            try:
                await self._scan(self.device.start_scanning(legacy=True, filter_duplicates=False))
            except BleakError:
                self._scanners.discard(scanner)
                raise

    async def remove_scanner(self, scanner: "HciScanner") -> None:
        """End it."""
        self._scanners.discard(scanner)
        if not self._scanners and self.device.is_scanning:
            await self._scan(self.device.stop_scanning())

    async def _scan(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except BaseBumbleError as error:
            raise BleakError(f"the adapter {self.address} cannot scan: {error!r}") from error

    def lasting(self, address: hci.Address) -> hci.Address:
        """The identity address behind a resolvable one, if a bond resolves it; else the same.

        Core Specification, Vol 3, Part C, 10.8.2.3.
        """
        resolver = self.device.address_resolver
        if not address.is_resolvable or resolver is None:
            return address
        return resolver.resolve(address) or address

    async def connect(self, address: hci.Address, timeout: float) -> Connection:
        """One at a time, as a controller has one initiator (Core Specification, Vol 6, Part B, 4.4.4)."""
        async with self._connecting:
            try:
                return await self.device.connect(
                    address, own_address_type=hci.OwnAddressType.PUBLIC, timeout=timeout
                )
            except asyncio.CancelledError:
                # bumble leaves the controller trying, and it has one initiator only.
                with contextlib.suppress(BaseBumbleError):
                    await self.device.host.send_sync_command(hci.HCI_LE_Create_Connection_Cancel_Command())
                raise

    def _heard(self, advertisement: Advertisement) -> None:
        for scanner in list(self._scanners):
            scanner.heard(advertisement)


class HciScanner(BaseBleakScanner):
    """bleak's scanner over an :class:`HciAdapter`; ``adapter`` is set by :func:`backends`."""

    adapter: HciAdapter

    def __init__(
        self,
        detection_callback: AdvertisementDataCallback | None,
        service_uuids: list[str] | None,
        scanning_mode: str = "active",
        **kwargs: Any,
    ) -> None:
        del scanning_mode, kwargs
        super().__init__(detection_callback, service_uuids)

    async def start(self) -> None:
        """As in bleak."""
        self.seen_devices = {}
        await self.adapter.add_scanner(self)

    async def stop(self) -> None:
        """As in bleak."""
        await self.adapter.remove_scanner(self)

    def heard(self, advertisement: Advertisement) -> None:
        """An advertisement, as bleak hands it on."""
        data = advertisement.data
        name = data.get(AdvertisingData.Type.COMPLETE_LOCAL_NAME)
        services = [
            str(uuid.to_hex_str("-")).lower()
            for kind in _SERVICE_LISTS
            for found in data.get_all(kind)
            for uuid in cast("list[core.UUID]", found)
        ]
        manufacturer = data.get(AdvertisingData.Type.MANUFACTURER_SPECIFIC_DATA)
        told = AdvertisementData(
            local_name=str(name) if name is not None else None,
            manufacturer_data={manufacturer[0]: bytes(manufacturer[1])} if manufacturer else {},
            service_data={},
            service_uuids=[_in_full(uuid) for uuid in services],
            tx_power=None,
            rssi=advertisement.rssi,
            platform_data=(),
        )
        if not self.is_allowed_uuid(told.service_uuids):
            return
        # A bonded node is known by the address that its bond resolves to, as BlueZ shows it; it is called by
        # the one that it has now.
        address = self.adapter.lasting(advertisement.address).to_string(False)
        device = self.create_or_update_device(address, address, told.local_name, advertisement.address, told)
        self.call_detection_callbacks(device, told)


_SERVICE_LISTS = (
    AdvertisingData.Type.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
    AdvertisingData.Type.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
    AdvertisingData.Type.INCOMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
    AdvertisingData.Type.INCOMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
)


class HciClient(BaseBleakClient):
    """bleak's client over an :class:`HciAdapter`; ``adapter`` is set by :func:`backends`."""

    adapter: HciAdapter
    passkey: int | None = None

    def __init__(self, address_or_ble_device: BLEDevice | str, **kwargs: Any) -> None:
        super().__init__(
            address_or_ble_device,
            disconnected_callback=kwargs.get("disconnected_callback"),
            timeout=kwargs.get("timeout", 10.0),
        )
        details = getattr(address_or_ble_device, "details", None)
        self._peer_address = details if isinstance(details, hci.Address) else hci.Address(self.address)
        self._connection: Connection | None = None
        self._peer: Peer | None = None
        self._listening: dict[int, Callable[[bytes], None]] = {}

    @property
    def name(self) -> str:
        """As in bleak."""
        return self.address

    @property
    def mtu_size(self) -> int:
        """23, as BlueZ's backend says as well: the characteristic knows better."""
        return 23

    @property
    def is_connected(self) -> bool:
        """As in bleak."""
        return self._connection is not None

    async def connect(self, pair: bool, **kwargs: Any) -> None:
        """As in bleak: connect, agree on an MTU, read the whole table."""
        timeout = kwargs.get("timeout", self._timeout)
        if self._connection is not None:
            raise BleakError("Client is already connected")
        try:
            connection = await self.adapter.connect(self._peer_address, timeout)
        except (core.TimeoutError, TimeoutError) as error:
            raise BleakDeviceNotFoundError(self.address, f"{self.address} was not found") from error
        except (BaseBumbleError, InvalidStateError) as error:
            raise BleakError(f"connecting failed: {error!r}") from error
        self._connection = connection
        connection.on("disconnection", lambda _: self._disconnected(connection))
        try:
            async with asyncio.timeout(timeout):
                self._peer = peer = Peer(connection)
                await peer.request_mtu(ATT_MTU)
                if pair:
                    await self.pair()
                await peer.discover_all()  # type: ignore[no-untyped-call]
                self.services = _table(peer, connection)
        except TimeoutError:
            await self.disconnect()
            raise
        except BaseBumbleError as error:
            await self.disconnect()
            raise BleakError(f"failed to discover services, device disconnected ({error!r})") from error
        except asyncio.CancelledError:
            if self._connection is None:
                raise BleakError("failed to discover services, device disconnected") from None
            raise

    async def disconnect(self) -> None:
        """As in bleak."""
        connection = self._connection
        if connection is None:
            return
        try:
            async with asyncio.timeout(5.0):
                await connection.disconnect()
        except (TimeoutError, BaseBumbleError) as error:
            log.debug("%s: disconnecting: %r", self.address, error)
        self._disconnected(connection)

    async def pair(self, *args: Any, **kwargs: Any) -> None:
        """As in bleak, with the passkey of the adapter's owner."""
        del args, kwargs
        connection = self._open()
        self.adapter.device.pairing_config_factory = lambda _: PairingConfig(
            sc=True, mitm=self.passkey is not None, bonding=True, delegate=Passkeys(self.passkey)
        )
        try:
            if await self.adapter.device.get_long_term_key(connection.handle, b"\0" * 8, 0):
                await connection.encrypt()
            else:
                await connection.pair()
        except (BaseBumbleError, asyncio.CancelledError) as error:
            raise BleakError(f"pairing with {self.address} failed: {error!r}") from error

    async def unpair(self) -> None:
        """As in bleak."""
        keystore = self.adapter.device.keystore
        if keystore is not None:
            await keystore.delete(str(self.adapter.lasting(self._peer_address)))

    # Values

    async def read_gatt_char(
        self, characteristic: BleakGATTCharacteristic, *, use_cached: bool = False, **kwargs: Any
    ) -> bytearray:
        """As in bleak."""
        del use_cached, kwargs
        self._open()
        return bytearray(await self._ask(characteristic.obj.read_value()))

    async def read_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, *, use_cached: bool = False, **kwargs: Any
    ) -> bytearray:
        """As in bleak."""
        del use_cached, kwargs
        self._open()
        return bytearray(await self._ask(descriptor.obj.read_value()))

    async def write_gatt_char(
        self, characteristic: BleakGATTCharacteristic, data: Any, response: bool
    ) -> None:
        """As in bleak; without response it is taken at once, however much waits."""
        connection = self._open()
        if response:
            await self._ask(characteristic.obj.write_value(bytes(data), with_response=True))
            return
        pdu = ATT_Write_Command(attribute_handle=characteristic.handle + 1, attribute_value=bytes(data))
        connection.device.send_l2cap_pdu(connection.handle, ATT_CID, bytes(pdu))

    async def write_gatt_descriptor(self, descriptor: BleakGATTDescriptor, data: Any) -> None:
        """As in bleak."""
        self._open()
        await self._ask(descriptor.obj.write_value(bytes(data), with_response=True))

    async def start_notify(
        self, characteristic: BleakGATTCharacteristic, callback: NotifyCallback, **kwargs: Any
    ) -> None:
        """As in bleak."""
        del kwargs
        self._open()

        def heard(value: bytes) -> None:
            callback(bytearray(value))

        self._listening[characteristic.handle] = heard
        await self._ask(characteristic.obj.subscribe(heard))

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        """As in bleak."""
        self._open()
        heard = self._listening.pop(characteristic.handle, None)
        await self._ask(characteristic.obj.unsubscribe(heard))

    def _open(self) -> Connection:
        if self._connection is None:
            raise BleakError("Not connected")
        return self._connection

    async def _ask(self, work: Any) -> Any:
        try:
            return await work
        except ATT_Error as error:
            # What BlueZ's backend raises for an ATT error, in its words.
            text = f"Operation failed with ATT error: 0x{error.error_code:02x}"
            raise BleakDBusError("org.bluez.Error.Failed", [text]) from error
        except BaseBumbleError as error:
            raise BleakError(f"{error!r}") from error
        except asyncio.CancelledError:
            # bumble cancels what is pending when the link ends; our own end looks the same.
            if self._connection is None:
                raise BleakError("Not connected") from None
            raise

    def _disconnected(self, connection: Connection) -> None:
        if self._connection is not connection:
            return
        self._connection = self._peer = None
        self._listening.clear()
        if self._disconnected_callback is not None:
            self._disconnected_callback()


def backends(adapter: HciAdapter, passkey: int | None = None) -> tuple[type[HciScanner], type[HciClient]]:
    """The two types that bleak is given as ``backend=``, bound to an adapter."""
    scanner = type("HciScanner", (HciScanner,), {"adapter": adapter})
    client = type("HciClient", (HciClient,), {"adapter": adapter, "passkey": passkey})
    return scanner, client


def _table(peer: Peer, connection: Connection) -> BleakGATTServiceCollection:
    table = BleakGATTServiceCollection()

    def room() -> int:
        return int(connection.att_mtu) - 3

    for service in peer.services:
        made = BleakGATTService(service, service.handle, _in_full(service.uuid.to_hex_str("-").lower()))
        table.add_service(made)
        for found in service.characteristics:
            # bleak counts from the declaration, bumble from the value behind it.
            characteristic = BleakGATTCharacteristic(
                found,
                found.handle - 1,
                _in_full(found.uuid.to_hex_str("-").lower()),
                _properties(found),
                room,
                made,
            )
            table.add_characteristic(characteristic)
    return table


_NAMES: dict[Characteristic.Properties, CharacteristicPropertyName] = {
    Characteristic.Properties.READ: "read",
    Characteristic.Properties.WRITE: "write",
    Characteristic.Properties.WRITE_WITHOUT_RESPONSE: "write-without-response",
    Characteristic.Properties.NOTIFY: "notify",
    Characteristic.Properties.INDICATE: "indicate",
}


def _properties(found: gatt_client.CharacteristicProxy[Any]) -> list[CharacteristicPropertyName]:
    return [name for flag, name in _NAMES.items() if found.properties & flag]


def _in_full(uuid: str) -> str:
    """128 bits, as bleak writes them."""
    if len(uuid) == 4:
        return f"0000{uuid}-0000-1000-8000-00805f9b34fb"
    if len(uuid) == 8:
        return f"{uuid}-0000-1000-8000-00805f9b34fb"
    return uuid
