"""Read one layer from a TOML file, and let lists of nodes stand for tables of nodes."""

import tomllib
from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any

from gateway.config.errors import BadConfig
from gateway.config.findings import Finding
from gateway.config.layers import Layer, Tree
from gateway.config.positions import Path, key_lines, line_of
from gateway.config.syntax import syntax_error

MAX_FILE = 16 << 20
"""Bytes of a file: an inventory of ten thousand nodes has a tenth of that."""


def file_layer(file: FilePath) -> Layer:
    """A TOML file.

    Raises:
        BadConfig: it cannot be read, or is not TOML.
    """
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_FILE + 1)
    except OSError as error:
        raise bad_source(
            "unreadable", str(file), str(error.strerror), "Name a readable file by --config."
        ) from error
    if len(data) > MAX_FILE:
        raise bad_source(
            "too-large", str(file), f"more than {MAX_FILE} bytes", "Split it into drop-in files."
        )
    try:
        text = data.decode()
        tree = tomllib.loads(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        message, where = syntax_error(error, str(file))
        raise bad_source("syntax", where, message, "Correct it; see https://toml.io.") from error
    lines = key_lines(text)

    def place(path: Path) -> str:
        line = line_of(lines, path)
        return str(file) if line is None else f"{file}:{line}"

    return name_nodes(tree, place)


def name_nodes(tree: Tree, where: Callable[[Path], str]) -> Layer:
    """Let ``[[nodes]]`` with a ``name`` stand for ``[nodes.NAME]``.

    Raises:
        BadConfig: an entry has no name, or one that another has.
    """
    listed = tree.get("nodes")
    if not isinstance(listed, list):
        return Layer(tree, where)
    named: dict[str, Any] = {}
    index: dict[str, int] = {}
    findings = []
    for at, entry in enumerate(listed):
        name = entry.get("name") if isinstance(entry, dict) else None
        place = where(("nodes", at))
        if not isinstance(name, str):
            message, remedy = f"nodes[{at}] has no name", 'Add name = "…".'
            findings.append(Finding("config-missing-key", place, f"nodes[{at}].name", message, remedy))
        elif name in named:
            message = f"the node {name} is there twice; first at {where(('nodes', index[name]))}"
            remedy = "Give one of the two another name."
            findings.append(Finding("config-node-twice", place, f"nodes[{at}].name", message, remedy))
        else:
            named[name] = {key: value for key, value in entry.items() if key != "name"}
            index[name] = at
    if findings:
        raise BadConfig(f"{len(findings)} of {len(listed)} nodes", findings)

    def renamed(path: Path) -> str:
        if len(path) > 1 and path[0] == "nodes" and path[1] in index:
            path = ("nodes", index[str(path[1])], *path[2:])
        return where(path)

    return Layer({**tree, "nodes": named}, renamed)


def bad_source(code: str, where: str, message: str, remedy: str) -> BadConfig:
    """One finding that makes a whole source unreadable."""
    return BadConfig(f"1 finding in {where}", [Finding(f"config-{code}", where, "", message, remedy)])
