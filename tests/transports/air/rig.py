"""A node that echoes, an adapter, and the air between them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bleak import BleakScanner
from bleak.backends.device import BLEDevice

from transports.ble.hci import HciAdapter, HciClient, HciScanner, backends
from transports.gatt import Advertisement, Characteristic, NodeRadio, Persona, Property, Service
from transports.virtual.air.air import Air
from transports.virtual.air.node import AirNode
from transports.virtual.air.radio import RadioController
from transports.virtual.air.timing import RADIO, Timing

SERVICE = "8d53dc1d-1db7-4cd3-868b-8a527460aa84"
VALUE = "da2e7828-fbce-4e01-ae9e-261174997c48"
ADAPTER = "00:11:22:33:44:55"


def persona(number: int = 1, *, secured: bool = False, passkey: int | None = None) -> Persona:
    """A node with one characteristic that does everything."""
    properties = frozenset({Property.READ, Property.WRITE, Property.WRITE_WITHOUT_RESPONSE, Property.NOTIFY})
    return Persona(
        f"C0:00:00:00:00:{number:02X}",
        Advertisement(f"n{number}", (SERVICE,)),
        (Service(SERVICE, (Characteristic(VALUE, properties, secured=secured),)),),
        bondable=secured,
        passkey=passkey,
    )


class Counting:
    """Counts the bytes that it gets, and answers each write with the sum."""

    def __init__(self, who: Persona) -> None:
        self.who = who
        self.radio: NodeRadio | None = None
        self.got = b""
        self.connections = 0
        self.here = False
        self._waits: list[tuple[int, asyncio.Event]] = []

    async def has(self, count: int) -> None:
        """Wait until so many bytes have arrived."""
        if len(self.got) < count:
            arrived = asyncio.Event()
            self._waits.append((count, arrived))
            await arrived.wait()

    def attach(self, radio: NodeRadio) -> None:
        self.radio = radio
        radio.appear(self.who)

    def connected(self) -> None:
        self.connections += 1
        self.here = True

    def disconnected(self) -> None:
        self.here = False

    def written(self, characteristic: str, data: bytes) -> int:
        self.got += data
        for count, arrived in self._waits:
            if len(self.got) >= count:
                arrived.set()
        assert self.radio is not None
        self.radio.notify(characteristic, len(self.got).to_bytes(4, "big"))
        return 0x80 if data == b"no" else 0

    def value(self, characteristic: str) -> bytes:
        del characteristic
        return b"a value"

    def listened(self, characteristic: str, *, on: bool) -> None:
        del characteristic, on


@dataclass(slots=True)
class Rig:
    """Everything that a test needs."""

    air: Air
    adapter: HciAdapter
    controller: RadioController
    nodes: list[Counting]
    radios: list[AirNode]
    scanner: type[HciScanner]
    client: type[HciClient]

    async def find(self, name: str = "n1") -> BLEDevice:
        """A node by its name."""
        found = await BleakScanner.find_device_by_name(name, timeout=5.0, backend=self.scanner)
        assert found is not None, f"{name} is not on the air"
        return found


@asynccontextmanager
async def rig(*personas: Persona, timing: Timing = RADIO, passkey: int | None = None) -> AsyncIterator[Rig]:
    """An air with an adapter and these nodes."""
    air = Air(timing)
    nodes = [Counting(who) for who in personas or (persona(),)]
    radios = [AirNode(air, node, node.who.advertisement.name) for node in nodes]
    controller = RadioController("hci0", link=air, public_address=ADAPTER)
    adapter = HciAdapter(controller, controller, ADAPTER, "hci0")
    await adapter.power_on()
    scanner, client = backends(adapter, passkey)
    try:
        yield Rig(air, adapter, controller, nodes, radios, scanner, client)
    finally:
        for radio in radios:
            await radio.aclose()
