"""Nordic's secure DFU over the same air: one transfer to a node in its loader, in virtual time."""

import asyncio
import math

from bench.air import ADDRESS, ATT_MTU, CENTRAL
from flashers.api import Calling, Component, Transfer, VirtualSetup, radio_node
from flashers.conformance.session import BenchSession
from flashers.nordic_dfu import FORMAT, PLUGIN
from flashers.sim import SimApp
from transports.ble.adapter import Adapter, Sighting
from transports.ble.backend import HciBackend
from transports.ble.hci import HciAdapter
from transports.gatt import GattLink
from transports.virtual.air.air import Air
from transports.virtual.air.node import AirNode
from transports.virtual.air.radio import RadioController
from transports.virtual.air.timing import Timing

_OBJECT = 4096
"""Bytes of an object: a page of flash (nRF5 SDK 17.1.0, ``DATA_OBJECT_MAX_SIZE``)."""
_QUESTIONS = 5
"""Events of an object beside those of its packets: its receipt, and two each for execute and create."""
_SIZE = 25 * _OBJECT


def nordic_limit(timing: Timing) -> float:
    """Bytes a second: ``object / ((packets of an object / packets an event + questions) x interval)``."""
    packets = math.ceil(_OBJECT / (ATT_MTU - 3)) / (1 - timing.loss)
    return _OBJECT / ((math.ceil(packets / timing.packets) + _QUESTIONS) * timing.interval)


async def nordic_upload(timing: Timing) -> tuple[int, float]:
    """The bytes of an image, and the virtual seconds of its transfer."""
    loop = asyncio.get_running_loop()
    params = PLUGIN.params.model_validate({"protocol": "secure", "version_rule": "off"})
    old, new = (
        PLUGIN.build(SimApp(version), size, {}) for version, size in (("1.0.0", 2000), ("2.0.0", _SIZE))
    )
    node = radio_node(PLUGIN.virtual_node(VirtualSetup(params, flash={"app": old}, options={})))
    air = Air(timing)
    radio = AirNode(air, node.radio("bench", ADDRESS), "bench")
    controller = RadioController("hci0", link=air, public_address=CENTRAL)
    adapter = Adapter(HciBackend(HciAdapter(controller, controller, CENTRAL, "hci0")), "bench")

    async def connect(callings: tuple[Calling, ...]) -> GattLink:
        def wanted(seen: Sighting) -> bool:
            return any(one.fits(seen.address, seen.name, seen.services) for one in callings)

        return await adapter.connect(ADDRESS, within=10.0, wanted=wanted)

    session = BenchSession(radio=connect, address=ADDRESS)
    flasher = PLUGIN.open(session, params)
    image = PLUGIN.parse(new, FORMAT, Component(), params)
    try:
        await flasher.enter_loader()
        clock = loop.time()
        await flasher.transfer(Transfer(image))
        return image.size, loop.time() - clock
    finally:
        await session.close()
        await adapter.aclose()
        await radio.aclose()
