"""What a disk may hold after the power failed at any point of a traced run.

A write that was not synced may be lost, may be there, or may be torn; in any order
among the others of its kind.  What was synced is there.
"""

import random
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_HEAD = struct.Struct("=cBqQ")
_HERE = Path(__file__).parent
TRACED = "traced"
"""The folder whose files are traced."""


@dataclass(frozen=True, slots=True)
class Traced:
    """One call on one file: ``w`` rite, ``t`` runcate, ``s`` ync or ``u`` nlink."""

    kind: str
    name: str
    offset: int
    data: bytes


def trace(folder: Path, module: str, name: str) -> list[Traced]:
    """Run a module of ours over a folder; everything that it did to files of this name, in order."""
    shim = folder / "shim.so"
    build = ["gcc", "-shared", "-fPIC", "-O1", "-o", str(shim), str(_HERE / "shim.c"), "-ldl"]
    subprocess.run(build, check=True, timeout=60)
    log, work = folder / "trace", folder / TRACED
    work.mkdir()
    environment = {
        "LD_PRELOAD": str(shim),
        "TRACE_NAME": name,
        "TRACE_FOLDER": str(work),
        "TRACE_LOG": str(log),
        "PATH": "/usr/bin:/bin",
    }
    root = _HERE.parents[2]
    subprocess.run(
        [sys.executable, "-m", module, str(work)], check=True, cwd=root, env=environment, timeout=120
    )
    return list(_read(log.read_bytes()))


def _read(data: bytes) -> Iterator[Traced]:
    at = 0
    while at < len(data):
        kind, path_length, offset, size = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        path = data[at : at + path_length].decode()
        at += path_length
        yield Traced(kind.decode(), Path(path).name, offset, data[at : at + size])
        at += size


Files = dict[str, bytes]


class Disk:
    """What is on the platter, and what is on its way there."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._synced: Files = {}
        self._pending: list[Traced] = []

    def happened(self, call: Traced) -> None:
        """One more call returned."""
        if call.kind != "s":
            self._pending.append(call)
            return
        # A file's sync saves its bytes; that it is gone is saved by the folder's, under the folder's name.
        gone = call.name == self._folder
        mine = [each for each in self._pending if (each.kind == "u" if gone else each.name == call.name)]
        self._pending = [each for each in self._pending if each not in mine]
        for each in mine:
            _apply(self._synced, each)

    def images(self, chance: random.Random, *, samples: int = 2) -> Iterator[Files]:
        """What may be there if the power fails now."""
        yield self._with(self._pending)
        if not self._pending:
            return
        yield dict(self._synced)
        yield self._with([*self._pending[:-1], _torn(self._pending[-1], chance)])
        for _ in range(samples):
            kept = [each for each in self._pending if chance.random() < 0.5]
            if kept and chance.random() < 0.5:
                kept[-1] = _torn(kept[-1], chance)
            yield self._with(kept)

    def _with(self, calls: list[Traced]) -> Files:
        files = dict(self._synced)
        for each in calls:
            _apply(files, each)
        return files


def _torn(call: Traced, chance: random.Random) -> Traced:
    """As much of a write as came through: half of it, or any part."""
    cut = len(call.data) // 2 if chance.random() < 0.5 else chance.randrange(len(call.data) + 1)
    return Traced(call.kind, call.name, call.offset, call.data[:cut])


def _apply(files: Files, call: Traced) -> None:
    if call.kind == "u":
        files.pop(call.name, None)
        return
    old = files.get(call.name, b"")
    if call.kind == "t":
        files[call.name] = old[: call.offset].ljust(call.offset, b"\0")
        return
    old = old.ljust(call.offset, b"\0")
    files[call.name] = old[: call.offset] + call.data + old[call.offset + len(call.data) :]
