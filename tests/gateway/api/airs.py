"""The air of a gateway in memory: its nodes change hands, and nothing is heard."""

from flashers.api import Stamp
from gateway.model.radio import AirView, OwnerView, Stand

NOW = Stamp(1_790_000_000_000, synchronised=True)


class Airs:
    """Implements :class:`gateway.verbs.discovery.DiscoveryVerbs`."""

    def __init__(self, me: str) -> None:
        self._me = me
        self.owners: dict[str, str] = {}
        self.asked_by: list[str] = []

    async def air(self) -> AirView:
        return AirView()

    async def listen(self, seconds: float, *, asked_by: str) -> AirView:
        self.asked_by.append(asked_by)
        return await self.air()

    async def owner(self, node: str) -> OwnerView:
        owner = self.owners.get(node)
        stand = Stand.HAS if owner == self._me else Stand.NONE
        return OwnerView(node, "C0:00:00:00:00:01", stand, owner, 1, since=NOW)

    async def handover(self, node: str, to: str, *, asked_by: str) -> OwnerView:
        self.owners[node] = to
        self.asked_by.append(asked_by)
        return await self.owner(node)

    async def claim(self, node: str, *, over: bool, asked_by: str) -> OwnerView:
        assert over or node not in self.owners
        self.owners[node] = self._me
        self.asked_by.append(asked_by)
        return await self.owner(node)
