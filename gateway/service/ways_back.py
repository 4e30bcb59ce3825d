"""What a node can be taken back to: what it last ran well, or a baseline that it was seen to run."""

from flashers.api import Firmware, RollbackKind
from gateway.journal import Journal
from gateway.model.outcomes import Outcome
from gateway.model.records import Part, Record, Target
from gateway.service.inventory import Inventory
from gateway.service.site import Site

_RAN_WELL = (Outcome.SUCCEEDED, Outcome.ALREADY_THERE)
_LOOKED_BACK = 50
"""Attempts of a node, newest first, in which a rollback on request looks for where to go."""


class KnownWays:
    """Implements :class:`gateway.attempt.ports.WaysBack` on the journal."""

    def __init__(self, journal: Journal, inventory: Inventory) -> None:
        self._journal = journal
        self._inventory = inventory

    async def known_good(
        self, node: str, profile: str, component: str, seen: Firmware | None
    ) -> Target | None:
        """What it runs now, if that is its own known-good or a baseline; else its own known-good."""
        known = await self.familiar(node, profile, component)
        known = [target for target in known if target.artifact not in self._inventory.banned]
        return next((target for target in known if target.firmware.same(seen)), self._own(node, component))

    async def familiar(self, node: str, profile: str, component: str) -> list[Target]:
        """Its own known-good, and the baselines of its type."""
        own = self._own(node, component)
        return [*([own] if own is not None else []), *await self._journal.baselines(profile, component)]

    def _own(self, node: str, component: str) -> Target | None:
        return self._inventory.known_goods(node).get(component)

    async def worked(self, profile: str, kind: str) -> bool:
        """Whether that kind was ever seen to work on this model."""
        return await self._journal.way_back_seen(profile, kind)

    async def took_older(self, profile: str, model: str, version: str) -> bool | None:
        """Whether such nodes took an older image while that version ran."""
        return self._inventory.took_older.get((profile, model, version))

    async def learn_downgrade(self, record: Record, version: str, *, taken: bool) -> None:
        """It was tried."""
        await self._journal.keep_downgrade(record.profile, record.model, version, record.id, taken=taken)
        self._inventory.took_older[record.profile, record.model, version] = taken
        self._inventory.shown_anew()

    async def proved(self, record: Record, kind: RollbackKind) -> None:
        """A way back was just seen to work."""
        version = next((part.want.version for part in record.parts), "")
        await self._journal.way_back_worked(record.profile, kind.value, version)


async def way_out(site: Site, node: str) -> dict[str, Target]:
    """Where a rollback on request leads, by component: to what the node ran well before what it runs now."""
    targets: dict[str, Target] = {}
    board = site.inventory.roster.kept(node).generation
    for record in await site.journal.attempts(node=node, generation=board, limit=_LOOKED_BACK):
        if record.result is None or record.result.outcome not in _RAN_WELL:
            continue
        for part in record.parts:
            for target in (part.want, part.known_good):
                name = part.component.id
                if target is None or target.artifact in site.inventory.banned:
                    continue
                if name not in targets and not _runs(site, node, part, target):
                    targets[name] = target
    for name, target in site.inventory.known_goods(node).items():
        if target.artifact not in site.inventory.banned:
            targets.setdefault(name, target)
    return targets


def _runs(site: Site, node: str, part: Part, target: Target) -> bool:
    observation = site.inventory.seen(node)
    slot = observation.seen.active(part.component.image) if observation is not None else None
    return slot is not None and target.firmware.same(slot.firmware)
