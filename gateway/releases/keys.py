"""Keys that sign releases: made, kept, read, and named by what they are.

A key's id is the SHA-256 of its 32 public bytes, so it cannot be chosen; the
name that people see is given where the key is pinned.
"""

import base64
import binascii
import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.releases.errors import BadKey, KeyExists

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

# RFC 8032, section 5.1: public keys have 32 bytes, signatures 64.
PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64
_PREFIX = "ed25519:"
_MAX_KEY_FILE = 16_384


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The half of a key that gateways know; written ``ed25519:BASE64`` in one line."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != PUBLIC_KEY_BYTES:
            raise BadKey(f"an Ed25519 public key has {PUBLIC_KEY_BYTES} bytes, this one {len(self.raw)}")

    @classmethod
    def parse(cls, text: str) -> "PublicKey":
        """Read ``ed25519:BASE64``.

        Raises:
            BadKey: it is something else.
        """
        text = text.strip()
        if not text.startswith(_PREFIX):
            raise BadKey(f"a public key starts with {_PREFIX!r}, this text with {text[:12]!r}")
        try:
            raw = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadKey(f"the public key is not base64: {error}") from error
        return cls(raw)

    @property
    def id(self) -> str:
        """The hexadecimal SHA-256 of the public bytes."""
        return hashlib.sha256(self.raw).hexdigest()

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether this key made this signature over this message."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def __str__(self) -> str:
        return _PREFIX + base64.b64encode(self.raw).decode()


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """The half of a key that stays where releases are made."""

    _key: "Ed25519PrivateKey" = field(repr=False)

    @classmethod
    def generate(cls) -> "PrivateKey":
        """A new key from the system's randomness."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, path: Path) -> "PrivateKey":
        """Read an unencrypted PKCS8 PEM file.

        Raises:
            BadKey: there is no such file, or it holds something else.
        """
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            with path.open("rb") as file:
                pem = file.read(_MAX_KEY_FILE)
        except OSError as error:
            raise BadKey(f"cannot read {path}: {error.strerror}") from error
        try:
            key = load_pem_private_key(pem, password=None)
        except TypeError as error:
            remedy = "Decrypt it for the signing: `openssl pkey -in KEY -out PLAIN`, and remove PLAIN after."
            raise BadKey(f"{path} is encrypted", remedy=remedy) from error
        except (ValueError, UnsupportedAlgorithm) as error:
            raise BadKey(f"{path} is not a private key in PEM") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise BadKey(f"{path} is a key of another kind than Ed25519")
        return cls(key)

    @property
    def public(self) -> PublicKey:
        """The half that may be shown."""
        return PublicKey(self._key.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """The signature, of 64 bytes."""
        return self._key.sign(message)

    def pem(self) -> bytes:
        """PKCS8 PEM, unencrypted."""
        from cryptography.hazmat.primitives import serialization

        return self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def keygen(private: Path) -> tuple[PublicKey, Path]:
    """Write a new key to ``private`` (mode 0600) and its public half beside it, as ``NAME.pub``.

    Raises:
        KeyExists: one of the two is there already; neither was written.
        BadKey: the folder cannot be written.
    """
    key = PrivateKey.generate()
    beside = private.with_name(private.name + ".pub")
    for path in (private, beside):
        if path.exists() or path.is_symlink():
            raise KeyExists(f"{path} is there already")
    _write_new(private, key.pem(), 0o600)
    try:
        _write_new(beside, f"{key.public}\n".encode(), 0o644)
    except BaseException:
        private.unlink()
        raise
    return key.public, beside


def _write_new(path: Path, data: bytes, mode: int) -> None:
    try:
        # O_EXCL also refuses a symbolic link, so nobody can have the key written elsewhere.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError as error:
        raise KeyExists(f"{path} is there already") from error
    except OSError as error:
        raise BadKey(f"cannot write {path}: {error.strerror}", remedy="Check the folder.") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise BadKey(f"cannot write {path}: {error.strerror}", remedy="Check the disk.") from error
