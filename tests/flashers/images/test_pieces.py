"""Raw files, merged pieces, their digest, the area they must fit, and what an image says of itself."""

import hashlib
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashers.api import ImageTooLarge, Segment
from flashers.images import (
    Area,
    ImageEmpty,
    ImageOverlap,
    IntoBootSection,
    OutsidePart,
    WrongFormat,
    compile_stamp,
    extents_digest,
    merged,
    parse_raw,
    read_stamp,
)

LOADER_ABOVE = Area("a part", memory=range(0x1000), application=range(0xE00))
LOADER_BELOW = Area("a part", memory=range(0x2000, 0x4000), application=range(0x2800, 0x4000))


def test_a_raw_file_lies_where_the_application_begins() -> None:
    assert parse_raw(b"code", LOADER_ABOVE) == (Segment(0, b"code"),)
    assert parse_raw(b"code", LOADER_BELOW) == (Segment(0x2800, b"code"),)


def test_a_raw_file_may_fill_the_application_area_and_no_more() -> None:
    assert parse_raw(bytes(0xE00), LOADER_ABOVE)[0].end == 0xE00
    with pytest.raises(IntoBootSection):
        parse_raw(bytes(0xE01), LOADER_ABOVE)
    with pytest.raises(IntoBootSection):
        parse_raw(bytes(0x1000), LOADER_ABOVE)
    with pytest.raises(ImageTooLarge):
        parse_raw(bytes(0x1001), LOADER_ABOVE)
    with pytest.raises(ImageEmpty):
        parse_raw(b"", LOADER_ABOVE)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b":00000001FF\n", "Intel HEX"),
        (b"\r\n:10000000" + b"0" * 34 + b"\r\n", "Intel HEX"),
        (b"S00600004844521B\n", "S-records"),
        (b"\x7fELF\x01\x01\x01", "ELF"),
    ],
)
def test_a_well_known_file_of_another_kind_is_not_taken_for_code(data: bytes, name: str) -> None:
    with pytest.raises(WrongFormat, match=f"the file is .*{name}, not a raw binary"):
        parse_raw(data, LOADER_ABOVE)


@pytest.mark.parametrize("data", [b":", b":0000", b"S0", b"ELF", b"\x7fEL", b":00000001FG\n"])
def test_code_may_begin_with_almost_anything(data: bytes) -> None:
    assert parse_raw(data, LOADER_ABOVE) == (Segment(0, data),)


@pytest.mark.parametrize(
    ("address", "error"),
    [(0x1FFF, OutsidePart), (0x2000, IntoBootSection), (0x27FF, IntoBootSection), (0x3FFF, OutsidePart)],
)
def test_a_piece_across_a_border_is_refused(address: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        LOADER_BELOW.check([Segment(0x2800, b"fine"), Segment(address, b"ab")])
    LOADER_BELOW.check([Segment(0x2800, b"ab"), Segment(0x3FFE, b"ab")])


def test_an_area_says_where_and_what() -> None:
    with pytest.raises(IntoBootSection, match=r"0xdff…0xe00 reaches beyond 0x0…0xdff.* a part"):
        LOADER_ABOVE.check([Segment(0xDFF, b"ab")])
    with pytest.raises(OutsidePart, match=r"0x1000…0x1001 is outside 0x0…0xfff.* a part"):
        LOADER_ABOVE.check([Segment(0x1000, b"ab")])
    with pytest.raises(ImageTooLarge, match="4097 bytes are more than the 4096 of a part"):
        LOADER_ABOVE.check_size(4097)
    LOADER_ABOVE.check_size(4096)


def test_pieces_that_touch_become_one_and_empty_ones_vanish() -> None:
    pieces = [Segment(4, b"cd"), Segment(9, b""), Segment(2, b"ab"), Segment(7, b"x"), Segment(6, b"e")]
    assert merged(pieces) == (Segment(2, b"abcdex"),)
    assert merged([]) == ()


@pytest.mark.parametrize("other", [Segment(3, b"x"), Segment(2, b"x"), Segment(0, b"xyz"), Segment(2, b"ab")])
def test_pieces_that_overlap_are_refused(other: Segment) -> None:
    with pytest.raises(ImageOverlap):
        merged([Segment(2, b"ab"), other])
    assert merged([Segment(2, b"ab"), Segment(3, b"")]) == (Segment(2, b"ab"),)


def test_the_digest_is_over_address_length_and_bytes_of_each_extent() -> None:
    expected = hashlib.sha256(
        bytes.fromhex("0000000000000010 0000000000000002") + b"ab"
        + bytes.fromhex("0000000000010000 0000000000000001") + b"c"
    )  # fmt: skip
    digest = extents_digest([Segment(0x10000, b"c"), Segment(0x10, b"a"), Segment(0x11, b"b")])
    assert str(digest) == f"sha256-extents:{expected.hexdigest()}"


@given(st.binary(min_size=1, max_size=200), st.lists(st.integers(0, 200), max_size=6), st.randoms())
def test_the_digest_does_not_care_how_the_file_was_cut(
    data: bytes, cuts: list[int], chance: random.Random
) -> None:
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [Segment(64 + a, data[a:b]) for a, b in pairwise(edges)]
    chance.shuffle(pieces)
    assert extents_digest(pieces) == extents_digest([Segment(64, data)])


def test_the_digest_tells_apart_what_differs_in_place_or_in_bytes() -> None:
    images = [
        [Segment(0, b"ab")],
        [Segment(0, b"ac")],
        [Segment(1, b"ab")],
        [Segment(0, b"a"), Segment(2, b"b")],
        [Segment(0, b"ab"), Segment(3, b"\xff")],
        [],
    ]
    assert len({extents_digest(image).value for image in images}) == len(images)


def test_a_version_is_found_where_the_profile_says() -> None:
    pattern = compile_stamp(r"fw (?P<version>[\d.]+)(?: for (?P<hardware>\S+))?\x00")
    assert read_stamp([Segment(0, b"\x8afw 1.4 for rev-b\0")], pattern) == {
        "version": "1.4",
        "hardware": "rev-b",
    }
    assert read_stamp([Segment(0, b"\x8a"), Segment(9, b"fw 1.4\0\xff")], pattern) == {"version": "1.4"}
    assert read_stamp([Segment(0, b"fw 1.4")], pattern) == {}
    only_hardware = compile_stamp(r"hw (?P<hardware>\w+)")
    assert read_stamp([Segment(0, b"hw b\0")], only_hardware) == {"hardware": "b"}


def test_a_pattern_works_on_bytes_not_on_characters() -> None:
    assert read_stamp([Segment(0, b"\xe47")], compile_stamp("ä(?P<version>.)")) == {"version": "7"}


@pytest.mark.parametrize("pattern", ["fw (.*)", "(?P<version>", "(?P<other>x)", "(?P<version>→)"])
def test_a_pattern_that_cannot_serve_is_a_value_error(pattern: str) -> None:
    with pytest.raises(ValueError):
        compile_stamp(pattern)
