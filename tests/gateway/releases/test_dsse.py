"""The envelope: verified by others, and by nothing but the very bytes that were signed."""

import base64
import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.releases.dsse import MAX_SIGNATURES, PAYLOAD_TYPE, Envelope, Signature, pae
from gateway.releases.errors import BadRelease
from gateway.releases.keys import PrivateKey, PublicKey, keygen
from gateway.releases.release import judge_release
from gateway.trust.policy import TrustPolicy
from tests.gateway.releases.world import ALICE, BERTA, Bench, policy
from transports.errors import TenderError


def test_the_signed_bytes_are_those_of_the_protocol() -> None:
    # The example of DSSE protocol.md, "Test Vectors".
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_signatures_are_those_of_rfc_8032() -> None:
    # RFC 8032, section 7.1, TEST 2.
    key = PublicKey(bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"))
    signature = bytes.fromhex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    assert key.verifies(signature, b"\x72")
    assert not key.verifies(signature, b"\x73")


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, arguments)], capture_output=True, text=True, check=False, timeout=30)


def test_openssl_verifies_what_we_sign(tmp_path: Path, bench: Bench) -> None:
    """By hand, from the file's bytes: nothing of ours takes part but the file."""
    keygen(tmp_path / "key.pem")
    path = bench.make(PrivateKey.load(tmp_path / "key.pem"), bare=True)
    fields = json.loads(path.read_bytes())
    payload = base64.b64decode(fields["payload"])
    kind = b"application/vnd.fleet-tender.release+json"
    message = b" ".join([b"DSSEv1", str(len(kind)).encode(), kind, str(len(payload)).encode(), payload])
    (tmp_path / "message").write_bytes(message)
    (tmp_path / "signature").write_bytes(base64.b64decode(fields["signatures"][0]["sig"]))
    run("openssl", "pkey", "-in", tmp_path / "key.pem", "-pubout", "-out", tmp_path / "public.pem")
    verify: tuple[str | Path, ...] = (
        "openssl",
        "pkeyutl",
        "-verify",
        "-pubin",
        "-inkey",
        tmp_path / "public.pem",
        "-rawin",
    )
    verify += ("-in", tmp_path / "message", "-sigfile", tmp_path / "signature")
    assert "Verified Successfully" in run(*verify).stdout
    (tmp_path / "message").write_bytes(message[:-1] + b" ")
    assert run(*verify).returncode != 0


def test_we_verify_what_openssl_signs(tmp_path: Path, bench: Bench) -> None:
    envelope = Envelope.parse(bench.make(bare=True).read_bytes())
    run("openssl", "genpkey", "-algorithm", "ED25519", "-out", tmp_path / "theirs.pem")
    (tmp_path / "message").write_bytes(envelope.signed_bytes)
    sign = ("openssl", "pkeyutl", "-sign", "-inkey", tmp_path / "theirs.pem", "-rawin")
    run(*sign, "-in", tmp_path / "message", "-out", tmp_path / "signature")
    key = PrivateKey.load(tmp_path / "theirs.pem")
    signed = Envelope(envelope.payload, (Signature(key.public.id, (tmp_path / "signature").read_bytes()),))
    release = judge_release(signed.encode(), policy(theirs=key))
    assert str(release.trust) == "signed by theirs"


def test_no_byte_of_a_release_can_be_changed_unnoticed(bench: Bench) -> None:
    """Every bit of every byte of the file, but for the line feed behind it."""
    data = bench.make(ALICE, bare=True).read_bytes()
    trust = policy(alice=ALICE)
    assert judge_release(data, trust).id == "thermostat:2.1.0"
    for place in range(len(data) - 1):
        for bit in range(8):
            changed = bytearray(data)
            changed[place] ^= 1 << bit
            with pytest.raises(TenderError):
                judge_release(bytes(changed), trust)


