"""How a node of a type is told from strangers by what it calls out: a profile's ``[discovery]`` table."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from transports.gatt import uuid16

_SHORT = re.compile(r"(?:0x)?([0-9a-fA-F]{4})")
_LONG = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_BEGINNING = re.compile(r"(?:[0-9A-F]{2}:){0,5}[0-9A-F]{2}:?")
_WHOLE = re.compile(r"[0-9A-F]{2}(?::[0-9A-F]{2}){5}")


def _service(text: str) -> str:
    short = _SHORT.fullmatch(text)
    full = uuid16(int(short[1], 16)) if short else text.lower()
    if not _LONG.fullmatch(full):
        raise ValueError("a service is a UUID, or the four hex digits of one of the Bluetooth SIG")
    return full


def _hex(text: str) -> str:
    try:
        bytes.fromhex(text)
    except ValueError as error:
        raise ValueError("the data are pairs of hex digits") from error
    return text.lower()


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return text


def _addresses(text: str) -> str:
    text = text.upper()
    first, dash, last = text.partition("-")
    if not dash and _BEGINNING.fullmatch(text):
        return text
    if not _WHOLE.fullmatch(first) or not _WHOLE.fullmatch(last):
        raise ValueError("addresses are the beginning of one (C0:FF:EE), or FIRST-LAST")
    if first > last:
        raise ValueError("the range ends before it begins")
    return text


class ManufacturerTable(BaseModel):
    """Manufacturer data, which anybody may send: company, and how the data begins."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    company: int = Field(ge=0, le=0xFFFF)
    """The company identifier that the Bluetooth SIG assigned."""
    data: Annotated[str, AfterValidator(_hex)] = ""
    """How the data behind it begins, in hex; whatever it is if left out."""


class DiscoveryTable(BaseModel):
    """What such a node's advertisement must have: every key that is given must hold.

    A profile without any of them never shows candidates.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    services: tuple[Annotated[str, AfterValidator(_service)], ...] = ()
    """Services of which it names at least one."""
    manufacturer: ManufacturerTable | None = None
    """Manufacturer data that it sends."""
    name: Annotated[str, AfterValidator(_pattern)] | None = None
    """A pattern that its whole name meets."""
    addresses: tuple[Annotated[str, AfterValidator(_addresses)], ...] = ()
    """Where its address lies: beginnings (``C0:FF:EE``) or ranges (``FIRST-LAST``), one of which holds it."""

    @property
    def says_anything(self) -> bool:
        """Whether there is anything to know a node by."""
        return bool(self.services or self.manufacturer or self.name or self.addresses)

    @model_validator(mode="after")
    def _by_something(self) -> "DiscoveryTable":
        if self.model_fields_set and not self.says_anything:
            raise ValueError("it says nothing that a node could be known by")
        return self
