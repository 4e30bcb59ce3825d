"""Make a release from a description, and sign it: offline, in as many places as it needs signatures.

Making writes an envelope without signatures; signing adds one and changes nothing
else, so that a release can go from one key's keeper to the next.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from flashers.api.data import Digest
from gateway.releases.bundle import ReleaseFile, Source, write_release_file
from gateway.releases.description import ArtifactDescription, Description, read_description
from gateway.releases.dsse import Envelope
from gateway.releases.errors import BadDescription, ReleaseError, ReleaseExists
from gateway.releases.keys import PrivateKey
from gateway.releases.manifest import MAX_ARTIFACT, Manifest, ReleaseArtifact, read_manifest


@dataclass(frozen=True, slots=True)
class Made:
    """What was written where."""

    path: Path
    manifest: Manifest


def default_name(description: Description, *, bare: bool) -> str:
    """What a release is called on disk unless somebody says otherwise."""
    return f"{description.product}-{description.version}" + (".dsse.json" if bare else ".tender")


def make_release(
    description: Path, output: Path | None = None, *, bare: bool = False, created: str | None = None
) -> Made:
    """Write a release that nobody has signed yet.

    ``bare`` writes the manifest alone, for artifacts that are fetched by their urls.
    ``created`` is the time of making, unless the description has one.

    Raises:
        BadDescription: the description or a file that it names cannot be used.
        ReleaseExists: the output is there already.
    """
    described = read_description(description)
    files: dict[str, Path] = {}
    artifacts = [_measure(one, description.parent, files) for one in described.artifact]
    try:
        manifest = Manifest(
            product=described.product,
            version=described.version,
            notes=described.notes,
            created=described.created or created,
            artifacts=tuple(artifacts),
        )
    except ValueError as error:
        raise BadDescription(f"{description.name}: {error}") from error
    path = output or description.parent / default_name(described, bare=bare)
    if path.exists():
        raise ReleaseExists(f"{path} is there already")
    sources = None if bare else {name: partial(_blocks, file) for name, file in files.items()}
    _write(path, Envelope(manifest.payload()), sources)
    try:
        check_release_file(path)
    except BaseException:
        path.unlink()
        raise
    return Made(path, manifest)


def sign_release(path: Path, key: PrivateKey) -> Manifest:
    """Add the key's signature to a release file or a bare manifest, in place.

    Raises:
        ReleaseError: the file is not a release, or holds other artifacts than its manifest
            says; it is left as it was.
    """
    with ReleaseFile.open(path) as release:
        envelope = Envelope.parse(release.envelope)
        manifest = read_manifest(envelope.payload)
        signed = envelope.signed(key)
        if not release.is_bundle:
            _write(path, signed, None)
        else:
            release.check(manifest)
            # Each is verified while it is copied, before the new file takes the old one's name.
            sources = {
                artifact.name: partial(release.chunks, artifact)
                for artifact in manifest.artifacts
                if artifact.name in release.names
            }
            _write(path, signed, sources)
    return manifest


def check_release_file(path: Path) -> tuple[Envelope, Manifest, frozenset[str]]:
    """Read a release file through and through, but for the question whom to trust.

    Returns:
        The envelope, its manifest, and the names of the artifacts that the file holds.

    Raises:
        ReleaseError: something in it is not as the manifest says.
    """
    with ReleaseFile.open(path) as release:
        envelope = Envelope.parse(release.envelope)
        manifest = read_manifest(envelope.payload)
        if release.is_bundle:
            release.check(manifest)
        for artifact in manifest.artifacts:
            if artifact.name in release.names:
                for _ in release.chunks(artifact):
                    pass
        return envelope, manifest, release.names


def _write(path: Path, envelope: Envelope, sources: Mapping[str, Source] | None) -> None:
    try:
        write_release_file(path, envelope.encode(), sources)
    except OSError as error:
        remedy = "Check the folder and the disk."
        raise ReleaseError(f"cannot write {path}: {error.strerror}", remedy=remedy) from error


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(1 << 18):
            yield block


def _measure(described: ArtifactDescription, folder: Path, files: dict[str, Path]) -> ReleaseArtifact:
    path = folder / described.file
    hasher, size = hashlib.sha256(), 0
    try:
        for block in _blocks(path):
            hasher.update(block)
            size += len(block)
    except OSError as error:
        raise BadDescription(f"cannot read {described.file}: {error.strerror}") from error
    if not 1 <= size <= MAX_ARTIFACT:
        raise BadDescription(f"{described.file} has {size} bytes; an artifact has 1 to {MAX_ARTIFACT}")
    name = described.name or path.name
    if files.setdefault(name, path) != path:
        raise BadDescription(f"two files would be called {name!r}: give one of them another name")
    try:
        return ReleaseArtifact(
            **described.model_dump(exclude={"file", "name"}),
            name=name,
            digest=Digest("sha256", hasher.digest()),
            size=size,
        )
    except ValueError as error:
        raise BadDescription(f"{described.file}: {error}") from error
