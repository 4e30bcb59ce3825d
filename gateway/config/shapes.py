"""Ask a pydantic model what may stand at a place of the document that it describes."""

import types
from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from gateway.config.positions import Path


def written(model: type[BaseModel], location: Path) -> Path:
    """A location of pydantic's as it is written in the document: without the tags of unions."""
    kinds: list[Any] = [model]
    path: list[str | int] = []
    for part in location:
        chosen = [kind for kind in kinds if _tagged(kind, part)] if len(kinds) > 1 else []
        if chosen:
            kinds = chosen
            continue
        if part == "[key]":
            continue
        path.append(part)
        kinds = _below(kinds, part)
    return tuple(path)


def keys_at(model: type[BaseModel], path: Path) -> tuple[str, ...]:
    """The keys that the table at this place may have."""
    return tuple(key for kind in _at(model, path) if _is_model(kind) for key in fields(kind))


def choices_at(model: type[BaseModel], path: Path) -> tuple[str, ...]:
    """The values allowed at this place, where that is a closed list."""
    choices: list[str] = []
    for kind in _at(model, path):
        if get_origin(kind) is Literal:
            choices += map(str, get_args(kind))
        elif isinstance(kind, type) and issubclass(kind, Enum):
            choices += [str(each.value) for each in kind]
    return tuple(dict.fromkeys(choices))


def fields(model: type[BaseModel]) -> dict[str, Any]:
    """The fields of a model by the names that are written."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def members(kind: Any) -> list[Any]:
    """What a type is a choice of, without None; itself if it is none."""
    origin = get_origin(kind)
    if origin is Annotated:
        return members(get_args(kind)[0])
    if origin in (Union, types.UnionType):
        return [each for arg in get_args(kind) if arg is not type(None) for each in members(arg)]
    return [kind]


def _at(model: type[BaseModel], path: Path) -> list[Any]:
    kinds: list[Any] = [model]
    for part in path:
        kinds = _below(kinds, part)
    return kinds


def _below(kinds: list[Any], part: str | int) -> list[Any]:
    found: list[Any] = []
    for kind in kinds:
        origin, args = get_origin(kind), get_args(kind)
        if _is_model(kind):
            field = fields(kind).get(str(part))
            found += members(field.annotation) if field is not None else []
        elif origin in (tuple, list) and args:
            found += members(args[0])
        elif isinstance(origin, type) and issubclass(origin, Mapping) and len(args) == 2:
            found += members(args[1])
    return found


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _tagged(kind: Any, part: str | int) -> bool:
    """Whether this member of a union is the one that pydantic names ``part``."""
    if not _is_model(kind):
        return False
    return any(
        get_origin(field.annotation) is Literal and part in get_args(field.annotation)
        for field in fields(kind).values()
    )
