"""The tests of ``tests/bluez/inside``, run in the small machine and reported as if they ran here.

One machine serves them all.  It is started with the first of them, is asked for those that were
chosen, and sends the report of each phase as soon as it has one: what pytest shows, counts and
times is what happened in there.
"""

import json
import os
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.bluez.machine.debian import NotHere
from tests.bluez.machine.qemu import start

INSIDE = "TENDER_SMALL_MACHINE"
"""Set where the tests really run."""
LINE = "/dev/ttyS1"
QUIET_S = 300.0
"""Seconds without a report after which the machine counts as stuck."""
PANIC = "Kernel panic - not syncing"
"""What the machine's last words are when its kernel has fallen over."""
PANICS = 2
"""So often another machine goes on where one fell over.

Debian's Linux 6.1 corrupts a list of its own now and then as links end while others are made
(``hci_chan_del`` below ``l2cap_sock_release``).  Whatever anybody writes into a socket, that is no
verdict on who wrote it; what was reported until then stands, and it is said that it happened.
"""
_TAIL = 120
_ROOT = Path(__file__).parents[3]


@dataclass(slots=True)
class Machine:
    """A machine at work on some tests.

    Raises:
        NotHere: something of Debian is missing.
    """

    config: pytest.Config
    wanted: list[str]
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="tender-machine-")))
    began: float = field(default_factory=time.monotonic)
    _rest: bytes = b""
    _reports: dict[str, list[pytest.TestReport]] = field(default_factory=lambda: defaultdict(list))
    _done: set[str] = field(default_factory=set)
    _process: "subprocess.Popen[bytes] | None" = None

    def __post_init__(self) -> None:
        command = [sys.executable, "-m", "tests.bluez.machine.inside", sys.executable, *_PYTEST, *self.wanted]
        self._process = start(self.folder, command, _environment())

    def reports(self, test: str) -> list[pytest.TestReport]:
        """What came of a test, as soon as that is known; empty if it will never be."""
        while test not in self._done and self._listen():
            pass
        return self._reports.pop(test, []) if test in self._done else []

    def log(self) -> str:
        """The end of what the machine said on its console."""
        parts = []
        for name in ("qemu.log", "console.log"):
            path = self.folder / name
            if path.exists():
                parts += path.read_text(errors="replace").splitlines()[-_TAIL:]
        return "\n".join(parts)

    @property
    def panicked(self) -> bool:
        """Whether its kernel fell over."""
        console = self.folder / "console.log"
        return console.exists() and PANIC in console.read_text(errors="replace")

    def close(self) -> None:
        """End it, if it has not ended by itself, and leave nothing behind."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _listen(self) -> bool:
        """Take what comes next; False if nothing will."""
        process = self._process
        assert process is not None
        assert process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            if not selector.select(QUIET_S):
                process.kill()
                return False
        data = os.read(process.stdout.fileno(), 1 << 16)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(line)
        return bool(data)

    def _take(self, line: bytes) -> None:
        said: dict[str, Any] = json.loads(line)
        if "done" in said:
            self._done.add(said["done"])
            return
        report = self.config.hook.pytest_report_from_serializable(config=self.config, data=said["report"])
        self._reports[report.nodeid].append(report)


_PYTEST = (
    *("-m", "pytest", "-p", "no:cacheprovider", "-p", "tests.bluez.machine.reporting"),
    *("-p", "pytest_asyncio.plugin", "-p", "pytest_timeout", "--confcutdir=tests/bluez/inside"),
    *("--rootdir=.", "-o", "log_level=INFO"),
)


def _environment() -> dict[str, str]:
    """What the programs in there need to find each other; the rest is none of their business."""
    kept = ("PATH", "LD_LIBRARY_PATH", "TENDER_DEBS", "PYTEST_ADDOPTS")
    return {name: os.environ[name] for name in kept if os.environ.get(name)} | {
        INSIDE: LINE,
        "HOME": "/tmp",
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(_ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "TENDER_ROOT": str(_ROOT),
    }


class Replay:
    """Asks the machine for what a test came to, and reports that."""

    def __init__(self) -> None:
        self._machine: Machine | None = None
        self._missing = ""
        self._panics = 0

    def run(self, item: pytest.Item, nextitem: pytest.Item | None, wanted: list[str]) -> None:
        """Stand in for running ``item``; ``wanted`` are all tests that will be asked for."""
        hook = item.ihook
        hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in self._reports(item, wanted):
            hook.pytest_runtest_logreport(report=report)
        hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        # What earlier tests of the host have set up ends here, as it would after any test.
        item.session._setupstate.teardown_exact(nextitem)

    def close(self) -> None:
        """The last test is over."""
        if self._machine is not None:
            self._machine.close()
            self._machine = None

    def _reports(self, item: pytest.Item, wanted: list[str]) -> list[pytest.TestReport]:
        if self._machine is None and not self._missing:
            try:
                self._machine = Machine(item.config, wanted)
            except NotHere as error:
                self._missing = str(error)
        if self._machine is None:
            skips = os.environ.get("TENDER_PEERS") != "required"
            return [_made(item, "skipped" if skips else "failed", self._missing)]
        found = self._machine.reports(item.nodeid)
        while not found and self._machine.panicked and self._panics < PANICS:
            self._panics += 1
            item.config.get_terminal_writer().line(f"\nthe machine's kernel fell over at {item.nodeid}")
            self._machine.close()
            self._machine = Machine(item.config, wanted[wanted.index(item.nodeid) :])
            found = self._machine.reports(item.nodeid)
        if found:
            for report in found:
                if report.failed:
                    report.sections.append(("the machine's console", self._machine.log()))
            return found
        seconds = time.monotonic() - self._machine.began
        text = f"the small machine ended, or stood still, after {seconds:.0f} s:\n{self._machine.log()}"
        return [_made(item, "failed", text)]


def _made(item: pytest.Item, outcome: str, text: str) -> pytest.TestReport:
    path, line, _ = item.location
    longrepr: Any = (path, line or 0, f"Skipped: {text}") if outcome == "skipped" else text
    return pytest.TestReport(item.nodeid, item.location, {}, outcome, longrepr, "setup")  # type: ignore[arg-type]
