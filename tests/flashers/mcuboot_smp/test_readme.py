"""The page for integrators names every parameter and every fault, and nothing else."""

import re
from pathlib import Path

from flashers import mcuboot_smp
from flashers.mcuboot_smp.params import Mode, SmpParams

PAGE = (Path(mcuboot_smp.__file__).parent / "README.md").read_text()


def table_after(heading: str) -> list[str]:
    """The first column of the first table behind a heading."""
    rows = PAGE.split(heading, 1)[1].split("\n\n|", 1)[1].split("\n\n", 1)[0].splitlines()
    return [row.lstrip("|").split("|")[0] for row in rows[2:]]


def names_in(cells: list[str]) -> set[str]:
    return {name for cell in cells for name in re.findall(r"`([a-z_-]+)`", cell)}


def test_every_parameter_is_on_the_page() -> None:
    rows = PAGE.split("## A profile's `[params]`", 1)[1].split("\n\n", 1)[0].splitlines()
    assert names_in([row.split("|")[1] for row in rows[3:]]) == set(SmpParams.model_fields)


def test_every_mode_is_on_the_page() -> None:
    assert names_in(table_after("## Which mode")) == set(Mode)


def test_every_fault_is_on_the_page() -> None:
    assert names_in(table_after("## The virtual node")) == set(mcuboot_smp.PLUGIN.faults)
