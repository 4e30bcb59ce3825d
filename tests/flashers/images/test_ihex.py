"""Intel HEX files: what is in them, and every way in which one can be wrong."""

import random
import time
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashers.api import BadImage, ImageTooLarge, Segment
from flashers.images import (
    Area,
    HexMalformed,
    HexNoEnd,
    ImageEmpty,
    ImageOverlap,
    IntoBootSection,
    OutsidePart,
    merged,
    parse_ihex,
    write_ihex,
)

AREA = Area("a part", memory=range(0x8000), application=range(0x7E00))
WIDE = Area("a wide part", memory=range(1 << 32), application=range(1 << 32))
END = ":00000001FF\n"


def record(kind: int, address: int, data: bytes) -> str:
    """A record written by hand, for tests that must not trust our own writer."""
    body = bytes([len(data), address >> 8, address & 255, kind, *data])
    return ":" + "".join(f"{byte:02X}" for byte in body) + f"{-sum(body) & 255:02X}\n"


def parse(text: str, area: Area = AREA) -> tuple[Segment, ...]:
    return parse_ihex(text.encode(), area)


def test_records_become_one_piece_in_whatever_order_they_come() -> None:
    text = record(0, 16, b"world") + record(0, 11, b"hallo") + record(0, 0x100, b"apart") + END
    assert parse(text) == (Segment(11, b"halloworld"), Segment(0x100, b"apart"))


def test_both_kinds_of_extended_addresses_are_understood() -> None:
    linear = record(4, 0, b"\x12\x34") + record(0, 0x10, b"x") + END
    segment = record(2, 0, b"\x12\x34") + record(0, 0x10, b"x") + END
    assert parse(linear, WIDE) == (Segment(0x12340010, b"x"),)
    assert parse(segment, WIDE) == (Segment(0x12350, b"x"),)


@pytest.mark.parametrize("start", [record(3, 0, b"\0\0\x78\0"), record(5, 0, b"\0\0\x78\0")])
def test_a_start_address_is_none_of_our_business(start: str) -> None:
    assert parse(record(0, 0, b"x") + start + END) == (Segment(0, b"x"),)


@pytest.mark.parametrize("newline", ["\n", "\r\n", "  \r\n"])
def test_line_ends_of_any_system_will_do(newline: str) -> None:
    text = (record(0, 0, b"x") + "\n" + END + "\n\n").replace("\n", newline)
    assert parse(text) == (Segment(0, b"x"),)


def test_small_letters_and_a_last_line_without_an_end_will_do() -> None:
    assert parse((record(0, 0, b"\xab") + END).lower().rstrip()) == (Segment(0, b"\xab"),)


@pytest.mark.parametrize(
    "broken",
    [
        "hello\n",
        ":\n",
        ":00\n",
        ":zz0000010\n",
        record(0, 0, b"abc").replace("61", "62"),
        record(0, 0, b"abc").replace(":03", ":04"),
        record(0, 0, b"abc")[:-3] + "\n",
        record(0, 0, b"abc")[:-2] + "\n",
        record(0, 0, b"abc").strip() + "00\n",
        record(0, 0, b"abc").strip() + " comment\n",
        record(6, 0, b"abc"),
        record(0x11, 0, b""),
        record(0, 0, b"abc").replace(":", ";"),
        ";00000001FF\n",
        record(4, 0, b"a"),
        record(3, 0, b"abcd") * 2,
        record(0, 0, b"abc").replace("\n", "ä\n"),
        "\0\0\0\n",
    ],
)
def test_a_damaged_record_is_named_as_one(broken: str) -> None:
    with pytest.raises(HexMalformed):
        parse(record(0, 0x100, b"x") + broken + END)


@pytest.mark.parametrize("end", [":00000001FE\n", ":0100000100FE\n"])
def test_a_damaged_end_is_malformed(end: str) -> None:
    with pytest.raises(HexMalformed):
        parse(record(0, 0, b"x") + end)


@pytest.mark.parametrize(
    "text",
    [
        record(0, 0, b"x"),
        record(0, 0, b"x") + END + record(0, 1, b"y"),
        record(0, 0, b"x") + END + END,
        record(0, 0, b"x") + END + "joined\n",
        END + record(0, 0, b"x") + END,
    ],
    ids=["none", "goes on", "two", "rubbish after", "early"],
)
def test_the_end_is_there_once_and_last(text: str) -> None:
    with pytest.raises(HexNoEnd):
        parse(text)


def test_the_error_names_the_line() -> None:
    with pytest.raises(HexMalformed, match="line 4"):
        parse("\n" + record(0, 0, b"x") + "\n" + "rubbish\n" + END)
    with pytest.raises(HexMalformed, match="line 3"):
        parse("\n" + record(0, 0, b"x") + record(0, 1, b"abc").replace("61", "62") + END)
    with pytest.raises(HexNoEnd, match=r"line 3.*line 2"):
        parse(record(0, 0, b"x") + END + END)


@pytest.mark.parametrize("text", ["", "\n \r\n\n", END, record(4, 0, b"\0\0") + END, record(0, 0, b"") + END])
def test_a_file_without_firmware_is_empty(text: str) -> None:
    with pytest.raises(ImageEmpty):
        parse(text)


