"""What nodes of Zigbee networks report by themselves: how much, when last, and how often.

A node reports to whom it is bound and as often as it was told, and both can get lost with an
update.  So it is heard before and after; not every report is kept, for a fleet may be chatty.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from functools import partial

from gateway.attempt.hearing import Hearing
from gateway.service.site import Site
from gateway.service.zigbee.reach import place_of
from transports.links import Medium
from transports.zcl import Zcl
from transports.zigbee.attributes import REPORT
from transports.zigbee.network import Network

_KEPT = 64
"""Reports by which it is known how often they come."""
_LEAST = 3
"""From fewer nothing is said of how often they come."""
_LISTENED_S = 3_600.0
"""A node that was not heard for so long since its network was made does not report."""


@dataclass(slots=True)
class _Reporter:
    total: int = 0
    at: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT))


class Reports:
    """Implements :class:`gateway.attempt.hearing.Hearing` for nodes of Zigbee networks."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._since: dict[str, float] = {}
        self._reporters: dict[str, _Reporter] = {}
        self._waiting: set[asyncio.Event] = set()
        site.networks.listen(self._made)

    def of(self, node: str) -> Hearing | None:
        """Who hears this node's reports; None for one that is on no such network."""
        return self if self._site.nodes[node].spec.medium is Medium.ZIGBEE else None

    def total(self, node: str) -> int:
        """Reports since the service began to listen."""
        found = self._of(node)
        return found.total if found is not None else 0

    def last_at(self, node: str) -> float | None:
        """When the last one was heard, in the loop's time."""
        found = self._of(node)
        return found.at[-1] if found is not None and found.at else None

    def per_second(self, node: str) -> float | None:
        """How often they come, a silence since the last one included; None while that is not known."""
        found, now = self._of(node), self._now()
        if found is None:
            since = self._since.get(self._site.nodes[node].spec.target)
            return 0.0 if since is not None and now - since >= _LISTENED_S else None
        if len(found.at) < _LEAST or now <= found.at[0]:
            return None
        return (len(found.at) - 1) / (now - found.at[0])

    def deaf(self, node: str) -> str:
        """Why nothing can be heard of it now; empty if something could."""
        away = self._site.zigbee.away(self._site.nodes[node].spec.target)
        return "" if away is None else away.message

    async def news(self) -> None:
        """Wait until something is heard."""
        waiting = asyncio.Event()
        self._waiting.add(waiting)
        try:
            await waiting.wait()
        finally:
            self._waiting.discard(waiting)

    def _of(self, node: str) -> _Reporter | None:
        return self._reporters.get(place_of(self._site.nodes[node].spec))

    def _made(self, network: Network) -> None:
        self._since[network.name] = self._now()
        network.hear(partial(self._heard, network.name))

    def _heard(self, network: str, ieee: str, frame: Zcl | None) -> None:
        if frame is None or not frame.general or frame.command != REPORT:
            return
        reporter = self._reporters.setdefault(f"zigbee:{network}#{ieee}", _Reporter())
        reporter.total += 1
        reporter.at.append(self._now())
        for waiting in self._waiting:
            waiting.set()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
