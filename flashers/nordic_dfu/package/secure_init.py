"""The init packet of secure packages: for which nodes an image is, its hash, and a signature.

Source: ``dfu-cc.proto`` of nRF5 SDK 17.1.0 and of nrfutil 6.1.7 (they agree but for the
fields that only external applications use).  The hash is SHA-256 with its bytes in reverse
order; the signature covers the bytes of the ``InitCommand`` as they are in the packet.
"""

import hashlib
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

from flashers.nordic_dfu.package import signature
from flashers.nordic_dfu.package.errors import BadInit, BadSignature, HashMismatch, SizeMismatch, Unsigned
from flashers.nordic_dfu.package.protobuf import BadMessage, Message, field, varint

T = TypeVar("T")

_INIT_OP = 1
_SHA256 = 3
_ECDSA_P256_SHA256 = 0


class FwType(IntEnum):
    """What the image is."""

    APPLICATION = 0
    SOFTDEVICE = 1
    BOOTLOADER = 2
    SOFTDEVICE_BOOTLOADER = 3
    EXTERNAL_APPLICATION = 4


@dataclass(frozen=True, slots=True)
class SecureInit:
    """What an init packet says; None is what it leaves open.

    ``command`` are the bytes that a signature covers.
    """

    type: FwType
    fw_version: int | None
    hw_version: int | None
    sd_req: tuple[int, ...]
    sd_size: int
    bl_size: int
    app_size: int
    hash: bytes
    is_debug: bool = False
    signature: bytes | None = None
    signature_type: int = _ECDSA_P256_SHA256
    command: bytes = b""

    @property
    def size(self) -> int:
        """Bytes of the image, by the sizes that count for its type."""
        match self.type:
            case FwType.APPLICATION | FwType.EXTERNAL_APPLICATION:
                return self.app_size
            case FwType.SOFTDEVICE:
                return self.sd_size
            case FwType.BOOTLOADER:
                return self.bl_size
            case FwType.SOFTDEVICE_BOOTLOADER:
                return self.sd_size + self.bl_size

    def check(self, image: bytes) -> None:
        """Whether it was made for these bytes.  Raises SizeMismatch, HashMismatch."""
        if self.size != len(image):
            raise SizeMismatch(f"the init packet is for {self.size} bytes, the image has {len(image)}")
        if self.hash != hashlib.sha256(image).digest()[::-1]:
            raise HashMismatch("the init packet's SHA-256 is not that of the image")

    def check_signature(self, key: EllipticCurvePublicKey) -> None:
        """Whether the owner of this key signed it.  Raises Unsigned, BadSignature."""
        if self.signature is None:
            raise Unsigned("the package is not signed, and the profile has the loader's public_key")
        if self.signature_type != _ECDSA_P256_SHA256:
            raise BadSignature(f"the signature is of type {self.signature_type}, not ECDSA on P-256")
        if not signature.verifies(key, self.signature, self.command):
            raise BadSignature("the signature was not made by the profile's public_key over this package")


def read_init(data: bytes) -> SecureInit:
    """Understand an init packet.

    Raises:
        BadInit: it has another shape.
    """
    try:
        return _read(data)
    except BadMessage as error:
        raise BadInit(f"the init packet is none of the secure kind: {error}") from error


def write_init(said: SecureInit, key: EllipticCurvePrivateKey | None) -> bytes:
    """The bytes of an init packet, signed if there is a key; the same arguments give the same bytes."""
    init = b""
    if said.fw_version is not None:
        init += field(1, said.fw_version)
    if said.hw_version is not None:
        init += field(2, said.hw_version)
    init += field(3, b"".join(map(varint, said.sd_req))) + field(4, said.type)
    init += field(5, said.sd_size) + field(6, said.bl_size) + field(7, said.app_size)
    init += field(8, field(1, _SHA256) + field(2, said.hash)) + field(9, int(said.is_debug))
    command = field(1, _INIT_OP) + field(2, init)
    if key is None:
        return field(1, command)
    made = field(2, _ECDSA_P256_SHA256) + field(3, signature.sign(key, init))
    return field(2, field(1, command) + made)


def _read(data: bytes) -> SecureInit:
    packet = Message.read(data).only((1, 2))
    command, signed = packet.data(1), packet.data(2)
    if (command is None) == (signed is None):
        raise BadMessage("it has neither a command nor a signed one, or both")
    made: bytes | None = None
    kind = _ECDSA_P256_SHA256
    if signed is not None:
        envelope = Message.read(signed).only((1, 2, 3))
        command, made = envelope.data(1), envelope.data(3)
        kind = _required(envelope.number(2), "the signature's type")
        if made is None:
            raise BadMessage("the signature is missing")
    outer = Message.read(_required(command, "the command")).only((1, 2))
    if outer.number(1) not in (None, _INIT_OP):
        raise BadMessage(f"its operation is {outer.number(1)}, not the init command")
    init = _required(outer.data(2), "the init command")
    return _init(init, made, kind)


def _init(init: bytes, made: bytes | None, kind: int) -> SecureInit:
    said = Message.read(init).only(range(1, 11))
    hashed = Message.read(_required(said.data(8), "the hash")).only((1, 2))
    if hashed.number(1) != _SHA256:
        raise BadMessage("its hash is not SHA-256, which is all that loaders take")
    type_ = _required(said.number(4), "the type")
    if type_ not in set(FwType):
        raise BadMessage(f"its type {type_} is unknown")
    return SecureInit(
        type=FwType(type_),
        fw_version=said.number(1),
        hw_version=said.number(2),
        sd_req=said.numbers(3),
        sd_size=said.number(5) or 0,
        bl_size=said.number(6) or 0,
        app_size=said.number(7) or 0,
        hash=_required(hashed.data(2), "the hash's bytes"),
        is_debug=bool(said.number(9)),
        signature=made,
        signature_type=kind,
        command=init,
    )


def _required(value: T | None, what: str) -> T:
    if value is None:
        raise BadMessage(f"{what} is missing")
    return value
