"""The other end of ``replay``: a pytest plugin that sends every report out of the small machine."""

import json
import os
import tty
from typing import Any

import pytest

from tests.bluez.machine.replay import INSIDE


class Reporter:
    """Writes one line of JSON for each report, and one when a test is over."""

    def __init__(self, config: pytest.Config, line: str) -> None:
        self._config = config
        self._line = os.open(line, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self._line)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A phase of a test is over."""
        hook = self._config.hook
        self._say({"report": hook.pytest_report_to_serializable(config=self._config, report=report)})

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """A test is over."""
        self._say({"done": nodeid})

    def _say(self, what: dict[str, Any]) -> None:
        left = json.dumps(what).encode() + b"\n"
        while left:
            left = left[os.write(self._line, left) :]


def pytest_configure(config: pytest.Config) -> None:
    """Only where somebody listens."""
    line = os.environ.get(INSIDE)
    if line is not None:
        config.pluginmanager.register(Reporter(config, line), "tender-reporter")
