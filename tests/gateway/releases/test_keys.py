"""Keys: made once, kept privately, and read by others than us."""

import subprocess
from pathlib import Path

import pytest

from gateway.releases.errors import BadKey, KeyExists
from gateway.releases.keys import PrivateKey, PublicKey, keygen


def openssl(*arguments: str | Path) -> str:
    done = subprocess.run(
        ["openssl", *map(str, arguments)], capture_output=True, text=True, check=True, timeout=30
    )
    return done.stdout


def test_private_key_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    keygen(tmp_path / "release.pem")
    assert (tmp_path / "release.pem").stat().st_mode & 0o777 == 0o600


def test_public_key_is_one_line_that_can_be_pinned(tmp_path: Path) -> None:
    public, beside = keygen(tmp_path / "release.pem")
    text = beside.read_text()
    assert text.startswith("ed25519:")
    assert text.count("\n") == 1
    assert PublicKey.parse(text) == public == PrivateKey.load(tmp_path / "release.pem").public


def test_openssl_reads_the_key_and_finds_the_same_public_half(tmp_path: Path) -> None:
    public, _ = keygen(tmp_path / "release.pem")
    text = openssl("pkey", "-in", tmp_path / "release.pem", "-noout", "-text")
    assert "ED25519 Private-Key" in text
    shown = text.partition("pub:")[2].replace(":", "").split()
    assert bytes.fromhex("".join(shown)) == public.raw


@pytest.mark.parametrize("taken", ["release.pem", "release.pem.pub"])
def test_a_key_is_never_overwritten(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).write_text("dear to somebody")
    with pytest.raises(KeyExists):
        keygen(tmp_path / "release.pem")
    assert (tmp_path / taken).read_text() == "dear to somebody"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_link_does_not_lead_the_key_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "release.pem").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeyExists):
        keygen(tmp_path / "release.pem")
    assert not (tmp_path / "elsewhere").exists()


def test_keys_of_other_kinds_are_named_as_such(tmp_path: Path) -> None:
    key = tmp_path / "other.pem"
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
    with pytest.raises(BadKey, match="another kind"):
        PrivateKey.load(key)
    openssl("genpkey", "-algorithm", "ED25519", "-aes256", "-pass", "pass:secret", "-out", key)
    with pytest.raises(BadKey, match="encrypted") as caught:
        PrivateKey.load(key)
    assert "openssl pkey" in caught.value.what_to_do
    key.write_text("-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----\n")
    with pytest.raises(BadKey, match="not a private key"):
        PrivateKey.load(key)
    with pytest.raises(BadKey, match="cannot read"):
        PrivateKey.load(tmp_path / "missing.pem")


@pytest.mark.parametrize(
    "text", ["", "ed25519:", "ed25519:AAAA", "rsa:" + "A" * 44, "ed25519:" + "!" * 44, "ed25519:" + "A" * 48]
)
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(BadKey):
        PublicKey.parse(text)
