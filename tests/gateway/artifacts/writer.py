"""A process that fills a store until it is killed: ``python -m tests.gateway.artifacts.writer FOLDER``.

It says ``start HEX`` before it stores something and ``done HEX`` when the store says
that it is stored.
"""

import asyncio
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from flashers.api.data import Digest
from gateway.artifacts.store import ArtifactStore

SIZE = 300_000
CHUNK = 10_000


def content(number: int) -> bytes:
    """The bytes of one artifact, all different."""
    return (b"%09d " % number) * (SIZE // 10)


def chunks(data: bytes) -> Iterator[bytes]:
    """Pieces as a network would bring them."""
    return (data[start : start + CHUNK] for start in range(0, len(data), CHUNK))


def say(word: str, digest: Digest) -> None:
    """One line, at once."""
    sys.stdout.write(f"{word} {digest.value.hex()}\n")
    sys.stdout.flush()


async def main(folder: Path, how_many: int | None) -> None:
    """Store one artifact after the other."""
    # Room for a few only, so that evictions happen all the time as well.
    store = await ArtifactStore.open(folder, cap=10 * SIZE, keep_free=0)
    for number in count() if how_many is None else range(how_many):
        data = content(number)
        digest = Digest.sha256(data)
        say("start", digest)
        await store.put(chunks(data), digest, len(data))
        say("done", digest)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None))
