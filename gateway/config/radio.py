"""The part of the configuration about nodes on the air: which become ours unasked, how much is listened."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_KEYS = re.compile(r"\{(address|name|profile)\}")
_REST = re.compile(r"[A-Za-z0-9._-]*")


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return text


def _name(text: str) -> str:
    if "{address}" not in text and "{name}" not in text:
        raise ValueError("it has {address} or {name}: no two nodes have the same name")
    if not _REST.fullmatch(_KEYS.sub("", text)):
        raise ValueError("a name has the characters A-Z a-z 0-9 . _ -, and {address}, {name}, {profile}")
    return text


Scan = Literal["always", "on-demand"] | Annotated[int, Field(ge=1, le=59)]
"""``always``; ``on-demand``: only for those who ask, and to connect; or so many seconds of each minute.

However much it is, nobody listens for candidates while a node is connected through the adapter.
"""
DEFAULT_SCAN: Scan = 10


class AdoptTable(BaseModel):
    """Candidates that become nodes of this gateway without anybody being asked; every condition must hold."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    profile: str
    """What they become; they match this profile's ``[discovery]``."""
    adapters: tuple[str, ...] = Field(min_length=1)
    """The adapters that have to hear it, by their names in the configuration: one of them is enough."""
    name: Annotated[str, AfterValidator(_pattern)] | None = None
    """A pattern that the name they call out meets."""
    rssi: int = Field(default=-127, ge=-127, le=20)
    """The least signal strength in dBm: those of the neighbours may call out the same."""
    labels: dict[str, str] = {}
    """Given to each of them."""
    node: Annotated[str, AfterValidator(_name)] = "{profile}-{address}"
    """What they are called."""
    most: int = Field(default=50, ge=1, le=1000)
    """So many nodes are adopted for this profile by rules: anybody can call out what a rule waits for."""
    alone: bool = False
    """No other gateway hears these nodes; without an upstream that could say so, none is owned otherwise."""
