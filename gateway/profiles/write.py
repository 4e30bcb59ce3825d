"""Write plain values as TOML, for showing; comments and order of a file are not kept."""

import json
from collections.abc import Mapping
from typing import Any


def as_toml(values: Mapping[str, Any]) -> str:
    """A TOML document that reads back as these values: tables, lists, text, numbers."""
    lines: list[str] = []
    _table(lines, (), values)
    return "\n".join(lines).strip("\n") + "\n"


def _table(lines: list[str], path: tuple[str, ...], values: Mapping[str, Any]) -> None:
    below = {key: value for key, value in values.items() if isinstance(value, Mapping) or _tables(value)}
    lines += [f"{_key(key)} = {_value(value)}" for key, value in values.items() if key not in below]
    for key, value in below.items():
        place = (*path, key)
        name = ".".join(map(_key, place))
        for each in value if isinstance(value, list) else (value,):
            lines += ["", f"[[{name}]]" if isinstance(value, list) else f"[{name}]"]
            _table(lines, place, each)


def _tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, Mapping) for each in value)


def _key(key: str) -> str:
    plain = key.replace("-", "").replace("_", "")
    return key if plain.isascii() and plain.isalnum() else json.dumps(key)


def _value(value: object) -> str:
    match value:
        case list() | tuple():
            return f"[{', '.join(map(_value, value))}]"
        case bool() | int() | float():
            return json.dumps(value)
        case _ if "\\" in str(value) and not set(str(value)) & {"'", "\n"}:
            return f"'{value}'"  # regular expressions stay legible
        case _:
            return json.dumps(str(value), ensure_ascii=False)
