"""The envelope around a manifest: exactly the bytes that were signed, and who signed them.

DSSE protocol 1.0.2 (github.com/secure-systems-lab/dsse, protocol.md): a signature
covers the payload's type and bytes together, so it is good for nothing else, and
the payload is never written anew to be verified.  Stricter than DSSE in what is
left open there: standard base64 only, in its one canonical form, and a key id
with every signature.
"""

import base64
import binascii
import re
from dataclasses import dataclass, replace

from gateway.releases import strict_json
from gateway.releases.errors import BadRelease
from gateway.releases.keys import SIGNATURE_BYTES, PrivateKey

PAYLOAD_TYPE = "application/vnd.fleet-tender.release+json"
MAX_ENVELOPE = 4 << 20
"""Bytes; a release for a thousand profiles has about a tenth of it."""
MAX_SIGNATURES = 32

_KEY_ID = re.compile(r"[0-9a-f]{64}")


def pae(payload_type: str, payload: bytes) -> bytes:
    """The bytes that a signature covers (DSSE protocol.md, "Signature Definition")."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature, and the id of the key that is said to have made it."""

    key_id: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload and its signatures; nothing here is verified yet."""

    payload: bytes
    signatures: tuple[Signature, ...] = ()

    @classmethod
    def parse(cls, data: bytes) -> "Envelope":
        """Read an envelope.

        Raises:
            BadRelease: it is not one, or not one of a release.
        """
        fields = strict_json.loads(data, what="signed manifest", limit=MAX_ENVELOPE)
        if not isinstance(fields, dict) or set(fields) != {"payload", "payloadType", "signatures"}:
            raise BadRelease("a signed manifest has payload, payloadType and signatures, and nothing else")
        if fields["payloadType"] != PAYLOAD_TYPE:
            raise BadRelease(
                f"the payload's type is {str(fields['payloadType'])[:80]!r}, not {PAYLOAD_TYPE!r}"
            )
        signatures = fields["signatures"]
        if not isinstance(signatures, list) or len(signatures) > MAX_SIGNATURES:
            raise BadRelease(f"signatures are a list of at most {MAX_SIGNATURES}")
        return cls(_unbase64(fields["payload"]), tuple(_signature(entry) for entry in signatures))

    def encode(self) -> bytes:
        """The envelope as we write it: one line of JSON."""
        return (
            strict_json.dumps(
                {
                    "payload": base64.b64encode(self.payload).decode(),
                    "payloadType": PAYLOAD_TYPE,
                    "signatures": [
                        {"keyid": signature.key_id, "sig": base64.b64encode(signature.value).decode()}
                        for signature in self.signatures
                    ],
                }
            )
            + b"\n"
        )

    @property
    def signed_bytes(self) -> bytes:
        """What each signature covers."""
        return pae(PAYLOAD_TYPE, self.payload)

    def signed(self, key: PrivateKey) -> "Envelope":
        """The same with the key's signature; one that the key has made before is replaced."""
        mine = Signature(key.public.id, key.sign(self.signed_bytes))
        others = tuple(signature for signature in self.signatures if signature.key_id != mine.key_id)
        if len(others) >= MAX_SIGNATURES:
            raise BadRelease(f"a release has at most {MAX_SIGNATURES} signatures")
        return replace(self, signatures=(*others, mine))


def _signature(entry: object) -> Signature:
    if not isinstance(entry, dict) or set(entry) != {"keyid", "sig"}:
        raise BadRelease("a signature has keyid and sig, and nothing else")
    key_id, value = entry["keyid"], _unbase64(entry["sig"])
    if not isinstance(key_id, str) or not _KEY_ID.fullmatch(key_id):
        raise BadRelease("a signature's keyid is the SHA-256 of the public key, in lower-case hexadecimal")
    if len(value) != SIGNATURE_BYTES:
        raise BadRelease(f"an Ed25519 signature has {SIGNATURE_BYTES} bytes, this one {len(value)}")
    return Signature(key_id, value)


def _unbase64(text: object) -> bytes:
    if not isinstance(text, str):
        raise BadRelease("payload and sig are base64 text")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRelease(f"the signed manifest holds no base64: {error}") from error
    if base64.b64encode(data).decode() != text:
        # Spare bits in the last digit would let one envelope be written in several ways.
        raise BadRelease("the signed manifest's base64 is not in its canonical form")
    return data
