"""An export can be read by whoever has the key, and by nobody if one bit of it is another."""

import io
import json
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.state.errors import (
    BadSealKey,
    ExportDamaged,
    ExportLocked,
    ExportTooNew,
    ExportTruncated,
    NoExport,
)
from gateway.state.keys import Opener, Recipient, Seal, keygen
from gateway.state.sealing import CHUNK, MAGIC, Header, Sealer, plaintext, read_header
from transports.errors import TenderError

SIZES = (0, 1, 100, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 5)
_BAD = (ExportDamaged, ExportLocked, ExportTruncated, ExportTooNew, NoExport)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipient, Opener]:
    """Somebody's key, and what opens what is sealed to it."""
    file = tmp_path_factory.mktemp("key") / "key.pem"
    return keygen(file), Opener(key_file=file)


def sealed(data: bytes, seal: Seal) -> bytes:
    sink = io.BytesIO()
    sealer = Sealer(sink, seal, Header(seal=seal.table, gateway="gw"))
    for start in range(0, len(data), 1000):
        sealer.write(data[start : start + 1000])
    sealer.finish()
    return sink.getvalue()


def opened(data: bytes, opener: Opener) -> bytes:
    return b"".join(plaintext(io.BytesIO(data), opener))


@pytest.mark.parametrize("size", SIZES)
def test_what_was_sealed_comes_out(size: int, pair: tuple[Recipient, Opener]) -> None:
    data = bytes(number * 7 % 256 for number in range(size))
    assert opened(sealed(data, Seal.to(pair[0])), pair[1]) == data


def test_a_passphrase_opens_what_it_sealed_and_no_other_does() -> None:
    text = sealed(b"state", Seal.by_passphrase("correct horse"))
    assert opened(text, Opener(passphrase="correct horse")) == b"state"
    with pytest.raises(ExportLocked):
        opened(text, Opener(passphrase="correct horse "))


def test_another_key_does_not_open_it(pair: tuple[Recipient, Opener], tmp_path: Path) -> None:
    keygen(tmp_path / "other.pem")
    text = sealed(b"state", Seal.to(pair[0]))
    with pytest.raises(ExportLocked):
        opened(text, Opener(key_file=tmp_path / "other.pem"))
    with pytest.raises(ExportLocked):
        opened(text, Opener(passphrase="x25519"))


def test_two_exports_of_the_same_share_no_bytes_after_the_header(pair: tuple[Recipient, Opener]) -> None:
    one, other = (sealed(bytes(1000), Seal.to(pair[0])) for _ in range(2))
    assert one[-900:] != other[-900:]
    assert bytes(100) not in one


@pytest.mark.parametrize("size", SIZES)
def test_an_export_that_ends_early_says_so(size: int, pair: tuple[Recipient, Opener]) -> None:
    text = sealed(bytes(size), Seal.to(pair[0]))
    cuts = {0, 1, 7, 9, 100, len(text) - 1, len(text) - 16, len(text) - 17, len(text) // 2}
    for cut in (cut for cut in cuts if 0 <= cut < len(text)):
        with pytest.raises((ExportTruncated, NoExport)) as caught:
            opened(text[:cut], pair[1])
        assert isinstance(caught.value, NoExport) == (cut == 0)


def test_a_whole_chunk_that_is_cut_off_is_missed(pair: tuple[Recipient, Opener]) -> None:
    data = bytes(3 * CHUNK)
    text = sealed(data, Seal.to(pair[0]))
    with pytest.raises(ExportTruncated):
        opened(text[: -(CHUNK + 16)], pair[1])


def test_chunks_that_changed_places_are_noticed(pair: tuple[Recipient, Opener]) -> None:
    text = sealed(bytes(3 * CHUNK), Seal.to(pair[0]))
    sealed_chunk = CHUNK + 16
    begin = text[: -3 * sealed_chunk]
    one, two, three = (text[-(n) * sealed_chunk :][:sealed_chunk] for n in (3, 2, 1))
    for wrong in (begin + two + one + three, begin + one + one + three, begin + one + two + two + three):
        with pytest.raises(ExportDamaged):
            opened(wrong, pair[1])


def test_no_bit_can_be_changed_unnoticed(pair: tuple[Recipient, Opener]) -> None:
    text = sealed(b"a small state", Seal.to(pair[0]))
    for position in range(len(text)):
        for bit in (0, 7):
            bad = bytearray(text)
            bad[position] ^= 1 << bit
            with pytest.raises(_BAD):
                opened(bytes(bad), pair[1])


def test_what_is_added_at_the_end_is_noticed(pair: tuple[Recipient, Opener]) -> None:
    text = sealed(bytes(CHUNK), Seal.to(pair[0]))
    for more in (b"x", bytes(16), bytes(CHUNK + 16)):
        with pytest.raises((ExportDamaged, ExportTruncated)):
            opened(text + more, pair[1])


@given(st.binary(max_size=400))
def test_rubbish_is_an_error_of_ours(data: bytes) -> None:
    for text in (data, MAGIC + data):
        with pytest.raises(TenderError):
            opened(text, Opener(passphrase="x"))


def test_a_newer_format_is_said_to_be_newer(pair: tuple[Recipient, Opener]) -> None:
    text = json.dumps({"format": 2, "seal": "something else"}).encode()
    with pytest.raises(ExportTooNew):
        opened(MAGIC + struct.pack(">I", len(text)) + text, pair[1])


def test_a_header_cannot_make_us_spend_memory() -> None:
    seal = {"kind": "scrypt", "salt": "00" * 16, "n": 1 << 30, "r": 8, "p": 1}
    text = json.dumps({"format": 1, "seal": seal}).encode()
    with pytest.raises(ExportDamaged):
        opened(MAGIC + struct.pack(">I", len(text)) + text + bytes(100), Opener(passphrase="x"))


def test_whose_it_is_can_be_seen_without_a_key(pair: tuple[Recipient, Opener]) -> None:
    header, _ = read_header(io.BytesIO(sealed(b"", Seal.to(pair[0]))))
    assert header.gateway == "gw"
    assert header.seal.recipient == pair[0].raw.hex()


def test_a_private_key_is_its_owners_alone_and_is_not_written_over(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    recipient = keygen(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert Recipient.parse(str(recipient)) == recipient
    before = file.read_bytes()
    with pytest.raises(BadSealKey):
        keygen(file)
    assert file.read_bytes() == before


@pytest.mark.parametrize("text", ["", "ed25519:AAAA", "x25519:", "x25519:AAAA", "x25519:é", "x25519:****"])
def test_a_bad_recipient_is_refused(text: str) -> None:
    with pytest.raises(BadSealKey):
        Recipient.parse(text)
