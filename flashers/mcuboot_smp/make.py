"""Make MCUboot images without any tool: for virtual nodes, demonstrations and tests.

They are images like any other (imgtool verifies them); for firmware use imgtool,
which knows far more.  Sources: MCUboot's design document, "Image format", and the
signing part of imgtool's documentation: the signature is over the digest, the key
hash over the DER form of the public key.
"""

import hashlib
import re
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from flashers.mcuboot_smp.image.layout import (
    HEADER,
    PROTECTED_MAGIC,
    TLV,
    TLV_INFO,
    TLV_MAGIC,
    Flag,
    Header,
    TlvKind,
)
from flashers.sim import SimApp, build_app

SigningKey = Ed25519PrivateKey | EllipticCurvePrivateKey
"""Keys that images can be signed with here: Ed25519, and ECDSA on P-256."""

_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:\+(\d+))?")


def make_image(
    app: SimApp | bytes,
    version: str | None = None,
    *,
    size: int = 4096,
    seed: int = 0,
    key: SigningKey | None = None,
    security_counter: int | None = None,
    header_size: int = HEADER.size,
) -> bytes:
    """An image around a simulated application, or around any bytes.

    Args:
        app: what to wrap.
        version: ``1.2.3+4``; without it the application's own.
        size: of the simulated application's body, header and records excluded.
        seed: another filling of that body.
        key: signs the image and puts the key's hash into it.
        security_counter: adds that protected record.
        header_size: where the body begins.

    Raises:
        ValueError: the version is none, or the size too small.
    """
    body = build_app(app, size, seed=seed) if isinstance(app, SimApp) else app
    said = version or (app.version if isinstance(app, SimApp) else "0.0.0")
    found = _VERSION.fullmatch(said)
    if found is None:
        raise ValueError(f"{said!r} is no version of an image: write 1.2.3 or 1.2.3+4")
    major, minor, revision, build = (int(part or 0) for part in found.groups())
    protected = b""
    if security_counter is not None:
        record = _tlv(TlvKind.SECURITY_COUNTER, security_counter.to_bytes(4, "little"))
        protected = _area(PROTECTED_MAGIC, record)
    header = Header(0, header_size, len(protected), len(body), Flag(0), (major, minor, revision, build))
    hashed = header.pack().ljust(header_size, b"\0") + body + protected
    digest = hashlib.sha256(hashed).digest()
    records = _tlv(TlvKind.SHA256, digest)
    if key is not None:
        records += _tlv(TlvKind.KEY_HASH, key_hash(key)) + _signature(key, digest)
    return hashed + _area(TLV_MAGIC, records)


def key_hash(key: SigningKey) -> bytes:
    """What an image says of its key, and what a profile's ``key_hash`` pins."""
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).digest()


def load_key(path: Path) -> SigningKey:
    """A private key as ``imgtool keygen`` writes it.

    Raises:
        TypeError: it is a key of another kind.
        ValueError: it is no key.
    """
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey | EllipticCurvePrivateKey):
        raise TypeError(f"{path} is neither an Ed25519 nor an ECDSA key")
    return key


def _signature(key: SigningKey, digest: bytes) -> bytes:
    if isinstance(key, Ed25519PrivateKey):
        return _tlv(TlvKind.ED25519, key.sign(digest))
    return _tlv(TlvKind.ECDSA, key.sign(digest, ECDSA(Prehashed(SHA256()))))


def _tlv(kind: TlvKind, value: bytes) -> bytes:
    return TLV.pack(kind, len(value)) + value


def _area(magic: int, records: bytes) -> bytes:
    return TLV_INFO.pack(magic, TLV_INFO.size + len(records)) + records
