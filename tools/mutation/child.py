"""One pytest run in a process forked for it, with a changed module or with an eye on lines.

The parent has imported pytest and every library, and nothing of the project.  A child so
starts in a moment, and imports the project with the change in it.  Nothing is written.
"""

import ast
import enum
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import resource
import signal
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

import pytest
from hypothesis import Phase, settings

MEMORY = 6 << 30
"""Address space of a child, so that a change that asks for everything ends as an error."""

# Whether a test fails is all that is asked: the same examples each time, none made smaller.
settings.register_profile(
    "mutants", deadline=None, derandomize=True, database=None, phases=(Phase.explicit, Phase.generate)
)

OPTIONS = (
    *("-x", "-q", "-p", "no:cacheprovider", "--no-header", "--hypothesis-profile=mutants"),
    *("-m", "not peer and not slow"),
    # The parent has imported the plugins already; that their asserts stay plain is no matter.
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
)


class ChangedModule(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds and loads one module from a syntax tree instead of its file."""

    def __init__(self, name: str, file: Path, tree: ast.Module) -> None:
        self.name, self.file, self.tree = name, file, tree

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """This one module is ours."""
        if fullname != self.name:
            return None
        places = [str(self.file.parent)] if self.file.name == "__init__.py" else None
        return importlib.util.spec_from_file_location(
            fullname, self.file, loader=self, submodule_search_locations=places
        )

    def get_source(self, fullname: str) -> str:
        """The text as it is in the file: tracebacks quote it."""
        return self.file.read_text()

    def get_code(self, fullname: str) -> CodeType:
        """The changed code."""
        return compile(self.tree, str(self.file), "exec")


class Chosen:
    """A pytest plugin: runs some tests only, in the order given, and tells which one failed."""

    def __init__(self, order: Sequence[str]) -> None:
        self.rank = {node: index for index, node in enumerate(order)}
        self.failed: str | None = None

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Choose and sort."""
        items[:] = sorted(
            (item for item in items if item.nodeid in self.rank), key=lambda item: self.rank[item.nodeid]
        )

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember the first that failed."""
        if report.failed and self.failed is None:
            self.failed = report.nodeid


class Watcher:
    """A pytest plugin: which lines of some files does each test reach, and in how many seconds?"""

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = {str(file) for file in files}
        self.lines: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
        self.seconds: dict[str, float] = {}
        self.test = ""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        """Watch one test with its fixtures."""
        self.test = item.nodeid
        started = time.perf_counter()
        try:
            return (yield)
        finally:
            self.seconds[item.nodeid] = time.perf_counter() - started
            self.test = ""

    def trace(self, frame: FrameType, event: str, argument: object) -> Callable[..., Any] | None:
        """For ``sys.settrace``: look at the lines of our files, and at no other."""
        if frame.f_code.co_filename not in self.files:
            return None
        lines = self.lines[self.test][frame.f_code.co_filename]
        lines.add(frame.f_lineno)

        def line(frame: FrameType, event: str, argument: object) -> Callable[..., Any]:
            lines.add(frame.f_lineno)
            return line

        return line


def forked(work: Callable[[], dict[str, Any]]) -> tuple[int, int]:
    """Run ``work`` in a child; returns its process id and the pipe that its answer comes through."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child:
        os.close(write_end)
        return child, read_end
    os.setsid()
    os.close(read_end)
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silence, stream)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        answer = work()
    except BaseException as error:  # noqa: BLE001 - whatever a change leads to, it was noticed
        answer = {"code": 1, "error": repr(error)}
    with os.fdopen(write_end, "w") as pipe:
        json.dump(answer, pipe)
    os._exit(0)


def run_baseline(root: Path, tests: Sequence[str], modules: Sequence[tuple[str, Path]]) -> dict[str, Any]:
    """The unchanged project: which tests there are, what they reach, which enums it knows."""
    os.chdir(root)
    sys.path.insert(0, str(root))
    watcher = Watcher([file for _, file in modules])
    before = set(sys.modules)
    threading.settrace(watcher.trace)
    sys.settrace(watcher.trace)
    try:
        code = pytest.main([*OPTIONS, *tests], plugins=[watcher])
    finally:
        sys.settrace(None)
        threading.settrace(None)
    enums = {}
    for name, _ in modules:
        space = vars(importlib.import_module(name))
        kinds = {
            key: value
            for key, value in space.items()
            if isinstance(value, type) and issubclass(value, enum.Enum)
        }
        enums[name] = {key: [member.name for member in kind] for key, kind in kinds.items()}
    return {
        "code": int(code),
        "seconds": watcher.seconds,
        "lines": {
            test: {file: sorted(lines) for file, lines in files.items()}
            for test, files in watcher.lines.items()
        },
        "enums": enums,
        "imported": sorted(set(sys.modules) - before),
    }


def run_changed(
    root: Path, files: Sequence[str], order: Sequence[str], name: str, file: Path, tree: ast.Module
) -> dict[str, Any]:
    """The project with one changed module, judged by some of its tests."""
    os.chdir(root)
    sys.path.insert(0, str(root))
    sys.meta_path.insert(0, ChangedModule(name, file, tree))
    chosen = Chosen(order)
    code = pytest.main([*OPTIONS, *files], plugins=[chosen])
    return {"code": int(code), "failed": chosen.failed}
