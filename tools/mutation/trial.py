"""Try every change of some modules against the tests that guard them."""

import ast
import contextlib
import importlib
import json
import os
import random
import select
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from tools.mutation import child
from tools.mutation.changes import Change, changes

BASELINE_LIMIT = 1800.0
"""Seconds for the tests of one target without a change, watched line by line."""

GRACE = 10.0
"""Seconds above four times what the chosen tests take; a change that needs more is noticed."""


class Verdict(StrEnum):
    """What became of a change."""

    NOTICED = "noticed"
    TIMED_OUT = "timed-out"
    SURVIVED = "survived"
    NOT_REACHED = "not-reached"
    EQUIVALENT = "equivalent"


@dataclass(frozen=True, slots=True)
class Target:
    """Modules, and the tests (files or folders) that guard them."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    leave_out: tuple[str, ...] = ()

    def files(self, root: Path) -> list[Path]:
        """The modules' files."""
        found = {file for pattern in self.modules for file in root.glob(pattern)}
        return sorted(found - {file for pattern in self.leave_out for file in root.glob(pattern)})


@dataclass(frozen=True, slots=True)
class Mutant:
    """A change of a module."""

    name: str
    file: Path
    change: Change


@dataclass(slots=True)
class Result:
    """A mutant and its verdict."""

    mutant: Mutant
    verdict: Verdict
    by: str | None = None


class TargetBroken(Exception):
    """The tests of a target do not pass as it is, so that they can say nothing of changes."""


@dataclass(slots=True)
class Trial:
    """One target being tried."""

    root: Path
    target: Target
    equivalents: frozenset[tuple[str, str]]
    workers: int
    baseline: dict[str, Any] = field(default_factory=dict)
    kills: Counter[str] = field(default_factory=Counter)

    def prepare(self) -> None:
        """Run the tests without a change, and import what they import of other people's."""
        files = self.target.files(self.root)
        if not files:
            raise TargetBroken(f"no module is called {', '.join(self.target.modules)}")
        modules = [(self.module_name(file), file) for file in files]
        tests = self.target.tests
        process, pipe = child.forked(lambda: child.run_baseline(self.root, tests, modules))
        self.baseline = answer_of(process, pipe, BASELINE_LIMIT)
        if self.baseline.get("code") != 0 or not self.baseline.get("seconds"):
            reason = self.baseline.get("error", f"pytest ended with {self.baseline.get('code')}")
            raise TargetBroken(f"{' '.join(tests)}: {reason}")
        self._import_libraries()

    def _import_libraries(self) -> None:
        for name in self.baseline["imported"]:
            if not self._is_ours(name) and not name.startswith(("_pytest", "pytest", "tests", "conftest")):
                with contextlib.suppress(Exception):
                    importlib.import_module(name)

    def _is_ours(self, name: str) -> bool:
        top = name.partition(".")[0]
        return (self.root / top).is_dir() or (self.root / f"{top}.py").exists() or top.startswith("test_")

    def module_name(self, file: Path) -> str:
        """The name under which the project imports a file."""
        parts = file.relative_to(self.root).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def mutants(self) -> list[Mutant]:
        """Every change of every module of the target."""
        found = []
        for file in self.target.files(self.root):
            name = self.module_name(file)
            module = ast.parse(file.read_text(), str(file))
            members = self.baseline["enums"][name]
            found += [Mutant(name, file, change) for change in changes(module, members)]
        return found

    def judge(self, mutants: Sequence[Mutant]) -> Iterator[Result]:
        """Try the mutants, some at a time, and tell of each as soon as it is known."""
        running: dict[int, tuple[Mutant, int, float]] = {}
        waiting = list(reversed(mutants))
        try:
            while waiting or running:
                while waiting and len(running) < self.workers:
                    mutant = waiting.pop()
                    verdict = self._without_a_run(mutant)
                    if verdict is not None:
                        yield Result(mutant, verdict)
                        continue
                    process, pipe, limit = self._start(mutant)
                    running[process] = mutant, pipe, time.monotonic() + limit
                for process, (mutant, pipe, deadline) in list(running.items()):
                    if select.select([pipe], [], [], 0.005)[0]:
                        del running[process]
                        yield self._result(mutant, answer_of(process, pipe, GRACE))
                    elif time.monotonic() > deadline:
                        del running[process]
                        end(process, pipe)
                        yield Result(mutant, Verdict.TIMED_OUT)
        finally:
            for process, (_, pipe, _) in running.items():
                end(process, pipe)

    def _without_a_run(self, mutant: Mutant) -> Verdict | None:
        module = mutant.file.relative_to(self.root).as_posix()
        if any(row == (module, mutant.change.text) for row in self.equivalents if row[0] == module):
            return Verdict.EQUIVALENT
        return None if self._guards(mutant) else Verdict.NOT_REACHED

    def _guards(self, mutant: Mutant) -> list[str]:
        """The tests that reach the change, the best first; all of them for what an import runs."""
        file, lines = str(mutant.file), mutant.change.lines
        reached = {
            test
            for test, files in self.baseline["lines"].items()
            if any(line in lines for line in files.get(file, ()))
        }
        seconds = self.baseline["seconds"]
        chosen = seconds if "" in reached else reached
        return sorted(chosen, key=lambda test: (-self.kills[test], seconds[test]))

    def _start(self, mutant: Mutant) -> tuple[int, int, float]:
        order = self._guards(mutant)
        limit = GRACE + 4 * sum(self.baseline["seconds"][test] for test in order)
        files = sorted({test.partition("::")[0] for test in order})
        tree = mutant.change.applied()
        work = (self.root, files, order, mutant.name, mutant.file, tree)
        return *child.forked(lambda: child.run_changed(*work)), limit

    def _result(self, mutant: Mutant, answer: dict[str, Any]) -> Result:
        if answer.get("code") == int(pytest.ExitCode.OK):
            return Result(mutant, Verdict.SURVIVED)
        by = answer.get("failed")
        if by:
            self.kills[by] += 1
        return Result(mutant, Verdict.NOTICED, by or answer.get("error"))


def answer_of(process: int, pipe: int, limit: float) -> dict[str, Any]:
    """What a child has to say, or that it died."""
    with os.fdopen(pipe) as stream:
        if not select.select([stream], [], [], limit)[0]:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process, signal.SIGKILL)
            os.waitpid(process, 0)
            return {"code": 1, "error": f"not done in {limit:.0f} s"}
        text = stream.read()
    os.waitpid(process, 0)
    answer: dict[str, Any] = json.loads(text) if text else {"code": 1, "error": "the process died"}
    return answer


def end(process: int, pipe: int) -> None:
    """Kill a child and whatever it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)
    os.waitpid(process, 0)
    os.close(pipe)


def sample(mutants: list[Mutant], count: int | None, seed: int) -> list[Mutant]:
    """Some of the mutants, in their order; all of them without a count."""
    if count is None or count >= len(mutants):
        return mutants
    picked = sorted(random.Random(seed).sample(range(len(mutants)), count))
    return [mutants[index] for index in picked]


def progress(text: str) -> None:
    """One line that is written over, where somebody watches."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()
