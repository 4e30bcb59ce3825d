"""A release comes in: judged first, stored whole, and held until somebody has pinned it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from flashers.api.data import Digest
from gateway.artifacts.errors import StoreFull
from gateway.artifacts.store import ArtifactStore
from gateway.releases.add import add_release
from gateway.releases.errors import BadBundle, ReleaseIncomplete
from gateway.releases.release import Release
from gateway.trust.errors import ReleaseUnsigned, ReleaseUntrusted
from gateway.trust.policy import Trusted, TrustPolicy, Unsigned, UnsignedAllowed
from tests.gateway.releases.world import ALICE, APP, DESCRIPTION, RADIO, STRANGER, Bench, policy

TRUST = policy(alice=ALICE)
APP_DIGEST, RADIO_DIGEST = Digest.sha256(APP), Digest.sha256(RADIO)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[ArtifactStore]:
    """An empty store, which holds nothing half at the end."""
    store = await ArtifactStore.open(tmp_path / "store", cap=1 << 20, keep_free=0)
    yield store
    assert store.room.used == store.usage().stored


async def forget(_: Release) -> None:
    """Whoever keeps releases, in a test that asks for nothing of it."""


async def test_a_signed_release_is_stored_and_made_known(bench: Bench, store: ArtifactStore) -> None:
    known: list[Release] = []

    async def keep(release: Release) -> None:
        assert await store.open_verified(APP_DIGEST) == APP, "it is made known before it is here"
        known.append(release)

    added = await add_release(bench.make(ALICE), TRUST, store, keep=keep)
    assert known == [added.release]
    assert added.release.trust == Trusted(("alice",), 1)
    assert set(added.stored) == {APP_DIGEST, RADIO_DIGEST}
    assert not added.lacking
    assert await store.open_verified(RADIO_DIGEST) == RADIO


async def test_adding_it_again_is_no_trouble(bench: Bench, store: ArtifactStore) -> None:
    path = bench.make(ALICE)
    first = await add_release(path, TRUST, store, keep=forget)
    assert await add_release(path, TRUST, store, keep=forget) == first


async def test_nothing_of_a_release_that_is_not_believed_is_stored(
    bench: Bench, store: ArtifactStore
) -> None:
    with pytest.raises(ReleaseUnsigned):
        await add_release(bench.make(name="unsigned"), TRUST, store, keep=forget)
    with pytest.raises(ReleaseUntrusted):
        await add_release(bench.make(STRANGER, name="strange"), TRUST, store, keep=forget)
    assert store.usage().artifacts == 0


async def test_an_unsigned_release_that_is_allowed_says_so_for_ever(
    bench: Bench, store: ArtifactStore
) -> None:
    added = await add_release(bench.make(), TrustPolicy(unsigned=Unsigned.ALLOW), store, keep=forget)
    assert isinstance(added.release.trust, UnsignedAllowed)


async def test_a_damaged_artifact_is_not_stored_and_the_release_is_not_made_known(
    bench: Bench, store: ArtifactStore
) -> None:
    path = bench.make(ALICE)
    data = bytearray(path.read_bytes())
    data[data.rindex(b"artifacts/radio.bin", 0, data.index(b"PK\x01\x02")) + 40] ^= 1
    path.write_bytes(data)
    known: list[Release] = []

    async def keep(release: Release) -> None:
        known.append(release)

    with pytest.raises(BadBundle):
        await add_release(path, TRUST, store, keep=keep)
    assert not store.has(RADIO_DIGEST)
    assert not known


async def test_what_is_left_to_be_fetched_is_named(bench: Bench, store: ArtifactStore) -> None:
    described = DESCRIPTION.replace(
        'format = "raw"', 'format = "raw"\nurls = ["https://example.org/radio.bin"]'
    )
    described = described.replace('format = "mcuboot"', 'format = "mcuboot"\nurls = ["app.bin"]')
    path = Bench(bench.folder, description=described).make(ALICE, bare=True)
    with pytest.raises(ReleaseIncomplete):
        await add_release(path, TRUST, store, keep=forget)
    added = await add_release(path, TRUST, store, base="https://example.org/fw/manifest", keep=forget)
    assert [artifact.name for artifact in added.lacking] == ["app.bin", "radio.bin"]
    assert not added.stored


async def test_one_release_does_not_push_out_its_own_artifacts(bench: Bench, tmp_path: Path) -> None:
    path = bench.make(ALICE)
    pinned: set[Digest] = set()
    cap = len(APP) + len(RADIO) + 100
    store = await ArtifactStore.open(tmp_path / "store", cap=cap, pinned=lambda: pinned, keep_free=0)
    old = await store.put_bytes(bytes(cap))

    async def keep(release: Release) -> None:
        with pytest.raises(StoreFull):
            await store.put_bytes(bytes(101))
        pinned.update(artifact.digest for artifact in release.manifest.artifacts)

    await add_release(path, TRUST, store, keep=keep)
    assert not store.has(old)
    with pytest.raises(StoreFull):
        await store.put_bytes(bytes(101))
    tight = await ArtifactStore.open(tmp_path / "tight", cap=len(RADIO), keep_free=0)
    with pytest.raises(StoreFull):
        await add_release(path, TRUST, tight, keep=forget)
