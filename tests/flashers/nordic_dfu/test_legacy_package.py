"""Legacy packages: what is understood, what is refused, and by which name."""

import hashlib
import io
import json
import struct
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashers.api import BadImage, Component, ComponentKind, TransferRefused
from flashers.api.errors import ImageTooLarge
from flashers.nordic_dfu.legacy.build import build, package
from flashers.nordic_dfu.legacy.errors import (
    NotWholeWords,
    NoVersion,
    OlderVersion,
    OtherSoftDevice,
    SameVersion,
    WrongDeviceRevision,
    WrongDeviceType,
)
from flashers.nordic_dfu.legacy.image import init_of, objections, parse
from flashers.nordic_dfu.package.errors import BadInit, BadPackage, HashMismatch, SizeMismatch, WrongKind
from flashers.nordic_dfu.package.legacy_init import (
    CrcMismatch,
    LegacyInit,
    crc16,
    read_init,
    write_init,
)
from flashers.nordic_dfu.package.zipped import Kind, write_package
from flashers.nordic_dfu.params import NordicParams, VersionRule
from flashers.sim import SimApp
from tests.flashers.nordic_dfu.legacy_world import NEW, PARAMS, parsed

IMAGE = bytes(range(200))
ANY = struct.pack("<HHIHH", 0xFFFF, 0xFFFF, 7, 1, 0xFFFE)
CRC = struct.pack("<H", crc16(IMAGE))
SHA = hashlib.sha256(IMAGE).digest()


def zipped(init: bytes, image: bytes = IMAGE, kind: Kind = Kind.APPLICATION) -> bytes:
    return write_package(kind, init, image, dfu_version=0.5)


def refused(data: bytes, **params: object) -> str:
    with pytest.raises(BadImage) as caught:
        parse(data, Component(), PARAMS.model_copy(update=params))
    return caught.value.code


def test_the_checksum_is_the_one_of_the_loaders() -> None:
    assert crc16(b"123456789") == 0x29B1  # the check value of CRC-16/CCITT-FALSE


def test_a_package_says_for_which_nodes_it_is() -> None:
    data = package(IMAGE, version=10203, device_type=1, device_revision=2, softdevices=(0x64, 0x80))
    image = parsed(data)
    assert image.payload == IMAGE
    assert image.firmware.version == "1.2.3"
    assert image.firmware.identity is not None
    assert image.firmware.identity.value == SHA
    assert image.facts["device-type"] == 1
    assert image.facts["device-revision"] == 2
    assert image.facts["softdevices"] == "0x0064 0x0080"
    assert image.facts["signed"] is False
    assert read_init(init_of(image)).crc == crc16(IMAGE)


def test_an_image_without_a_version_has_none() -> None:
    assert parsed(package(IMAGE, version=0xFFFFFFFF)).firmware.version is None


@pytest.mark.parametrize(
    ("tail", "signed"),
    [
        (CRC, False),
        (struct.pack("<I", 0) + CRC, False),
        (struct.pack("<II", 1, len(IMAGE)) + SHA, False),
        (struct.pack("<II", 2, len(IMAGE)) + SHA + bytes(64), True),
    ],
)
def test_all_four_forms_of_the_init_packet_are_read_and_held_against_the_image(
    tail: bytes, signed: bool
) -> None:
    assert parsed(zipped(ANY + tail)).facts["signed"] is signed
    bent = IMAGE[:-1] + bytes((IMAGE[-1] ^ 1,))
    assert refused(zipped(ANY + tail, bent)) in {CrcMismatch.code, HashMismatch.code}


def test_an_init_packet_for_another_size_is_refused() -> None:
    tail = struct.pack("<II", 1, len(IMAGE) + 4) + SHA
    assert refused(zipped(ANY + tail)) == SizeMismatch.code


@pytest.mark.parametrize(
    "init",
    [
        b"\xff",
        ANY[:-1],
        ANY,
        ANY + CRC + b"\0",
        ANY + struct.pack("<I", 1) + CRC,
        ANY + struct.pack("<II", 2, len(IMAGE)) + SHA,
        struct.pack("<HHIH", 1, 1, 1, 0xFFFF) + CRC,
        struct.pack("<HHIH", 1, 1, 1, 60) + bytes(120) + CRC,
    ],
)
def test_an_init_packet_of_another_shape_is_refused(init: bytes) -> None:
    assert refused(zipped(init)) == BadInit.code


