"""Files for AVR parts, the settings that describe a board, and pages."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from flashers.api import BadImage, Component, Digest, ImageTooLarge, Segment
from flashers.images import (
    ImageForOtherHardware,
    IntoBootSection,
    NoResetVector,
    OutsidePart,
    WrongFormat,
    extents_digest,
    merged,
    write_ihex,
)
from flashers.stk500.image import backup_of, format_of, pages, parse
from flashers.stk500.params import Stk500Params, line_pattern
from flashers.stk500.parts import PARTS, Loader, name_of
from tests.flashers.stk500.world import PAGE, PARAMS, parsed

OPTIBOOT = Stk500Params(part="atmega328p")
ATMEGABOOT = Stk500Params(part="atmega328p", loader=Loader.ATMEGABOOT)


def hexed(*segments: Segment) -> bytes:
    return write_ihex(segments)


def test_an_image_is_named_by_its_extents_and_its_file_by_its_bytes() -> None:
    text = hexed(Segment(0x200, b"table"), Segment(0, b"\x0c\x94"))
    image = parse(text, "ihex", Component("main"), OPTIBOOT)
    assert image.artifact == Digest.sha256(text)
    assert image.firmware.identity == extents_digest([Segment(0, b"\x0c\x94"), Segment(0x200, b"table")])
    assert image.firmware.version is None
    assert image.segments == (Segment(0, b"\x0c\x94"), Segment(0x200, b"table"))
    assert (image.format, image.component, image.facts) == ("ihex", Component("main"), {})


def test_the_same_firmware_as_hex_and_as_binary_is_the_same_firmware() -> None:
    code = bytes(range(200))
    assert parsed(code).firmware == parsed(hexed(Segment(0, code)), format="ihex").firmware
    assert parsed(code).artifact != parsed(hexed(Segment(0, code)), format="ihex").artifact


@pytest.mark.parametrize(
    ("params", "end"),
    [
        (OPTIBOOT, 0x7E00),
        (ATMEGABOOT, 0x7800),
        (Stk500Params(part="atmega328p", boot_section=1024), 0x7C00),
        (Stk500Params(part="atmega8"), 0x1E00),
        (Stk500Params(part="atmega8", loader=Loader.ATMEGABOOT), 0x1C00),
        (Stk500Params(part="atmega168"), 0x3E00),
        (Stk500Params(part="atmega168", loader=Loader.ATMEGABOOT), 0x3800),
        (Stk500Params(part="atmega328", loader=Loader.ATMEGABOOT), 0x7800),
        (Stk500Params(part="atmega1280", loader=Loader.ATMEGABOOT), 0x1F000),
    ],
)
def test_an_application_may_reach_up_to_the_loader_and_no_further(params: Stk500Params, end: int) -> None:
    flash = params.avr.flash_size
    start = Segment(0, b"\x0c\x94")
    assert parse(hexed(start, Segment(end - 1, b"x")), "ihex", Component(), params).size == 3
    for address, error in ((end, IntoBootSection), (flash - 1, IntoBootSection), (flash, OutsidePart)):
        with pytest.raises(error):
            parse(hexed(start, Segment(address, b"x")), "ihex", Component(), params)
    assert parsed(b"\x01" * end, params).size == end
    with pytest.raises(IntoBootSection):
        parsed(b"\x01" * (end + 1), params)
    with pytest.raises(ImageTooLarge):
        parsed(b"\x01" * (flash + 1), params)


@pytest.mark.parametrize(
    "segment",
    [Segment(2, b"x"), Segment(0x80, b"x" * 128), Segment(0, b"\xff\xff" + b"x"), Segment(0, b"\xff")],
)
def test_an_image_that_could_never_start_is_refused(segment: Segment) -> None:
    with pytest.raises(NoResetVector):
        parsed(hexed(segment), format="ihex")


@pytest.mark.parametrize("code", [b"\xff\x00", b"\x00\xff", b"\x00"])
def test_half_an_erased_word_is_an_instruction(code: bytes) -> None:
    assert parsed(code).payload == code


def test_a_version_in_the_bytes_is_found() -> None:
    params = Stk500Params(
        part="atmega328p", stamp=r"fw (?P<version>[\d.]+) (?P<hardware>\S+)\x00", hardware="rev-b"
    )
    image = parsed(b"\x0c\x94fw 2.1 rev-b\0", params)
    assert image.firmware.version == "2.1"
    assert image.facts == {"hardware": "rev-b"}
    assert parsed(b"\x0c\x94 nothing", params).firmware.version is None
    with pytest.raises(ImageForOtherHardware, match=r"'rev-a'.*'rev-b'"):
        parsed(b"\x0c\x94fw 2.1 rev-a\0", params)
    anything = params.model_copy(update={"hardware": None})
    assert parsed(b"\x0c\x94fw 2.1 rev-a\0", anything).facts == {"hardware": "rev-a"}


@pytest.mark.parametrize(
    ("data", "format_"),
    [
        (b":00000001FF\n", "raw"),
        (b"\r\n:10000000" + b"0" * 34 + b"\r\n:00000001FF\r\n", "raw"),
        (b"S00600004844521B\n", "raw"),
        (b"\x7fELF\x01\x01\x01", "raw"),
        (b"\x0c\x94", "elf"),
        (b"\x0c\x94", ""),
        (b"\x0c\x94", "IHEX"),
    ],
)
def test_a_file_of_another_format_is_not_flashed_as_if_it_were_code(data: bytes, format_: str) -> None:
    with pytest.raises(WrongFormat):
        parsed(data, format=format_)


def test_a_format_can_be_told_by_looking() -> None:
    assert format_of(b"\n:00000001FF\n") == "ihex"
    assert format_of(b"\x0c\x94:") == "raw"
    assert format_of(b"") == "raw"


SEGMENTS = st.lists(
    st.builds(Segment, st.integers(0, 12 * PAGE), st.binary(min_size=1, max_size=3 * PAGE)),
    min_size=1,
    max_size=4,
)


@given(SEGMENTS)
def test_pages_carry_every_byte_of_the_image_and_nothing_else(segments: list[Segment]) -> None:
    try:
        image = parsed(write_ihex(merged([Segment(0, b"\x0c"), *segments])), format="ihex")
    except BadImage:
        return
    found = pages(image, PAGE)
    memory: dict[int, int] = {}
    for page in found:
        assert page.address % PAGE == 0
        assert len(page.data) == PAGE
        spoken = {offset for span in page.spans for offset in span}
        assert page.size == len(spoken) > 0
        memory |= {page.address + offset: page.data[offset] for offset in spoken}
        assert all(page.data[offset] == 0xFF for offset in range(PAGE) if offset not in spoken)
    assert [page.address for page in found] == sorted({page.address for page in found})
    assert memory == {s.address + i: byte for s in image.segments for i, byte in enumerate(s.data)}


def test_a_page_is_held_when_the_bytes_that_the_image_gives_are_there() -> None:
    (page,) = pages(parsed(hexed(Segment(0, b"\x0c\x94"), Segment(4, b"x")), format="ihex"), PAGE)
    flash = bytearray(b"\x0c\x94??x" + b"?" * (PAGE - 5))
    assert page.holds(bytes(flash))
    for offset in (0, 1, 4):
        bent = bytearray(flash)
        bent[offset] ^= 1
        assert not page.holds(bytes(bent))
    assert not page.holds(bytes(flash[:4]))


@given(st.binary(min_size=2, max_size=5 * PAGE).filter(lambda code: code[:2] != b"\xff\xff"))
def test_a_backup_can_be_sent_back_and_is_then_recognised(code: bytes) -> None:
    flash = code.ljust(8 * PAGE, b"\xff")
    image = parse(backup_of(flash, PAGE), "ihex", Component(), PARAMS)
    (segment,) = image.segments
    assert segment.address == 0
    assert len(segment.data) % PAGE == 0
    assert segment.data.ljust(8 * PAGE, b"\xff") == flash
    assert len(segment.data) <= len(code) + PAGE
    assert all(page.holds(flash[page.address :][:PAGE]) for page in pages(image, PAGE))


@pytest.mark.parametrize(
    "settings",
    [
        {"part": "atmega2560"},
        {"part": "atmega328p", "boot_line": "fw ("},
        {"part": "atmega328p", "boot_line": "^fw ("},
        {"part": "atmega328p", "stamp": "fw ("},
        {"part": "atmega328p", "stamp": "fw"},
        {"part": "atmega328p", "loader": "caterina"},
        {"part": "atmega328p", "boot_section": 100},
        {"part": "atmega328p", "boot_section": 32768},
        {"part": "atmega328p", "boot_section": 0},
        {"part": "atmega1280"},
        {"part": "atmega328p", "reply_timeout": 0},
        {"part": "atmega328p", "resets": 0},
        {"part": "atmega328p", "bootline": "fw"},
        {},
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Stk500Params.model_validate(settings)


def test_settings_of_a_part_and_loader_nobody_installs_need_a_boot_section() -> None:
    with pytest.raises(ValidationError, match="set boot_section"):
        Stk500Params(part="atmega1280", loader=Loader.OPTIBOOT)
    assert Stk500Params(part="atmega1280", boot_section=1024).area.application == range(0x1FC00)


def test_every_part_can_be_reached_by_words_of_sixteen_bits() -> None:
    for part in PARTS.values():
        assert part.flash_size <= 128 * 1024
        assert part.page_size <= 256
        assert name_of(part.signature) == part.name
        for section in part.boot_sections.values():
            assert section % part.page_size == 0
    assert name_of(b"\x1e\x98\x01") == "1e9801"


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("fw 1.2", "1.2"),
        ("\x10\x14\x10fw 1.2", "1.2"),
        ("\ufffdfw 1.2", "1.2"),
        ("old fw 1.2", None),
        (" fw 1.2", None),
    ],
)
def test_a_line_may_begin_with_what_the_pin_did_at_reset(line: str, version: str | None) -> None:
    found = line_pattern(r"^fw (?P<version>\S+)$").search(line)
    assert (found["version"] if found else None) == version


def test_a_pattern_without_an_anchor_is_left_as_it_is() -> None:
    assert line_pattern("fw|boot") == re.compile("fw|boot")
