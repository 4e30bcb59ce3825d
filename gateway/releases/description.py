"""What somebody writes to describe a release: a ``release.toml`` beside the files it names.

::

    product = "thermostat"
    version = "2.1.0"

    [[artifact]]
    file = "build/app.signed.bin"
    profile = "mcuboot-uart"
    format = "mcuboot"
"""

import difflib
import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.releases.errors import BadDescription
from gateway.releases.manifest import Created, Label, Name, Notes, Url, Version

_MAX_DESCRIPTION = 4 << 20


class ArtifactDescription(BaseModel):
    """One ``[[artifact]]``; ``file`` is relative to the description, the rest as in the manifest."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str = Field(min_length=1)
    profile: Name
    format: Name
    component: Name = "app"
    variant: Name | None = None
    name: Name | None = None
    """In the release file; the file's own name where it is not given."""
    hardware: tuple[Label, ...] = ()
    version: Version | None = None
    follows: Version | None = None
    data_format: Label | None = None
    can_return_to: tuple[Label, ...] = ()
    urls: tuple[Url, ...] = ()


class Description(BaseModel):
    """A whole ``release.toml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    product: Name
    version: Version
    notes: Notes = ""
    created: Created | None = None
    artifact: tuple[ArtifactDescription, ...] = Field(min_length=1)


def read_description(path: Path) -> Description:
    """Read a ``release.toml``.

    Raises:
        BadDescription: it cannot be read; the message names the place, and the nearest
            known key for one that is not known.
    """
    try:
        with path.open("rb") as file:
            fields = tomllib.loads(file.read(_MAX_DESCRIPTION).decode())
    except OSError as error:
        raise BadDescription(f"cannot read {path}: {error.strerror}", remedy="Check the path.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadDescription(f"{path.name}: {error}") from error
    try:
        return Description.model_validate(fields)
    except ValidationError as error:
        raise BadDescription(f"{path.name}: {'; '.join(_explain(error))}") from error


def _explain(error: ValidationError) -> list[str]:
    return [_sentence(one) for one in error.errors(include_url=False, include_context=False)]


def _sentence(problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] != "extra_forbidden":
        return f"{where}: {problem['msg']}"
    model = Description if len(problem["loc"]) == 1 else ArtifactDescription
    near = difflib.get_close_matches(str(problem["loc"][-1]), model.model_fields, n=1, cutoff=0.5)
    return f"{where}: there is no such key" + (f"; did you mean {near[0]!r}?" if near else "")
