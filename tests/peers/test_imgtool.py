"""MCUboot's own imgtool and our reading of images agree, in both directions."""

import itertools
import random
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from flashers.api import BadImage, Component
from flashers.mcuboot_smp.image import FORMAT, parse, read_image
from flashers.mcuboot_smp.make import SigningKey, key_hash, load_key, make_image
from flashers.mcuboot_smp.params import SmpParams
from flashers.sim import SimApp
from tests.peers import debian

pytestmark = pytest.mark.peer

BODY = random.Random(7).randbytes(5000)
KINDS = ("rsa-2048", "rsa-3072", "ecdsa-p256", "ecdsa-p384", "ed25519", "x25519")
SIGNATURES = {
    "rsa-2048": "rsa-2048",
    "rsa-3072": "rsa-3072",
    "ecdsa-p256": "ecdsa",
    "ecdsa-p384": "ecdsa",
    "ed25519": "ed25519",
}


@dataclass(frozen=True, slots=True)
class Bench:
    """imgtool with a key of each kind."""

    folder: Path

    def imgtool(self, *arguments: str | Path) -> str:
        command = [str(debian.client("imgtool")), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def key(self, kind: str) -> Path:
        return self.folder / f"{kind}.pem"

    def sign(self, *arguments: str | Path, body: bytes = BODY) -> bytes:
        source, target = self.folder / "app.bin", self.folder / "signed.bin"
        source.write_bytes(body)
        fixed = ("-v", "3.1.4+7", "-H", "0x200", "--pad-header", "-S", "0x20000")
        self.imgtool("sign", *fixed, *arguments, source, target)
        return target.read_bytes()

    def public_hash(self, kind: str) -> str:
        target = self.folder / "hash.bin"
        self.imgtool("getpubhash", "-k", self.key(kind), "-e", "raw", "-o", target)
        return target.read_bytes().hex()


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    made = Bench(tmp_path_factory.mktemp("imgtool"))
    for kind in KINDS:
        made.imgtool("keygen", "-t", kind, "-k", made.key(kind))
    return made


def read(data: bytes, **params: str | int) -> tuple[str | None, dict[str, str | int | bool]]:
    image = parse(data, FORMAT, Component(), SmpParams.model_validate(params))
    return image.firmware.version, dict(image.facts)


@pytest.mark.parametrize("kind", SIGNATURES)
def test_images_with_every_kind_of_key_are_read(bench: Bench, kind: str) -> None:
    data = bench.sign("-k", bench.key(kind), "--align", "4")
    version, facts = read(data)
    assert version == "3.1.4+7"
    assert (facts["signature"], facts["verified"]) == (SIGNATURES[kind], True)
    algorithm = "sha384" if kind == "ecdsa-p384" else "sha256"
    assert read_image(data).identity.algorithm == algorithm
    if algorithm == "sha256":
        assert facts["key_hash"] == bench.public_hash(kind)
    assert read(data, key_hash=str(facts["key_hash"]))[1] == facts
    with pytest.raises(BadImage) as caught:
        read(data, key_hash="00" * 32)
    assert caught.value.code == "wrong-key"


def test_an_image_with_the_whole_public_key_is_pinned_by_its_hash_too(bench: Bench) -> None:
    data = bench.sign("-k", bench.key("ed25519"), "--public-key-format", "full")
    assert read(data, key_hash=bench.public_hash("ed25519"))[1]["signature"] == "ed25519"


def test_an_image_that_is_not_signed_is_read_and_fits_no_pin(bench: Bench) -> None:
    data = bench.sign()
    assert read(data)[1]["signature"] == "none"
    with pytest.raises(BadImage):
        read(data, key_hash="00" * 32)


def test_longer_digests_and_pure_signatures_are_read(bench: Bench) -> None:
    long = bench.sign("-k", bench.key("ed25519"), "--sha", "512")
    assert read_image(long).identity.algorithm == "sha512"
    pure = bench.sign("-k", bench.key("ed25519"), "--pure")
    assert read(pure)[1]["pure_signature"] is True


def test_counter_and_dependencies_are_read(bench: Bench) -> None:
    data = bench.sign("-k", bench.key("ecdsa-p256"), "-s", "9", "-d", "(1, 2.3.4+5), (2, 1.0.0)")
    _, facts = read(data)
    assert (facts["security_counter"], facts["no_way_back"]) == (9, True)
    assert facts["dependencies"] == "1>=2.3.4+5 2>=1.0.0"


def test_encrypted_images_are_named_as_not_verifiable(bench: Bench) -> None:
    public = bench.folder / "public.pem"
    bench.imgtool("getpub", "-k", bench.key("x25519"), "-e", "pem", "-o", public)
    for length in ("128", "256"):
        data = bench.sign("-k", bench.key("ed25519"), "-E", public, "--encrypt-keylen", length)
        version, facts = read(data)
        assert (version, facts["encrypted"], facts["verified"]) == ("3.1.4+7", True, False)
    clear = bench.sign("-k", bench.key("ed25519"), "-E", public, "--clear")
    assert (read(clear)[1]["encrypted"], read(clear)[1]["verified"]) == (True, True)


def test_compressed_images_are_named_with_what_they_become(bench: Bench) -> None:
    data = bench.sign("-k", bench.key("ed25519"), "--compression", "lzma2", body=bytes(20000))
    plain = bench.sign("-k", bench.key("ed25519"), body=bytes(20000))
    _, facts = read(data)
    assert facts["compressed"] is True
    assert str(facts["runs_as"]).startswith("sha256:")
    assert read_image(data).identity != read_image(plain).identity


def test_padding_and_trailers_are_not_sent(bench: Bench) -> None:
    arguments = ("-k", bench.key("ed25519"))
    plain = bench.sign(*arguments)
    for how in ("--pad", "--confirm"):
        padded = bench.sign(*arguments, how)
        image = parse(padded, FORMAT, Component(), SmpParams())
        assert len(padded) == 0x20000
        assert image.size == len(plain)
        assert image.facts["not_sent"] == len(padded) - len(plain)


def test_every_flipped_byte_is_found_in_images_that_imgtool_signed(bench: Bench) -> None:
    data = bench.sign("-k", bench.key("ecdsa-p384"), "-s", "9", "-d", "(1, 2.3.4+5)", body=BODY[:300])
    hashed = read_image(data).header.hashed
    for place, flip in itertools.product(range(hashed), (0x01, 0x80, 0xFF)):
        bent = bytearray(data)
        bent[place] ^= flip
        with pytest.raises(BadImage):
            read_image(bytes(bent))


def test_images_that_we_make_are_verified_by_imgtool(bench: Bench) -> None:
    keys: dict[str, SigningKey] = {
        "ed25519": Ed25519PrivateKey.generate(),
        "ecdsa": generate_private_key(SECP256R1()),
    }
    for kind, key in keys.items():
        pem, file = bench.folder / f"own-{kind}.pem", bench.folder / f"own-{kind}.bin"
        pem.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        file.write_bytes(make_image(SimApp("1.2.3+4"), key=key, security_counter=2, header_size=0x200))
        said = bench.imgtool("verify", "-k", pem, file)
        assert "correctly validated" in said
        assert "1.2.3+4" in said
        assert key_hash(load_key(pem)) == key_hash(key)
    unsigned = bench.folder / "unsigned.bin"
    unsigned.write_bytes(make_image(b"anything at all", "0.0.1"))
    assert "0.0.1" in bench.imgtool("verify", unsigned)
