"""The init packet of legacy packages: for which nodes an image is, and a checksum over it.

A fixed head, a list of SoftDevices, and a tail that differs by the version of the
format.  The usual tail is two bytes of CRC; nothing in it is signed, so it protects from
mistakes and from nobody.  Later tails carry a SHA-256, and the last one a signature by a
key that only the loader knows.

Sources: nRF5 SDK 11, ``dfu_init.h`` and ``dfu_init_template.c``; adafruit-nrfutil
0.5.3.post16, ``init_packet.py`` and ``package.py`` (the four tails).
"""

import binascii
import hashlib
import struct
from dataclasses import dataclass
from enum import IntEnum

from flashers.api import BadImage
from flashers.nordic_dfu.package.errors import BadInit, HashMismatch, SizeMismatch

ANY_HARDWARE = 0xFFFF
"""Device type or revision of an image that does not say for which it is."""
NO_VERSION = 0xFFFFFFFF
ANY_SOFTDEVICE = 0xFFFE
NO_SOFTDEVICE = 0xFFFF

_HEAD = struct.Struct("<HHIH")
_CRC = struct.Struct("<H")
_CRC_WITH_ID = struct.Struct("<IH")
_HASH = struct.Struct("<II32s")
_SIGNATURE = 64
"""ECDSA over P-256: two numbers of 32 bytes."""
_MOST_SOFTDEVICES = 32
"""More do not fit into what loaders keep of an init packet."""


class Tail(IntEnum):
    """The identifier of a tail; the first format had none."""

    CRC = 0
    HASH = 1
    SIGNED = 2


class CrcMismatch(BadImage):
    """The init packet was made for other bytes than the image's."""

    code = "crc-mismatch"
    remedy = "Build the package again; its image was changed after its init packet was made."


@dataclass(frozen=True, slots=True)
class LegacyInit:
    """What an init packet says; ``crc`` or ``sha256`` is over the image's bytes."""

    device_type: int
    device_revision: int
    application_version: int
    softdevices: tuple[int, ...]
    crc: int | None = None
    sha256: bytes | None = None
    length: int | None = None
    signed: bool = False

    def check(self, image: bytes) -> None:
        """Make sure that it was made for these bytes.

        Raises:
            SizeMismatch, CrcMismatch, HashMismatch: it was not.
        """
        if self.length is not None and self.length != len(image):
            raise SizeMismatch(f"the init packet is for {self.length} bytes, the image has {len(image)}")
        if self.crc is not None and self.crc != crc16(image):
            raise CrcMismatch(f"the init packet's CRC is {self.crc:#06x}, the image's {crc16(image):#06x}")
        if self.sha256 is not None and self.sha256 != hashlib.sha256(image).digest():
            raise HashMismatch("the init packet's SHA-256 is not that of the image")


def crc16(data: bytes) -> int:
    """CRC-16 as the loaders compute it: polynomial 0x1021, begun with 0xFFFF, nothing reflected."""
    return binascii.crc_hqx(data, 0xFFFF)


def read_init(data: bytes) -> LegacyInit:
    """Understand an init packet.

    Raises:
        BadInit: it has another shape.
    """
    if len(data) < _HEAD.size:
        raise BadInit(f"an init packet of {len(data)} bytes is too short for its head")
    kind, revision, version, count = _HEAD.unpack_from(data)
    end = _HEAD.size + 2 * count
    if count > _MOST_SOFTDEVICES or len(data) < end:
        raise BadInit(f"{count} SoftDevices do not fit into an init packet of {len(data)} bytes")
    softdevices = struct.unpack_from(f"<{count}H", data, _HEAD.size)
    tail = data[end:]
    said = LegacyInit(kind, revision, version, softdevices)
    match len(tail):
        case _CRC.size:
            (crc,) = _CRC.unpack(tail)
            return LegacyInit(kind, revision, version, softdevices, crc=crc)
        case _CRC_WITH_ID.size:
            found, crc = _CRC_WITH_ID.unpack(tail)
            _require(found, Tail.CRC)
            return LegacyInit(kind, revision, version, softdevices, crc=crc)
        case _HASH.size:
            found, length, digest = _HASH.unpack(tail)
            _require(found, Tail.HASH)
            return _hashed(said, length, digest, signed=False)
        case n if n == _HASH.size + _SIGNATURE:
            found, length, digest = _HASH.unpack_from(tail)
            _require(found, Tail.SIGNED)
            return _hashed(said, length, digest, signed=True)
    raise BadInit(f"what follows the SoftDevices has {len(tail)} bytes: none of the known forms")


def write_init(said: LegacyInit) -> bytes:
    """The bytes of an init packet with a CRC, in the first form.

    Raises:
        ValueError: it has no CRC, or a number that does not fit.
    """
    if said.crc is None:
        raise ValueError("an init packet is written with a CRC")
    try:
        head = _HEAD.pack(
            said.device_type, said.device_revision, said.application_version, len(said.softdevices)
        )
        return head + struct.pack(f"<{len(said.softdevices)}H", *said.softdevices) + _CRC.pack(said.crc)
    except struct.error as error:
        raise ValueError(f"a number does not fit into an init packet: {error}") from error


def _hashed(said: LegacyInit, length: int, digest: bytes, *, signed: bool) -> LegacyInit:
    return LegacyInit(
        said.device_type,
        said.device_revision,
        said.application_version,
        said.softdevices,
        sha256=digest,
        length=length,
        signed=signed,
    )


def _require(found: int, tail: Tail) -> None:
    if found != tail:
        raise BadInit(f"the init packet's tail says {found}, and has the size of {tail.value}")
