"""Put what is sent into a file, in pieces, within bounds, and take it away afterwards."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import IO, Protocol

from gateway.api.errors import BodyTooLarge
from gateway.artifacts.files import named_trouble

PIECE = 1 << 16
_PREFIX = "upload-"


class Pieces(Protocol):
    """A body that arrives over time."""

    def iter_chunked(self, n: int, /) -> AsyncIterator[bytes]:
        """Its bytes, at most ``n`` at a time."""
        ...


@asynccontextmanager
async def spooled(body: Pieces, folder: Path, limit: int) -> AsyncIterator[Path]:
    """The body as a private file of this folder, for as long as the context lasts.

    Raises:
        BodyTooLarge: more than ``limit`` bytes came.
        DiskFull, DiskTrouble: the file cannot be written.
    """
    with _private_file(folder) as (file, path):
        size = 0
        async for piece in body.iter_chunked(PIECE):
            size += len(piece)
            if size > limit:
                raise BodyTooLarge(f"more than {limit} bytes")
            with named_trouble(f"write {path}"):
                await asyncio.to_thread(file.write, piece)
        with named_trouble(f"write {path}"):
            file.close()
        yield path


def clear(folder: Path) -> None:
    """Take away what a service left behind that was killed while something arrived."""
    for left in folder.glob(f"{_PREFIX}*"):
        left.unlink(missing_ok=True)


@contextmanager
def _private_file(folder: Path) -> Iterator[tuple[IO[bytes], Path]]:
    with named_trouble(f"write to {folder}"):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = tempfile.NamedTemporaryFile(dir=folder, prefix=_PREFIX, delete=False)  # noqa: SIM115
    path = Path(file.name)
    try:
        yield file, path
    finally:
        with suppress(OSError):
            file.close()
        path.unlink(missing_ok=True)
