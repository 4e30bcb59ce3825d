"""Making and signing: by hand, offline, one key's keeper after the other."""

import json
from argparse import ArgumentParser
from pathlib import Path

import pytest

from gateway.cli.release import register
from gateway.releases.bundle import ReleaseFile
from gateway.releases.errors import (
    BadBundle,
    BadDescription,
    BadKey,
    BundleMismatch,
    KeyExists,
    ReleaseError,
    ReleaseExists,
)
from gateway.releases.keys import keygen
from gateway.releases.make import check_release_file, make_release, sign_release
from gateway.releases.release import judge_release
from gateway.trust.errors import ReleaseUnsigned, ReleaseUntrusted
from gateway.trust.policy import TrustPolicy
from tests.gateway.releases.world import ALICE, APP, BERTA, DESCRIPTION, Bench, policy


def judged(path: Path, trust: TrustPolicy) -> str:
    with ReleaseFile.open(path) as file:
        return str(judge_release(file.envelope, trust).trust)


def test_a_release_says_what_its_description_said(bench: Bench) -> None:
    _, manifest, names = check_release_file(bench.make())
    app, radio = manifest.artifacts
    assert (app.hardware, app.follows, app.size) == (("th-r2", "th-r3"), "1.4.0", len(APP))
    assert (app.data_format, app.can_return_to) == ("settings-3", ("settings-2",))
    assert (radio.component, manifest.version_of(radio)) == ("radio", "7.0")
    assert names == {"app.bin", "radio.bin"}


def test_a_new_release_is_signed_by_nobody(bench: Bench) -> None:
    with pytest.raises(ReleaseUnsigned):
        judged(bench.make(), policy(alice=ALICE))


@pytest.mark.parametrize("bare", [False, True])
def test_it_goes_from_one_keeper_to_the_next_until_enough_have_signed(bench: Bench, bare: bool) -> None:
    trust = TrustPolicy({"alice": ALICE.public, "berta": BERTA.public}, threshold=2)
    path = bench.make(ALICE, bare=bare)
    with pytest.raises(ReleaseUntrusted):
        judged(path, trust)
    bench.sign(path, [BERTA])
    assert judged(path, trust) == "signed by alice, berta"
    check_release_file(path)


def test_signing_leaves_artifacts_and_manifest_as_they_were(bench: Bench) -> None:
    path = bench.make()
    before = check_release_file(path)
    bench.sign(path, [ALICE, ALICE])
    after = check_release_file(path)
    assert after[0].payload == before[0].payload
    assert len(after[0].signatures) == 1
    assert after[1:] == before[1:]


def test_nobody_signs_a_release_whose_artifacts_are_others(bench: Bench, tmp_path: Path) -> None:
    path = bench.make()
    other = Bench(tmp_path / "other", files=bench.files | {"app.bin": APP[::-1]}).make()
    forged = bytearray(path.read_bytes())
    # The manifest of one in the file of the other: same names, same sizes.
    first, second = (file.read_bytes().index(b"artifacts/app.bin") for file in (path, other))
    forged = bytearray(path.read_bytes()[: first - 30] + other.read_bytes()[second - 30 :])
    path.write_bytes(forged)
    with pytest.raises((BundleMismatch, BadBundle)):
        sign_release(path, ALICE)
    assert path.read_bytes() == forged
    assert not [one for one in path.parent.iterdir() if one.name.startswith(".")]


