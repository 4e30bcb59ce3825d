"""MCUboot images: what is read from them, and that nothing damaged gets through."""

import hashlib
import struct
from collections.abc import Mapping

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from flashers.api import BadImage, Component, Digest, ImageTooLarge
from flashers.mcuboot_smp.image import (
    ImageDigestMismatch,
    ImageMalformed,
    ImageTruncated,
    ImageWithoutDigest,
    NotMcuboot,
    WrongKey,
    WrongMagic,
    parse,
    peek,
    read_image,
)
from flashers.mcuboot_smp.make import key_hash, make_image
from flashers.mcuboot_smp.params import SmpParams
from flashers.sim import SimApp, read_app

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
BODY = bytes(range(256)) * 2
SIGNED = make_image(BODY, "3.1.4+7", key=KEY, security_counter=5)
TLVS = 32 + len(BODY)


def area_of(magic: int, *records: tuple[int, bytes]) -> bytes:
    area = b"".join(struct.pack("<HH", kind, len(value)) + value for kind, value in records)
    return struct.pack("<HH", magic, 4 + len(area)) + area


def with_records(*records: tuple[int, bytes], flags: int = 0) -> bytes:
    """An image of eight bytes with these unprotected records."""
    header = struct.pack("<IIHHIIBBHI4x", 0x96F3B83D, 0, 32, 0, 8, flags, 1, 2, 3, 4)
    return header + bytes(8) + area_of(0x6907, *records)


def with_protected(
    *records: tuple[int, bytes], flags: int = 0, more: tuple[tuple[int, bytes], ...] = ()
) -> bytes:
    """An image of eight bytes with these protected records, its digest, and more unprotected ones."""
    protected = area_of(0x6908, *records)
    header = struct.pack("<IIHHIIBBHI4x", 0x96F3B83D, 0x8000, 32, len(protected), 8, flags, 1, 2, 3, 4)
    hashed = header + bytes(8) + protected
    return hashed + area_of(0x6907, (0x10, digest_of(hashed)), *more)


def facts_of(data: bytes) -> Mapping[str, str | int | bool]:
    return parse(data, "mcuboot", Component(), SmpParams()).facts


FOUND_AFTER_A_FLIP = {"wrong-magic", "image-truncated", "image-malformed", "image-digest-mismatch"}


def refusal(data: bytes) -> str | None:
    """The code with which an image is refused, if it is."""
    try:
        parse(data, "mcuboot", Component(), SmpParams())
    except BadImage as error:
        return error.code
    return None


def digest_of(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def test_an_image_tells_its_version_its_identity_and_what_binds_it() -> None:
    image = parse(SIGNED, "mcuboot", Component("radio", image=1), SmpParams())
    assert image.firmware.version == "3.1.4+7"
    assert image.firmware.identity == Digest("sha256", digest_of(SIGNED[: TLVS + 12]))
    assert (image.artifact, image.payload) == (Digest.sha256(SIGNED), SIGNED)
    assert (image.format, image.component.id) == ("mcuboot", "radio")
    assert image.facts == {
        "verified": True,
        "encrypted": False,
        "compressed": False,
        "signature": "ed25519",
        "pure_signature": False,
        "bootable": True,
        "key_hash": key_hash(KEY).hex(),
        "security_counter": 5,
        "no_way_back": True,
    }


def test_a_version_without_a_build_number_is_written_without_one() -> None:
    assert parse(make_image(b"x", "1.2.3"), "mcuboot", Component(), SmpParams()).firmware.version == "1.2.3"


def test_every_flipped_byte_of_header_body_and_protected_records_is_found() -> None:
    for place in range(TLVS + 12):
        for flip in (0x01, 0x04, 0x08, 0x80, 0xFF):
            bent = bytearray(SIGNED)
            bent[place] ^= flip
            assert refusal(bytes(bent)) in FOUND_AFTER_A_FLIP, f"byte {place} ^ {flip:#x}"


@given(
    st.binary(min_size=1, max_size=600), st.integers(0, 255), st.integers(0, 65535), st.integers(0, 2**32 - 1)
)
def test_what_is_made_is_read_back(body: bytes, major: int, revision: int, build: int) -> None:
    version = f"{major}.0.{revision}" + (f"+{build}" if build else "")
    image = parse(make_image(body, version), "mcuboot", Component(), SmpParams())
    assert (image.firmware.version, image.facts["verified"]) == (version, True)


@pytest.mark.parametrize("length", [0, 3, 4, 31, 32, 100, TLVS, TLVS + 3, TLVS + 13, len(SIGNED) - 1])
def test_a_cut_file_is_called_truncated(length: int) -> None:
    with pytest.raises(WrongMagic if length < 4 else ImageTruncated):
        read_image(SIGNED[:length])


@pytest.mark.parametrize(
    ("start", "told"),
    [
        (b"\x7fELF", "an ELF file"),
        (b":10000000", "an Intel HEX file"),
        (b"\x96\xf3\xb8\x3d", "big endian"),
        (b"\xff" * 40, "erased flash"),
        (b"hello there", "begins with 68656c6c"),
        (b"", "begins with nothing"),
    ],
)
def test_another_kind_of_file_is_named_for_what_it_is(start: bytes, told: str) -> None:
    with pytest.raises(WrongMagic, match=told):
        read_image(start)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (with_records((0x01, b"k" * 32)), ImageWithoutDigest),
        (with_records((0x10, b"d" * 31)), ImageMalformed),
        (with_records((0x10, b"d" * 32), (0x12, b"d" * 64)), ImageMalformed),
        (with_records((0x10, b"d" * 32)), ImageDigestMismatch),
        (with_records((0x10, b"d" * 32), flags=0x04), ImageMalformed),
        (with_records((0x10, b"d" * 32))[:-1], ImageTruncated),
        (with_records(), ImageWithoutDigest),
    ],
    ids=["no-digest", "short-digest", "two-digests", "wrong-digest", "encrypted-without-key", "cut", "bare"],
)
def test_contradictions_have_names(data: bytes, error: type[BadImage]) -> None:
    with pytest.raises(error):
        read_image(data)


