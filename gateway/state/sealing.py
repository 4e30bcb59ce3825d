"""Bytes that can be read by whoever has the key, and that nobody else can change, shorten or reorder.

::

    magic     8 bytes   "TNDRSTAT"
    length    4 bytes   of the header, big-endian
    header    JSON      format, seal, and what may be known without the key
    check     16 bytes  tells a wrong key from a damaged file
    chunk …             64 KiB of plaintext each, the last one less, each 16 bytes longer when sealed

The chunks are ChaCha20-Poly1305 (RFC 8439) with the nonce ``number (11 bytes) || last (1 byte)``, so that
none can be left out, doubled, moved, or be made the last one: the STREAM construction of Hoang, Reyhanitabar,
Rogaway and Vizár, "Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance" (2015).  Every
chunk is bound to all that stands before the first.  The key is HKDF-SHA256 (RFC 5869) of the secret and the
header's salt; a salt is used once, so is a key, and so no nonce is used twice with one.
"""

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import BinaryIO, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.state.errors import ExportDamaged, ExportLocked, ExportTooNew, ExportTruncated, NoExport
from gateway.state.keys import Opener, Seal, SealTable

MAGIC = b"TNDRSTAT"
FORMAT = 1
CHUNK = 64 << 10
_TAG = 16
_CHECK = 16
_MAX_HEADER = 16 << 10


class Header(BaseModel):
    """What is known without the key; authenticated with every chunk."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    format: int = Field(default=FORMAT, strict=True)
    seal: SealTable
    gateway: str = ""
    tender: str = ""
    made_ms: int = 0
    """Of the exporting machine's wall clock, for people."""


class Sink(Protocol):
    """What sealed bytes are written to."""

    def write(self, data: bytes, /) -> object:
        """Take all of it."""
        ...


class Sealer:
    """Encrypts what is written to it; nothing is complete before :meth:`finish`."""

    def __init__(self, sink: Sink, seal: Seal, header: Header) -> None:
        text = header.model_dump_json(exclude_none=True).encode()
        prelude = MAGIC + struct.pack(">I", len(text)) + text
        keys = _Keys.of(seal.secret, header.seal, prelude)
        self._sink = sink
        self._chunks = keys.cipher()
        self._bound = keys.bound
        self._number = 0
        self._buffer = bytearray()
        sink.write(prelude + keys.check)

    def write(self, data: bytes) -> int:
        """Take more of the plaintext."""
        self._buffer += data
        while len(self._buffer) > CHUNK:  # the last one, even if full, is sealed as the last
            self._put(bytes(self._buffer[:CHUNK]), last=False)
            del self._buffer[:CHUNK]
        return len(data)

    def finish(self) -> None:
        """No more comes."""
        self._put(bytes(self._buffer), last=True)
        self._buffer.clear()

    def _put(self, data: bytes, *, last: bool) -> None:
        self._sink.write(self._chunks.encrypt(_nonce(self._number, last=last), data, self._bound))
        self._number += 1


def read_header(source: BinaryIO) -> tuple[Header, bytes]:
    """The header, and all bytes before the first chunk; nothing of it is authenticated yet.

    Raises:
        NoExport, ExportTooNew, ExportTruncated, ExportDamaged.
    """
    begin = source.read(len(MAGIC) + 4)
    if not MAGIC.startswith(begin[: len(MAGIC)]) or not begin:
        raise NoExport("the file does not begin as an export does")
    if len(begin) < len(MAGIC) + 4:
        raise ExportTruncated("the file ends in its first line")
    (length,) = struct.unpack(">I", begin[len(MAGIC) :])
    if length > _MAX_HEADER:
        raise ExportDamaged(f"its header would have {length} bytes")
    text = source.read(length)
    if len(text) < length:
        raise ExportTruncated("the file ends in its header")
    try:
        fields = json.loads(text)
        # The format first: what a newer one has beyond that is none of our business.
        made_as = fields.get("format") if isinstance(fields, dict) else None
        if isinstance(made_as, int) and made_as > FORMAT:
            raise ExportTooNew(f"it has format {made_as}; this Tender reads up to {FORMAT}")
        header = Header.model_validate(fields)
    except (ValueError, ValidationError) as error:
        raise ExportDamaged("its header cannot be read") from error
    return header, begin + text


def plaintext(source: BinaryIO, opener: Opener) -> Iterator[bytes]:
    """What was sealed, a chunk at a time, each authenticated before it is given.

    It is complete only when the iteration has ended without an error.

    Raises:
        NoExport, ExportTooNew, ExportLocked, ExportTruncated, ExportDamaged, BadSealKey.
    """
    from cryptography.exceptions import InvalidTag

    header, prelude = read_header(source)
    check = source.read(_CHECK)
    if len(check) < _CHECK:
        raise ExportTruncated("the file ends in its header")
    keys = _Keys.of(opener.secret(header.seal), header.seal, prelude)
    if not compare_digest(keys.check, check):
        raise ExportLocked("the passphrase or key does not open it, or its header was changed")
    cipher, number = keys.cipher(), 0
    data = source.read(CHUNK + _TAG)
    while True:
        following = source.read(CHUNK + _TAG)
        last = not following
        try:
            chunk = cipher.decrypt(_nonce(number, last=last), data, keys.bound)
        except InvalidTag:
            raise _what_is_wrong(cipher, number, data, keys.bound, last=last) from None
        yield chunk
        if last:
            return
        data, number = following, number + 1


def _what_is_wrong(
    cipher: "_Cipher", number: int, data: bytes, bound: bytes, *, last: bool
) -> ExportTruncated | ExportDamaged:
    from cryptography.exceptions import InvalidTag

    where = f"at byte {number * CHUNK} of its contents"
    if last:
        try:
            cipher.decrypt(_nonce(number, last=False), data, bound)
        except InvalidTag:
            if len(data) < CHUNK + _TAG:
                # A chunk that is cut and one that is changed look the same; the cut is by far likelier.
                return ExportTruncated(f"it ends, or is damaged, {where}")
        else:
            return ExportTruncated(f"it ends {where}")
    return ExportDamaged(f"it is damaged {where}")


class _Cipher(Protocol):
    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...


@dataclass(frozen=True, slots=True)
class _Keys:
    """What the secret leads to."""

    payload: bytes
    check: bytes
    bound: bytes

    @classmethod
    def of(cls, secret: bytes, table: SealTable, prelude: bytes) -> "_Keys":
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        bound = sha256(prelude).digest()
        salt = bytes.fromhex(table.salt)

        def derive(length: int, info: bytes) -> bytes:
            return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(secret)

        # The check is bound to the header as well: a changed one is noticed before anything is believed.
        return cls(
            derive(32, b"tender state 1 payload"), derive(_CHECK, b"tender state 1 check" + bound), bound
        )

    def cipher(self) -> _Cipher:
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

        return ChaCha20Poly1305(self.payload)


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
