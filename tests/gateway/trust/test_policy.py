"""Whom a gateway believes: as many of the pinned keys as it asks for, and nobody else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.releases.dsse import Envelope, Signature
from gateway.releases.keys import PrivateKey
from gateway.trust.errors import (
    BadTrust,
    ReleaseSignatureBad,
    ReleaseUnsigned,
    ReleaseUntrusted,
)
from gateway.trust.policy import Trusted, TrustPolicy, Unsigned, UnsignedAllowed

ANNA, BERT, CARL, STRANGER = (PrivateKey.generate() for _ in range(4))
PINNED = {"anna": ANNA, "bert": BERT, "carl": CARL}
PAYLOAD = b'{"any":"bytes"}'


def pinned(threshold: int = 1, unsigned: str = "refuse", **keys: PrivateKey) -> TrustPolicy:
    texts = {name: str(key.public) for name, key in (keys or PINNED).items()}
    return TrustPolicy.of(texts, threshold=threshold, unsigned=unsigned)


def signed(*keys: PrivateKey) -> Envelope:
    envelope = Envelope(PAYLOAD)
    for key in keys:
        envelope = envelope.signed(key)
    return envelope


def forged(key: PrivateKey) -> Signature:
    """A signature that the key has not made."""
    return Signature(key.public.id, STRANGER.sign(signed().signed_bytes))


@given(signers=st.sets(st.sampled_from(["anna", "bert", "carl", "stranger"])), threshold=st.integers(1, 3))
def test_a_release_is_believed_when_enough_pinned_keys_have_signed(signers: set[str], threshold: int) -> None:
    keys = PINNED | {"stranger": STRANGER}
    envelope = signed(*(keys[name] for name in sorted(signers)))
    ours = sorted(signers & set(PINNED))
    if len(ours) >= threshold:
        assert pinned(threshold).judge(envelope) == Trusted(tuple(ours), threshold)
    else:
        with pytest.raises(ReleaseUntrusted if signers else ReleaseUnsigned):
            pinned(threshold).judge(envelope)


def test_one_key_signing_twice_is_still_one() -> None:
    once = signed(ANNA)
    with pytest.raises(ReleaseUntrusted, match="2 pinned keys must sign"):
        pinned(2).judge(Envelope(PAYLOAD, once.signatures * 2))


def test_a_forged_signature_spoils_even_a_release_that_enough_have_signed() -> None:
    envelope = signed(ANNA, BERT)
    with pytest.raises(ReleaseSignatureBad, match="carl"):
        pinned(2).judge(Envelope(PAYLOAD, (*envelope.signatures, forged(CARL))))


def test_a_signature_of_other_bytes_is_refused() -> None:
    with pytest.raises(ReleaseSignatureBad):
        pinned().judge(Envelope(b"other bytes", signed(ANNA).signatures))


def test_without_pinned_keys_nothing_is_believed() -> None:
    for envelope in (signed(), signed(ANNA)):
        with pytest.raises((ReleaseUnsigned, ReleaseUntrusted)):
            TrustPolicy().judge(envelope)


def test_allowed_unsigned_releases_carry_that_nobody_vouches() -> None:
    for envelope in (signed(), signed(STRANGER), signed(ANNA)):
        verdict = pinned(2, "allow").judge(envelope)
        assert isinstance(verdict, UnsignedAllowed)
        assert "NOT VERIFIED" in str(verdict)
    assert pinned(2, "allow").judge(signed(ANNA, BERT)) == Trusted(("anna", "bert"), 2)


def test_what_is_visibly_forged_is_refused_even_where_unsigned_is_allowed() -> None:
    with pytest.raises(ReleaseSignatureBad):
        pinned(1, "allow").judge(Envelope(PAYLOAD, (forged(ANNA),)))


def test_what_must_be_said_at_each_start() -> None:
    assert pinned().notice is None
    assert "allow" in (pinned(1, "allow").notice or "")
    assert "refused" in (TrustPolicy().notice or "")


def test_every_refusal_says_what_to_do() -> None:
    for error in (ReleaseUnsigned(), ReleaseUntrusted(), ReleaseSignatureBad()):
        assert error.code.startswith("release-")
        assert error.what_to_do
        assert not error.retryable


@pytest.mark.parametrize(
    ("keys", "threshold", "unsigned"),
    [
        ({"a": ANNA}, 0, "refuse"),
        ({"a": ANNA}, 2, "refuse"),
        ({"a": ANNA, "b": ANNA}, 1, "refuse"),
        ({"a": ANNA}, 1, "sometimes"),
    ],
)
def test_a_trust_that_contradicts_itself_is_refused(
    keys: dict[str, PrivateKey], threshold: int, unsigned: str
) -> None:
    with pytest.raises(BadTrust):
        pinned(threshold, unsigned, **keys)


def test_a_key_that_cannot_be_read_is_named() -> None:
    with pytest.raises(BadTrust, match=r"trust\.keys\.release"):
        TrustPolicy.of({"release": "ed25519:short"})


def test_the_default_is_closed() -> None:
    assert TrustPolicy().unsigned is Unsigned.REFUSE
