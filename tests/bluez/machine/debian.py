"""Where Debian's files are: on this machine, or unpacked by ``tools/debian-packages``."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.peers import debian


class NotHere(Exception):
    """A program or a file of Debian is missing; the text says which."""


def roots() -> Iterator[Path]:
    """The machine's own root, and the unpacked one."""
    yield Path("/")
    yield debian.UNPACKED


def found(*names: str) -> Path:
    """The first of these files that is there.

    Raises:
        NotHere: none is.
    """
    for name in names:
        for root in roots():
            if (root / name).exists():
                return root / name
    raise NotHere(f"{names[0]} is not here; `make debs` fetches it")


def kernel() -> tuple[Path, Path]:
    """The newest of Debian's kernels that comes with its modules, and their folder.

    Raises:
        NotHere: there is none.
    """
    kernels = [
        (image, modules)
        for root in roots()
        for image in sorted((root / "boot").glob("vmlinuz-*-amd64"), reverse=True)
        if (modules := root / "lib/modules" / image.name.removeprefix("vmlinuz-") / "kernel").is_dir()
    ]
    if not kernels:
        raise NotHere("no Debian kernel is here; `make debs` fetches one")
    return kernels[0]


@cache
def _modules(folder: Path) -> dict[str, Path]:
    return {path.stem.replace("-", "_"): path for path in folder.rglob("*.ko")}


def in_order(folder: Path, wanted: list[str]) -> list[Path]:
    """These modules and what they build on, in the order in which they have to be loaded.

    A module names what it builds on in its section ``.modinfo``, as ``depends=a,b``; no list made
    by depmod is needed.  What the kernel has built in has no file, and is left out.
    """
    there = _modules(folder)
    order: dict[str, Path] = {}

    def add(name: str) -> None:
        path = there.get(name.replace("-", "_"))
        if path is None or path.stem in order:
            return
        _, _, rest = path.read_bytes().partition(b"\0depends=")
        for each in rest.partition(b"\0")[0].decode().split(","):
            if each:
                add(each)
        order.setdefault(path.stem, path)

    for name in wanted:
        add(name)
    return list(order.values())
