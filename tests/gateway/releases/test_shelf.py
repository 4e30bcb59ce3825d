"""The shelf: releases survive a restart, the belief in them only as long as the keys are pinned."""

from pathlib import Path

import pytest

from gateway.errors import ReleaseUnknown
from gateway.releases.errors import ReleaseConflict
from gateway.releases.release import Release, judge_release
from gateway.releases.shelf import ReleaseShelf
from gateway.trust.policy import Trusted, TrustPolicy, Unsigned
from tests.gateway.releases.world import ALICE, BERTA, DESCRIPTION, Bench, policy

TRUST = policy(alice=ALICE)
ANYBODY = TrustPolicy({"alice": ALICE.public}, unsigned=Unsigned.ALLOW)


def release(bench: Bench, trust: TrustPolicy = TRUST) -> Release:
    return judge_release(bench.make(ALICE, bare=True, name="signed.json").read_bytes(), trust)


async def test_a_release_is_there_after_a_restart(bench: Bench, tmp_path: Path) -> None:
    shelf = await ReleaseShelf.open(tmp_path / "shelf", TRUST)
    await shelf.add(release(bench))
    shelf = await ReleaseShelf.open(tmp_path / "shelf", TRUST)
    assert [one.id for one in shelf] == ["thermostat:2.1.0"]
    assert shelf.get("thermostat:2.1.0").trust == Trusted(("alice",), 1)
    assert len(shelf) == 1
    assert not shelf.refused


async def test_a_key_that_is_pinned_no_more_takes_its_releases_with_it(bench: Bench, tmp_path: Path) -> None:
    await (await ReleaseShelf.open(tmp_path / "shelf", TRUST)).add(release(bench))
    shelf = await ReleaseShelf.open(tmp_path / "shelf", policy(berta=BERTA))
    with pytest.raises(ReleaseUnknown):
        shelf.get("thermostat:2.1.0")
    assert [one.error.code for one in shelf.refused] == ["release-untrusted"]
    assert len(await ReleaseShelf.open(tmp_path / "shelf", TRUST)) == 1


async def test_what_is_put_there_behind_our_back_is_judged_as_well(bench: Bench, tmp_path: Path) -> None:
    await ReleaseShelf.open(tmp_path / "shelf", TRUST)
    (tmp_path / "shelf" / "x.dsse.json").write_bytes(bench.make(bare=True).read_bytes())
    (tmp_path / "shelf" / "y.dsse.json").write_bytes(b"\xff" * 100)
    (tmp_path / "shelf" / "half.tmp").write_bytes(b"{")
    shelf = await ReleaseShelf.open(tmp_path / "shelf", TRUST)
    assert len(shelf) == 0
    assert [one.error.code for one in shelf.refused] == ["release-unsigned", "release-malformed"]
    assert not (tmp_path / "shelf" / "half.tmp").exists()


async def test_a_version_names_one_set_of_bytes(bench: Bench, tmp_path: Path) -> None:
    shelf = await ReleaseShelf.open(tmp_path / "shelf", TRUST)
    first = release(bench)
    await shelf.add(first)
    await shelf.add(first)
    other = release(Bench(tmp_path / "other", description=DESCRIPTION.replace("Warmer.", "Colder.")))
    with pytest.raises(ReleaseConflict):
        await shelf.add(other)
    assert shelf.get(first.id) == first
    await shelf.remove(first.id)
    await shelf.add(other)
    shelf = await ReleaseShelf.open(tmp_path / "shelf", TRUST)
    assert shelf.get(first.id).digest == other.digest


async def test_a_copy_without_signatures_takes_nothing_away(bench: Bench, tmp_path: Path) -> None:
    shelf = await ReleaseShelf.open(tmp_path / "shelf", ANYBODY)
    await shelf.add(release(bench, ANYBODY))
    unsigned = judge_release(bench.make(bare=True, name="unsigned.json").read_bytes(), ANYBODY)
    await shelf.add(unsigned)
    assert isinstance(shelf.get(unsigned.id).trust, Trusted)
    shelf = await ReleaseShelf.open(tmp_path / "shelf", TRUST)
    assert isinstance(shelf.get(unsigned.id).trust, Trusted)


async def test_an_unknown_release_is_named(tmp_path: Path) -> None:
    shelf = await ReleaseShelf.open(tmp_path / "shelf", TRUST)
    with pytest.raises(ReleaseUnknown, match="nothing:1"):
        shelf.get("nothing:1")
    with pytest.raises(ReleaseUnknown):
        await shelf.remove("nothing:1")
