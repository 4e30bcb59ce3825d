"""The life of the Zigbee side of a service: networks opened once the journal is read, and kept open.

What nodes are told while no flasher is with them is settled before the first network is opened: a
node in mid-image that asks a gateway which has just started has to hear something that is true.
"""

import asyncio
from collections.abc import Callable

from gateway.service.recovery import Recovery
from gateway.service.site import Site
from gateway.service.supervisor import Supervisor
from gateway.service.zigbee.hearing import SAVE_S
from gateway.service.zigbee.standing_in import StandingIn
from gateway.service.zigbee.whereabouts import Whereabouts


class NetworkKeeping:
    """Starts, feeds and ends it; what it knows is asked elsewhere."""

    def __init__(self, site: Site, supervisor: Supervisor, recovery: Recovery) -> None:
        self._site = site
        self._supervisor = supervisor
        self.heard: list[Callable[[str], None]] = [recovery.heard]
        """Called with each node of this gateway that gives a sign of life."""
        self.whereabouts = Whereabouts(site)
        self._standing_in = StandingIn(site, self.whereabouts, self._due, lambda _: supervisor.wake())
        self._news = asyncio.Event()
        site.zigbee.attend(self._heard)

    def start(self) -> None:
        """Open what is configured, and what nodes name; after everything that is open was read."""
        self._site.zigbee.stand_in(self._standing_in.answer)
        self.renewed()

    def renewed(self) -> None:
        """There may be nodes of networks that nobody wanted so far."""
        self._site.zigbee.keep_open(self._site.networks.names(self.whereabouts.networks()))

    async def run(self) -> None:
        """Write down who was heard, rarely; nothing ticks while nobody is."""
        while True:
            await self._news.wait()
            await asyncio.sleep(SAVE_S)
            self._news.clear()
            await self._save()

    async def stop(self) -> None:
        """Write down the rest."""
        await self._save()

    async def _save(self) -> None:
        await self._site.zigbee.hearing.save(self.whereabouts.places())

    def _heard(self, place: str) -> None:
        self._news.set()
        node = self.whereabouts.node_at(place)
        if node is not None:
            for heard in self.heard:
                heard(node)

    def _due(self, node: str) -> bool:
        """Whether firmware is to come: by an attempt, or by the one that brings a wounded node back."""
        return self._supervisor.holds(node) or self._site.inventory.wound(node) is not None