@pytest.mark.parametrize("kind", [Kind.BOOTLOADER, Kind.SOFTDEVICE, Kind.SOFTDEVICE_BOOTLOADER])
def test_a_package_without_an_application_is_of_the_wrong_kind(kind: Kind) -> None:
    assert refused(zipped(ANY + CRC, kind=kind)) == WrongKind.code


def test_a_package_is_for_firmware_only() -> None:
    with pytest.raises(WrongKind):
        parse(NEW, Component("loader", ComponentKind.LOADER), PARAMS)


def test_an_image_of_broken_words_is_refused_since_every_loader_would() -> None:
    odd = IMAGE[:-2]
    assert refused(zipped(ANY + struct.pack("<H", crc16(odd)), odd)) == NotWholeWords.code


def test_no_zip_and_no_manifest_are_no_package() -> None:
    assert refused(b"") == BadPackage.code
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("manifest.json", json.dumps({"manifest": {"application": {"bin_file": "../x"}}}))
    assert refused(out.getvalue()) == BadPackage.code


@given(st.binary(max_size=160))
def test_whatever_an_init_packet_is_it_is_read_or_refused_by_name(data: bytes) -> None:
    try:
        said = read_init(data)
    except BadInit:
        return
    assert (said.crc is None) != (said.sha256 is None)
    if said.crc is not None and len(data) == 12 + 2 * len(said.softdevices):
        assert write_init(said) == data


@pytest.mark.parametrize(
    ("params", "running", "code"),
    [
        ({"device_type": 2}, None, WrongDeviceType.code),
        ({"device_revision": 3}, None, WrongDeviceRevision.code),
        ({"softdevice": 0x80}, None, OtherSoftDevice.code),
        ({"max_size": 196}, None, ImageTooLarge.code),
        ({"version_rule": VersionRule.LOWER}, "1.2.4", OlderVersion.code),
        ({"version_rule": VersionRule.EQUAL}, "1.2.3", SameVersion.code),
    ],
)
def test_what_the_profile_has_against_a_package_has_a_code_of_its_own(
    params: dict[str, object], running: str | None, code: str
) -> None:
    settings = PARAMS.model_copy(update=params)
    data = package(IMAGE, version=10203, device_type=1, device_revision=1, softdevices=(0x64,))
    assert [each.code for each in objections(parsed(data, settings), settings, running)] == [code]


def test_a_package_that_fits_has_nothing_against_it() -> None:
    settings = PARAMS.model_copy(
        update={"device_type": 1, "device_revision": 1, "softdevice": 0x64, "max_size": 200}
    )
    data = package(IMAGE, version=10203, device_type=1, device_revision=1, softdevices=(0x60, 0x64))
    assert objections(parsed(data, settings), settings, "9.9.9") == []
    lower = settings.model_copy(update={"version_rule": VersionRule.LOWER})
    assert objections(parsed(data, lower), lower, "1.2.3") == []
    for_any = package(IMAGE, version=10203, device_type=1, device_revision=1)
    assert objections(parsed(for_any, settings), settings, None) == []


def test_a_loader_knows_no_wildcard_for_its_board() -> None:
    settings = PARAMS.model_copy(update={"device_type": 1})
    found = objections(parsed(package(IMAGE, version=1), settings), settings, None)
    assert [each.code for each in found] == [WrongDeviceType.code]


def test_where_a_version_is_the_proof_a_package_has_to_have_one() -> None:
    data = package(IMAGE, version=0xFFFFFFFF)
    (found,) = objections(parsed(data), PARAMS, None)
    assert isinstance(found, NoVersion)
    assert isinstance(found, TransferRefused)
    untold = NordicParams.model_validate({"protocol": "legacy", "version_characteristic": ""})
    assert objections(parsed(data, untold), untold, None) == []


def test_packages_for_virtual_nodes_are_the_same_every_time() -> None:
    app = SimApp("1.2.3")
    assert build(app, 500, {}) == build(app, 500, {})
    assert build(app, 500, {"seed": "1"}) != build(app, 500, {})
    said = parsed(build(app, 499, {"device-type": "1", "softdevice": "0x64", "version": "9"}))
    assert said.size == 500
    assert said.firmware.version == "0.0.9"
    assert said.facts["device-type"] == 1
    assert said.facts["softdevices"] == "0x0064"
    with pytest.raises(ValueError, match="no option"):
        build(app, 500, {"colour": "red"})
    with pytest.raises(ValueError, match="version"):
        build(SimApp("1.2.3.4"), 500, {})
    with pytest.raises(ValueError, match="fit"):
        package(IMAGE, version=1 << 32)
    with pytest.raises(ValueError, match="CRC"):
        write_init(LegacyInit(1, 1, 1, ()))
