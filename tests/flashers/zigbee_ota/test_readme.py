"""The page for integrators names every parameter, fault, refusal and option of a file, and nothing else."""

import re
from pathlib import Path

from flashers import zigbee_ota
from flashers.api import BadImage
from flashers.zigbee_ota import build, image_errors
from flashers.zigbee_ota.params import OtaParams

PAGE = (Path(zigbee_ota.__file__).parent / "README.md").read_text()


def first_column(heading: str) -> set[str]:
    """The names in the first column of the first table behind a heading."""
    rows = PAGE.split(heading, 1)[1].split("\n|---|", 1)[1].split("\n\n", 1)[0].splitlines()[1:]
    return {name for row in rows for name in re.findall(r"`([a-z_-]+)`", row.split("|")[1])}


def test_every_parameter_is_on_the_page() -> None:
    assert first_column("## A profile's `[params]`") == set(OtaParams.model_fields)


def test_every_fault_is_on_the_page_with_its_sentence() -> None:
    assert first_column("## The virtual node") == set(zigbee_ota.PLUGIN.faults)
    for sentence in zigbee_ota.PLUGIN.faults.values():
        assert f"| {sentence} |" in PAGE


def test_every_refusal_of_a_file_is_on_the_page() -> None:
    errors = [each for each in vars(image_errors).values() if isinstance(each, type) and each is not BadImage]
    assert first_column("## Files") == {error.code for error in errors if issubclass(error, BadImage)}


def test_every_option_of_a_file_is_on_the_page() -> None:
    told = set(re.findall(r"^``([a-z-]+)``", build.__doc__ or "", re.MULTILINE))
    behind = PAGE.split("### Files for virtual nodes", 1)[1]
    assert told <= set(re.findall(r"`([a-z-]+)`", behind))
    assert len(told) == 10
