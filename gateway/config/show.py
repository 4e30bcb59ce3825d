"""Every value of a configuration with who said it, for people and as plain values."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from gateway.config.findings import dotted, is_secret
from gateway.config.load import Loaded
from gateway.config.positions import Path

HIDDEN = "(secret)"
BUILT_IN = "built-in"
_FROM_SERVICE_MANAGER = {"state": "STATE_DIRECTORY", "socket": "RUNTIME_DIRECTORY"}


@dataclass(frozen=True, slots=True)
class Value:
    """One value; a secret is told by :data:`HIDDEN` and not by what it is."""

    key: str
    value: Any
    origin: str


def values(loaded: Loaded, environment: Mapping[str, str] | None = None) -> tuple[Value, ...]:
    """All values, in the order of the model, nodes by name."""
    variables = os.environ if environment is None else environment
    found = []
    for path, value in _leaves(loaded.config.model_dump(), ()):
        key = dotted(path)
        # A table that is given says nothing of the keys that it leaves out.
        origin = loaded.origins.get(path, BUILT_IN)
        if origin == BUILT_IN and variables.get(_FROM_SERVICE_MANAGER.get(key, "")):
            origin = f"${_FROM_SERVICE_MANAGER[key]}"
        found.append(Value(key, _plain(path, value), origin))
    return tuple(found)


def _leaves(value: object, path: Path) -> Iterator[tuple[Path, object]]:
    if isinstance(value, dict) and (value or not path):
        for key, below in value.items():
            yield from _leaves(below, (*path, key))
    else:
        yield path, value


def _plain(path: Path, value: object) -> Any:
    if isinstance(value, SecretStr) or (value is not None and _hidden(path)):
        return HIDDEN
    if isinstance(value, list | tuple):
        return [_plain((), each) for each in value]
    if value is None or isinstance(value, bool | int | float | str | dict):
        return value
    return str(value)


def _hidden(path: Path) -> bool:
    """A path to a secret is none."""
    last = str(path[-1]) if path else ""
    return is_secret(last) and not last.endswith("_file")
