"""flashers/README.md quotes a flasher that works, and leaves out nothing that one has to know."""

import inspect
import re
import tomllib
from pathlib import Path

import pytest

import flashers
from flashers import api
from flashers.conformance.subject import Subject
from gateway.profiles.model import Profile
from tests.flashers.conformance import example_flasher, test_example
from transports.errors import TenderError

README = (Path(flashers.__file__).parent / "README.md").read_text()
CODE = "".join(inspect.getsource(module) for module in (example_flasher, test_example))


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("block", blocks("python"), ids=lambda block: block.strip().splitlines()[0][:40])
def test_what_is_quoted_is_the_code(block: str) -> None:
    # The two lines of a suite stand apart in their module; everything else is quoted as it stands.
    pieces = block.split("\n\n") if "suite_for" in block else [block]
    assert [piece for piece in pieces if piece.strip() not in CODE] == []


def test_every_step_is_quoted() -> None:
    assert len(blocks("python")) >= 8


def test_the_profile_that_it_shows_is_one() -> None:
    entry_point, profile = map(tomllib.loads, blocks("toml"))
    assert entry_point["project"]["entry-points"]["tender.flashers"]["pagelet"].endswith(":PLUGIN")
    shown = Profile.model_validate(profile)
    params = example_flasher.PLUGIN.params.model_validate(shown.params)
    assert shown.format in example_flasher.PLUGIN.declare(params).formats


def test_all_that_the_host_lends_is_told() -> None:
    lent = {name for name in vars(api.Session) if not name.startswith("_")}
    assert {name for name in lent if not re.search(rf"`{name}\b", README)} == set()


def test_every_named_error_is_told_with_its_code() -> None:
    errors = [
        value for value in vars(api).values() if inspect.isclass(value) and issubclass(value, TenderError)
    ]
    assert len(errors) > 10
    missing = [error for error in errors if f"| `{error.__name__}` | `{error.code}` |" not in README]
    assert [error.__name__ for error in missing if error is not api.FlashError] == []


def test_every_trait_of_a_subject_is_told() -> None:
    traits = set(inspect.signature(Subject).parameters) - {"plugin", "params"}
    assert {name for name in traits if f"`{name}`" not in README} == set()


def test_every_relative_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    folder = Path(flashers.__file__).parent
    assert [link for link in links if not (folder / link).is_file()] == []
