"""What is in a simulated Zigbee network: where its coordinator is plugged in, and the nodes.

Read from a file, so that a bench can be handed on; the demo makes one in memory.
"""

import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from transports.ble.place import HciPlace
from transports.errors import BadLink, TenderError
from transports.zigbee.address import ieee_address

_BITS = 64


class BadMesh(TenderError):
    """The description of a network cannot be used."""

    code = "bad-mesh"
    remedy = "`tender virtual zigbee --help` shows an example; the message names the key."
    retryable = False


def _ieee(text: str) -> str:
    try:
        return ieee_address(text)
    except BadLink as error:
        raise ValueError("an address is written 00:12:4b:00:1c:aa:bb:01") from error


def _port(text: str) -> str:
    scheme, _, rest = text.partition(":")
    if scheme not in ("pty", "tcp") or not rest:
        raise ValueError("a coordinator is at pty:/path or at tcp:PORT")
    if scheme == "tcp" and not rest.isdigit():
        raise ValueError("the port is a number; the network is offered to this machine alone")
    return text


Ieee = Annotated[str, AfterValidator(_ieee)]
Port = Annotated[str, AfterValidator(_port)]
Place = Annotated[str, AfterValidator(lambda text: str(HciPlace.parse(text)))]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CoordinatorTable(_Table):
    """The coordinator, which speaks TI's ZNP."""

    listen: Port
    """``pty:/path`` or ``tcp:PORT``: what the gateway's ``path`` says, as ``/path`` or ``socket://127.0.0.1:PORT``."""
    ieee: Ieee = "00:12:4b:00:2a:00:00:01"
    state: Path | None = None
    """A folder in which it remembers its network across runs; else it begins without one."""
    seed: int = 0
    """Of the dice that lose frames and choose waits."""


class PowerCutTable(_Table):
    """When a node loses its power by itself."""

    at: int = Field(ge=0)
    """The flash operation, counted from the node's beginning."""
    torn: bool = False
    """In the middle of it, instead of just before."""
    off_for: float | None = Field(default=1.0, gt=0)
    """Seconds; ``stays_off`` in its place leaves it off."""
    stays_off: bool = False

    @property
    def seconds(self) -> float | None:
        """How long it is off; None for good."""
        return None if self.stays_off else self.off_for


class NodeTable(_Table):
    """One node, or several alike."""

    profile: str
    ieee: Ieee
    """Of the first one; copies have the ones after it."""
    count: int = Field(default=1, ge=1, le=200)
    """More than one are called NAME-1, NAME-2, …"""
    hops: int = Field(default=1, ge=1, le=5)
    """Radio hops from the coordinator; those further away share relays."""
    loss: float = Field(default=0.0, ge=0, lt=1)
    """The chance that a frame is lost on each hop, before it is sent again."""
    joined: bool = False
    """It has been in the network for long; else it joins as soon as it may."""
    version: str = "1.0.0"
    """Of the small healthy application that it runs where ``firmware`` gives none."""
    firmware: dict[str, Path] = {}
    """Files by component, relative to the description."""
    traits: dict[str, str] = {}
    """Faults and traits of its flasher's virtual node: `tender virtual PROFILE --list-faults`."""
    power_cut: PowerCutTable | None = None

    def copies(self, name: str) -> list[tuple[str, str]]:
        """Name and address of each."""
        if self.count == 1:
            return [(name, self.ieee)]
        first = int(self.ieee.replace(":", ""), 16)
        return [(f"{name}-{number + 1}", _written(first + number)) for number in range(self.count)]


class MeshDescription(_Table):
    """Everything that is in a network."""

    control: Place | None = None
    """Where orders are taken while it runs, a line each; standard input takes them as well."""
    coordinator: CoordinatorTable
    nodes: dict[Name, NodeTable] = {}

    @model_validator(mode="after")
    def _everybody_is_one(self) -> "MeshDescription":
        seen = {self.coordinator.ieee: "the coordinator"}
        for name, table in self.nodes.items():
            for copy, address in table.copies(name):
                if address in seen:
                    raise ValueError(f"{copy} has the address {address} of {seen[address]}")
                seen[address] = copy
        return self


def read_mesh(file: Path) -> MeshDescription:
    """Read a description.

    Raises:
        BadMesh: it cannot be read, or says what makes no sense.
    """
    try:
        return MeshDescription.model_validate(tomllib.loads(file.read_text()))
    except OSError as error:
        raise BadMesh(f"{file}: {error.strerror}", remedy="Name a file that can be read.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadMesh(f"{file}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        text = first["msg"].removeprefix("Value error, ")
        raise BadMesh(f"{file}: {place + ': ' if place else ''}{text}") from error


def _written(address: int) -> str:
    text = f"{address & (1 << _BITS) - 1:016x}"
    return ":".join(text[place : place + 2] for place in range(0, 16, 2))