def test_no_byte_can_be_lost_or_added_unnoticed(bench: Bench) -> None:
    data = bench.make(ALICE, bare=True).read_bytes().rstrip()
    trust = policy(alice=ALICE)
    for place in range(len(data)):
        for changed in (data[:place] + data[place + 1 :], data[:place] + b"A" + data[place:], data[:place]):
            with pytest.raises(TenderError):
                judge_release(changed, trust)


def test_a_signature_for_another_purpose_is_worth_nothing(bench: Bench) -> None:
    payload = Envelope.parse(bench.make(bare=True).read_bytes()).payload
    for message in (payload, pae("application/vnd.in-toto+json", payload), pae(PAYLOAD_TYPE, payload + b" ")):
        envelope = Envelope(payload, (Signature(ALICE.public.id, ALICE.sign(message)),))
        with pytest.raises(TenderError):
            judge_release(envelope.encode(), policy(alice=ALICE))


def test_signing_again_replaces_the_signature_and_keeps_the_others() -> None:
    once = Envelope(b"{}").signed(ALICE).signed(BERTA)
    again = once.signed(ALICE)
    assert sorted(one.key_id for one in again.signatures) == sorted([ALICE.public.id, BERTA.public.id])
    assert again.payload == once.payload


def test_the_number_of_signatures_is_bounded() -> None:
    envelope = Envelope(b"{}")
    for _ in range(MAX_SIGNATURES):
        envelope = envelope.signed(PrivateKey.generate())
    assert len(Envelope.parse(envelope.encode()).signatures) == MAX_SIGNATURES
    with pytest.raises(BadRelease):
        envelope.signed(ALICE)


GOOD = json.loads(Envelope(b'{"schema":12}').signed(ALICE).encode())


@pytest.mark.parametrize(
    "change",
    [
        {"payloadType": "application/json"},
        {"payload": GOOD["payload"] + "="},
        {"payload": GOOD["payload"][:-1]},
        {"payload": GOOD["payload"].replace("=", "")},
        {"payload": "e30\n"},
        {"payload": "e31="},  # the same two bytes as "e30=", with a spare bit set
        {"payload": 7},
        {"signatures": {}},
        {"signatures": ["x"]},
        {"signatures": [{"sig": GOOD["signatures"][0]["sig"]}]},
        {"signatures": [GOOD["signatures"][0] | {"note": "x"}]},
        {"signatures": [GOOD["signatures"][0] | {"sig": "AAAA"}]},
        {"signatures": [GOOD["signatures"][0] | {"keyid": "A" * 64}]},
        {"signatures": [GOOD["signatures"][0] | {"keyid": 5}]},
        {"note": "x"},
    ],
    ids=str,
)
def test_an_envelope_of_another_form_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(BadRelease):
        Envelope.parse(json.dumps(GOOD | change).encode())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
nearly = st.fixed_dictionaries(
    {},
    optional={
        "payload": st.just(GOOD["payload"])
        | st.binary(max_size=20).map(lambda b: base64.b64encode(b).decode()),
        "payloadType": st.just(PAYLOAD_TYPE) | st.text(max_size=5),
        "signatures": st.just(GOOD["signatures"]) | json_values,
    },
)


@given(
    st.binary(max_size=200)
    | nearly.map(lambda value: json.dumps(value).encode())
    | json_values.map(lambda value: json.dumps(value).encode())
)
def test_any_bytes_give_an_envelope_or_a_named_error(data: bytes) -> None:
    try:
        envelope = Envelope.parse(data)
    except BadRelease:
        return
    assert Envelope.parse(envelope.encode()) == envelope


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"9" * 100_000,
        b'{"payload":"","payload":"","payloadType":"","signatures":[]}',
        b'{"payload":NaN}',
        b"\xff\xfe{}",
        b"{" + b" " * (5 << 20) + b"}",
    ],
    ids=["deep list", "deep object", "long number", "twice", "NaN", "not UTF-8", "too long"],
)
def test_hostile_json_costs_little_and_is_named(data: bytes) -> None:
    with pytest.raises(BadRelease):
        judge_release(data, TrustPolicy())
