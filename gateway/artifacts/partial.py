"""Downloads that are not done: the bytes that came, and what they are the beginning of.

Two files: ``KEY.part`` with the bytes and ``KEY.json`` with what the server said of
them.  After a crash the bytes on the disk are simply hashed again; if the loss of
power left rubbish among them, the digest at the end tells.  Everything here blocks.
"""

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from flashers.api.data import Digest
from flashers.api.plain import BadRecord, dump, load
from gateway.artifacts.files import blocks_of, make_folder, named_trouble, publish, write_all, write_whole

_MAX_SIDECAR = 16_384


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the bytes come from: enough to ask for the rest, or to see that they have changed.

    ``validator`` is what If-Range may carry: a strong ETag, else a date; ``size`` is
    the whole file's, as the server said it.
    """

    url: str
    validator: str | None = None
    size: int | None = None


class Partial:
    """One download: opened, appended to, and finished or kept for another time."""

    def __init__(self, folder: Path, key: str) -> None:
        self.key = key
        self.path = folder / f"{key}.part"
        self._sidecar = folder / f"{key}.json"
        self.origin: Origin | None = None
        self.size = 0
        self.one_piece = False
        """All bytes came in one answer of one server, so nothing can have been mixed up."""
        self._hasher = hashlib.sha256()
        self._descriptor: int | None = None

    def open(self) -> None:
        """Take up what an earlier run has left."""
        with named_trouble(f"cannot read {self.path}"):
            make_folder(self.path.parent)
            self.origin = self._read_origin()
            if self.origin is None or not self.path.is_file():
                self.remove()
            else:
                for block in blocks_of(self.path):
                    self._hasher.update(block)
                    self.size += len(block)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._descriptor = os.open(self.path, flags, 0o600)

    def _read_origin(self) -> Origin | None:
        try:
            with self._sidecar.open("rb") as file:
                return load(Origin, file.read(_MAX_SIDECAR).decode())
        except (FileNotFoundError, BadRecord, UnicodeDecodeError):
            return None

    def begin(self, origin: Origin) -> None:
        """Forget all bytes and start with the first one of ``origin``."""
        with named_trouble(f"cannot write {self.path}"):
            os.ftruncate(self._open_descriptor, 0)
        self._hasher, self.size, self.one_piece = hashlib.sha256(), 0, True
        # The sidecar is written before the first byte: bytes without a known origin are never kept.
        self.origin = origin
        temporary, _, _ = write_whole(
            self.path.parent, [dump(origin).encode()], mode=0o600, limit=_MAX_SIDECAR
        )
        publish(temporary, self._sidecar)

    def append(self, data: bytes) -> None:
        """Add bytes that follow those which are there."""
        with named_trouble(f"cannot write {self.path}"):
            write_all(self._open_descriptor, data)
        self._hasher.update(data)
        self.size += len(data)

    @property
    def digest(self) -> Digest:
        """The SHA-256 of the bytes so far."""
        return Digest("sha256", self._hasher.digest())

    def finish(self, final: Path, mode: int) -> None:
        """Give the whole file its final name, durably."""
        with named_trouble(f"cannot store {final.name}"):
            os.fchmod(self._open_descriptor, mode)
            os.fsync(self._open_descriptor)
        self.close()
        publish(self.path, final)
        self._sidecar.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the file; what came so far stays for the next run."""
        if self._descriptor is not None:
            with suppress(OSError):  # a fault here costs a resume, and is met again where it matters
                os.fsync(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None

    def remove(self) -> None:
        """Forget it altogether."""
        self.close()
        self.path.unlink(missing_ok=True)
        self._sidecar.unlink(missing_ok=True)

    @property
    def _open_descriptor(self) -> int:
        if self._descriptor is None:
            raise ValueError("the partial download is not open")
        return self._descriptor


def clean_partials(folder: Path) -> dict[str, int]:
    """Remove what cannot be resumed; the keys and sizes of what can."""
    kept: dict[str, int] = {}
    for path in folder.iterdir():
        if path.suffix == ".part" and path.with_suffix(".json").is_file():
            kept[path.stem] = path.stat().st_size
    for path in folder.iterdir():
        if path.stem not in kept or path.suffix not in {".part", ".json"}:
            path.unlink(missing_ok=True)
    return kept
