"""Whatever stands in a file, the answer is findings: no other error, no hang."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.findings import Finding, Findings
from gateway.config.load import load_config
from gateway.config.positions import key_lines, line_of
from gateway.plugins.registry import Registry
from gateway.profiles.read import read_profile
from gateway.profiles.resolve import resolve

ROOT = Path(__file__).resolve().parents[3]
PROFILES = [file.read_text() for file in sorted((ROOT / "device_profiles").glob("*.toml"))]
CONFIG = (ROOT / "docs" / "gateway.toml").read_text()
SNIPPETS = [
    "[",
    "]",
    "[[",
    '"',
    "'",
    '"""',
    "#",
    "=",
    ".",
    "\n",
    "\r\n",
    "\\",
    "{",
    "}",
    ",",
    "-1",
    "true",
    "\x00",
    "é",
]
SNIPPETS += [
    "nan",
    "inf",
    "1e999",
    "9" * 30,
    "1979-05-27",
    '["x"]',
    "{ a = 1 }",
    "[[health]]\n",
    "[params]\n",
    "kind =",
]
REGISTRY = Registry()


@st.composite
def bent(draw: st.DrawFn, texts: list[str]) -> str:
    """A good text with a few things cut out, put in and swapped."""
    text = draw(st.sampled_from(texts))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 25)))
        text = text[:start] + draw(st.sampled_from(["", *SNIPPETS])) + text[end:]
    return text


def findings(read: Callable[[], object]) -> tuple[Finding, ...]:
    """What is wrong, if anything is; every other error is the test's failure."""
    try:
        read()
    except Findings as bad:
        return bad.findings or (Finding("no-finding", "", "", "it was refused for nothing", ""),)
    return ()


@given(st.one_of(st.binary(max_size=300), bent(PROFILES).map(str.encode)))
def test_no_text_makes_a_profile_fail_otherwise_than_with_findings(data: bytes) -> None:
    for finding in findings(lambda: resolve(read_profile(data, "x.toml"), REGISTRY)):
        assert finding.code.startswith("profile-")
        assert finding.where.startswith("x.toml")
        assert finding.remedy


@given(st.one_of(st.binary(max_size=300), bent([CONFIG]).map(str.encode)))
def test_no_text_makes_a_configuration_fail_otherwise_than_with_findings(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    file = tmp_path_factory.getbasetemp() / "hostile.toml"
    file.write_bytes(data)
    for finding in findings(lambda: load_config(file, environment={})):
        assert finding.code.startswith("config-")
        assert finding.remedy


NAMES = [
    "NODES",
    "NODES__A",
    "NODES__A__LINK",
    "TRUST",
    "LOG__LEVEL",
    "",
    "__",
    "LOG__",
    "UPSTREAM__MQTT__URL",
]


@given(
    st.dictionaries(
        st.sampled_from(NAMES).map("TENDER_{}".format),
        st.one_of(st.text(max_size=20), st.sampled_from(SNIPPETS)),
        max_size=4,
    )
)
def test_no_variable_makes_it_fail_otherwise(environment: dict[str, str]) -> None:
    for finding in findings(lambda: load_config(None, environment=environment)):
        assert finding.where.startswith("TENDER_")


@given(bent([*PROFILES, CONFIG]))
def test_places_are_found_in_whatever_the_standard_reader_accepts(text: str) -> None:
    try:
        tree = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return
    lines = key_lines(text)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())
    assert all(line_of(lines, (key,)) is not None for key in tree)