def test_a_record_that_leaves_its_area_is_malformed() -> None:
    bent = bytearray(with_records((0x10, b"d" * 32)))
    bent[32 + 8 + 4 + 2] = 200
    with pytest.raises(ImageMalformed, match="longer than its area"):
        read_image(bytes(bent))


DEPENDENCY = struct.pack("<B3xBBHI", 1, 2, 3, 4, 5)


def test_what_an_image_depends_on_is_told() -> None:
    facts = facts_of(with_protected((0x40, DEPENDENCY), (0x40, struct.pack("<B3xBBHI", 2, 1, 0, 0, 0))))
    assert facts["dependencies"] == "1>=2.3.4+5 2>=1.0.0"
    with pytest.raises(ImageMalformed, match="a dependency has 11 bytes"):
        facts_of(with_protected((0x40, DEPENDENCY[:-1])))


def test_what_the_digest_does_not_cover_binds_nobody() -> None:
    facts = facts_of(with_protected(more=((0x40, DEPENDENCY), (0x50, bytes(4)))))
    assert facts.keys() & {"dependencies", "security_counter", "no_way_back"} == set()


def test_the_address_that_an_image_was_built_for_is_told() -> None:
    assert facts_of(with_protected(flags=0x100))["address"] == 0x8000
    assert "address" not in facts_of(with_protected())


def test_what_a_compressed_image_becomes_is_told() -> None:
    facts = facts_of(with_protected((0x71, b"u" * 32), flags=0x400))
    assert (facts["compressed"], facts["runs_as"]) == (True, f"sha256:{(b'u' * 32).hex()}")
    with pytest.raises(ImageMalformed, match="the digest of the unpacked image has 5 bytes"):
        facts_of(with_protected((0x71, b"short"), flags=0x400))


def test_an_image_may_carry_its_whole_public_key() -> None:
    data = with_protected(more=((0x02, b"the key"), (0x24, b"signature")))
    assert facts_of(data)["key_hash"] == digest_of(b"the key").hex()
    pinned = SmpParams(key_hash=digest_of(b"the key").hex())
    assert parse(data, "mcuboot", Component(), pinned).facts["signature"] == "ed25519"


def test_a_key_without_a_signature_fits_no_pin() -> None:
    data = with_protected(more=((0x01, digest_of(b"the key")),))
    with pytest.raises(WrongKey, match="not signed"):
        parse(data, "mcuboot", Component(), SmpParams(key_hash=digest_of(b"the key").hex()))