@pytest.mark.parametrize("second", [record(0, 2, b"c"), record(0, 0, b"abc"), record(0, 2, b"xyz")])
def test_an_address_given_twice_is_an_overlap(second: str) -> None:
    with pytest.raises(ImageOverlap):
        parse(record(0, 0, b"abc") + second + END)


def test_bytes_belong_into_the_application_area() -> None:
    last = record(0, 0x7DFF, b"x")
    assert parse(last + END) == (Segment(0x7DFF, b"x"),)
    for text in (record(0, 0x7E00, b"x"), record(0, 0x7DFF, b"xy"), record(0, 0x7FFF, b"x")):
        with pytest.raises(IntoBootSection):
            parse(record(0, 0, b"x") + text + END)
    for text in (record(0, 0x8000, b"x"), record(0, 0x7FFF, b"xy"), record(4, 0, b"\x00\x81") + last):
        with pytest.raises(OutsidePart):
            parse(record(0, 0, b"x") + text + END)


def test_more_bytes_than_the_part_has_are_too_large_wherever_they_lie() -> None:
    full = [Segment(0x20000, bytes(AREA.size))]
    with pytest.raises(OutsidePart):
        parse_ihex(write_ihex(full), AREA)
    with pytest.raises(ImageTooLarge):
        parse_ihex(write_ihex([*full, Segment(0, b"x")]), AREA)


def test_text_without_end_is_refused_before_it_is_read() -> None:
    with pytest.raises(ImageTooLarge):
        parse("\n" * (AREA.size * 16 + 64 * 1024 + 1))
    with pytest.raises(ImageEmpty):
        parse("\n" * (AREA.size * 16 + 64 * 1024))


def test_a_gap_of_four_gigabytes_costs_nothing() -> None:
    text = record(0, 0, b"x") + record(4, 0, b"\xff\xff") + record(0, 0xFFFF, b"y") + END
    tracemalloc.start()
    try:
        assert parse(text, WIDE) == (Segment(0, b"x"), Segment(0xFFFFFFFF, b"y"))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_record_beyond_the_last_address_is_outside() -> None:
    text = record(4, 0, b"\xff\xff") + record(0, 0xFFFF, b"xy") + END
    with pytest.raises(OutsidePart):
        parse(text, WIDE)


def test_a_megabyte_is_read_while_one_waits() -> None:
    payload = random.Random(7).randbytes(1 << 20)
    text = write_ihex([Segment(0x8000, payload)])
    started = time.process_time()
    assert parse_ihex(text, WIDE) == (Segment(0x8000, payload),)
    assert time.process_time() - started < 10


SEGMENTS = st.lists(
    st.builds(Segment, st.integers(0, 0x20000 - 64), st.binary(min_size=1, max_size=64)),
    min_size=1,
    max_size=8,
    unique_by=lambda segment: segment.address // 64,
).map(lambda pieces: [Segment(piece.address // 64 * 64, piece.data) for piece in pieces])


@given(SEGMENTS)
def test_what_is_written_is_read_back(segments: list[Segment]) -> None:
    assert parse_ihex(write_ihex(segments), WIDE) == merged(segments)


def test_a_written_file_looks_as_every_tool_expects() -> None:
    lines = write_ihex([Segment(0xFFF8, bytes(range(24)))]).decode().splitlines()
    assert lines == [
        record(0, 0xFFF8, bytes(range(8))).strip(),
        record(4, 0, b"\x00\x01").strip(),
        record(0, 0, bytes(range(8, 24))).strip(),
        END.strip(),
    ]


def damaged(text: bytes, choose: Callable[[int], int]) -> bytes:
    """The file with a byte changed, lines swapped, repeated or lost."""
    lines = text.splitlines(keepends=True)
    at, other, how = choose(len(lines)), choose(len(lines)), choose(5)
    match how:
        case 0:
            lines[at], lines[other] = lines[other], lines[at]
        case 1:
            lines.insert(other, lines[at])
        case 2:
            del lines[at]
        case 3:
            joined = bytearray(text)
            joined[choose(len(joined))] = choose(256)
            return bytes(joined)
        case _:
            return text[: choose(len(text))]
    return b"".join(lines)


@given(SEGMENTS, st.data())
def test_a_damaged_file_is_refused_by_name_or_says_what_it_says(
    segments: list[Segment], data: st.DataObject
) -> None:
    text = damaged(write_ihex(segments), lambda below: data.draw(st.integers(0, below - 1)))
    try:
        found = parse_ihex(text, WIDE)
    except (HexMalformed, HexNoEnd, ImageEmpty, ImageOverlap, OutsidePart):
        return
    assert 0 < sum(len(piece.data) for piece in found) <= 8 * 64 * 2


@given(st.binary(max_size=400) | st.text(alphabet=":0123456789ABCDEF\r\n ", max_size=400).map(str.encode))
def test_no_file_whatsoever_does_more_than_be_refused(data: bytes) -> None:
    try:
        segments = parse_ihex(data, AREA)
    except BadImage:
        return
    assert segments
    AREA.check(segments)
