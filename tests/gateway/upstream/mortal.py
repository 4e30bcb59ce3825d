"""A gateway in a process of its own, to be killed: what it has done stands in a file.

    python -m tests.gateway.upstream.mortal URL FILE [stuck]

``stuck`` begins its first command and never comes to write it down.
"""

import asyncio
import os
import sys
from pathlib import Path

from gateway.model.views import AttemptView
from tests.gateway.upstream.small import SmallGateway, quick


class MortalGateway(SmallGateway):
    """Writes each rollback down, on the disk, before it says that it is done."""

    def __init__(self, done: Path, *, stuck: bool) -> None:
        super().__init__()
        self._done = done
        self._stuck = stuck

    async def rollback(self, node: str, *, asked_by: str) -> AttemptView:
        if self._stuck:
            sys.stdout.write(f"begun {node}\n")
            sys.stdout.flush()
            await asyncio.Event().wait()
        view = await super().rollback("node-1", asked_by=asked_by)
        with self._done.open("a") as file:
            file.write(f"{node}\n")
            file.flush()
            os.fsync(file.fileno())
        return view


async def main() -> None:
    from gateway.upstream.mqtt import MqttUpstream

    url, done, *more = sys.argv[1:]
    gateway = MortalGateway(Path(done), stuck="stuck" in more)
    protocol = "3.1.1" if "3.1.1" in more else "5"
    await MqttUpstream(quick(url, protocol=protocol)).run(gateway, gateway)


if __name__ == "__main__":
    asyncio.run(main())