def test_a_header_that_is_shorter_than_a_header_is_malformed() -> None:
    bent = bytearray(SIGNED)
    bent[8:10] = struct.pack("<H", 31)
    with pytest.raises(ImageMalformed, match="says that it has 31 bytes, and needs 32"):
        read_image(bytes(bent))


def test_areas_that_do_not_fit_together_are_malformed() -> None:
    whole = with_records((0x10, b"d" * 32))
    bent = bytearray(whole)
    bent[42:44] = struct.pack("<H", 3)
    with pytest.raises(ImageMalformed, match="say that they have 3 bytes"):
        read_image(bytes(bent))
    bent[42:44] = struct.pack("<H", 4 + 36 + 3)
    with pytest.raises(ImageMalformed, match=r"3 bytes at .* are no record"):
        read_image(bytes(bent) + bytes(3))
    bent = bytearray(with_protected((0x50, bytes(4))))
    bent[10:12] = struct.pack("<H", 13)
    with pytest.raises(ImageMalformed, match="speaks of 13 protected bytes, not 12"):
        read_image(bytes(bent))


def test_an_encrypted_image_is_taken_with_only_its_form_checked() -> None:
    data = with_records((0x10, b"d" * 32), (0x32, b"k" * 113), flags=0x04)
    image = parse(data, "mcuboot", Component(), SmpParams())
    assert (image.facts["encrypted"], image.facts["verified"]) == (True, False)
    assert image.firmware.identity == Digest("sha256", b"d" * 32)


def test_the_trailer_that_imgtool_pads_is_not_sent() -> None:
    padded = SIGNED + b"\xff" * 1000 + b"\x77\xc2\x95\xf3\x60\xd2\xef\x7f\x35\x52\x50\x0f\x2c\xb6\x79\x80"
    image = parse(padded, "mcuboot", Component(), SmpParams())
    assert image.payload == SIGNED
    assert image.artifact == Digest.sha256(padded)
    assert image.facts["not_sent"] == 1016


def test_an_image_for_another_key_is_refused() -> None:
    pinned = SmpParams(key_hash=key_hash(KEY).hex().upper())
    assert parse(SIGNED, "mcuboot", Component(), pinned).facts["key_hash"] == key_hash(KEY).hex()
    other = make_image(BODY, "1.0.0", key=generate_private_key(SECP256R1()))
    for data in (other, make_image(BODY, "1.0.0")):
        with pytest.raises(WrongKey) as caught:
            parse(data, "mcuboot", Component(), pinned)
        assert caught.value.code == "wrong-key"


def test_an_image_larger_than_its_slot_is_refused() -> None:
    assert parse(SIGNED, "mcuboot", Component(), SmpParams(slot_size=len(SIGNED))).size == len(SIGNED)
    with pytest.raises(ImageTooLarge):
        parse(SIGNED, "mcuboot", Component(), SmpParams(slot_size=len(SIGNED) - 1))


def test_another_format_is_refused() -> None:
    with pytest.raises(NotMcuboot) as caught:
        parse(SIGNED, "ihex", Component(), SmpParams())
    assert caught.value.code == "wrong-format"


@given(st.binary(max_size=400), st.booleans())
def test_any_bytes_are_an_image_or_a_named_error(data: bytes, magic: bool) -> None:
    candidate = (b"\x3d\xb8\xf3\x96" if magic else b"") + data
    assert refusal(candidate) != BadImage.code
    peek(candidate)


@given(
    st.lists(st.tuples(st.integers(0, len(SIGNED) - 1), st.integers(0, 255)), max_size=6), st.integers(0, 200)
)
def test_bent_images_give_named_errors_only(bends: list[tuple[int, int]], cut: int) -> None:
    bent = bytearray(SIGNED)
    for place, value in bends:
        bent[place] = value
    assert refusal(bytes(bent[: len(bent) - cut])) != BadImage.code


def test_simulated_applications_are_found_in_their_images() -> None:
    app = SimApp("1.2.3+4", hardware="board-a")
    data = make_image(app, size=500)
    header = read_image(data).header
    assert read_app(data[header.header_size :][: header.size]) == app


@pytest.mark.parametrize("version", ["", "1", "1.2", "1.2.3-4", "v1.2.3"])
def test_a_version_that_imgtool_would_not_take_is_refused(version: str) -> None:
    with pytest.raises(ValueError, match="no version"):
        make_image(b"body", version or "x")
