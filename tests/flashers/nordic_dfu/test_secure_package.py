"""Packages: what is read from them, what is refused, and with which code; hostile ones too."""

import hashlib
import io
import json
import random
import zipfile
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashers.api import BadImage, Component, ComponentKind, Preflight, Role, Seen
from flashers.nordic_dfu import PLUGIN
from flashers.nordic_dfu.package.errors import BadPackage
from flashers.nordic_dfu.package.protobuf import BadMessage, Message, field, varint
from flashers.nordic_dfu.package.secure_init import FwType, SecureInit, read_init, write_init
from flashers.nordic_dfu.package.zipped import Kind, pick, read_package, write_package
from flashers.nordic_dfu.params import VersionRule, VersionText
from flashers.nordic_dfu.secure import preflight
from flashers.nordic_dfu.secure.build import bench_key, make_package, public_pem
from tests.flashers.nordic_dfu.legacy_world import in_virtual_time
from tests.flashers.nordic_dfu.secure_world import NEW, OLD, PARAMS, package, parsed, world


def init_for(image: bytes, **changes: Any) -> SecureInit:
    said: dict[str, Any] = {
        "type": FwType.APPLICATION,
        "fw_version": 10203,
        "hw_version": 52,
        "sd_req": (0x100, 0xB6),
        "sd_size": 0,
        "bl_size": 0,
        "app_size": len(image),
        "hash": hashlib.sha256(image).digest()[::-1],
    }
    return SecureInit(**said | changes)


def zipped(files: dict[str, bytes], *, compression: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def manifest(**entries: object) -> bytes:
    return json.dumps({"manifest": entries}).encode()


APP = {"bin_file": "a.bin", "dat_file": "a.dat"}


def test_an_init_packet_comes_back_as_it_was_written() -> None:
    key = bench_key("one")
    read = read_init(write_init(init_for(b"firmware"), key))
    assert (read.fw_version, read.hw_version, read.sd_req, read.size) == (10203, 52, (0x100, 0xB6), 8)
    read.check(b"firmware")
    read.check_signature(key.public_key())


def test_a_package_is_the_same_each_time_it_is_built() -> None:
    assert package("1.2.3") == package.__wrapped__("1.2.3")


def test_what_a_package_says_is_in_the_image() -> None:
    image = parsed(package("1.2.3"))
    assert image.firmware.version == "1.2.3"
    assert image.facts["fw_version"] == 10203
    assert image.facts["hw_version"] == 52
    assert image.facts["sd_req"] == "0x0100"
    assert image.facts["signed"] is True


@pytest.mark.parametrize(
    ("text", "number", "said"),
    [
        (VersionText.NUMBER, 77, "77"),
        (VersionText.DECIMAL, 10203, "1.2.3"),
        (VersionText.BYTES, 0x010203, "1.2.3"),
    ],
)
def test_a_version_is_read_as_the_profile_says(text: VersionText, number: int, said: str) -> None:
    params = PARAMS.model_copy(update={"version_text": text})
    assert parsed(make_package(b"x" * 64, number, key=bench_key("one")), params).firmware.version == said


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (package("1.0.0", key="two"), "bad-signature"),
        (package("1.0.0", key="none"), "unsigned"),
        (make_package(b"", 1, key=bench_key("one")), "bad-package"),
        (make_package(b"x" * 8, 1, key=bench_key("one"), type=FwType.BOOTLOADER), "wrong-kind"),
        (write_package(Kind.BOOTLOADER, b"a", b"b"), "wrong-kind"),
        (write_package(Kind.APPLICATION, b"no init packet", b"b"), "bad-init-packet"),
        (write_package(Kind.APPLICATION, b"\x0a" * 600, b"b"), "bad-init-packet"),
        (
            write_package(Kind.APPLICATION, write_init(init_for(b"one"), bench_key("one")), b"two"),
            "hash-mismatch",
        ),
        (
            write_package(Kind.APPLICATION, write_init(init_for(b"one"), bench_key("one")), b"three"),
            "size-mismatch",
        ),
    ],
)
def test_a_package_that_no_node_should_get_is_refused_with_its_own_code(data: bytes, code: str) -> None:
    with pytest.raises(BadImage) as error:
        parsed(data)
    assert error.value.code == code
    assert error.value.what_to_do


