"""The store: whole files under their digest, or none; and nothing that is needed ever goes."""

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from flashers.api.data import Digest
from gateway.artifacts.errors import (
    ArtifactCorrupt,
    ArtifactMismatch,
    ArtifactMissing,
    DiskFull,
    DiskTrouble,
    StoreFull,
)
from gateway.artifacts.store import ArtifactStore

MIB = 1 << 20


def blob(number: int, size: int = 1000) -> bytes:
    return (b"%d " % number * size)[:size]


async def opened(root: Path, cap: int = MIB, pinned: set[Digest] | None = None) -> ArtifactStore:
    return await ArtifactStore.open(root, cap=cap, pinned=lambda: pinned or set(), keep_free=0)


def files(store: ArtifactStore) -> set[str]:
    """Every file below the store, by its name."""
    return {path.name for path in store.root.rglob("*") if path.is_file()}


def path_in(store: ArtifactStore, digest: Digest) -> Path:
    (path,) = store.root.rglob(digest.value.hex())
    return path


async def test_what_was_put_is_there_after_a_restart(tmp_path: Path) -> None:
    digest = await (await opened(tmp_path)).put_bytes(b"firmware")
    store = await opened(tmp_path)
    assert store.has(digest)
    assert store.size(digest) == 8
    assert await store.open_verified(digest) == b"firmware"


