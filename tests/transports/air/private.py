"""A node that calls out from an address that it changes, as the tests of both hosts meet it."""

from bumble import data_types, gatt, hci
from bumble.core import UUID, AdvertisingData
from bumble.device import Device, DeviceConfiguration
from bumble.host import Host
from bumble.keys import MemoryKeyStore

from tests.transports.air.rig import SERVICE, VALUE
from transports.ble.adapter import Adapter, Sighting
from transports.virtual.air.air import Air
from transports.virtual.air.radio import RadioController

LASTING = "C0:00:00:00:00:77"


class Private:
    """A node that calls out from an address that it changes, and bonds with whoever asks."""

    def __init__(self, air: Air) -> None:
        self._air = air
        self.controller = RadioController("private", link=air)
        host = Host(self.controller, self.controller)
        config = DeviceConfiguration(
            name="p1", address=hci.Address(LASTING), irk=bytes(range(16)), le_privacy_enabled=True
        )
        self.device = Device(host=host, config=config)
        self.device.keystore = MemoryKeyStore()
        characteristic: gatt.Characteristic[bytes] = gatt.Characteristic(
            UUID(VALUE),
            gatt.Characteristic.Properties.READ,
            gatt.Characteristic.READABLE | gatt.Characteristic.READ_REQUIRES_ENCRYPTION,
            b"for friends",
        )
        self.device.add_service(gatt.Service(UUID(SERVICE), [characteristic]))

    @property
    def address(self) -> str:
        """What it calls out from now."""
        return self.controller.random_address.to_string(False)

    async def appear(self) -> None:
        """Come up with another address than before, and call out."""
        if self.device.powered_on:
            await self.device.stop_advertising()
            # bumble 0.0.236's own update sends the address that it had before.
            self.device.random_address = hci.Address.generate_private_address(self.device.irk)
            await self.device.send_sync_command(
                hci.HCI_LE_Set_Random_Address_Command(random_address=self.device.random_address)
            )
        else:
            await self.device.power_on()
        data = AdvertisingData([data_types.CompleteLocalName("p1")])
        await self.device.start_advertising(
            advertising_data=bytes(data), own_address_type=hci.OwnAddressType.RANDOM, auto_restart=False
        )

    async def bonds(self) -> int:
        """How many it has."""
        keys = self.device.keystore
        return 0 if keys is None else len(await keys.get_all())

    async def aclose(self) -> None:
        """Leave the air."""
        await self.device.stop_advertising()
        self._air.remove_controller(self.controller)


async def heard(adapter: Adapter) -> Sighting:
    """The newest call of it."""
    adapter.seen.clear()
    return await adapter.hear(lambda sighting: sighting.name == "p1", within=10.0)
