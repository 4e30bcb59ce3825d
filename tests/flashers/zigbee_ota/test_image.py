"""OTA files as vendors hand them out: read, or refused with a reason of its own."""

import hashlib
import struct
import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashers.api import BadImage, Component, Digest, FirmwareImage
from flashers.sim import SimApp
from flashers.zigbee_ota import FORMAT, PLUGIN
from flashers.zigbee_ota.build import build
from flashers.zigbee_ota.codec import File
from flashers.zigbee_ota.codec.header import ELEMENT, FIXED_SIZE, Header
from flashers.zigbee_ota.image import read_file
from flashers.zigbee_ota.image_errors import (
    NotFirmware,
    NotOta,
    OtaEmpty,
    OtaMalformed,
    OtaTruncated,
    OtherHardware,
    OtherImageType,
    OtherManufacturer,
)
from flashers.zigbee_ota.params import OtaParams

pytest.importorskip("zigpy")

APP = SimApp("2.3.89")


def parsed(data: bytes, **params: object) -> FirmwareImage:
    return PLUGIN.parse(data, FORMAT, Component(), OtaParams.model_validate(params))


def made(header: Header, body: bytes) -> bytes:
    length = len(header.encode())
    return replace(header, total=length + len(body)).encode() + body


def element(tag: int, data: bytes) -> bytes:
    return ELEMENT.pack(tag, len(data)) + data


HEADER = Header(File(0x117C, 0x2101, 0x23089631), 0, text="GBL light")


def test_an_image_is_known_by_its_version_and_sent_as_it_is() -> None:
    data = build(APP, 3000, {"manufacturer": "0x117c", "image-type": "0x2101", "header": "light"})
    image = parsed(data, manufacturer=0x117C, image_type=0x2101)
    assert image.firmware.version == str(0x02035900)
    assert image.firmware.identity is None
    assert image.artifact == Digest.sha256(data)
    assert image.payload == data
    assert image.facts["file-version"] == "0x02035900"
    assert image.facts["manufacturer"] == "0x117c"
    assert image.facts["elements"] == "upgrade-image 3000"
    assert image.facts["header"] == "light"
    assert image.facts["application-version"] == 2


def test_a_profile_says_how_a_build_id_is_made_of_a_version() -> None:
    image = parsed(made(HEADER, element(0, b"x" * 99)), build_id="{h0}.{h1}.{h2}{h3}{h4}")
    assert image.facts["build-id"] == "2.3.089"
    assert parsed(made(HEADER, element(0, b"x")), build_id="{0}-{3} {header}").facts["build-id"] == (
        "35-49 GBL light"
    )
    with pytest.raises(ValueError, match="build_id"):
        OtaParams(build_id="{nonsense}")


def test_hardware_limits_elements_and_a_destination_are_read() -> None:
    said = {
        "hardware": "2-5",
        "elements": "integrity,signature",
        "destination": "00:12:4b:00:1c:aa:bb:cc",
        "trailing": "13",
    }
    data = build(APP, 1000, said)
    image = parsed(data, hardware=3)
    assert image.facts["hardware"] == "0x0002 to 0x0005"
    assert image.facts["only-for"] == "00:12:4b:00:1c:aa:bb:cc"
    assert image.facts["elements"] == "upgrade-image 1000, integrity 16, signature 50"
    assert image.facts["left-out-behind"] == 13
    assert image.payload == data[:-13]
    with pytest.raises(OtherHardware):
        parsed(data, hardware=6)


@pytest.mark.parametrize(
    ("params", "error"),
    [({"manufacturer": 0x117D}, OtherManufacturer), ({"image_type": 0x2102}, OtherImageType)],
)
def test_a_file_for_other_nodes_is_refused_with_its_own_code(
    params: dict[str, object], error: type[BadImage]
) -> None:
    with pytest.raises(error):
        parsed(made(HEADER, element(0, b"x" * 10)), **params)


def test_a_file_of_another_format_is_refused() -> None:
    with pytest.raises(NotOta):
        PLUGIN.parse(b"", "raw", Component(), OtaParams())
    for data in (b"", b"\x7fELF" + b"x" * 5000, b"GBL" * 100):
        with pytest.raises(NotOta):
            parsed(data)


def test_credentials_and_logs_are_no_firmware() -> None:
    header = Header(File(0x117C, 0xFFC0, 1), 0)
    with pytest.raises(NotFirmware):
        parsed(made(header, element(0, b"x" * 10)))


def test_a_file_that_was_cut_off_is_refused_wherever_it_was_cut() -> None:
    data = build(APP, 300, {"hardware": "1-2"})
    for size in range(4, len(data)):
        with pytest.raises(OtaTruncated):
            parsed(data[:size])
    for size in range(4):
        with pytest.raises(NotOta):
            parsed(data[:size])


