"""Take a release in: judge it, store what it brings, and say what is still to be fetched."""

from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from flashers.api.data import Digest
from gateway.artifacts.files import off_loop
from gateway.artifacts.store import ArtifactStore
from gateway.releases.bundle import ReleaseFile
from gateway.releases.manifest import ReleaseArtifact
from gateway.releases.release import Release, judge_release
from gateway.trust.policy import TrustPolicy


@dataclass(frozen=True, slots=True)
class Added:
    """A release that was taken in.

    ``stored`` are the digests that are in the store now; ``lacking`` the artifacts that
    have to be fetched by their addresses before a node can have them.
    """

    release: Release
    stored: tuple[Digest, ...]
    lacking: tuple[ReleaseArtifact, ...]


async def add_release(
    path: Path,
    policy: TrustPolicy,
    store: ArtifactStore,
    *,
    base: str | None = None,
    keep: Callable[[Release], Awaitable[None]],
) -> Added:
    """Judge a release file or bare manifest, and store its artifacts.

    ``base`` is the address that it came from, for relative urls in it.  ``keep`` makes
    the release known (and pins what it needs) once everything is stored; until then
    its artifacts are held.

    Raises:
        TrustError: it is not believed; nothing was stored.
        ReleaseError: it is not a release, or not all of it is there.
        StoreFull, DiskFull, DiskTrouble: there is no place for it.
    """
    with ExitStack() as stack:
        opened = ReleaseFile.open(path)
        file = await off_loop(lambda: stack.enter_context(opened))
        release = await off_loop(lambda: judge_release(file.envelope, policy))
        manifest = release.manifest
        file.check(manifest, base=base)
        stack.enter_context(store.hold(*(artifact.digest for artifact in manifest.artifacts)))
        for artifact in manifest.artifacts:
            if artifact.name in file.names:
                await store.put(file.chunks(artifact), artifact.digest, artifact.size)
        await keep(release)
        stored = {one.digest: one for one in manifest.artifacts if store.has(one.digest)}
        lacking = {one.digest: one for one in manifest.artifacts if not store.has(one.digest)}
        return Added(release, tuple(stored), tuple(lacking.values()))
