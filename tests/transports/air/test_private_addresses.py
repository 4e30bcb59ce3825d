"""A node that changes its address is one node by its bond; our own host resolves it, over the virtual air."""

import asyncio

from bumble import data_types, gatt, hci
from bumble.core import UUID, AdvertisingData
from bumble.device import Device, DeviceConfiguration
from bumble.host import Host
from bumble.keys import MemoryKeyStore

from gateway.service.radio.matching import Call
from tests.transports.air.rig import SERVICE, VALUE, Rig, rig
from transports.ble.adapter import Adapter, Sighting
from transports.ble.backend import HciBackend
from transports.virtual.air.radio import RadioController
from transports.virtual.clock import run_virtual

LASTING = "C0:00:00:00:00:77"


class Private:
    """A node that calls out from an address that it changes, and bonds with whoever asks."""

    def __init__(self, here: Rig) -> None:
        self._air = here.air
        self.controller = RadioController("private", link=here.air)
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


async def heard(adapter: Adapter) -> Sighting:
    """The newest call of it."""
    adapter.seen.clear()
    return await adapter.hear(lambda sighting: sighting.name == "p1", within=10.0)


def kind(sighting: Sighting) -> str:
    """The kind of its address, as candidates show it."""
    return Call(sighting.address, "main", sighting.rssi, sighting.at, random=sighting.random).addressed


def test_a_bonded_node_is_one_node_whatever_address_it_calls_from() -> None:
    async def main() -> None:
        async with rig() as here:
            node = Private(here)
            await node.appear()
            adapter = Adapter(HciBackend(here.adapter), "main")
            before = await heard(adapter)
            assert before.address == node.address != LASTING
            assert kind(before) == "resolvable", "a stranger, and no rule takes it"

            link = await adapter.connect(before.address, within=10.0, pair=True)
            assert await link.read(VALUE) == b"for friends"
            await link.aclose()
            await asyncio.sleep(1.0)

            first = node.address
            for _ in range(3):
                await node.appear()
                assert node.address != first
                again = await heard(adapter)
                assert (again.address, kind(again)) == (LASTING, "static")
                link = await adapter.connect(LASTING, within=10.0, pair=True)
                assert await link.read(VALUE) == b"for friends"
                await link.aclose()
                await asyncio.sleep(1.0)
            keys = node.device.keystore
            assert keys is not None
            assert len(await keys.get_all()) == 1, "it was paired with once"

    run_virtual(main())
