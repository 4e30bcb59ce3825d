"""The mutation tester finds what the tests do not notice, and nothing else."""

import ast
import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tools.mutation.changes import changes

PROJECT = Path(__file__).resolve().parents[2]

MODULE = '''"""A toy."""

from enum import Enum


class Light(Enum):
    RED = 1
    GREEN = 2


def fare(age: int) -> int:
    """Half for children."""
    if age < 12:
        return 5
    return 10


def may_go(light: Light) -> bool:
    return light is Light.GREEN


def nobody_calls_this() -> int:
    return 7
'''

GOOD_TESTS = """
from toy import Light, fare, may_go

def test_fare():
    assert [fare(11), fare(12)] == [5, 10]

def test_light():
    assert may_go(Light.GREEN) and not may_go(Light.RED)
    assert Light(1) is Light.RED and Light(2) is Light.GREEN
"""

WEAK_TESTS = GOOD_TESTS.replace("[fare(11), fare(12)] == [5, 10]", "fare(3) == 5")


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    (tmp_path / "toy.py").write_text(MODULE)
    (tmp_path / "mutants.toml").write_text('[[target]]\nmodules = ["toy.py"]\ntests = ["test_toy.py"]\n')
    return tmp_path


def run(folder: Path, *options: str) -> tuple[int, list[dict[str, Any]], str]:
    verdicts = folder / "verdicts.json"
    command = [sys.executable, "-m", "tools.mutants", "--root", str(folder), "--json", str(verdicts)]
    command += ["--config", str(folder / "mutants.toml"), *options]
    result = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=240, check=False)
    return (
        result.returncode,
        json.loads(verdicts.read_text()) if verdicts.exists() else [],
        result.stdout + result.stderr,
    )


def unnoticed(verdicts: list[dict[str, Any]]) -> set[str]:
    return {row["change"] for row in verdicts if row["verdict"] in {"survived", "not-reached"}}


@pytest.mark.slow
def test_only_what_no_test_looks_at_goes_unnoticed(toy: Path) -> None:
    (toy / "test_toy.py").write_text(GOOD_TESTS)
    before = {file: file.read_bytes() for file in toy.iterdir()}
    code, verdicts, output = run(toy)
    assert unnoticed(verdicts) == {"return 7  ->  return None", "return 7  ->  return 8"}
    assert {row["verdict"] for row in verdicts} == {"noticed", "not-reached"}
    assert code == 1, "two of some fifteen are more than five percent"
    assert "toy.py:23: not-reached" in output
    assert {file: file.read_bytes() for file in before} == before


@pytest.mark.slow
def test_a_change_that_never_ends_is_ended_and_counts_as_noticed(toy: Path) -> None:
    (toy / "toy.py").write_text(
        "def count(times):\n    n = 0\n    while n < times:\n        n += 1\n    return n\n"
    )
    (toy / "test_toy.py").write_text("from toy import count\n\ndef test_it():\n    assert count(2) == 2\n")
    _, verdicts, _ = run(toy)
    ended = {row["change"] for row in verdicts if row["verdict"] == "timed-out"}
    assert ended == {"n += 1  ->  pass", "n += 1  ->  n -= 1"}


@pytest.mark.slow
def test_a_boundary_that_no_test_stands_on_survives(toy: Path) -> None:
    (toy / "test_toy.py").write_text(WEAK_TESTS)
    code, verdicts, output = run(toy, "--limit", "100")
    assert {
        "if age < 12:  ->  if age <= 12:",
        "if age < 12:  ->  if age < 13:",
        "return 10  ->  return 11",
    } <= unnoticed(verdicts)
    assert "  - if age < 12:\n  + if age <= 12:\n" in output
    assert code == 0


@pytest.mark.slow
def test_an_equivalent_change_is_not_counted(toy: Path) -> None:
    (toy / "test_toy.py").write_text(GOOD_TESTS)
    with (toy / "mutants.toml").open("a") as table:
        for change in ("return 7  ->  return None", "return 7  ->  return 8"):
            table.write(f'[[equivalent]]\nmodule = "toy.py"\nchange = "{change}"\nwhy = "nobody calls it"\n')
    code, verdicts, _ = run(toy)
    assert unnoticed(verdicts) == set()
    assert sum(row["verdict"] == "equivalent" for row in verdicts) == 2
    assert code == 0


@pytest.mark.slow
def test_a_sample_is_the_same_for_the_same_seed(toy: Path) -> None:
    (toy / "test_toy.py").write_text(GOOD_TESTS)
    samples = [
        [row["change"] for row in run(toy, "--sample", "5", "--seed", seed)[1]] for seed in ("1", "1", "2")
    ]
    assert sorted(samples[0]) == sorted(samples[1])
    assert sorted(samples[0]) != sorted(samples[2])
    assert len(samples[0]) == 5


def test_tests_that_fail_by_themselves_say_nothing(toy: Path) -> None:
    (toy / "test_toy.py").write_text("def test_it():\n    assert False\n")
    code, verdicts, output = run(toy)
    assert (code, verdicts) == (2, [])
    assert "test_toy.py" in output


def test_a_target_without_modules_is_a_mistake_in_the_table(toy: Path) -> None:
    (toy / "mutants.toml").write_text('[[target]]\nmodules = ["gone.py"]\ntests = ["test_toy.py"]\n')
    code, _, output = run(toy)
    assert code == 2
    assert "gone.py" in output


def all_changes(text: str, **members: tuple[str, ...]) -> list[str]:
    return [change.text for change in changes(ast.parse(text), members)]


def test_every_kind_of_change_is_made() -> None:
    assert all_changes("x = a < b and not c") == [
        "x = a < b and (not c)  ->  x = a < b or not c",
        "x = a < b and (not c)  ->  x = a <= b and (not c)",
        "x = a < b and (not c)  ->  x = a < b and c",
    ]
    assert all_changes("def f():\n    g(1)\n    return x << 2") == [
        "g(1)  ->  pass",
        "g(1)  ->  g(2)",
        "return x << 2  ->  return None",
        "return x << 2  ->  return x >> 2",
        "return x << 2  ->  return x << 3",
    ]
    assert all_changes("x = Step.STOP", Step=("GO", "STOP")) == ["x = Step.STOP  ->  x = Step.GO"]
    assert all_changes("match x:\n    case Step.GO if y:\n        z = 1", Step=("GO", "STOP")) == [
        "case Step.GO if y:  ->  case Step.GO if not y:",
        "case Step.GO if y:  ->  case Step.STOP if y:",
        "z = 1  ->  z = 2",
    ]
    assert all_changes("while busy:\n    break") == [
        "while busy:  ->  while not busy:",
        "break  ->  continue",
    ]
    assert all_changes("x = [y for y in z if y]") == [
        "x = [y for y in z if y]  ->  x = [y for y in z if not y]"
    ]


def test_words_for_people_types_and_log_lines_are_left_alone() -> None:
    assert all_changes('"""Says it."""\nx: int | None = y') == []
    assert all_changes("Step = Probe | Finish") == []
    assert all_changes("log.info('node=%s', 1)") == []
    assert all_changes("@dataclass(frozen=True)\nclass A:\n    text = 'two words'") == []
    assert all_changes("x = f'{1}'") == []


def test_a_change_can_be_compiled() -> None:
    """In a module that uses most of the language: the one that makes the changes."""
    file = PROJECT / "tools" / "mutation" / "changes.py"
    for change in itertools.islice(changes(ast.parse(file.read_text()), {}), 0, None, 5):
        compile(change.applied(), str(file), "exec")
