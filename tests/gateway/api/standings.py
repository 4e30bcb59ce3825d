"""Draining and data, for a gateway in memory."""

from flashers.api import Stamp
from gateway.model.standing import SAFE, Draining, PowerOff
from gateway.verbs.standing import DataView, DrainView

NOW = Stamp(1_790_000_000_000, synchronised=True)


class Standings:
    """Implements :class:`gateway.verbs.standing.StandingVerbs`; ``exposed`` is scripted by a test."""

    def __init__(self) -> None:
        self.draining: Draining | None = None
        self.exposed: list[PowerOff] = []
        self.counts: dict[str, int] = {}

    async def drain(self, *, for_s: float | None, asked_by: str) -> DrainView:
        self.draining = Draining(NOW, asked_by, for_s)
        return await self.standing()

    async def undrain(self, *, asked_by: str) -> DrainView:
        self.draining = None
        return await self.standing()

    async def standing(self) -> DrainView:
        return DrainView(self.draining, self.exposed.pop(0) if self.exposed else SAFE)

    async def heard(self, node: str, *, count: int) -> DataView:
        self.counts[node] = self.counts.get(node, 0) + count
        return await self.data(node)

    async def data(self, node: str) -> DataView:
        return DataView(node, self.counts.get(node, 0), NOW, 1.5)