def test_a_signature_counts_for_every_bit_of_the_command() -> None:
    image = b"firmware"
    packet = write_init(init_for(image), bench_key("one"))
    command = read_init(packet).command
    at = packet.index(command)
    for bit in range(8 * len(command)):
        bent = bytearray(packet)
        bent[at + bit // 8] ^= 1 << bit % 8
        with pytest.raises(BadImage):
            parsed(write_package(Kind.APPLICATION, bytes(bent), image))


def test_a_loader_is_no_component_of_this_flasher() -> None:
    with pytest.raises(BadImage) as error:
        PLUGIN.parse(NEW, "nordic-dfu-zip", Component("loader", ComponentKind.LOADER), PARAMS)
    assert error.value.code == "wrong-kind"


HOSTILE = {
    "no manifest": zipped({"a.bin": b"x"}),
    "no zip": b"PK\x03\x04 but then nothing",
    "a bomb": zipped({"manifest.json": b" " * (20 << 20)}, compression=zipfile.ZIP_DEFLATED),
    "a large manifest": zipped({"manifest.json": manifest(application=APP) + b" " * (1 << 20)}),
    "a name that leads out": zipped(
        {
            "../a.bin": b"x",
            "a.dat": b"y",
            "manifest.json": manifest(application=APP | {"bin_file": "../a.bin"}),
        }
    ),
    "an absolute name": zipped(
        {"/a.bin": b"x", "a.dat": b"y", "manifest.json": manifest(application=APP | {"bin_file": "/a.bin"})}
    ),
    "a missing image": zipped({"a.dat": b"y", "manifest.json": manifest(application=APP)}),
    "a missing init packet": zipped({"a.bin": b"y", "manifest.json": manifest(application=APP)}),
    "a file that nobody names": zipped(
        {"a.bin": b"x", "a.dat": b"y", "c.bin": b"z", "manifest.json": manifest(application=APP)}
    ),
    "one file twice": zipped(
        {"a.bin": b"x", "manifest.json": manifest(application={"bin_file": "a.bin", "dat_file": "a.bin"})}
    ),
    "names that differ by capitals": zipped(
        {"a.bin": b"x", "A.BIN": b"z", "a.dat": b"y", "manifest.json": manifest(application=APP)}
    ),
    "an unknown kind": zipped({"a.bin": b"x", "a.dat": b"y", "manifest.json": manifest(rocket=APP)}),
    "a key twice": zipped(
        {"a.bin": b"x", "a.dat": b"y", "manifest.json": b'{"manifest": {}, "manifest": {"application": {}}}'}
    ),
    "a manifest of the wrong shape": zipped({"manifest.json": b"[1, 2]"}),
    "a manifest that is no text": zipped({"manifest.json": b"\xff\xfe\x00"}),
    "a deep manifest": zipped({"manifest.json": b"[" * 50_000}),
    "a name of another type": zipped(
        {"a.bin": b"x", "manifest.json": manifest(application={"bin_file": 7, "dat_file": ["a"]})}
    ),
    "many files": zipped({f"f{number}": b"x" for number in range(40)}),
    "nothing in it": zipped({}),
    "an empty image": zipped({"a.bin": b"", "a.dat": b"y", "manifest.json": manifest(application=APP)}),
    "a huge init packet": zipped(
        {"a.bin": b"x", "a.dat": b"y" * 9000, "manifest.json": manifest(application=APP)}
    ),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_zip_is_refused(data: bytes) -> None:
    with pytest.raises(BadPackage):
        read_package(data)


def test_the_same_name_twice_in_a_zip_is_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.bin", b"one")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.bin", b"two")
        archive.writestr("a.dat", b"y")
        archive.writestr("manifest.json", manifest(application=APP))
    with pytest.raises(BadPackage, match="twice"):
        read_package(out.getvalue())


def test_a_size_that_the_zip_lies_about_is_refused() -> None:
    data = zipped(
        {"a.bin": b"x" * 5000, "a.dat": b"y", "manifest.json": manifest(application=APP)},
        compression=zipfile.ZIP_DEFLATED,
    )
    lying = data.replace((5000).to_bytes(4, "little"), (4).to_bytes(4, "little"))
    assert lying != data
    with pytest.raises(BadPackage):
        read_package(lying)


def test_a_package_with_more_than_the_application_is_not_half_taken() -> None:
    both = {"application": APP, "softdevice_bootloader": {"bin_file": "s.bin", "dat_file": "s.dat"}}
    names = {"a.bin": b"x", "a.dat": b"y", "s.bin": b"x", "s.dat": b"y"}
    found = read_package(zipped({**names, "manifest.json": manifest(**both)}))
    assert set(found) == {Kind.APPLICATION, Kind.SOFTDEVICE_BOOTLOADER}
    with pytest.raises(BadImage, match="softdevice_bootloader"):
        pick(found)


def test_bent_packages_raise_nothing_but_what_is_named() -> None:
    chance = random.Random(5)
    for _ in range(1500):
        bent = bytearray(NEW)
        for _ in range(chance.randrange(1, 4)):
            bent[chance.randrange(len(bent))] = chance.randrange(256)
        try:
            image = parsed(bytes(bent))
        except BadImage:
            continue
        assert image.payload == parsed(NEW).payload


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_named_as_none(data: bytes) -> None:
    try:
        fields = Message.read(data).fields
    except BadMessage:
        return
    # What was understood is all there was: written again in order it says the same.
    again = b"".join(field(number, value) for number, values in fields.items() for value in values)
    assert Message.read(again).fields == fields


@given(st.integers(min_value=0, max_value=(1 << 64) - 1))
def test_numbers_come_back(value: int) -> None:
    assert Message.read(field(7, value)).fields == {7: [value]}
    assert len(varint(value)) <= 10


def test_a_field_that_is_there_twice_is_refused() -> None:
    packet = write_init(init_for(b"x"), None)
    inner = read_init(packet).command + field(1, 5)
    twice = field(1, field(1, 1) + field(2, inner))
    with pytest.raises(BadImage, match="2 times"):
        read_init(twice)


# Against the node, before it is sent anywhere


@pytest.mark.parametrize(
    ("data", "params", "code"),
    [
        (package("2.0.0", hw_version="51"), {}, "wrong-hardware"),
        (package("2.0.0", sd_req="0x00b6,0x00cb"), {}, "wrong-softdevice"),
        (package("2.0.0", sd_req="0,0x0100"), {"version_rule": VersionRule.LOWER}, "wrong-softdevice"),
        (package("2.0.0"), {"softdevice": 0}, "wrong-softdevice"),
        (package("0.9.0"), {"version_rule": VersionRule.LOWER}, "downgrade-refused"),
        (package("0.9.0"), {"version_rule": VersionRule.EQUAL}, "downgrade-refused"),
        (package("1.0.0", size=600), {"version_rule": VersionRule.EQUAL}, "same-version-refused"),
        (
            make_package(b"x" * 64, None, key=bench_key("one")),
            {"version_rule": VersionRule.LOWER},
            "no-version",
        ),
        (package("2.0.0"), {"entry": "none"}, "needs-button"),
    ],
)
@in_virtual_time
async def test_what_the_loader_would_refuse_is_said_before_the_node_is_touched(
    data: bytes, params: dict[str, Any], code: str
) -> None:
    here = world(**params)
    boots = here.node.boots
    assert [reason.code for reason in await here.reasons(data)] == [code]
    assert here.node.boots == boots
    assert here.node.operations == 0
    assert here.runs(OLD)


@pytest.mark.parametrize(
    ("data", "params"),
    [
        (NEW, {}),
        (package("2.0.0", sd_req="0x00b6,0x0100"), {}),
        (package("2.0.0", sd_req="0"), {"softdevice": 0}),
        (package("0.9.0"), {"version_rule": VersionRule.OFF}),
        (package("1.0.0", size=600), {"version_rule": VersionRule.LOWER}),
        (package("2.0.0", hw_version="51"), {"hw_version": None}),
    ],
)
@in_virtual_time
async def test_what_fits_has_no_reason_against_it(data: bytes, params: dict[str, Any]) -> None:
    assert await world(**params).reasons(data) == ()


def test_a_loader_cannot_be_asked_its_version_so_the_rule_is_left_to_it() -> None:
    ask = Preflight(parsed(NEW), Seen(Role.LOADER))
    assert preflight.reasons(ask, PARAMS.model_copy(update={"version_rule": VersionRule.EQUAL})) == ()


def test_no_lower_package_leads_back_where_the_loader_refuses_it() -> None:
    strict = PARAMS.model_copy(update={"version_rule": VersionRule.LOWER})
    assert parsed(NEW, strict).facts["security_counter"] == 20000
    assert "security_counter" not in parsed(NEW).facts


def test_a_key_of_another_kind_is_refused_in_the_profile() -> None:
    with pytest.raises(ValueError, match="PEM"):
        type(PARAMS)(public_key="no key")
    assert type(PARAMS)(public_key=public_pem("two")).public_key is not None


def test_the_crc_of_a_loader_is_that_of_zip_files() -> None:
    from flashers.nordic_dfu.secure.codec import crc32

    assert crc32(b"123456789") == 0xCBF43926 == zlib.crc32(b"123456789")
