"""Bytes that may be flashed: verified by digest, parsed by the flasher, every time they are used."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from flashers.api import BadImage, Component, Digest, Firmware, FirmwareImage
from gateway.artifacts.backups import BackupStore
from gateway.artifacts.store import ArtifactStore
from gateway.attempt.ports import NodeType
from gateway.model.records import Target


class Stock:
    """The store and the private backups, as an attempt sees them; one per node type."""

    def __init__(
        self,
        store: ArtifactStore,
        backups: BackupStore,
        node_type: NodeType,
        *,
        keep: Callable[[Digest], None] = lambda _: None,
    ) -> None:
        """``keep`` is told of what is about to be stored, before the journal can know that it is needed."""
        self._store = store
        self._backups = backups
        self._type = node_type
        self.keep = keep

    async def image(self, target: Target, component: Component) -> FirmwareImage:
        """The target's image, checked.

        Raises:
            ArtifactMissing, ArtifactCorrupt: it is not here, or not what it was.
            BadImage: it is no image for such a node.
        """
        place = self._backups if target.private else self._store
        data = await place.open_verified(target.artifact)
        image = self.parse(data, target.format, component)
        expected = target.firmware.identity
        if expected is not None and image.firmware.identity != expected:
            raise BadImage(f"{target.artifact} is another firmware than the one that was recorded")
        if image.firmware.version is None and target.firmware.version is not None:
            image = replace(image, firmware=replace(image.firmware, version=target.firmware.version))
        return image

    def parse(self, data: bytes, image_format: str, component: Component) -> FirmwareImage:
        """Read an artifact as the node type's flasher understands it.  Raises BadImage."""
        return self._type.plugin.parse(data, image_format, component, self._type.params)

    async def keep_backup(self, data: bytes, component: Component, before: Firmware | None) -> Target:
        """Keep what was read from a node, and check that it can be sent back.

        Raises:
            BackupsFull, DiskFull: there is no place for it.
            BadImage: what was read is no image; there is nothing to restore.
        """
        image_format = self._type.plugin.backup_format or self._type.profile.format
        image = self.parse(data, image_format, component)
        version = before.version if before is not None else None
        digest = Digest.sha256(data)
        self.keep(digest)
        await self._backups.save(data)
        firmware = replace(image.firmware, version=image.firmware.version or version)
        return Target(digest, firmware, image.size, image_format, version=version or "", private=True)


async def target_of_file(
    stock: Stock,
    store: ArtifactStore,
    data: bytes,
    node_type: NodeType,
    name: str = "",
    component_id: str | None = None,
) -> Target:
    """Take an image given by an operator into the store; it needs no signature, their word is enough.

    ``name`` is the file's, whose ending may tell the format where a flasher reads several.

    Raises:
        BadImage: it is no image for such a node; nothing was stored.
    """
    tables = node_type.profile.components
    table = next((each for each in tables if component_id in (None, each.id)), None)
    if table is None:
        raise BadImage(f"{node_type.profile.name} has no component {component_id!r}")
    component = table.value()
    image_format = _format_of(name, node_type)
    image = stock.parse(data, image_format, component)
    stock.keep(Digest.sha256(data))
    digest = await store.put_bytes(data)
    return Target(digest, image.firmware, image.size, image_format, version=image.firmware.version or "")


def _format_of(name: str, node_type: NodeType) -> str:
    """By the file's ending if the flasher reads that format, else the profile's own."""
    by_ending = {".hex": "ihex", ".ihex": "ihex", ".bin": "raw"}
    found = next((form for ending, form in by_ending.items() if name.lower().endswith(ending)), None)
    return found if found in node_type.declaration.formats else node_type.profile.format


class Pins:
    """The digests that nothing may evict: as the journal last said, and what it will hear of next."""

    def __init__(self, digests: Iterable[Digest] = ()) -> None:
        self._digests = frozenset(digests)
        self._fresh: frozenset[Digest] = frozenset()

    def __call__(self) -> Iterable[Digest]:
        """All of them."""
        return self._digests | self._fresh

    def keep(self, digest: Digest) -> None:
        """This one is about to be stored; it stays until the journal has spoken of it."""
        self._fresh |= {digest}

    def set(self, digests: Iterable[Digest]) -> None:
        """The journal has changed."""
        self._digests = frozenset(digests)
        self._fresh -= self._digests
