"""Have an attempt's artifacts here, and know what the node will call them, before it waits for a link."""

from collections.abc import Iterable
from dataclasses import replace

from flashers.api import Firmware, FirmwareImage
from gateway.model.records import Part, Record, Target
from gateway.releases.manifest import ReleaseArtifact
from gateway.service.site import Site


async def equip(record: Record, site: Site) -> Record:
    """Fetch what is lacking, verify it, parse it, and fill in identities.

    Raises:
        FetchError: the bytes do not come; retryable ones may come later.
        BadImage, ArtifactError: they are not what they should be; no node was touched.
        ProfileUnknown, BadProfile, PluginBroken: the node type cannot be used.
    """
    stock = site.stock(record.profile)
    parts = []
    for part in record.parts:
        await fetch(part.want, site)
        image = await stock.image(part.want, part.component)
        parts.append(replace(part, want=replace(part.want, firmware=_named(part, image), size=image.size)))
    return replace(record, parts=tuple(parts))


async def fetch(target: Target, site: Site) -> None:
    """Have a target's bytes in the store.  Raises as :func:`equip`."""
    if target.private or site.store.has(target.artifact):
        return
    size, urls = target.size, list[str]()
    for artifact in _offers(site, target):
        size, urls = artifact.size, [*urls, *artifact.urls]
    with site.store.hold(target.artifact):
        await site.fetcher.artifact(target.artifact, size, urls)


def _offers(site: Site, target: Target) -> Iterable[ReleaseArtifact]:
    for release in site.shelf:
        for artifact in release.manifest.artifacts:
            if artifact.digest == target.artifact:
                yield artifact


def _named(part: Part, image: FirmwareImage) -> Firmware:
    """What the node will say: the image's own identity, and its version unless it names none."""
    return Firmware(image.firmware.identity, image.firmware.version or part.want.version or None)
