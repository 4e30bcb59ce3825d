# mypy: disable-error-code="import-not-found"
"""smpclient's own upload over the virtual air, in virtual time.  Runs in the peers' environment.

``python smp_air.py JSON`` prints one JSON object: seconds (virtual), cpu.  The client, its bumble
transport and its procedure are smpclient's; the air and the node are ours, in the same process.
The transport is handed a connection, as its ``use_connection`` is for.
"""

import asyncio
import json
import sys
import time

from bumble.device import Device, DeviceConfiguration
from bumble.hci import Address
from bumble.host import Host
from smpclient import SMPClient
from smpclient.requests.os_management import MCUMgrParametersRead
from smpclient.transport.bumble import SMPBumbleTransport

from bench.air import ADDRESS, CENTRAL, Asked, virtual_node
from transports.virtual.air.air import Air
from transports.virtual.air.node import AirNode
from transports.virtual.air.radio import RadioController
from transports.virtual.air.timing import Timing
from transports.virtual.clock import run_virtual


async def main(asked: Asked) -> None:
    """Connect, learn the node's buffers as its users' program does, and upload."""
    air = Air(Timing(loss=asked.loss))
    image = asked.image()
    node = AirNode(air, virtual_node(asked), "bench")
    controller = RadioController("hci0", link=air, public_address=CENTRAL)
    device = Device(host=Host(controller, controller), config=DeviceConfiguration(address=Address(CENTRAL)))
    await device.power_on()
    transport = SMPBumbleTransport()
    await transport.use_connection(await device.connect(Address(ADDRESS)))
    client = SMPClient(transport, ADDRESS)
    said = await client.request(MCUMgrParametersRead())
    transport.initialize(said.buf_size)
    loop = asyncio.get_running_loop()
    clock, cpu = loop.time(), time.process_time()
    async for _ in client.upload(image):
        pass
    sys.stdout.write(json.dumps({"seconds": loop.time() - clock, "cpu": time.process_time() - cpu}) + "\n")
    await node.aclose()


run_virtual(main(Asked(**json.loads(sys.argv[1]))))
