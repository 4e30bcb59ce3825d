"""What is in a simulated Zigbee network: where its coordinator is plugged in, and the nodes.

Read from a file, so that a bench can be handed on; the demo makes one in memory.
"""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from gateway.described import Name, Place, PowerCutTable, Table, read_described
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


class CoordinatorTable(Table):
    """The coordinator, which speaks TI's ZNP."""

    listen: Port
    """``pty:/path`` or ``tcp:PORT``: what the gateway's ``path`` says, as ``/path`` or ``socket://127.0.0.1:PORT``."""
    ieee: Ieee = "00:12:4b:00:2a:00:00:01"
    state: Path | None = None
    """A folder in which it remembers its network across runs; else it begins without one."""
    seed: int = 0
    """Of the dice that lose frames and choose waits."""


class NodeTable(Table):
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
    firmware: dict[str, Path] = Field(default_factory=dict)
    """Files by component, relative to the description."""
    traits: dict[str, str] = Field(default_factory=dict)
    """Faults and traits of its flasher's virtual node: `tender virtual PROFILE --list-faults`."""
    power_cut: PowerCutTable | None = None

    def copies(self, name: str) -> list[tuple[str, str]]:
        """Name and address of each."""
        if self.count == 1:
            return [(name, self.ieee)]
        first = int(self.ieee.replace(":", ""), 16)
        return [(f"{name}-{number + 1}", _written(first + number)) for number in range(self.count)]


class MeshDescription(Table):
    """Everything that is in a network."""

    control: Place | None = None
    """Where orders are taken while it runs, a line each; standard input takes them as well."""
    coordinator: CoordinatorTable
    nodes: dict[Name, NodeTable] = Field(default_factory=dict)

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
    return read_described(MeshDescription, file, BadMesh)


def _written(address: int) -> str:
    text = f"{address & (1 << _BITS) - 1:016x}"
    return ":".join(text[place : place + 2] for place in range(0, 16, 2))
