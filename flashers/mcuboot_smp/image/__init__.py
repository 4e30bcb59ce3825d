"""MCUboot images: read, checked, and turned into what Tender sends."""

from flashers.mcuboot_smp.image.errors import (
    ImageDigestMismatch,
    ImageMalformed,
    ImageTruncated,
    ImageWithoutDigest,
    NotMcuboot,
    WrongKey,
    WrongMagic,
)
from flashers.mcuboot_smp.image.layout import Flag, Header, Tlv, TlvKind, version_text
from flashers.mcuboot_smp.image.parse import FORMAT, parse
from flashers.mcuboot_smp.image.reading import McubootImage, identity_of, peek, read_image

__all__ = [
    "FORMAT",
    "Flag",
    "Header",
    "ImageDigestMismatch",
    "ImageMalformed",
    "ImageTruncated",
    "ImageWithoutDigest",
    "McubootImage",
    "NotMcuboot",
    "Tlv",
    "TlvKind",
    "WrongKey",
    "WrongMagic",
    "identity_of",
    "parse",
    "peek",
    "read_image",
    "version_text",
]
