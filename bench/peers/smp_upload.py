# mypy: disable-error-code="import-not-found"
"""Upload an image with smpclient and say how long that took.  Runs in the peers' environment.

``python smp_upload.py PTY IMAGE`` prints one JSON object: seconds, cpu.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

from smpclient import SMPClient
from smpclient.requests.os_management import EchoWrite
from smpclient.transport.serial import SMPSerialTransport


async def main(port: str, image: bytes) -> None:
    """Connect as its users do, warm up with an echo, and upload."""
    async with SMPClient(SMPSerialTransport(), port) as client:
        await client.request(EchoWrite(d="warm"))
        clock, cpu = time.monotonic(), time.process_time()
        async for _ in client.upload(image):
            pass
        print(json.dumps({"seconds": time.monotonic() - clock, "cpu": time.process_time() - cpu}))


asyncio.run(main(sys.argv[1], Path(sys.argv[2]).read_bytes()))
