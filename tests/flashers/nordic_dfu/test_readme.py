"""The page for integrators names every parameter and every fault, and nothing else."""

import re
from pathlib import Path

from flashers import nordic_dfu
from flashers.nordic_dfu.params import NordicParams

PAGE = (Path(nordic_dfu.__file__).parent / "README.md").read_text()


def first_column(heading: str) -> set[str]:
    """The names in the first column of the first table behind a heading."""
    rows = PAGE.split(heading, 1)[1].split("\n|---|", 1)[1].split("\n\n", 1)[0].splitlines()[1:]
    return {name for row in rows for name in re.findall(r"`([a-z_-]+)`", row.split("|")[1])}


def test_every_parameter_is_on_the_page() -> None:
    assert first_column("## A profile's `[params]`") == set(NordicParams.model_fields)


def test_every_fault_is_on_the_page() -> None:
    assert first_column("## The virtual node") == set(nordic_dfu.PLUGIN.faults)
