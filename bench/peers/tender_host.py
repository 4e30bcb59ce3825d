"""Tender's flasher over its own network, as a host that takes the same orders as the others.

It is what the service does with a node, without a journal: look at it, transfer, activate, look until
it runs the target.  It lives in a process of its own, so that its processor time is its own too.
"""

import asyncio
import contextlib
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

from bench.orders import Said, serve
from flashers.api import Activate, Component, FirmwareImage, Flasher, Probe, Transfer
from flashers.conformance.session import BenchSession
from flashers.zigbee_ota import FORMAT, PLUGIN
from transports.errors import LinkError
from transports.zigbee.network import Network
from transports.zigbee.networks import Networks, NetworkSettings

_LOOK_EVERY = 1.0
"""Seconds between two looks at a node that restarts, unless it is heard before."""


logger = logging.getLogger(__name__)


class TenderHost:
    """One network, and as many flashers as there are nodes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._networks: Networks | None = None
        self._network: Network | None = None
        self._news = asyncio.Event()

    async def start(self, path: str, **_: Any) -> Said:
        """Form the network, or go on with it."""
        settings = NetworkSettings(path=path.replace("tcp://", "socket://"), channel=15)
        self._networks = Networks({"bench": settings}, folder=self._folder)
        network = self._network = await self._networks.get("bench")
        network.changed(self._news.set)
        await self._until(lambda: network.state.up)
        return {"version": network.state.firmware}

    async def permit(self, seconds: int, **_: Any) -> Said:
        """Let nodes join."""
        await self._running.permit(seconds)
        return {}

    async def joined(self, ieee: str, **_: Any) -> Said:
        """Wait until a node is interviewed."""
        network = self._running
        await self._until(lambda: ieee in network.nodes() and network.nodes()[ieee].interviewed)
        facts = network.nodes()[ieee]
        return {"model": facts.model, "manufacturer": facts.manufacturer}

    async def update(self, ieee: str, file: str, prove: bool = False, **_: Any) -> Said:
        """Update a node; the processor's time is taken until it has the whole image."""
        image = await self._image(file)
        session, flasher = self._at(ieee)
        try:
            before = await flasher.probe(Probe())
            logger.info("node=%s probed", ieee)
            cpu = time.process_time()
            active = before.active(0)
            await flasher.transfer(Transfer(image, replaces=active.firmware if active else None))
            used = time.process_time() - cpu
            logger.info("node=%s transferred", ieee)
            await flasher.activate(Activate((image,)))
            logger.info("node=%s activated", ieee)
            if prove:
                await self._proved(ieee, flasher, image)
                logger.info("node=%s proved", ieee)
            return {"cpu": used}
        finally:
            await session.close()

    async def fleet(self, nodes: list[str], file: str, concurrent: int, **_: Any) -> Said:
        """Update many nodes, so many at a time; when each was proved, in seconds from the start."""
        places = asyncio.Semaphore(concurrent)
        began = asyncio.get_running_loop().time()

        async def one(ieee: str) -> float:
            async with places:
                await self.update(ieee, file, prove=True)
                return asyncio.get_running_loop().time() - began

        proved = await asyncio.gather(*(one(ieee) for ieee in nodes))
        return {"proved": sorted(proved)}

    async def stop(self, **_: Any) -> Said:
        """Let go of the coordinator."""
        if self._networks is not None:
            await self._networks.aclose()
        return {}

    @property
    def _running(self) -> Network:
        if self._network is None:
            raise RuntimeError("it was not started")
        return self._network

    async def _image(self, file: str) -> FirmwareImage:
        data = await asyncio.to_thread(Path(file).read_bytes)
        return PLUGIN.parse(data, FORMAT, Component(), PLUGIN.params.model_validate({}))

    def _at(self, ieee: str) -> tuple[BenchSession, Flasher]:
        session = BenchSession(node=ieee, zigbee=lambda: self._running.node(ieee))
        return session, PLUGIN.open(session, PLUGIN.params.model_validate({}))

    async def _proved(self, ieee: str, flasher: Flasher, image: FirmwareImage) -> None:
        heard = asyncio.Event()
        end = self._running.hear(lambda who, _: heard.set() if who == ieee else None)
        try:
            while True:
                with contextlib.suppress(LinkError, TimeoutError):
                    active = (await flasher.probe(Probe())).active(0)
                    if active is not None and image.firmware.same(active.firmware):
                        return
                heard.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_EVERY):
                        await heard.wait()
        finally:
            end()

    async def _until(self, condition: Any) -> None:
        while not condition():
            self._news.clear()
            await self._news.wait()


if __name__ == "__main__":
    logging.basicConfig(level=os.environ.get("TENDER_BENCH_LOG", "WARNING"), format="%(asctime)s %(message)s")
    asyncio.run(serve(TenderHost(Path(sys.argv[1]))))
