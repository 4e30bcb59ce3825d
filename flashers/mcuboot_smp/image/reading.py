"""Read an image whole, and judge whether its bytes are the ones that were signed.

The digest is what everybody knows an image by: the bootloader checks it, the
node's image list names it, and so does Tender.  It is over header, body and
protected records (MCUboot's design document, "Integrity check"), which is not the
digest of the file.
"""

import hashlib
import struct
from dataclasses import dataclass, replace

from flashers.api import BadImage, Digest
from flashers.mcuboot_smp.image.errors import ImageDigestMismatch, ImageMalformed, ImageWithoutDigest
from flashers.mcuboot_smp.image.layout import (
    COMPRESSED,
    ENCRYPTED,
    Header,
    Tlv,
    TlvKind,
    read_header,
    read_tlvs,
    version_text,
)

_ALGORITHMS: dict[int, str] = {TlvKind.SHA256: "sha256", TlvKind.SHA384: "sha384", TlvKind.SHA512: "sha512"}
_BY_LENGTH = {32: "sha256", 48: "sha384", 64: "sha512"}
_SIGNATURES = {
    TlvKind.RSA2048: "rsa-2048",
    TlvKind.RSA3072: "rsa-3072",
    TlvKind.ECDSA: "ecdsa",
    TlvKind.ED25519: "ed25519",
}
_ENCRYPTED_KEYS = range(0x30, 0x35)
"""``IMAGE_TLV_ENC_…``: the image's key, encrypted for the node."""
_DEPENDENCY = struct.Struct("<B3xBBHI")


def identity_of(value: bytes) -> Digest | None:
    """The digest that a node names by its bytes alone; its length tells the algorithm."""
    algorithm = _BY_LENGTH.get(len(value))
    return Digest(algorithm, value) if algorithm else None


@dataclass(frozen=True, slots=True)
class McubootImage:
    """An image taken apart.

    ``end`` is its length; what the file holds beyond is filling.  ``verified`` means that
    its bytes were seen to give its digest.
    """

    header: Header
    tlvs: tuple[Tlv, ...]
    identity: Digest
    end: int
    verified: bool = False

    def values(self, kind: TlvKind, *, protected: bool = False) -> list[bytes]:
        """What the records of one type hold; ``protected`` are those that the digest covers."""
        return [tlv.value for tlv in self.tlvs if tlv.kind == kind and tlv.protected >= protected]

    @property
    def version(self) -> str:
        """The version in the header."""
        return version_text(self.header.version)

    @property
    def encrypted(self) -> bool:
        """The body is encrypted, so the digest over its plain text cannot be checked here."""
        return bool(self.header.flags & ENCRYPTED)

    @property
    def compressed(self) -> bool:
        """The body is compressed; the bootloader unpacks it, and it then has another digest."""
        return bool(self.header.flags & COMPRESSED)

    @property
    def key_hash(self) -> bytes | None:
        """Hash of the public key that the image says it was signed with.

        imgtool hashes it with the algorithm of the image's digest; an image may also carry the
        whole key instead.
        """
        for value in self.values(TlvKind.KEY_HASH):
            return value
        for value in self.values(TlvKind.PUBLIC_KEY):
            return hashlib.new(self.identity.algorithm, value).digest()
        return None

    @property
    def signature(self) -> str | None:
        """The kind of signature."""
        return next((name for kind, name in _SIGNATURES.items() if self.values(kind)), None)

    @property
    def pure(self) -> bool:
        """The signature is over the image itself rather than over its digest."""
        return bool(self.values(TlvKind.PURE_SIGNATURE))

    @property
    def security_counter(self) -> int | None:
        """Bootloaders with a counter never again take an image with a lower one."""
        for value in self.values(TlvKind.SECURITY_COUNTER, protected=True):
            return int.from_bytes(value, "little")
        return None

    @property
    def dependencies(self) -> tuple[str, ...]:
        """What other images of the node must be at least, as ``1>=1.2.3``."""
        found = []
        for value in self.values(TlvKind.DEPENDENCY, protected=True):
            if len(value) != _DEPENDENCY.size:
                raise ImageMalformed(f"a dependency has {len(value)} bytes")
            image, *version = _DEPENDENCY.unpack(value)
            major, minor, revision, build = version
            found.append(f"{image}>={version_text((major, minor, revision, build))}")
        return tuple(found)


def _take_apart(data: bytes) -> McubootImage:
    header = read_header(data)
    tlvs, end = read_tlvs(data, header)
    digests = [(_ALGORITHMS[tlv.kind], tlv.value) for tlv in tlvs if tlv.kind in _ALGORITHMS]
    if not digests:
        raise ImageWithoutDigest
    if len(digests) > 1:
        raise ImageMalformed("the image carries more than one digest")
    algorithm, value = digests[0]
    if _BY_LENGTH.get(len(value)) != algorithm:
        raise ImageMalformed(f"its {algorithm} has {len(value)} bytes")
    return McubootImage(header, tlvs, Digest(algorithm, value), end)


def read_image(data: bytes) -> McubootImage:
    """Take an image apart and check its digest.

    The body of an encrypted image is hashed before it is encrypted, so there only the
    form can be checked, and the digest of the file has to vouch for the bytes.

    Raises:
        BadImage: one of :mod:`flashers.mcuboot_smp.image.errors`.
    """
    image = _take_apart(data)
    found = hashlib.new(image.identity.algorithm, data[: image.header.hashed]).digest()
    if found == image.identity.value:
        return replace(image, verified=True)
    if not image.encrypted:
        raise ImageDigestMismatch(f"the image says {image.identity}, its bytes give {found.hex()}")
    if not any(tlv.kind in _ENCRYPTED_KEYS for tlv in image.tlvs):
        # A flipped bit of the flags must not be a way around the check.
        raise ImageMalformed("the image says that it is encrypted, and carries no key")
    return image


def peek(data: bytes) -> McubootImage | None:
    """What an image says of itself, unchecked; None where there is none."""
    try:
        return _take_apart(data)
    except BadImage:
        return None
