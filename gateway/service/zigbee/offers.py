"""Which release of the store a node could be brought to next, by its file's own number.

The numbers of releases are their makers'; those of files are what nodes tell, so the files are read.
What was read once is remembered: a file never changes.
"""

import logging

from flashers.api import Digest
from gateway.model.zigbee import NextRelease
from gateway.service.planning import pick, target_of
from gateway.service.rollout.turns import Turns
from gateway.service.site import Site
from transports.errors import TenderError

log = logging.getLogger("tender.zigbee")


class Offers:
    """What the store has for nodes of Zigbee networks."""

    def __init__(self, site: Site, turns: Turns) -> None:
        self._site = site
        self._turns = turns
        self._read: dict[Digest, int | None] = {}

    def installed(self, node: str) -> int | None:
        """The file version that a node was last seen to run; None if it is not known."""
        observation = self._site.inventory.seen(node)
        slot = observation.seen.active(0) if observation is not None else None
        version = slot.firmware.version if slot is not None and slot.firmware is not None else None
        return int(version) if version is not None and version.isdigit() else None

    async def next(self, node: str, *, downgrade: bool = False) -> NextRelease | None:
        """The newest release for a node; the newest of those older than what it runs, for a downgrade.

        One that is not newer is none, nor is one that is held or was recalled.
        """
        installed = self.installed(node)
        found = [offer for offer in await self.all(node) if _is_meant(offer, installed, downgrade=downgrade)]
        return max(found, key=lambda offer: offer.file_version, default=None)

    async def all(self, node: str) -> list[NextRelease]:
        """Every release that may be given to a node and whose file is here."""
        table = self._site.nodes[node]
        component = self._site.node_types.get(table.profile).profile.components[0]
        observation = self._site.inventory.seen(node)
        seen = observation.seen if observation is not None else None
        found = []
        for release in self._site.shelf:
            manifest = release.manifest
            if f"{manifest.product} {manifest.version}" in self._turns.marks:
                continue
            artifact = pick(manifest, table, table.profile, component.id, component.image, seen)
            if artifact is None or not self._site.store.has(artifact.digest):
                continue
            if artifact.digest not in self._read:
                target = target_of(manifest, artifact)
                try:
                    image = await self._site.stock(table.profile).image(target, component.value())
                except TenderError as error:
                    log.info("node=%s %s is offered to nobody: %s", node, artifact.name, error.code)
                    continue
                text = image.firmware.version or ""
                self._read[artifact.digest] = int(text) if text.isdigit() else None
            number = self._read[artifact.digest]
            if number is not None:
                found.append(NextRelease(manifest.product, manifest.version, number))
        return found


def _is_meant(offer: NextRelease, installed: int | None, *, downgrade: bool) -> bool:
    if installed is None:
        return not downgrade
    return offer.file_version < installed if downgrade else offer.file_version > installed