def test_a_header_that_contradicts_itself_is_refused() -> None:
    whole = made(HEADER, element(0, b"x" * 100))
    short_header = whole[:6] + struct.pack("<H", FIXED_SIZE - 1) + whole[8:]
    ends_in_header = whole[: FIXED_SIZE - 4] + struct.pack("<I", FIXED_SIZE - 1) + whole[FIXED_SIZE:]
    any_version = made(Header(File(1, 2, 0xFFFFFFFF), 0), element(0, b"x"))
    for data in (short_header, ends_in_header, any_version):
        with pytest.raises(OtaMalformed):
            parsed(data)


def test_a_file_without_firmware_is_refused() -> None:
    for body in (b"", element(0, b""), element(0, b"") + element(1, b"signature")):
        with pytest.raises(OtaEmpty):
            parsed(made(HEADER, body))


def test_raw_data_behind_an_element_or_instead_of_one_is_sent_as_it_is() -> None:
    behind = made(HEADER, element(0, b"x" * 100) + b"\xff\xff\xff\xff\xff\xffraw data")
    image = parsed(behind)
    assert image.payload == behind
    assert image.facts["elements"] == "upgrade-image 100, raw 14"
    instead = made(HEADER, b"\x2a\x00\x01" + b"\xee" * 200)
    image = parsed(instead)
    assert image.payload == instead
    assert image.facts["elements"] == "raw 203"


def test_an_encrypted_element_of_telink_is_read() -> None:
    body = struct.pack("<HIH", 0xF000, 64, 0x0001) + b"e" * 64
    image = parsed(made(HEADER, body))
    assert image.facts["elements"] == "0xf000 64"


def _ikea(ota: bytes) -> bytes:
    """As zigpy reads it: a magic, and at 16 and 20 the offset and size of what is inside."""
    return b"NGIS" + bytes(12) + struct.pack("<II", 64, len(ota)) + bytes(40) + ota + b"signature"


def _legrand(ota: bytes) -> bytes:
    return struct.pack("<I", len(ota)) + ota + b"\x00" + bytes(16)


def _third_reality(ota: bytes) -> bytes:
    rest = struct.pack("<I", 0) + struct.pack("<I", 88 + len(ota)) + bytes(80) + ota
    return hashlib.sha512(rest).digest() + rest


@pytest.mark.parametrize("wrap", [_ikea, _legrand, _third_reality])
def test_what_a_vendor_wraps_around_a_file_is_left_out_as_zigpy_does(wrap: object) -> None:
    from zigpy.ota.image import parse_ota_image

    assert callable(wrap)
    data = build(APP, 500, {})
    image = parsed(wrap(data))
    assert image.payload == data
    assert image.facts["wrapped"]
    theirs: Any
    theirs, _ = parse_ota_image(wrap(data))
    assert theirs.serialize() == data


def test_the_magic_within_the_firmware_is_no_second_header() -> None:
    inside = HEADER.encode()[:4]
    data = made(HEADER, element(0, inside * 50))
    assert parsed(data).payload == data
    assert parsed(b"wrapped" + inside + b"nonsense" + data).payload == data


def test_a_file_of_very_many_elements_costs_no_time() -> None:
    data = made(HEADER, element(4, b"") * 150_000 + element(0, b"x"))
    began = time.process_time()
    image = parsed(data)
    assert time.process_time() - began < 10.0
    assert str(image.facts["elements"]).endswith("and 149985 more")


@given(st.binary(max_size=300), st.integers(0, 80))
def test_whatever_follows_the_magic_is_an_image_or_one_refusal_with_a_code(data: bytes, kept: int) -> None:
    whole = made(HEADER, element(0, b"x" * 60))[:kept] + data
    try:
        file = read_file(whole)
    except BadImage as error:
        assert error.code  # noqa: PT017 - either it is refused by name, or it was read
        return
    assert file.payload in whole
    assert len(file.payload) == int(file.header.image_size)


WITHOUT = """
import sys
from importlib.abc import MetaPathFinder

class Without(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "zigpy":
            raise ModuleNotFoundError(f"No module named {name!r}", name="zigpy")

sys.meta_path.insert(0, Without())
from flashers.api import Component
from flashers.zigbee_ota import PLUGIN
from flashers.zigbee_ota.image_errors import ReaderMissing
from flashers.sim import SimApp
data = PLUGIN.build(SimApp("1.0"), 500, {})
try:
    PLUGIN.parse(data, "zigbee-ota", Component(), PLUGIN.params())
except ReaderMissing as error:
    print(error.code, error.what_to_do)
"""


def test_a_site_without_zigpy_is_told_what_to_install() -> None:
    said = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True)
    assert said.stdout.startswith("ota-reader-missing")
    assert "fleet-tender[zigbee]" in said.stdout
