"""The bytes of an MCUboot image: a header, the body, and type-length-value records.

Source: MCUboot's design document, "Image format", and ``bootutil/image.h``.  All
numbers are little endian; the protected records come first and are hashed with the
image, the others follow and are not.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from flashers.mcuboot_smp.image.errors import ImageMalformed, ImageTruncated, WrongMagic

MAGIC = 0x96F3B83D
HEADER = struct.Struct("<IIHHIIBBHI4x")
"""Magic, load address, header size, protected size, body size, flags, version, filling."""
TLV_INFO = struct.Struct("<HH")
"""Magic of the record area, and its size with this very head."""
TLV = struct.Struct("<HH")
TLV_MAGIC = 0x6907
PROTECTED_MAGIC = 0x6908

_OTHERS = {
    b"\x7fELF": "an ELF file",
    b":020": "an Intel HEX file",
    b":100": "an Intel HEX file",
    MAGIC.to_bytes(4, "big"): "an image for a big endian part, which Tender does not read",
    b"\xff\xff\xff\xff": "erased flash",
}


class Flag(IntFlag):
    """Bits of the header's flags (``IMAGE_F_…``)."""

    ENCRYPTED_AES128 = 0x0004
    ENCRYPTED_AES256 = 0x0008
    NON_BOOTABLE = 0x0010
    RAM_LOAD = 0x0020
    ROM_FIXED = 0x0100
    LZMA1 = 0x0200
    LZMA2 = 0x0400
    ARM_THUMB = 0x0800


ENCRYPTED = Flag.ENCRYPTED_AES128 | Flag.ENCRYPTED_AES256
COMPRESSED = Flag.LZMA1 | Flag.LZMA2 | Flag.ARM_THUMB


class TlvKind(IntEnum):
    """Types of records (``IMAGE_TLV_…``) that are read here."""

    KEY_HASH = 0x01
    PUBLIC_KEY = 0x02
    SHA256 = 0x10
    SHA384 = 0x11
    SHA512 = 0x12
    RSA2048 = 0x20
    ECDSA = 0x22
    RSA3072 = 0x23
    ED25519 = 0x24
    PURE_SIGNATURE = 0x25
    DEPENDENCY = 0x40
    SECURITY_COUNTER = 0x50
    DECOMPRESSED_DIGEST = 0x71


@dataclass(frozen=True, slots=True)
class Header:
    """The first 32 bytes of an image; ``size`` is that of the body, ``header_size`` where it begins."""

    load_address: int
    header_size: int
    protected_size: int
    size: int
    flags: Flag
    version: tuple[int, int, int, int]

    @property
    def hashed(self) -> int:
        """How many bytes from the start the image's digest covers."""
        return self.header_size + self.size + self.protected_size

    def pack(self) -> bytes:
        """The header's bytes, without the filling up to ``header_size``."""
        return HEADER.pack(
            MAGIC,
            self.load_address,
            self.header_size,
            self.protected_size,
            self.size,
            self.flags,
            *self.version,
        )


@dataclass(frozen=True, slots=True)
class Tlv:
    """One record; what binds an image to others counts only where it is ``protected``."""

    kind: int
    value: bytes
    protected: bool = False


def version_text(version: tuple[int, int, int, int]) -> str:
    """A version as imgtool takes it: ``1.2.3+4``, or ``1.2.3`` where there is no build number."""
    major, minor, revision, build = version
    return f"{major}.{minor}.{revision}" + (f"+{build}" if build else "")


def read_header(data: bytes) -> Header:
    """Read the header at the start of ``data``.

    Raises:
        WrongMagic: this is no MCUboot image.
        ImageTruncated: not even the header is whole.
        ImageMalformed: the header contradicts itself.
    """
    if data[:4] != MAGIC.to_bytes(4, "little"):
        looks = next((what for start, what in _OTHERS.items() if data.startswith(start)), None)
        found = f"it looks like {looks}" if looks else f"it begins with {data[:4].hex() or 'nothing'}"
        raise WrongMagic(f"the file is no MCUboot image: {found}")
    if len(data) < HEADER.size:
        raise ImageTruncated(f"{len(data)} bytes are less than an image's header")
    _, load, header_size, protected, size, flags, *version = HEADER.unpack_from(data)
    if header_size < HEADER.size:
        raise ImageMalformed(f"the header says that it has {header_size} bytes, and needs {HEADER.size}")
    major, minor, revision, build = version
    return Header(load, header_size, protected, size, Flag(flags), (major, minor, revision, build))


def read_tlvs(data: bytes, header: Header) -> tuple[tuple[Tlv, ...], int]:
    """All records behind the body, and where the image ends.

    Raises:
        ImageTruncated: the file ends first.
        ImageMalformed: sizes or marks do not fit together.
    """
    at = header.header_size + header.size
    found: list[Tlv] = []
    if header.protected_size:
        area = _area(data, at, PROTECTED_MAGIC)
        if area != header.protected_size:
            raise ImageMalformed(f"the header speaks of {header.protected_size} protected bytes, not {area}")
        found += _records(data, at, area, protected=True)
        at += area
    area = _area(data, at, TLV_MAGIC)
    found += _records(data, at, area, protected=False)
    return tuple(found), at + area


def _area(data: bytes, at: int, magic: int) -> int:
    if at + TLV_INFO.size > len(data):
        raise ImageTruncated(f"the file has {len(data)} bytes, and the records begin at {at}")
    found, size = TLV_INFO.unpack_from(data, at)
    if found != magic:
        raise ImageMalformed(f"at {at:#x} there should be {magic:#06x}, and there is {found:#06x}")
    if size < TLV_INFO.size:
        raise ImageMalformed(f"the records at {at:#x} say that they have {size} bytes")
    if at + size > len(data):
        raise ImageTruncated(f"the file has {len(data)} bytes, and its records end at {at + size}")
    return int(size)


def _records(data: bytes, at: int, area: int, *, protected: bool) -> list[Tlv]:
    end, at = at + area, at + TLV_INFO.size
    found = []
    while at < end:
        if at + TLV.size > end:
            raise ImageMalformed(f"{end - at} bytes at {at:#x} are no record")
        kind, length = TLV.unpack_from(data, at)
        at += TLV.size
        if at + length > end:
            raise ImageMalformed(f"the record at {at - TLV.size:#x} is longer than its area")
        found.append(Tlv(kind, data[at : at + length], protected))
        at += length
    return found
