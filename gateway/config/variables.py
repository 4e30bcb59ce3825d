"""Read one layer from the environment, or from the flags of a command."""

import tomllib
from collections.abc import Mapping
from typing import Any

from gateway.config.layers import Layer, Tree
from gateway.config.model import Config
from gateway.config.nearest import nearest
from gateway.config.positions import Path
from gateway.config.shapes import fields, keys_at
from gateway.config.sources import bad_source, name_nodes
from gateway.config.syntax import syntax_error

PREFIX = "TENDER_"
NOT_KEYS = frozenset({"TENDER_CONFIG"})
"""Variables that are ours without being keys."""


def environment_layer(environment: Mapping[str, str]) -> Layer:
    """``TENDER_LOG__LEVEL=debug`` says ``log.level``.

    Raises:
        BadConfig: a value is not of the form that it begins.
    """
    tree: Tree = {}
    said: dict[Path, str] = {}
    for name in _ours(environment):
        path = _as_keys(name.removeprefix(PREFIX).split("__"))
        _put(tree, path, _value(environment[name], name), name)
        said.update({path[:length]: name for length in range(1, len(path) + 1)})
    return name_nodes(tree, lambda path: _nearest_place(said, path, "environment"))


def left_aside(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The variables that look like ours and are none, each as a sentence."""
    top, ours = fields(Config), _ours(environment)
    said = []
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in NOT_KEYS and name not in ours:
            close = nearest(name.removeprefix(PREFIX), top)
            hint = f"; did you mean {PREFIX}{close.upper()}?" if close else ""
            said.append(f"{name} is no key of ours and was left aside{hint}")
    return tuple(said)


def _ours(environment: Mapping[str, str]) -> list[str]:
    """What is meant for us, and so has to be right: its first part is a key, or nearly one with more to it.

    The rest is let be: container runtimes make variables of a service's name on
    their own, as in ``TENDER_PORT_80_TCP``.
    """
    top = fields(Config)
    found = []
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name in NOT_KEYS:
            continue
        first, more, _ = name.removeprefix(PREFIX).partition("__")
        if first.lower() in top or (more and nearest(first, top) is not None):
            found.append(name)
    return found


def flags_layer(flags: Mapping[str, tuple[str, str]]) -> Layer:
    """What the command was given: by dotted key, the value's text and the flag that said it.

    Raises:
        BadConfig: a value is not of the form that it begins.
    """
    tree: Tree = {}
    said: dict[Path, str] = {}
    for key, (text, flag) in flags.items():
        path = tuple(key.split("."))
        _put(tree, path, _value(text, flag), flag)
        said.update({path[:length]: flag for length in range(1, len(path) + 1)})
    return name_nodes(tree, lambda path: _nearest_place(said, path, "flags"))


def _as_keys(parts: list[str]) -> tuple[str, ...]:
    """Names of keys are written small; names that people gave (of nodes, of trusted keys) as they are."""
    path: tuple[str, ...] = ()
    for part in parts:
        known = keys_at(Config, path)
        free = not known and path and path[0] in {"nodes", "trust"}
        path = (*path, part if free else part.lower())
    return path


def _value(text: str, origin: str) -> Any:
    """A list, table or quoted text as in TOML; anything else as it stands."""
    if not text.lstrip().startswith(("[", "{", '"', "'")):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        message, _ = syntax_error(error, origin)
        raise bad_source("syntax", origin, message, "Write lists and tables as in TOML: [1, 2].") from error


def _put(tree: Tree, path: tuple[str, ...], value: Any, origin: str) -> None:
    for key in path[:-1]:
        below = tree.setdefault(key, {})
        if not isinstance(below, dict):
            raise bad_source(
                "bad-value", origin, f"{'.'.join(path)}: {key} was given a value of its own", "Give one."
            )
        tree = below
    tree[path[-1]] = value


def _nearest_place(said: Mapping[Path, str], path: Path, otherwise: str) -> str:
    for length in range(len(path), 0, -1):
        if path[:length] in said:
            return said[path[:length]]
    return otherwise
