"""Format, lint and types are part of what CI runs."""

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent

pytestmark = [pytest.mark.house, pytest.mark.timeout(600)]


@pytest.mark.parametrize(
    "command",
    [("ruff", "format", "--check", "."), ("ruff", "check", "."), ("mypy", ".")],
    ids=["format", "lint", "types"],
)
def test_the_house_is_in_order(command: tuple[str, ...]) -> None:
    program, *arguments = command
    result = subprocess.run(
        [str(BIN / program), *arguments], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
