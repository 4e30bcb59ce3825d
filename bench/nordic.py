"""Nordic's secure DFU over the same air: one transfer to a node in its loader, in virtual time.

Its flash is that of an nRF52840, since that is what an object waits for: the loader erases a
page when an object is created, and has room for so many packets until it is erased; and it
answers an execute when all of the object is written.
"""

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
_CREATE, _RECEIPT, _EXECUTE = 2, 1, 2
"""Events of an object beside those of its packets: a question takes one, and its answer comes in the next."""
_HELD = 15
"""Packets that have room while the page is erased (nRF5 SDK 17.1.0: a queue of 16, with the erase in it)."""
_ERASE = 0.085
"""Seconds to erase a page (nRF52840 Product Specification, tERASEPAGE)."""
_WRITE = 61 * 41e-6
"""Seconds to write a packet of 244 bytes (the same, tWRITE: 41 us a word)."""
FORMULA = (
    "limit = object / (max(sent + 1, written) + 1) / interval, all in events: sent = max(2 + 15 / n, erase) "
    "+ (packets - 15) / n + 1, written = erase + packets x write; 15 packets have room while a page is erased"
)
_FLASH = {"erase-time": f"{_ERASE}", "write-time": f"{_WRITE:.6f}"}
_SIZE = 25 * _OBJECT


def nordic_limit(timing: Timing) -> float:
    """Bytes a second, by :data:`FORMULA`; ``n`` packets an event.

    The last packets of an object come when there is room for them, and its execute, which comes after
    their receipt, is answered in the event after all is written.
    """
    each = math.ceil(_OBJECT / (ATT_MTU - 3))
    events = timing.packets * (1 - timing.loss)
    held = min(each, _HELD)
    room = math.ceil(_ERASE / timing.interval) if each > held else 0
    sent = max(_CREATE + math.ceil(held / events), room) + math.ceil((each - held) / events) + _RECEIPT
    written = math.ceil((_ERASE + each * _WRITE) / timing.interval)
    return _OBJECT / ((max(sent + _EXECUTE - 1, written) + 1) * timing.interval)


async def nordic_upload(timing: Timing) -> tuple[int, float]:
    """The bytes of an image, and the virtual seconds of its transfer."""
    loop = asyncio.get_running_loop()
    said = {"protocol": "secure", "version_rule": "off", "erase_time": _ERASE}
    params = PLUGIN.params.model_validate(said)
    old, new = (
        PLUGIN.build(SimApp(version), size, {}) for version, size in (("1.0.0", 2000), ("2.0.0", _SIZE))
    )
    node = radio_node(PLUGIN.virtual_node(VirtualSetup(params, flash={"app": old}, options=_FLASH)))
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
