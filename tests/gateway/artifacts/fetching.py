"""A process that fetches one artifact: ``python -m … FOLDER URL DIGEST SIZE``."""

import asyncio
import sys
from pathlib import Path

from flashers.api.data import Digest
from gateway.artifacts.fetch import Fetcher
from gateway.artifacts.store import ArtifactStore


async def main(folder: str, url: str, digest: str, size: str) -> None:
    """Fetch it, and say so."""
    store = await ArtifactStore.open(Path(folder), cap=1 << 26, keep_free=0)
    spent: list[int] = []
    fetcher = Fetcher(store, spend=spent.append)
    await fetcher.artifact(Digest.parse(digest), int(size), [url])
    await fetcher.close()
    sys.stdout.write(f"stored, {sum(spent)} bytes came\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