async def test_files_in_the_store_cannot_be_written_by_accident(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    digest = await store.put_bytes(b"firmware")
    assert path_in(store, digest).stat().st_mode & 0o777 == 0o444


async def test_what_is_not_there_is_missing(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    assert not store.has(Digest.sha256(b"x"))
    assert store.size(Digest.sha256(b"x")) is None
    with pytest.raises(ArtifactMissing):
        await store.open_verified(Digest.sha256(b"x"))


@pytest.mark.parametrize("came", [b"", b"firmwar", b"firmware!", b"firmwarf"])
async def test_other_bytes_than_announced_leave_nothing_behind(tmp_path: Path, came: bytes) -> None:
    store = await opened(tmp_path)
    with pytest.raises(ArtifactMismatch):
        await store.put([came], Digest.sha256(b"firmware"), 8)
    assert files(store) == set()
    assert store.room.used == 0


async def test_endless_bytes_are_stopped_at_the_announced_size(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 100
            yield bytes(100)

    with pytest.raises(ArtifactMismatch):
        await store.put(endless(), Digest.sha256(b"firmware"), 1000)
    assert taken <= 1200
    assert files(store) == set()


async def test_bytes_that_are_there_are_not_read_again(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    digest = await store.put_bytes(b"firmware")

    chunks = iter([b"firmware"])
    await store.put(chunks, digest, 8)
    assert list(chunks) == [b"firmware"]


async def test_a_digest_of_another_algorithm_is_refused(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    for digest in (Digest("sha512", bytes(64)), Digest("sha256", bytes(5))):
        with pytest.raises(ArtifactMismatch):
            await store.put([b"x"], digest, 1)


@pytest.mark.parametrize("damage", ["flip", "cut", "grow", "empty"])
async def test_a_file_that_changed_is_set_aside_and_can_come_again(tmp_path: Path, damage: str) -> None:
    store = await opened(tmp_path)
    digest = await store.put_bytes(b"firmware")
    path = path_in(store, digest)
    changed = {"flip": b"firmwarE", "cut": b"firm", "grow": b"firmware ", "empty": b""}[damage]
    path.chmod(0o644)
    path.write_bytes(changed)
    with pytest.raises(ArtifactCorrupt) as caught:
        await store.open_verified(digest)
    assert caught.value.code == "artifact-corrupt"
    assert not store.has(digest)
    assert (store.root / "quarantine" / digest.value.hex()).read_bytes() == changed
    await store.put_bytes(b"firmware")
    assert await store.open_verified(digest) == b"firmware"


async def test_damage_between_two_runs_is_found_before_use(tmp_path: Path) -> None:
    digest = await (await opened(tmp_path)).put_bytes(b"firmware")
    path = path_in(await opened(tmp_path), digest)
    path.chmod(0o644)
    path.write_bytes(b"f")
    store = await opened(tmp_path)
    with pytest.raises(ArtifactCorrupt):
        await store.open_verified(digest)
    assert not (await opened(tmp_path)).has(digest)


async def test_the_quarantine_does_not_grow_without_end(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    for number in range(10):
        digest = await store.put_bytes(blob(number))
        path = path_in(store, digest)
        path.chmod(0o644)
        path.write_bytes(b"bad")
        with pytest.raises(ArtifactCorrupt):
            await store.open_verified(digest)
    assert len(list((store.root / "quarantine").iterdir())) == 4


async def test_a_file_that_somebody_removed_is_missing_and_forgotten(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    digest = await store.put_bytes(b"firmware")
    path_in(store, digest).unlink()
    with pytest.raises(ArtifactMissing):
        await store.open_verified(digest)
    assert not store.has(digest)


async def test_the_least_lately_used_goes_first(tmp_path: Path) -> None:
    store = await opened(tmp_path, cap=3000)
    one, two, three = [await store.put_bytes(blob(number)) for number in range(3)]
    await store.open_verified(one)
    four = await store.put_bytes(blob(4))
    assert [store.has(digest) for digest in (one, two, three, four)] == [True, False, True, True]
    assert store.usage().stored <= 3000


async def test_the_order_of_use_survives_a_restart_and_a_clock_set_back(tmp_path: Path) -> None:
    store = await opened(tmp_path, cap=3000)
    one, two, three = [await store.put_bytes(blob(number)) for number in range(3)]
    future = time.time_ns() + 10**18
    os.utime(path_in(store, three), ns=(future, future))  # as if the clock had been ahead until now
    store = await opened(tmp_path, cap=3000)
    await store.open_verified(one)
    store = await opened(tmp_path, cap=3000)
    await store.put_bytes(blob(4))
    assert (store.has(one), store.has(two), store.has(three)) == (True, False, True)
    await store.put_bytes(blob(5))
    assert (store.has(one), store.has(three)) == (True, False)


async def test_what_is_pinned_or_held_never_goes(tmp_path: Path) -> None:
    pinned: set[Digest] = set()
    store = await opened(tmp_path, cap=3000, pinned=pinned)
    one, two, three = [await store.put_bytes(blob(number)) for number in range(3)]
    pinned.add(one)
    with store.hold(two), store.hold(two):
        pass
    with store.hold(two):
        await store.put_bytes(blob(4))
        assert (store.has(one), store.has(two), store.has(three)) == (True, True, False)
        pinned.add(Digest.sha256(blob(4)))
        with pytest.raises(StoreFull) as caught:
            await store.put_bytes(blob(5))
        assert "cap" in caught.value.what_to_do
        assert (store.has(one), store.has(two)) == (True, True)
    await store.put_bytes(blob(5))
    assert not store.has(two)


async def test_nothing_is_thrown_away_for_what_would_not_fit_anyway(tmp_path: Path) -> None:
    store = await opened(tmp_path, cap=3000)
    one = await store.put_bytes(blob(1))
    with pytest.raises(StoreFull):
        await store.put_bytes(blob(2, 3001))
    assert store.has(one)


async def test_a_smaller_cap_takes_effect_and_spares_what_is_pinned(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    digests = [await store.put_bytes(blob(number)) for number in range(5)]
    store = await opened(tmp_path, cap=2500, pinned={digests[0]})
    store.trim()
    assert [store.has(digest) for digest in digests] == [True, False, False, False, True]
    store = await opened(tmp_path, cap=500, pinned={digests[0]})
    store.trim()
    assert [store.has(digest) for digest in digests] == [True, False, False, False, False]


async def test_two_writers_do_not_take_the_same_room(tmp_path: Path) -> None:
    store = await opened(tmp_path, cap=1500)
    going, done = Event(), Event()

    def slow() -> Iterator[bytes]:
        going.set()
        assert done.wait(30)
        yield blob(1)

    first = asyncio.create_task(store.put(slow(), Digest.sha256(blob(1)), 1000))
    assert await asyncio.to_thread(going.wait, 30)
    with pytest.raises(StoreFull):
        await store.put_bytes(blob(2))
    done.set()
    await first
    assert store.has(Digest.sha256(blob(1)))
    await store.put_bytes(blob(2))


async def test_the_same_bytes_from_two_sides_are_stored_once(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    digest = Digest.sha256(blob(1))
    await asyncio.gather(*(store.put([blob(1)], digest, 1000) for _ in range(8)))
    assert files(store) == {digest.value.hex()}
    assert store.usage().stored == 1000
    assert store.room.used == 1000


async def test_a_cancelled_writer_leaves_nothing_and_goes_on_no_longer(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    going, more = Event(), Event()
    written: list[int] = []

    def slow() -> Iterator[bytes]:
        for number in range(1000):
            written.append(number)
            going.set()
            assert more.wait(30)
            yield bytes(1)

    task = asyncio.create_task(store.put(slow(), Digest.sha256(bytes(1000)), 1000))
    assert await asyncio.to_thread(going.wait, 30)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done(), "the thread still writes"
    more.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(written) <= 2
    assert files(store) == set()
    assert store.room.used == 0


async def test_what_a_crash_left_is_cleaned_up_but_for_downloads(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    digest = await store.put_bytes(b"firmware")
    (tmp_path / "incoming" / "half.tmp").write_bytes(b"half")
    for name in ("a.part", "a.json", "b.part", "c.json", "tmpx.tmp"):
        (tmp_path / "partial" / name).write_bytes(b"12345")
    (tmp_path / "sha256" / "zz").mkdir()
    (tmp_path / "sha256" / "zz" / "note.txt").write_text("not ours")
    store = await opened(tmp_path)
    assert files(store) == {digest.value.hex(), "a.part", "a.json", "note.txt"}
    assert store.usage().partial == 5
    assert store.usage().artifacts == 1


async def test_waiting_downloads_go_before_artifacts_unless_they_are_needed(tmp_path: Path) -> None:
    needed = Digest.sha256(b"needed")
    store = await opened(tmp_path)
    one = await store.put_bytes(blob(1))
    for key in ("other", needed.value.hex()):
        (tmp_path / "partial" / f"{key}.part").write_bytes(blob(7, 500))
        (tmp_path / "partial" / f"{key}.json").write_bytes(b"{}")
    store = await opened(tmp_path, cap=2000, pinned={needed})
    assert store.usage().partial == 1000
    await store.put_bytes(blob(2, 400))
    assert store.has(one)
    assert store.usage().partial == 500
    assert (tmp_path / "partial" / f"{needed.value.hex()}.part").exists()


async def test_a_file_from_the_operator_is_stored_under_its_digest(tmp_path: Path) -> None:
    store = await opened(tmp_path / "store")
    (tmp_path / "image.hex").write_bytes(b"firmware")
    assert await store.put_file(tmp_path / "image.hex", limit=8) == (Digest.sha256(b"firmware"), 8)
    with pytest.raises(ArtifactMismatch):
        await store.put_file(tmp_path / "image.hex", limit=7)
    with pytest.raises(DiskTrouble):
        await store.put_file(tmp_path / "missing.hex", limit=8)
    with pytest.raises(DiskTrouble):
        await store.put_file(tmp_path, limit=8)


async def test_an_upload_is_bounded_and_gone_afterwards(tmp_path: Path) -> None:
    store = await opened(tmp_path, cap=3000)
    one = await store.put_bytes(blob(1))
    async with store.upload(limit=2500) as upload:
        for _ in range(2):
            await upload.write(bytes(1000))
        assert upload.path.read_bytes() == bytes(2000)
        assert store.has(one)
        with pytest.raises(ArtifactMismatch):
            await upload.write(bytes(501))
        assert store.room.used == 3000
    assert files(store) == {one.value.hex()}
    assert store.room.used == 1000


async def test_an_upload_finds_the_store_full(tmp_path: Path) -> None:
    store = await opened(tmp_path, cap=1500, pinned={Digest.sha256(blob(1))})
    await store.put_bytes(blob(1))
    async with store.upload(limit=1 << 30) as upload:
        await upload.write(bytes(400))
        with pytest.raises(StoreFull):
            await upload.write(bytes(400))
    assert store.room.used == 1000


async def test_the_disk_is_not_filled_to_the_brim(tmp_path: Path) -> None:
    """More is to be kept free than the disk has: nothing is written, and the cause is named."""
    store = await ArtifactStore.open(tmp_path, cap=MIB, keep_free=1 << 60)
    with pytest.raises(DiskFull) as caught:
        await store.put_bytes(b"firmware")
    assert caught.value.code == "disk-full"
    assert caught.value.retryable
    assert files(store) == set()


async def test_a_root_that_is_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DiskTrouble):
        await opened(tmp_path / "file")
