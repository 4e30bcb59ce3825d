"""Firmware for virtual nodes, as each plugin makes it: signed, numbered, in the format that is wanted."""

from collections.abc import Mapping

import pytest

from flashers import mcuboot_smp, stk500
from flashers.api import Component, FirmwareImage
from flashers.mcuboot_smp.params import SmpParams
from flashers.sim import SimApp
from flashers.stk500.params import Stk500Params

APP = SimApp("1.2.3")


def mcuboot(**options: str) -> FirmwareImage:
    data = mcuboot_smp.PLUGIN.build(
        APP, 600, {name.replace("_", "-"): said for name, said in options.items()}
    )
    return mcuboot_smp.PLUGIN.parse(data, "mcuboot", Component(), SmpParams())


def test_each_test_key_signs_as_itself() -> None:
    hashes = {mcuboot(key=key).facts["key_hash"] for key in ("one", "two", "three")}
    assert len(hashes) == 3
    assert mcuboot(key="one").facts == mcuboot(key="one").facts
    assert mcuboot(key="one").facts["signature"] != "none"
    assert mcuboot().facts["signature"] == "none"


def test_a_node_that_knows_one_key_gets_an_image_signed_by_it() -> None:
    data = mcuboot_smp.PLUGIN.build(APP, 600, {"key": "two"})
    known = str(mcuboot(key="two").facts["key_hash"])
    mcuboot_smp.PLUGIN.parse(data, "mcuboot", Component(), SmpParams(key_hash=known))


def test_versions_seeds_and_counters_are_as_asked() -> None:
    assert mcuboot().firmware.version == "1.2.3"
    assert mcuboot(version="4.5.6+7").firmware.version == "4.5.6+7"
    assert mcuboot(seed="1").firmware.identity != mcuboot().firmware.identity
    assert mcuboot(security_counter="5").facts["security_counter"] == 5


@pytest.mark.parametrize("format", ["ihex", "raw"])
def test_an_avr_file_is_of_the_format_that_is_asked_for(format: str) -> None:  # noqa: A002
    data = stk500.PLUGIN.build(APP, 600, {"format": format})
    image = stk500.PLUGIN.parse(data, format, Component(), Stk500Params(part="atmega328p"))
    assert image.size == 600
    assert (stk500.PLUGIN.build(APP, 600, {}) == data) is (format == "ihex")


@pytest.mark.parametrize(
    "options",
    [{"key": "four"}, {"keys": "one"}, {"seed": "x"}, {"version": "one"}, {"security-counter": ""}],
    ids=str,
)
def test_what_cannot_be_built_is_said(options: Mapping[str, str]) -> None:
    with pytest.raises(ValueError, match=r"option|one of|number|version"):
        mcuboot_smp.PLUGIN.build(APP, 600, options)


@pytest.mark.parametrize("options", [{"format": "elf"}, {"key": "one"}, {"seed": "x"}], ids=str)
def test_what_cannot_be_built_for_an_avr_is_said(options: Mapping[str, str]) -> None:
    with pytest.raises(ValueError, match=r"option|one of|number"):
        stk500.PLUGIN.build(APP, 600, options)
