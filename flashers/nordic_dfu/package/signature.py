"""Signatures of secure packages: ECDSA on P-256 over the bytes of the init command.

Source: nrfutil 6.1.7, ``signing.py``: r and s, 32 bytes each, are little endian.
"""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

_HALF = 32


def load_public_key(pem: str) -> EllipticCurvePublicKey:
    """A key as ``nrfutil keys display --key pk --format pem`` writes it.

    Raises:
        ValueError: it is none, or on another curve.
    """
    try:
        key = load_pem_public_key(pem.encode())
    except Exception as error:  # the library has many ways to say no
        raise ValueError(f"public_key is no key in PEM: {error}") from error
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise ValueError("public_key is not a key on the curve P-256")  # noqa: TRY004 - text, to pydantic
    return key


def verifies(key: EllipticCurvePublicKey, signature: bytes, signed: bytes) -> bool:
    """Whether this key signed these bytes."""
    if len(signature) != 2 * _HALF:
        return False
    r, s = (int.from_bytes(signature[at : at + _HALF], "little") for at in (0, _HALF))
    try:
        key.verify(encode_dss_signature(r, s), signed, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def sign(key: EllipticCurvePrivateKey, data: bytes) -> bytes:
    """The signature as packages have it; the same for the same bytes (RFC 6979)."""
    r, s = decode_dss_signature(key.sign(data, ECDSA(SHA256(), deterministic_signing=True)))
    return r.to_bytes(_HALF, "little") + s.to_bytes(_HALF, "little")
