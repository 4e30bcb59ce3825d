"""A virtual node's radio: its persona as a bumble host, and its peer called for what happens."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from bumble import data_types, gatt, hci
from bumble.att import ATT_Error
from bumble.core import UUID, AdvertisingData
from bumble.device import Connection, Device, DeviceConfiguration
from bumble.host import Host
from bumble.keys import MemoryKeyStore
from bumble.pairing import PairingConfig, PairingDelegate

from transports.gatt import Characteristic, GattPeer, Persona, Property
from transports.virtual.air.air import Air
from transports.virtual.air.radio import RadioController

log = logging.getLogger(__name__)

_PROPERTIES = {
    Property.READ: gatt.Characteristic.Properties.READ,
    Property.WRITE: gatt.Characteristic.Properties.WRITE,
    Property.WRITE_WITHOUT_RESPONSE: gatt.Characteristic.Properties.WRITE_WITHOUT_RESPONSE,
    Property.NOTIFY: gatt.Characteristic.Properties.NOTIFY,
    Property.INDICATE: gatt.Characteristic.Properties.INDICATE,
}
_ADVERTISING_BYTES = 31
"""Of a legacy advertisement (Core Specification, Vol 6, Part B, 2.3.1.1)."""
_LEAVING_S = 0.2
_WRITES = {Property.WRITE, Property.WRITE_WITHOUT_RESPONSE}
_LISTENS = {Property.NOTIFY, Property.INDICATE}


class _Shown(PairingDelegate):
    """Pairing as a node does it that shows a passkey, asks nobody, or does not pair at all."""

    def __init__(self, passkey: int | None, *, willing: bool) -> None:
        shows = PairingDelegate.IoCapability.DISPLAY_OUTPUT_ONLY
        mute = PairingDelegate.IoCapability.NO_OUTPUT_NO_INPUT
        super().__init__(mute if passkey is None else shows)
        self._passkey = passkey
        self._willing = willing

    async def accept(self) -> bool:
        return self._willing

    async def generate_passkey(self) -> int:
        return self._passkey or 0


class AirNode:
    """Puts a :class:`~transports.gatt.GattPeer` on the air; implements ``NodeRadio``.

    Bonds are kept as long as this object lives, as a node keeps them in its flash.
    """

    def __init__(self, air: Air, peer: GattPeer, name: str = "node") -> None:
        self._air = air
        self._peer = peer
        self._name = name
        self._persona: Persona | None = None
        self._controller: RadioController | None = None
        self._device: Device | None = None
        self._connection: Connection | None = None
        self._characteristics: dict[str, gatt.Characteristic[bytes]] = {}
        self._keys = MemoryKeyStore()
        self._jobs: set[asyncio.Task[None]] = set()
        self._unconfirmed: set[asyncio.Task[None]] = set()
        self._turn = 0
        self._goodbye: Connection | None = None
        peer.attach(self)

    @property
    def controller(self) -> RadioController | None:
        """The radio of the present persona."""
        return self._controller

    @property
    def connection(self) -> Connection | None:
        """The connection that is open, if one is."""
        return self._connection

    def appear(self, persona: Persona | None) -> None:
        """As in the contract."""
        self._turn += 1
        self._go_silent()
        self._persona = persona
        if persona is not None:
            self._do(self._come_up(persona, self._turn))

    def notify(self, characteristic: str, data: bytes) -> bool:
        """As in the contract."""
        device, connection = self._device, self._connection
        found = self._characteristics.get(characteristic)
        if device is None or connection is None or found is None:
            return False
        subscribed = device.gatt_server.subscribers.get(connection, {}).get(found.handle)
        if not subscribed or not subscribed[0] & 3:
            return False
        if subscribed[0] & 1:
            self._do(device.gatt_server.notify_subscriber(connection, found, data))
        else:  # which waits for a confirmation, as long as the connection lasts
            waiting = self._do(device.gatt_server.indicate_subscriber(connection, found, data))
            self._unconfirmed.add(waiting)
            waiting.add_done_callback(self._unconfirmed.discard)
        return True

    def hang_up(self) -> None:
        """As in the contract."""
        if self._connection is not None:
            self._goodbye = self._connection
            self._do(self._connection.disconnect())

    async def aclose(self) -> None:
        """Leave the air."""
        self.appear(None)
        if self._jobs:  # a role that is just coming up, or a goodbye, is over at once
            await asyncio.wait(self._jobs, timeout=_LEAVING_S)
        for job in list(self._jobs):
            job.cancel()
        if self._jobs:
            await asyncio.wait(self._jobs)

    # Personas

    def _go_silent(self) -> None:
        controller, self._controller, self._device = self._controller, None, None
        if controller is not None:
            self._air.remove_controller(controller)
            controller.le_legacy_advertiser.stop()
        self._forget_unconfirmed()
        if self._connection is not None:
            self._connection = None
            self._peer.disconnected()

    def _forget_unconfirmed(self) -> None:
        for waiting in list(self._unconfirmed):
            waiting.cancel()

    async def _come_up(self, persona: Persona, turn: int) -> None:
        controller = RadioController(self._name, link=self._air, station=self)
        controller.random_address = hci.Address(persona.address)
        host = Host(controller, controller)
        device = Device(host=host, config=_configuration(persona))
        device.gatt_server.max_mtu = persona.att_mtu
        device.keystore = self._keys
        device.pairing_config_factory = lambda _: PairingConfig(
            sc=True,
            mitm=persona.passkey is not None,
            bonding=persona.bondable,
            delegate=_Shown(persona.passkey, willing=persona.bondable),
        )
        self._characteristics = {}
        for service in persona.services:
            device.add_service(
                gatt.Service(UUID(service.uuid), [self._made(each) for each in service.characteristics])
            )
        device.on("connection", self._connected)
        await device.power_on()
        if turn != self._turn:
            self._air.remove_controller(controller)
            return
        self._controller, self._device = controller, device
        await self._advertise()

    async def _advertise(self) -> None:
        device, persona = self._device, self._persona
        if device is None or persona is None or self._connection is not None:
            return
        await device.start_advertising(
            advertising_data=_call(persona),
            advertising_interval_min=persona.advertisement.interval * 1000,
            advertising_interval_max=persona.advertisement.interval * 1000,
        )

    def _made(self, wanted: Characteristic) -> gatt.Characteristic[bytes]:
        uuid = wanted.uuid

        def read(connection: Connection | None) -> bytes:
            del connection
            return self._peer.value(uuid)

        def write(connection: Connection | None, value: bytes) -> None:
            del connection
            error = self._peer.written(uuid, bytes(value))
            if error:
                raise ATT_Error(error)

        properties = gatt.Characteristic.Properties(0)
        for each in wanted.properties:
            properties |= _PROPERTIES[each]
        permissions = gatt.Characteristic.Permissions(0)
        if Property.READ in wanted.properties:
            permissions |= gatt.Characteristic.READABLE
            if wanted.secured:
                permissions |= gatt.Characteristic.READ_REQUIRES_ENCRYPTION
        if _WRITES & wanted.properties:
            permissions |= gatt.Characteristic.WRITEABLE
            if wanted.secured:
                permissions |= gatt.Characteristic.WRITE_REQUIRES_ENCRYPTION
        value: Any = gatt.CharacteristicValue(read=read, write=write)
        made: gatt.Characteristic[bytes] = gatt.Characteristic(UUID(uuid), properties, permissions, value)
        if _LISTENS & wanted.properties:
            made.on(
                made.EVENT_SUBSCRIPTION,
                lambda _, notify, indicate: self._peer.listened(uuid, on=bool(notify or indicate)),
            )
        self._characteristics[uuid] = made
        return made

    # What happens

    def _connected(self, connection: Connection) -> None:
        self._connection = connection
        connection.on("disconnection", lambda _: self._disconnected(connection))
        self._peer.connected()

    def _disconnected(self, connection: Connection) -> None:
        if self._connection is not connection:
            return  # of a former persona
        self._connection = None
        self._forget_unconfirmed()
        if self._goodbye is connection:
            # Ours is over when the other side has heard of it (Core Specification, Vol 6, Part B, 5.1.6);
            # bumble's controller says so before that.
            self._goodbye = None
            self._do(self._gone_when_heard(self._turn))
            return
        self._peer.disconnected()
        self._do(self._advertise())

    async def _gone_when_heard(self, turn: int) -> None:
        await asyncio.sleep(2 * self._air.timing.interval)
        if turn == self._turn:
            self._peer.disconnected()
            await self._advertise()

    def _do(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[None]:
        async def job() -> None:
            try:
                await work
            except Exception as error:  # noqa: BLE001 - the connection ended in the middle of it
                log.debug("%s: %r", self._name, error)

        task = asyncio.create_task(job())
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)
        task.add_done_callback(lambda _: work.close())  # one that was cancelled never began it
        return task


def _configuration(persona: Persona) -> DeviceConfiguration:
    return DeviceConfiguration(
        name=persona.advertisement.name,
        address=hci.Address(persona.address),
        advertising_data=_call(persona),
    )


def _call(persona: Persona) -> bytes:
    """The advertising data: flags, name, services, manufacturer (Core Specification Supplement, Part A)."""
    wanted = persona.advertisement
    parts: list[Any] = [data_types.Flags(AdvertisingData.Flags.LE_GENERAL_DISCOVERABLE_MODE)]
    if wanted.name:
        parts.append(data_types.CompleteLocalName(wanted.name))
    short = [UUID(each) for each in wanted.services if each.endswith("-0000-1000-8000-00805f9b34fb")]
    long = [UUID(each) for each in wanted.services if not each.endswith("-0000-1000-8000-00805f9b34fb")]
    if short:
        # Not from_16_bits, which gives the long form back once anybody in the process has seen that.
        shortened = [UUID(str(each)[4:8]) for each in short]
        parts.append(data_types.CompleteListOf16BitServiceUUIDs(shortened))
    if long:
        parts.append(data_types.CompleteListOf128BitServiceUUIDs(long))
    if wanted.manufacturer is not None:
        company, data = wanted.manufacturer
        parts.append(data_types.ManufacturerSpecificData(company, data))
    data = bytes(AdvertisingData(parts))
    if len(data) > _ADVERTISING_BYTES:
        raise ValueError(f"an advertisement of {len(data)} bytes; {_ADVERTISING_BYTES} is all that fits")
    return data
