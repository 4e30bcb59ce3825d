"""A subscription to nodes' own data at a local broker, so that it is known whether they still send it.

Nothing is kept of what they say: a message counts, and is forgotten.  Retained messages
do not count, since they tell of some other time.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Protocol

import aiomqtt

from gateway.upstream.backoff import Backoff
from gateway.upstream.settings import MqttSettings
from gateway.upstream.site_broker import site_client

log = logging.getLogger("tender.data")

_NEWS_EVERY_S = 30.0
"""How often it is looked whether other nodes are to be heard."""
_QUEUED = 10_000
"""Messages that wait to be counted; more than that in one turn of the loop are dropped."""


class Ears(Protocol):
    """Who counts."""

    def listening(self, nodes: list[str], trouble: str = "") -> None:
        """A subscription for these nodes began, or is not there now."""
        ...

    def heard(self, node: str, count: int = 1) -> None:
        """A message of this node came."""
        ...


class Filters:
    """Topic filters by node, found by what stands before their first wildcard (MQTT 5.0, section 4.7)."""

    def __init__(self, filters: Mapping[str, str]) -> None:
        self._by_head: dict[tuple[str, ...], list[tuple[str, list[str]]]] = defaultdict(list)
        for node, text in filters.items():
            levels = text.split("/")
            wild = next((at for at, level in enumerate(levels) if level in {"+", "#"}), len(levels))
            self._by_head[tuple(levels[:wild])].append((node, levels))

    def nodes(self, topic: str) -> list[str]:
        """The nodes whose filter the topic meets."""
        levels = topic.split("/")
        return [
            node
            for length in range(len(levels) + 1)
            for node, wanted in self._by_head.get(tuple(levels[:length]), ())
            if _meets(levels, wanted)
        ]


class DataListener:
    """Listens for ever; ``filters`` gives the nodes and their topic filters as they are now."""

    def __init__(
        self, settings: MqttSettings, client_id: str, filters: Callable[[], Mapping[str, str]], ears: Ears
    ) -> None:
        self._settings = settings
        self._client_id = client_id
        self._filters = filters
        self._ears = ears

    async def run(self) -> None:
        """Connect, listen, and begin again; ends by cancellation only."""
        settings, loop, said = self._settings, asyncio.get_running_loop(), ""
        backoff = Backoff(settings.retry_first, settings.retry_cap)
        while True:
            begin, filters = loop.time(), dict(self._filters())
            trouble = "the connection ended"
            try:
                if not filters:
                    await asyncio.sleep(_NEWS_EVERY_S)
                    continue
                self._ears.listening(list(filters), f"{settings.host}:{settings.port} is not connected yet")
                await self._listen(filters)
                continue
            except (aiomqtt.MqttError, OSError, ValueError) as error:
                trouble = f"{settings.host}:{settings.port}: {error}"
            self._ears.listening(list(filters), trouble)
            log.log(logging.WARNING if trouble != said else logging.DEBUG, "data is not heard: %s", trouble)
            said = trouble
            await asyncio.sleep(backoff.next(loop.time() - begin))

    async def _listen(self, filters: Mapping[str, str]) -> None:
        """One connection's life; returns when other nodes are to be heard."""
        settings, known = self._settings, Filters(filters)
        client = await site_client(settings, self._client_id, queued=_QUEUED, log=log)
        async with client:
            for text in dict.fromkeys(filters.values()):
                await client.subscribe(text, qos=0)
            self._ears.listening(list(filters))
            log.info(
                "listening for the data of %d nodes at %s:%d", len(filters), settings.host, settings.port
            )
            counting = asyncio.ensure_future(self._count(client, known))
            try:
                while dict(self._filters()) == filters and not counting.done():
                    await asyncio.wait({counting}, timeout=_NEWS_EVERY_S)
            finally:
                counting.cancel()
                await asyncio.wait({counting})
            if not counting.cancelled():
                counting.result()

    async def _count(self, client: aiomqtt.Client, known: Filters) -> None:
        async for message in client.messages:
            if not message.retain:
                for node in known.nodes(str(message.topic)):
                    self._ears.heard(node)


def _meets(levels: list[str], wanted: list[str]) -> bool:
    for at, level in enumerate(wanted):
        if level == "#":
            return True  # of what is above it, too: section 4.7.1.2
        if at >= len(levels) or level not in {"+", levels[at]}:
            return False
    return len(levels) == len(wanted)
