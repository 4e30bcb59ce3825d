"""Backups: private, bounded, and never where artifacts are served from."""

import asyncio
from pathlib import Path

import pytest

from flashers.api.data import Digest
from gateway.artifacts.backups import BackupLimits, BackupStore
from gateway.artifacts.errors import ArtifactCorrupt, ArtifactMissing, BackupsFull
from gateway.artifacts.store import ArtifactStore


def opened(root: Path, *, count: int = 3, size: int = 1000, pinned: set[Digest] | None = None) -> BackupStore:
    limits = BackupLimits(count=count, bytes=size)
    return BackupStore(root / "backups", limits=limits, pinned=lambda: pinned or set())


async def test_a_backup_is_there_after_a_restart(tmp_path: Path) -> None:
    digest = await opened(tmp_path).save(b"read from the node")
    assert await opened(tmp_path).open_verified(digest) == b"read from the node"


async def test_nobody_else_can_read_a_backup(tmp_path: Path) -> None:
    digest = await opened(tmp_path).save(b"keys")
    folder = tmp_path / "backups"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / digest.value.hex()).stat().st_mode & 0o777 == 0o600


async def test_a_folder_that_was_open_is_closed(tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir(mode=0o755)
    await opened(tmp_path).save(b"keys")
    assert (tmp_path / "backups").stat().st_mode & 0o777 == 0o700


async def test_what_serves_artifacts_cannot_be_asked_for_a_backup(tmp_path: Path) -> None:
    store = await ArtifactStore.open(tmp_path, cap=10_000, keep_free=0)
    digest = await opened(tmp_path).save(b"keys")
    assert not store.has(digest)
    with pytest.raises(ArtifactMissing):
        await store.open_verified(digest)
    store = await ArtifactStore.open(tmp_path, cap=10_000, keep_free=0)
    assert not store.has(digest)
    assert store.usage().artifacts == 0


async def test_the_oldest_that_nobody_needs_makes_way(tmp_path: Path) -> None:
    pinned: set[Digest] = set()
    backups = opened(tmp_path, pinned=pinned)
    one, two, three = [await backups.save(b"%d" % number) for number in range(3)]
    pinned.add(one)
    await backups.save(b"3")
    assert await backups.open_verified(one) == b"0"
    with pytest.raises(ArtifactMissing):
        await backups.open_verified(two)
    assert await backups.open_verified(three) == b"2"


async def test_bytes_are_bounded_as_well(tmp_path: Path) -> None:
    backups = opened(tmp_path, count=100)
    first = await backups.save(bytes(600))
    second = await backups.save(bytes(700))
    with pytest.raises(ArtifactMissing):
        await backups.open_verified(first)
    with pytest.raises(BackupsFull):
        await backups.save(bytes(1001))
    assert await backups.open_verified(second) == bytes(700)


async def test_what_is_needed_stays_and_the_new_one_is_refused(tmp_path: Path) -> None:
    pinned: set[Digest] = set()
    backups = opened(tmp_path, count=1, pinned=pinned)
    with backups.hold(Digest.sha256(b"one")):
        one = await backups.save(b"one")
        with pytest.raises(BackupsFull):
            await backups.save(b"two")
        pinned.add(one)
    with pytest.raises(BackupsFull):
        await backups.save(b"two")
    assert await backups.open_verified(one) == b"one"
    pinned.clear()
    assert await backups.open_verified(await backups.save(b"two")) == b"two"


async def test_saving_the_same_again_keeps_it_young(tmp_path: Path) -> None:
    backups = opened(tmp_path)
    one, two, _ = [await backups.save(b"%d" % number) for number in range(3)]
    await backups.save(b"0")
    await backups.save(b"3")
    assert await backups.open_verified(one) == b"0"
    with pytest.raises(ArtifactMissing):
        await backups.open_verified(two)


async def test_many_at_once_stay_within_the_bounds(tmp_path: Path) -> None:
    backups = opened(tmp_path)
    await asyncio.gather(*(backups.save(b"%d" % number) for number in range(20)))
    assert len(list((tmp_path / "backups").iterdir())) == 3


async def test_a_damaged_backup_is_named_and_kept(tmp_path: Path) -> None:
    backups = opened(tmp_path)
    digest = await backups.save(b"last hope")
    path = tmp_path / "backups" / digest.value.hex()
    path.write_bytes(b"last hop!")
    with pytest.raises(ArtifactCorrupt):
        await backups.open_verified(digest)
    assert path.exists()
    await backups.save(b"last hope")
    assert await backups.open_verified(digest) == b"last hope"


async def test_a_backup_can_be_forgotten(tmp_path: Path) -> None:
    backups = opened(tmp_path)
    digest = await backups.save(b"x")
    await backups.remove(digest)
    await backups.remove(digest)
    with pytest.raises(ArtifactMissing):
        await backups.open_verified(digest)
