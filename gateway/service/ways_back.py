"""What a node can be taken back to: what it last ran well, or a baseline that it was seen to run."""

from flashers.api import Firmware, RollbackKind
from gateway.journal import Journal
from gateway.model.records import Record, Target
from gateway.service.inventory import Inventory


class KnownWays:
    """Implements :class:`gateway.attempt.ports.WaysBack` on the journal."""

    def __init__(self, journal: Journal, inventory: Inventory) -> None:
        self._journal = journal
        self._inventory = inventory

    async def known_good(
        self, node: str, profile: str, component: str, seen: Firmware | None
    ) -> Target | None:
        """The node's own known-good, else a baseline with the digest or version that it runs."""
        own = self._inventory.known_goods(node).get(component)
        if own is not None:
            return own
        if seen is None:
            return None
        baselines = await self._journal.baselines(profile, component)
        return next((target for target in baselines if target.firmware.same(seen)), None)

    async def worked(self, profile: str, kind: str) -> bool:
        """Whether that kind was ever seen to work on this model."""
        return await self._journal.way_back_seen(profile, kind)

    async def proved(self, record: Record, kind: RollbackKind) -> None:
        """A way back was just seen to work."""
        version = next((part.want.version for part in record.parts), "")
        await self._journal.way_back_worked(record.profile, kind.value, version)