def test_a_release_is_never_overwritten(bench: Bench) -> None:
    path = bench.make(ALICE)
    signed = path.read_bytes()
    with pytest.raises(ReleaseExists):
        bench.make()
    assert path.read_bytes() == signed


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('format = "raw"', 'formt = "raw"', "did you mean 'format'"),
        ('product = "thermostat"', 'prodct = "thermostat"', "did you mean 'product'"),
        ('file = "radio.bin"', 'file = "radio-missing.bin"', "radio-missing.bin"),
        ('file = "radio.bin"', 'file = "."', "cannot read"),
        ('file = "radio.bin"', 'file = "empty.bin"', "0 bytes"),
        ('component = "radio"', 'component = "app"', "two artifacts are for"),
        ('file = "radio.bin"', 'file = "sub/app.bin"', "two files would be called"),
        ('version = "2.1.0"', 'version = "2.1 final"', "version"),
        ('version = "2.1.0"', "version = 2.1", "version"),
        ('data_format = "settings-3"', "", "can_return_to"),
        ("[[artifact]]", "[[artifact]", "release.toml"),
        ('notes = "Warmer."', 'notes = "\\u001b[2J"', "notes"),
    ],
)
def test_a_mistake_in_the_description_is_named(bench: Bench, old: str, new: str, says: str) -> None:
    assert old in DESCRIPTION
    bench.write()
    (bench.folder / "sub").mkdir()
    (bench.folder / "sub" / "app.bin").write_bytes(b"other")
    (bench.folder / "empty.bin").write_bytes(b"")
    (bench.folder / "release.toml").write_text(DESCRIPTION.replace(old, new))
    with pytest.raises(BadDescription, match=says):
        make_release(bench.folder / "release.toml")
    assert not list(bench.folder.glob("*.tender"))


def tender_release(*arguments: str | Path) -> int:
    parser = ArgumentParser("tender")
    register(parser.add_subparsers(required=True))
    parsed = parser.parse_args(["release", *map(str, arguments)])
    code: int = parsed.run(parsed)
    return code


def test_from_a_new_key_to_a_trusted_release_on_the_command_line(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.write()
    key, path = bench.folder / "key.pem", bench.folder / "thermostat-2.1.0.tender"
    assert tender_release("keygen", key) == 0
    assert 'keys."key" = "ed25519:' in capsys.readouterr().out
    assert tender_release("make", bench.folder / "release.toml") == 0
    assert "not signed yet" in capsys.readouterr().out
    assert tender_release("show", path, "--trust", f"me={key}.pub") == 1
    assert "release-unsigned" in capsys.readouterr().out
    assert tender_release("sign", path, "--key", key) == 0
    assert tender_release("show", path, "--trust", f"me={key}.pub") == 0
    shown = capsys.readouterr().out
    assert "signed by me" in shown
    assert "hardware th-r2, th-r3" in shown
    assert tender_release("show", path, "--trust", f"{key}.pub", "--threshold", "1") == 0


def test_the_same_as_json(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.write()
    key, path = bench.folder / "key.pem", bench.folder / "r.tender"
    tender_release("keygen", key, "--json")
    public = json.loads(capsys.readouterr().out)["public"]
    tender_release("make", bench.folder / "release.toml", "-o", path, "--json")
    assert json.loads(capsys.readouterr().out)["manifest"]["product"] == "thermostat"
    tender_release("sign", path, "--key", key, "--json")
    assert json.loads(capsys.readouterr().out)["release"] == "thermostat:2.1.0"
    tender_release("show", path, "--trust", public, "--json")
    shown = json.loads(capsys.readouterr().out)
    assert shown["trust"].startswith("signed by")
    assert shown["holds"] == ["app.bin", "radio.bin"]


def test_what_goes_wrong_on_the_command_line_is_a_named_error(bench: Bench) -> None:
    bench.write()
    key = bench.folder / "key.pem"
    tender_release("keygen", key)
    with pytest.raises(KeyExists):
        tender_release("keygen", key)
    with pytest.raises(BadKey):
        tender_release("sign", bench.folder / "app.bin", "--key", bench.folder / "app.bin")
    with pytest.raises(ReleaseError):
        tender_release("sign", bench.folder / "app.bin", "--key", key)
    with pytest.raises(BadBundle):
        tender_release("show", bench.folder / "nowhere.tender")


def test_a_folder_that_is_not_there_is_named(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(BadKey, match="cannot write"):
        keygen(tmp_path / "nowhere" / "key.pem")
    bench.write()
    with pytest.raises(ReleaseError, match="cannot write"):
        make_release(bench.folder / "release.toml", tmp_path / "nowhere" / "r.tender")


def test_the_key_file_survives_what_keygen_cannot_finish(tmp_path: Path) -> None:
    """Neither half is left behind when the second cannot be written."""
    (tmp_path / "k.pub").mkdir()
    with pytest.raises(KeyExists):
        keygen(tmp_path / "k")
    assert not (tmp_path / "k").exists()
