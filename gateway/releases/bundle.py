"""The release file: a manifest and its artifacts in one zip, read without trusting any of it.

``manifest.dsse.json`` comes first, then ``artifacts/NAME`` for each file.  Of all
that zip allows, only what `tender release make` writes is read, and nothing is
unpacked before the manifest was judged: then name, size and digest of every
artifact are known, and no more than that size is ever inflated.  Nothing is
written to a path that the file names.

Zip: APPNOTE.TXT 6.3.10, section 4.3.16 (end of central directory), 4.4.4 (flags),
4.4.5 (methods).
"""

import hashlib
import os
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from flashers.api.data import Digest
from gateway.releases.dsse import MAX_ENVELOPE
from gateway.releases.errors import BadBundle, BundleMismatch, ReleaseError, ReleaseIncomplete
from gateway.releases.manifest import MAX_ARTIFACTS, Manifest, ReleaseArtifact

MANIFEST_NAME = "manifest.dsse.json"
MAX_RELEASE_FILE = 1 << 30
MAX_DIRECTORY = 1 << 20
"""Bytes of a zip's directory: some 200 for each of the most artifacts, and some more."""

_FOLDER = "artifacts/"
_BLOCK = 1 << 16
_END = struct.Struct("<4s4H2LH")
_ZIP_START = b"PK\x03\x04"
_ENCRYPTED = 0x0001
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
# Everything that zipfile and the disk raise for damaged files.
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
    struct.error,
    OSError,
)


class ReleaseFile:
    """A release file that is open: a zip, or a manifest on its own whose artifacts are elsewhere.

    All of it blocks.
    """

    def __init__(self, envelope: bytes, archive: zipfile.ZipFile | None) -> None:
        self.envelope = envelope
        """The signed manifest as it came; judge it before anything else."""
        self._archive = archive
        self._entries: dict[str, zipfile.ZipInfo] = {}
        if archive is not None:
            self._entries = {
                info.filename.removeprefix(_FOLDER): info
                for info in archive.infolist()
                if info.filename.startswith(_FOLDER)
            }

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator["ReleaseFile"]:
        """Open a release file or a bare manifest.

        Raises:
            BadBundle: it is neither, or larger than is read.
        """
        try:
            file = path.open("rb")
        except OSError as error:
            raise BadBundle(f"cannot read {path.name}: {error.strerror}", remedy="Check the path.") from error
        with file:
            with _reading(path.name):
                opened = cls._opened(file, path.name)
            yield opened

    @classmethod
    def _opened(cls, file: BinaryIO, name: str) -> "ReleaseFile":
        start = file.read(len(_ZIP_START))
        if start == _ZIP_START:
            archive = _archive(file)
            return cls(_read_envelope(archive), archive)
        envelope = start + file.read(MAX_ENVELOPE + 1)
        if len(envelope) > MAX_ENVELOPE or not envelope.lstrip().startswith(b"{"):
            raise BadBundle(f"{name} is neither a release file nor a signed manifest")
        return cls(envelope, None)

    @property
    def is_bundle(self) -> bool:
        """Whether it is made to hold artifacts, and not a manifest on its own."""
        return self._archive is not None

    @property
    def names(self) -> frozenset[str]:
        """The artifacts that the file holds, by their names."""
        return frozenset(self._entries)

    def check(self, manifest: Manifest, *, base: str | None = None) -> None:
        """See that the file holds what its manifest names, of the right sizes, and nothing else.

        Raises:
            BundleMismatch: it holds something else.
            ReleaseIncomplete: an artifact is neither in the file nor has an address.
        """
        by_name = {artifact.name: artifact for artifact in manifest.artifacts}
        for name, info in self._entries.items():
            if name not in by_name:
                raise BundleMismatch(f"the release file holds {name!r}, which the manifest does not name")
            if info.file_size != by_name[name].size:
                raise BundleMismatch(f"{name} has {info.file_size} bytes, not {by_name[name].size}")
        for artifact in manifest.artifacts:
            if artifact.name not in self._entries and not artifact.addresses(base):
                raise ReleaseIncomplete(f"{artifact.name} is not in the release file and has no url")

    def chunks(self, artifact: ReleaseArtifact) -> Iterator[bytes]:
        """The artifact's bytes.  What was given out is only good once the iterator has ended by itself.

        Raises:
            BundleMismatch: they are not the ones that the manifest names; at most its
                size was read.
            BadBundle: the zip is damaged there.
        """
        info = self._entries.get(artifact.name)
        if info is None or self._archive is None:
            raise BundleMismatch(f"the release file does not hold {artifact.name}")
        left, hasher = artifact.size, hashlib.sha256()
        with _reading(artifact.name), self._archive.open(info) as file:
            while chunk := file.read(min(_BLOCK, left + 1)):
                left -= len(chunk)
                if left < 0:
                    raise BundleMismatch(f"{artifact.name} has more than {artifact.size} bytes")
                hasher.update(chunk)
                yield chunk
        if left or hasher.digest() != artifact.digest.value:
            found = Digest("sha256", hasher.digest())
            raise BundleMismatch(f"{artifact.name} is {found}, the manifest names {artifact.digest}")


