"""What nodes of Zigbee networks say, for those who look on: nothing is kept of it."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from functools import partial

from gateway.model.zigbee import HeardFrame
from gateway.service.site import Site
from gateway.service.zigbee.whereabouts import Whereabouts
from transports.zcl import Zcl
from transports.zigbee.network import OTA, Network

_KEPT = 1000
"""Frames that wait for one reader; the oldest are lost beyond that."""


class Frames:
    """Hands out frames; ``whereabouts`` tells who sent them.

    Nobody is listened to before somebody looks on.
    """

    def __init__(self, site: Site, whereabouts: Whereabouts) -> None:
        self._site = site
        self._whereabouts = whereabouts
        self._readers: set[_Reader] = set()
        self._listening = False

    async def watch(self) -> AsyncIterator[HeardFrame]:
        """Every frame from now on."""
        if not self._listening:
            self._listening = True
            self._site.networks.listen(self._made)
        reader = _Reader()
        self._readers.add(reader)
        try:
            while True:
                yield await reader.next()
        finally:
            self._readers.discard(reader)

    def _made(self, network: Network) -> None:
        network.hear(partial(self._look, network.name))

    def _look(self, network: str, ieee: str, frame: Zcl | None) -> None:
        if frame is None or frame.cluster == OTA or not self._readers:
            return
        heard = HeardFrame(
            network=network,
            ieee=ieee,
            node=self._whereabouts.node_at(f"zigbee:{network}#{ieee}"),
            endpoint=frame.endpoint,
            cluster=frame.cluster,
            command=frame.command,
            payload=frame.payload.hex(),
            general=frame.general,
            to_client=frame.to_client,
            tsn=frame.tsn,
            manufacturer=frame.manufacturer,
        )
        for reader in self._readers:
            reader.put(heard)


class _Reader:
    def __init__(self) -> None:
        self._frames: deque[HeardFrame] = deque(maxlen=_KEPT)
        self._some = asyncio.Event()

    def put(self, frame: HeardFrame) -> None:
        self._frames.append(frame)
        self._some.set()

    async def next(self) -> HeardFrame:
        while not self._frames:
            self._some.clear()
            await self._some.wait()
        return self._frames.popleft()
