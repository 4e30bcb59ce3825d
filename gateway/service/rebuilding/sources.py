"""From where artifacts can be had again: what signed releases name, by the digests that they name.

Nothing here vouches for anything: a release is judged as any other, and an artifact is
what its release says or it is thrown away.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import urljoin

from flashers.api import FirmwareImage, Reason
from gateway.config.state import RebuildTable
from gateway.model.records import Target
from gateway.profiles.model import ComponentTable
from gateway.releases.add import add_release
from gateway.releases.manifest import ReleaseArtifact
from gateway.service.planning import target_of
from gateway.service.site import Site
from transports.errors import TenderError

log = logging.getLogger("tender.rebuild")

_RELEASE_BYTES = 256 << 20
"""A release file that comes by its address may be so large at most."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An artifact of a signed release: what a node would call it, and where it is."""

    image: FirmwareImage
    target: Target


class Sources:
    """Releases by address, artifacts by digest."""

    def __init__(self, site: Site, table: RebuildTable) -> None:
        self._site = site
        self._table = table
        self._waiting: dict[str, None] = dict.fromkeys(table.releases)
        self.troubles: dict[str, Reason] = {}
        """What could not be had, and why, by address or digest."""

    def also(self, urls: Iterable[str]) -> None:
        """Releases that were wanted here are at these addresses."""
        self._waiting.update(dict.fromkeys(urls))

    async def gather(self) -> None:
        """Fetch the releases that are not here yet; what does not come is told, and tried again next time."""
        site = self._site
        for url in list(self._waiting):
            try:
                async with site.fetcher.release_file(url, limit=_RELEASE_BYTES) as path:
                    await add_release(path, site.trust, site.store, base=url, keep=site.shelf.add)
            except TenderError as error:
                self.troubles[url] = Reason(error.code, f"{url}: {error.message}", error.what_to_do)
                if error.retryable:
                    continue
            else:
                self.troubles.pop(url, None)
            self._waiting.pop(url, None)

    async def candidates(self, profile: str, component: ComponentTable) -> list[Candidate]:
        """Every artifact for such a component, fetched and parsed; one that cannot be had is left out."""
        site, found = self._site, list[Candidate]()
        stock = site.stock(profile)
        for release in site.shelf:
            for artifact in release.manifest.for_profile(profile):
                if artifact.component != component.id:
                    continue
                target = target_of(release.manifest, artifact)
                try:
                    await self._fetch(artifact)
                    image = await stock.image(target, component.value())
                except TenderError as error:
                    what = f"{release.id} {artifact.name}: {error.message}"
                    self.troubles[str(artifact.digest)] = Reason(error.code, what, error.what_to_do)
                    continue
                self.troubles.pop(str(artifact.digest), None)
                firmware = replace(image.firmware, version=image.firmware.version or target.version or None)
                found.append(
                    Candidate(
                        replace(image, firmware=firmware),
                        replace(target, firmware=firmware, size=image.size),
                    )
                )
        return found

    async def _fetch(self, artifact: ReleaseArtifact) -> None:
        site = self._site
        if site.store.has(artifact.digest):
            return
        urls = list(artifact.addresses())
        if self._table.artifacts_from is not None:
            name, base = artifact.digest.value.hex(), self._table.artifacts_from.rstrip("/") + "/"
            urls.append(urljoin(base, f"{name[:2]}/{name}"))
        with site.store.hold(artifact.digest):
            await site.fetcher.artifact(artifact.digest, artifact.size, urls)
