"""Where the programs are that come from Debian and from the peers' own environment.

A program may be installed on the machine, or unpacked below the project's cache by
`tools/debian-packages`.  The tests do not care which.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

PROJECT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("TENDER_CACHE", PROJECT / ".cache"))
UNPACKED = CACHE / "debs" / "root"
PEERS = PROJECT / ".peers"

REQUIRED = os.environ.get("TENDER_PEERS") == "required"
"""Whether a missing peer fails the run (`make test`) or only skips its tests."""


def environment() -> dict[str, str]:
    """The variables with which a child process finds Debian's programs and their libraries."""
    programs = [
        os.environ.get("PATH", os.defpath),
        "/usr/sbin",
        f"{UNPACKED}/usr/bin",
        f"{UNPACKED}/usr/sbin",
    ]
    merged = {"PATH": joined(programs)}
    libraries = [str(folder) for folder in library_folders()]
    if libraries:
        merged["LD_LIBRARY_PATH"] = joined([*os.environ.get("LD_LIBRARY_PATH", "").split(":"), *libraries])
    return merged


def joined(folders: list[str]) -> str:
    """A search path without repetitions, in the order given."""
    return ":".join(dict.fromkeys(folder for entry in folders for folder in entry.split(":") if folder))


def library_folders() -> Iterator[Path]:
    """Where the unpacked packages keep their shared libraries."""
    for pattern in ("usr/lib/*-linux-gnu", "lib/*-linux-gnu", "usr/lib/*-linux-gnu/systemd", "lib/systemd"):
        yield from sorted(UNPACKED.glob(pattern))


def program(name: str) -> Path:
    """The path of one of Debian's programs; skips (or fails) the test where it is missing."""
    found = shutil.which(name, path=environment()["PATH"])
    if found is None:
        missing(f"no {name} here: run `make debs`")
    return Path(found)


def client(name: str) -> Path:
    """The path of a program in the peers' own environment; skips (or fails) the test without it."""
    found = PEERS / "bin" / name
    if not found.exists():
        missing(f"no {name} here: run `make peers`")
    return found


def file(relative: str) -> Path:
    """A file of a Debian package, by its path below the root; skips (or fails) the test without it."""
    found = [root / relative for root in (Path("/"), UNPACKED) if (root / relative).exists()]
    if not found:
        missing(f"no /{relative} here: run `make debs`")
    return found[0]


def missing(message: str) -> NoReturn:
    """A peer is not there."""
    if REQUIRED:
        pytest.fail(message)
    pytest.skip(message)