Source = Callable[[], Iterable[bytes]]
"""Where an artifact's bytes come from when a release file is written."""


def write_release_file(path: Path, envelope: bytes, sources: Mapping[str, Source] | None) -> None:
    """Write a release file, or with ``sources`` None a manifest on its own: whole or not at all.

    The same input gives the same bytes, whenever and wherever it is written.

    Raises:
        OSError: it cannot be written, or a source not read.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as target:
            if sources is None:
                target.write(envelope)
            else:
                _write_archive(target, envelope, sources)
            target.flush()
            os.fchmod(target.fileno(), 0o644)
            os.fsync(target.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _write_archive(target: BinaryIO, envelope: bytes, sources: Mapping[str, Source]) -> None:
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(_entry(MANIFEST_NAME, zipfile.ZIP_STORED), envelope)
        for name, source in sorted(sources.items()):
            with archive.open(_entry(_FOLDER + name, zipfile.ZIP_DEFLATED), "w") as writer:
                for chunk in source():
                    writer.write(chunk)


def _entry(name: str, method: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)  # dated 1980: a release file does not depend on when it was made
    info.compress_type = method
    info.external_attr = 0o644 << 16
    return info


def _archive(file: BinaryIO) -> zipfile.ZipFile:
    _check_end(file)
    archive = zipfile.ZipFile(file)
    seen: set[str] = set()
    for info in archive.infolist():
        name = info.filename
        if name in seen or not (name == MANIFEST_NAME or name.startswith(_FOLDER)):
            raise BadBundle(f"the release file holds {name[:80]!r}, which does not belong there")
        seen.add(name)
        if info.compress_type not in _METHODS or info.flag_bits & _ENCRYPTED:
            raise BadBundle(f"{name[:80]!r} is packed in a way that is not read")
    return archive


def _check_end(file: BinaryIO) -> None:
    """Bound the directory before anybody reads it: it alone could fill the memory."""
    size = file.seek(0, os.SEEK_END)
    if size > MAX_RELEASE_FILE:
        raise BadBundle(f"the release file has {size} bytes; at most {MAX_RELEASE_FILE} are read")
    file.seek(max(0, size - _END.size))
    tail = file.read(_END.size)
    if len(tail) < _END.size:
        raise BadBundle("the release file is cut off")
    magic, disk, first_disk, here, count, length, offset, comment = _END.unpack(tail)
    if magic != b"PK\x05\x06" or comment or disk or first_disk or here != count:
        raise BadBundle("the release file is cut off, or something was added to its end")
    if count > MAX_ARTIFACTS + 1 or length > MAX_DIRECTORY:
        raise BadBundle(f"the release file's directory has {count} entries in {length} bytes")
    if offset + length + _END.size != size:
        raise BadBundle("the release file has bytes that belong to nothing")
    file.seek(0)


def _read_envelope(archive: zipfile.ZipFile) -> bytes:
    try:
        with archive.open(MANIFEST_NAME) as file:
            envelope = file.read(MAX_ENVELOPE + 1)
    except KeyError as error:
        raise BadBundle(f"the release file has no {MANIFEST_NAME}") from error
    if len(envelope) > MAX_ENVELOPE:
        raise BadBundle(f"{MANIFEST_NAME} has more than {MAX_ENVELOPE} bytes")
    return envelope


@contextmanager
def _reading(what: str) -> Iterator[None]:
    try:
        yield
    except ReleaseError:
        raise
    except _DAMAGED as error:
        raise BadBundle(f"{what} cannot be read: the release file is damaged ({error})") from error
