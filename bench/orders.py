"""A process that takes orders on standard input, a line each, and answers each with a line.

It is the other end of :class:`tests.peers.herdsman.Host`, for hosts that are written in Python.
"""

import asyncio
import json
import logging
import sys
from typing import Any

Said = dict[str, Any]

logger = logging.getLogger(__name__)


async def serve(host: Any) -> None:
    """Take orders until standard input ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    running: set[asyncio.Task[None]] = set()

    async def obey(order: Said) -> None:
        name, number = order.pop("do"), order.pop("id")
        try:
            said = {"done": name, "id": number, **await getattr(host, name)(**order)}
        except Exception as error:
            logger.exception("%s failed", name)
            said = {"failed": name, "id": number, "why": f"{type(error).__name__}: {error}"}
        print(json.dumps(said), flush=True)

    async for line in reader:
        task = asyncio.create_task(obey(json.loads(line)))
        running.add(task)
        task.add_done_callback(running.discard)
