"""With what an export is sealed: a passphrase, or the public half of somebody's key.

A gateway that exports by itself has only the public half, so that whoever steals the
gateway's configuration can still not read what it has put on a share.
"""

import base64
import binascii
import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from gateway.state.errors import BadSealKey, ExportDamaged, ExportLocked

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

_PREFIX = "x25519:"
_KEY_BYTES = 32
"""RFC 7748, section 5: private and public values of X25519."""
_MAX_KEY_FILE = 16_384
_SALT_BYTES = 16
_SCRYPT = (1 << 16, 8, 2)
"""n, r, p: 64 MiB of memory, one of the minimal choices of the OWASP Password Storage Cheat Sheet."""
_SCRYPT_MOST = 1 << 20
"""A larger n in a header is refused: nobody is made to spend gigabytes by a file."""


class SealTable(BaseModel):
    """How the header of an export says what opens it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["scrypt", "x25519"]
    salt: str = Field(pattern=r"^[0-9a-f]{32}$")
    n: int | None = Field(default=None, ge=2, le=_SCRYPT_MOST)
    r: int | None = Field(default=None, ge=1, le=16)
    p: int | None = Field(default=None, ge=1, le=16)
    recipient: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    ephemeral: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")


@dataclass(frozen=True, slots=True)
class Seal:
    """What an export is encrypted with: the header's words on it, and the secret that they lead to."""

    table: SealTable
    secret: bytes = field(repr=False)

    @classmethod
    def by_passphrase(cls, passphrase: str) -> Self:
        """Seal with a passphrase; takes about a quarter of a second and 64 MiB.  Raises BadSealKey."""
        if not passphrase:
            raise BadSealKey("the passphrase is empty", remedy="Give one of several words.")
        n, r, p = _SCRYPT
        salt = os.urandom(_SALT_BYTES)
        table = SealTable(kind="scrypt", salt=salt.hex(), n=n, r=r, p=p)
        return cls(table, _scrypt(passphrase, table))

    @classmethod
    def to(cls, recipient: "Recipient") -> Self:
        """Seal so that only the owner of the recipient's private key can open it."""
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

        ephemeral = X25519PrivateKey.generate()
        public = ephemeral.public_key().public_bytes_raw()
        shared = _exchange(ephemeral, X25519PublicKey.from_public_bytes(recipient.raw))
        table = SealTable(
            kind="x25519",
            salt=os.urandom(_SALT_BYTES).hex(),
            recipient=recipient.raw.hex(),
            ephemeral=public.hex(),
        )
        return cls(table, shared + public + recipient.raw)


@dataclass(frozen=True, slots=True)
class Recipient:
    """The public half, written ``x25519:BASE64`` in one line."""

    raw: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``x25519:BASE64``.  Raises BadSealKey."""
        text = text.strip()
        if not text.startswith(_PREFIX):
            raise BadSealKey(f"a recipient starts with {_PREFIX!r}, this text with {text[:12]!r}")
        try:
            raw = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadSealKey(f"the recipient is not base64: {error}") from error
        if len(raw) != _KEY_BYTES:
            raise BadSealKey(f"a recipient has {_KEY_BYTES} bytes, this one {len(raw)}")
        return cls(raw)

    def __str__(self) -> str:
        return _PREFIX + base64.b64encode(self.raw).decode()


@dataclass(frozen=True, slots=True)
class Opener:
    """What may open an export: a passphrase, or the text of a private key's file."""

    passphrase: str | None = field(default=None, repr=False)
    key_file: Path | None = None

    def secret(self, table: SealTable) -> bytes:
        """The secret that the header leads to, whether or not it is the right one.

        Raises:
            ExportLocked: it was sealed in another way than we can open.
            BadSealKey: the key cannot be read.
            ExportDamaged: the header contradicts itself.
        """
        if table.kind == "scrypt":
            if self.passphrase is None:
                raise ExportLocked(
                    "it was sealed with a passphrase", remedy="Give it: --passphrase-file FILE."
                )
            return _scrypt(self.passphrase, table)
        if self.key_file is None:
            raise ExportLocked(
                "it was sealed to a recipient's key", remedy="Give the private key: --key FILE."
            )
        return self._by_key(table, self.key_file)

    def _by_key(self, table: SealTable, file: Path) -> bytes:
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

        private = _load(file)
        mine = private.public_key().public_bytes_raw()
        if table.recipient is None or table.ephemeral is None:
            raise ExportDamaged("its header names no recipient")
        if mine.hex() != table.recipient:
            raise ExportLocked(f"it was sealed to another key than the one in {file}")
        ephemeral = bytes.fromhex(table.ephemeral)
        return _exchange(private, X25519PublicKey.from_public_bytes(ephemeral)) + ephemeral + mine


def keygen(file: Path) -> Recipient:
    """Make a pair: the private half in a new file that only its owner can read, the public one as the answer.

    Raises:
        BadSealKey: the file is there, or cannot be made.
    """
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    private = X25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(pem)
            opened.flush()
            os.fsync(opened.fileno())
    except OSError as error:
        remedy = "Name a file that is not there yet, in a folder that you can write."
        raise BadSealKey(f"{file}: {error.strerror}", remedy=remedy) from error
    return Recipient(private.public_key().public_bytes_raw())


def _load(file: Path) -> "X25519PrivateKey":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        with file.open("rb") as opened:
            key = load_pem_private_key(opened.read(_MAX_KEY_FILE), password=None)
    except OSError as error:
        raise BadSealKey(f"{file}: {error.strerror}", remedy="Name the file of the private key.") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadSealKey(
            f"{file} holds no private key in PEM", remedy="Name the private key's file."
        ) from error
    if not isinstance(key, X25519PrivateKey):
        raise BadSealKey(
            f"{file} holds a key of another kind", remedy="Exports are opened with an X25519 key."
        )
    return key


def _exchange(private: "X25519PrivateKey", public: "X25519PublicKey") -> bytes:
    try:
        return private.exchange(public)
    except ValueError as error:
        # RFC 7748, section 6.1: a public value of small order gives zeros, which no honest header has.
        raise ExportDamaged("its header names a value that is no public key") from error


def _scrypt(passphrase: str, table: SealTable) -> bytes:
    if table.n is None or table.r is None or table.p is None or table.n & (table.n - 1):
        raise ExportDamaged("its header does not say how the passphrase is used")
    memory = 128 * table.n * table.r + (1 << 20)
    return hashlib.scrypt(
        passphrase.encode(),
        salt=bytes.fromhex(table.salt),
        n=table.n,
        r=table.r,
        p=table.p,
        maxmem=memory * 2,
        dklen=_KEY_BYTES,
    )
