"""An air, an adapter on it that Linux has, and nodes; everything between is the real BlueZ."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from dbus_fast.aio import MessageBus

from flashers.api import (
    Activate,
    Calling,
    Component,
    Confirm,
    FirmwareImage,
    Probe,
    Role,
    Seen,
    Transfer,
    VirtualSetup,
)
from flashers.conformance.session import BenchSession
from flashers.mcuboot_smp.flasher import McubootFlasher
from flashers.mcuboot_smp.image import parse
from flashers.mcuboot_smp.make import make_image
from flashers.mcuboot_smp.params import SmpParams
from flashers.mcuboot_smp.virtual import VirtualMcubootNode
from flashers.sim import Behaviour, SimApp
from transports.ble.adapter import Adapter
from transports.ble.bluez import BluezBackend
from transports.ble.errors import AdapterHung, AdapterMissing
from transports.ble.link import BleakLink
from transports.ble.system_bus import DEVICE, adapter_path, ask, remove_device, system_bus
from transports.errors import TenderError
from transports.gatt import GattLink, GattPeer
from transports.virtual.air.air import Air
from transports.virtual.air.node import AirNode
from transports.virtual.air.vhci import Lent

ADAPTER = "00:1A:7D:DA:71:13"
LARGE = {"page": "4096", "slot-pages": "33"}
WITHIN_S = 30.0
"""How long a node is listened for: processors are emulated in here, and two have to do for everybody."""
BOOT_S = 60.0


def image(version: str, size: int = 20_000, behaviour: Behaviour = Behaviour.HEALTHY) -> bytes:
    """A firmware image for the nodes in here."""
    return make_image(SimApp(version, behaviour), size=size)


def parsed(data: bytes) -> FirmwareImage:
    """What the flasher is handed."""
    return parse(data, "mcuboot", Component("app", image=0), SmpParams())


@dataclass(slots=True)
class World:
    """Everything in reach of one adapter."""

    air: Air
    lent: Lent
    adapter: Adapter
    radios: list[AirNode] = field(default_factory=list)

    def add(self, peer: GattPeer, name: str) -> AirNode:
        """Put a node on the air."""
        self.radios.append(AirNode(self.air, peer, name))
        return self.radios[-1]

    async def aclose(self) -> None:
        """Leave the adapter, take the nodes away, and let BlueZ forget them and their bonds."""
        await self.adapter.aclose()
        for radio in self.radios:
            await radio.aclose()
        async with system_bus() as bus:
            path = await adapter_path(bus, self.lent.address)
            for node in await device_paths(bus, path):
                await remove_device(bus, node)


async def plugged_in(air: Air, address: str = ADAPTER) -> Lent:
    """An adapter that BlueZ has.  It stays: Linux 6.1 may fall over one that is pulled out while in use."""
    lent = Lent(air, address)
    async with asyncio.timeout(WITHIN_S):
        await known(BluezBackend(address))
    return lent


async def device_paths(bus: MessageBus, adapter: str) -> list[str]:
    """Every node that BlueZ knows through this adapter."""
    objects = await ask(bus, "/", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
    return [path for path, kinds in objects.items() if DEVICE in kinds and path.startswith(adapter + "/")]


async def known(backend: BluezBackend) -> None:
    """Wait until BlueZ has taken the adapter and switched it on."""
    while True:
        try:
            await backend.power_on()
        except (AdapterMissing, AdapterHung):
            await asyncio.sleep(0.1)
        else:
            return


@dataclass(slots=True)
class Bench:
    """A virtual node, and a flasher at work on it."""

    world: World
    node: VirtualMcubootNode
    session: BenchSession
    flasher: McubootFlasher
    links: list[BleakLink]

    async def answering(self) -> Seen:
        """Ask until the node answers, as a host does."""
        async with asyncio.timeout(BOOT_S):
            while True:
                seen = await self.flasher.probe(Probe())
                if seen.role is not Role.SILENT:
                    return seen

    async def transfer(self, data: bytes) -> None:
        """Bring the image into the node's other slot."""
        await self.flasher.transfer(Transfer(parsed(data)))

    async def started(self, data: bytes) -> Seen:
        """Have the node try the image, and see what it runs then."""
        await self.flasher.activate(Activate((parsed(data),)))
        return await self.answering()

    async def confirm(self, data: bytes) -> None:
        """Have the node keep it."""
        fine = parsed(data)
        assert fine.firmware.identity is not None
        await self.flasher.confirm(Confirm(fine.component, fine.firmware.identity))

    async def brought(self, data: bytes) -> int:
        """Update the node, and try again after whatever may be tried again; how often that was needed."""
        for tries in range(12):
            try:
                await self.answering()
                await self.transfer(data)
                await self.started(data)
                await self.confirm(data)
            except TenderError as error:
                if not error.retryable:
                    raise
            else:
                return tries
        raise AssertionError("it is never got over")

    def runs(self, data: bytes) -> bool:
        """Whether the node really executes it."""
        return self.node.truth().running.get(0) == parsed(data).firmware.identity

    def lies_in(self, slot: int) -> bytes | None:
        """The image in a slot, byte for byte."""
        found = self.node.bootloader.valid(0, slot)
        return None if found is None else self.node.slots.contents(0, slot)[: found.image.end]


@asynccontextmanager
async def bench(
    world: World, running: bytes, *, number: int = 1, options: Mapping[str, str] = LARGE
) -> AsyncIterator[Bench]:
    """A node that runs this image, called and addressed by its number."""
    address = f"C0:00:00:00:00:{number:02X}"
    node = VirtualMcubootNode(VirtualSetup(SmpParams(), flash={"app": running}, options=options))
    world.add(node.radio(f"n{number}", address), f"n{number}")
    links: list[BleakLink] = []

    async def connect(callings: tuple[Calling, ...]) -> GattLink:
        assert callings == (Calling(address=address),)
        links.append(await world.adapter.connect(address, within=WITHIN_S))
        return links[-1]

    session = BenchSession(radio=connect, address=address)
    try:
        yield Bench(world, node, session, McubootFlasher(session, SmpParams()), links)
    finally:
        await session.close()
