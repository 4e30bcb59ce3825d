"""The number of combinations, where a test run shows its summary."""

import pytest

from tests.matrix import report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what the matrix ran."""
    said = list(report.lines())
    if said:
        terminalreporter.section("crash matrix: combinations in virtual time, seconds of the processor")
        for line in said:
            terminalreporter.write_line(line)
