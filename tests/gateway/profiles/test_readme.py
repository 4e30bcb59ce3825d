"""The page about profiles says what is true of the model, key by key."""

import json
import re
import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from gateway.config.shapes import fields, members
from gateway.plugins.registry import Registry
from gateway.profiles import model
from gateway.profiles.check import check_profile
from gateway.profiles.discovery import DiscoveryTable
from gateway.profiles.radio import RadioTable
from gateway.profiles.zigbee import ZigbeeTable

README = Path(__file__).resolve().parents[3] / "device_profiles" / "README.md"

TABLES: dict[str, type[BaseModel]] = {
    "Top": model.Profile,
    "[[components]]": model.ComponentTable,
    "[identify]": model.IdentifyTable,
    "[radio]": RadioTable,
    "[zigbee]": ZigbeeTable,
    "[identity]": model.IdentityTable,
    "[discovery]": DiscoveryTable,
    "[evidence]": model.EvidenceTable,
    "[timing]": model.TimingTable,
    "[bounds]": model.BoundsTable,
    'kind = "version"': model.VersionCheck,
    'kind = "digest"': model.DigestCheck,
    'kind = "console-line"': model.ConsoleLineCheck,
    'kind = "command"': model.CommandCheck,
    'kind = "probes"': model.ProbesCheck,
    'kind = "hook"': model.HookCheck,
    'kind = "data-seen"': model.DataSeenCheck,
    'kind = "reports"': model.ReportsCheck,
    'kind = "unchanged"': model.UnchangedCheck,
}
ROW = re.compile(
    r"^\| `(?P<key>\w+)` \| (?P<type>[\w ]+) \| (?P<default>.+?) \| (?P<meaning>.+) \|$", re.MULTILINE
)


def sections() -> dict[str, str]:
    """The text under each heading."""
    parts = re.split(r"^#+ (.+)$", README.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_page_has_a_section_for_every_table() -> None:
    assert set(TABLES) <= set(sections())
    tables = {each for each in vars(model).values() if isinstance(each, type)}
    own = {each for each in tables if model._Table in each.__mro__[1:]}
    assert own <= set(TABLES.values())


@pytest.mark.parametrize("title", TABLES)
def test_every_key_has_its_type_its_default_and_a_meaning(title: str) -> None:
    known = {key: field for key, field in fields(TABLES[title]).items() if key != "kind" or "[[" in title}
    rows = {row["key"]: row for row in ROW.finditer(sections()[title])}
    assert list(rows) == list(known)
    for key, field in known.items():
        row = rows[key]
        assert row["type"] == kind_of(field.annotation), key
        assert row["meaning"].endswith("."), key
        default = row["default"]
        if field.default is PydanticUndefined:
            assert default == "–", key
        elif default.startswith("`"):
            assert json.loads(default.strip("`")) == plain(field.default), key
        else:
            assert isinstance(field.default, BaseModel | tuple | None), key
        for word in words(field.annotation):
            text = row["meaning"] + default + sections()["[evidence]"]
            assert f"`{word}`" in text or f'`"{word}"`' in text or word == "none", (key, word)


def test_the_example_of_the_page_is_a_good_profile(tmp_path: Path) -> None:
    examples = re.findall(r"```toml\n(.*?)```", README.read_text(), flags=re.DOTALL)
    file = tmp_path / "example.toml"
    file.write_text(examples[0])
    assert tomllib.loads(examples[0])["schema"] == model.PROFILE_SCHEMA
    assert check_profile(file, Registry()) == ()


def kind_of(annotation: Any) -> str:
    """What a person calls this type."""
    names: dict[Any, str] = {str: "text", int: "integer", float: "number", bool: "true or false"}
    for kind in members(annotation):
        origin = get_origin(kind)
        if origin is tuple:
            return "list"
        if origin is dict or (isinstance(kind, type) and issubclass(kind, BaseModel)):
            return "table"
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            return "text"
        if kind in names:
            return names[kind]
    raise AssertionError(annotation)


def words(annotation: Any) -> list[str]:
    """The closed list that a value is from, if it is."""
    found: list[str] = []
    for kind in members(annotation):
        if get_origin(kind) is tuple:
            found += words(get_args(kind)[0])
        elif isinstance(kind, type) and issubclass(kind, StrEnum):
            found += [str(word) for word in kind]
    return found


def plain(value: object) -> object:
    """A default as JSON would have it."""
    return [str(each) for each in value] if isinstance(value, tuple) else value
