"""What is in an export, once it is opened: a tar whose first file says what the others are.

::

    manifest.json           whose it is, how old, and name, size and SHA-256 of every other file
    journal.sqlite          one file, complete, as SQLite's backup gives it
    config.json             every value of the configuration, for reference; secrets are left out
    releases/HEX.dsse.json  the shelf: signed manifests
    store/HEX               artifacts by SHA-256
    backups/HEX             what was read from nodes, by SHA-256
    networks/NAME/…         a Zigbee network: zigpy's database, and the newest backup of its coordinator
"""

import io
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.state.errors import ExportDamaged
from gateway.state.networks import NAMES
from gateway.state.sealing import Sink

MANIFEST, JOURNAL, CONFIG = "manifest.json", "journal.sqlite", "config.json"
_NAME = re.compile(
    r"journal\.sqlite|config\.json|releases/[0-9a-f]{64}\.dsse\.json|(store|backups)/[0-9a-f]{64}|" + NAMES
)
_MAX_MANIFEST = 32 << 20
_BLOCK = 1 << 20

Artifacts = Literal["known-good", "all", "none"]


class Member(BaseModel):
    """One file of an export."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    size: int = Field(ge=0, strict=True)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Contents(BaseModel):
    """The manifest of an export."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    gateway: str
    tender: str
    made_ms: int
    made_synchronised: bool
    epoch: int
    shape: int
    """The journal's: its newest migration."""
    artifacts: Artifacts
    nodes: int
    known_goods: int
    open_attempts: int
    members: tuple[Member, ...]
    lacking: tuple[str, ...] = ()
    """Digests of artifacts that nodes need and that are not in the export."""


def write(contents: Contents, source: Callable[[str], Path], sink: Sink) -> None:
    """Write the tar; ``source`` finds a member's file.

    Raises:
        OSError: a file cannot be read, or has not the size that the manifest says.
    """
    with tarfile.open(fileobj=_Writer(sink), mode="w|", format=tarfile.PAX_FORMAT) as tar:
        text = contents.model_dump_json().encode()
        tar.addfile(_info(MANIFEST, len(text)), io.BytesIO(text))
        for member in contents.members:
            with source(member.name).open("rb") as file:
                tar.addfile(_info(member.name, member.size), file)


def read(chunks: Iterator[bytes], take: Callable[[Contents, Member, Iterable[bytes]], None]) -> Contents:
    """Read the tar; every member is handed to ``take``, which has to consume and check it.

    Raises:
        ExportDamaged: it is not what its manifest says; or as ``chunks`` and ``take`` raise.
    """
    reader = _Reader(chunks)
    try:
        with tarfile.open(fileobj=reader, mode="r|") as tar:
            contents = _manifest(tar)
            for member in contents.members:
                info = tar.next()
                if info is None or info.name != member.name or info.size != member.size or not info.isfile():
                    raise ExportDamaged(f"{member.name} is not where its manifest says")
                file = tar.extractfile(info)
                take(contents, member, _blocks(file) if file is not None else ())
            if tar.next() is not None:
                raise ExportDamaged("it holds more than its manifest says")
    except tarfile.TarError as error:
        raise ExportDamaged(f"its contents cannot be read: {error}") from error
    reader.drain()  # the last chunk is authenticated when it is read
    return contents


def _manifest(tar: tarfile.TarFile) -> Contents:
    info = tar.next()
    file = tar.extractfile(info) if info is not None and info.name == MANIFEST and info.isfile() else None
    if info is None or file is None or info.size > _MAX_MANIFEST:
        raise ExportDamaged("it does not begin with a manifest")
    try:
        contents = Contents.model_validate_json(file.read())
    except ValidationError as error:
        raise ExportDamaged(f"its manifest cannot be read: {error.errors()[0]['msg']}") from error
    names = [member.name for member in contents.members]
    if len(set(names)) != len(names) or JOURNAL not in names or not all(map(_NAME.fullmatch, names)):
        raise ExportDamaged("its manifest names files that no export has")
    return contents


def _info(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(_BLOCK):
        yield block


class _Writer(io.RawIOBase):
    """The little of a file that ``tarfile`` writes to."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        piece = bytes(data)  # type: ignore[call-overload]
        self._sink.write(piece)
        return len(piece)


class _Reader(io.RawIOBase):
    """Chunks as the file that ``tarfile`` reads from."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = bytearray()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        while size < 0 or len(self._left) < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._left += chunk
        data = bytes(self._left if size < 0 else self._left[:size])
        del self._left[: len(data)]
        return data

    def drain(self) -> None:
        for _ in self._chunks:
            pass
