"""A file that somebody hands over piece by piece, within the store's room."""

import uuid
from pathlib import Path

from gateway.artifacts.errors import ArtifactMismatch
from gateway.artifacts.files import named_trouble, off_loop, write_all
from gateway.artifacts.room import Room


class Upload:
    """Bytes as they arrive; ``path`` is the file, there from the first write to the end of the context."""

    def __init__(self, folder: Path, room: Room, limit: int) -> None:
        self.path = folder / f"upload-{uuid.uuid4().hex}.tmp"
        self.size = 0
        self._room = room
        self._limit = limit

    async def write(self, data: bytes) -> None:
        """Add bytes.

        Raises:
            ArtifactMismatch: more than the limit came.
            StoreFull, DiskFull, DiskTrouble: there is no room.
        """
        if self.size + len(data) > self._limit:
            remedy = "Release files are smaller than this; check that it is one."
            raise ArtifactMismatch(f"more than {self._limit} bytes", remedy=remedy)
        self._room.reserve(self, len(data))
        self.size += len(data)
        await off_loop(lambda: self._append(data))

    def _append(self, data: bytes) -> None:
        with named_trouble(f"cannot write {self.path}"), self.path.open("ab", buffering=0) as file:
            write_all(file.fileno(), data)

    def discard(self) -> None:
        """Remove the file and give its room back."""
        self.path.unlink(missing_ok=True)
        self._room.release(self)
