"""What is on an air: its pace, the adapters that hear it, and the nodes.

Read from a file, so that a bench can be handed on; the demo makes one in memory.
"""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from gateway.described import Name, Place, PowerCutTable, Table, read_described
from transports.errors import TenderError
from transports.virtual.air.timing import Timing

_ADDRESS = re.compile(r"[0-9A-F]{2}(?::[0-9A-F]{2}){5}", re.IGNORECASE)
_STATIC = 0xC0
"""The two highest bits of a static random address (Core Specification, Vol 6, Part B, 1.3.2.1)."""
_APART = 2
"""Addresses of copies: the one between two of them is for the loader, which often calls from the next one."""


class BadAir(TenderError):
    """The description of an air cannot be used."""

    code = "bad-air"
    remedy = "`tender virtual air --help` shows an example; the message names the key."
    retryable = False


def _address(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise ValueError("an address is written C0:00:00:00:00:01")
    return text.upper()


def _static(text: str) -> str:
    if int(_address(text)[:2], 16) & _STATIC != _STATIC:
        raise ValueError("a node's address is static random: it begins with C0 to FF")
    return text.upper()


Address = Annotated[str, AfterValidator(_address)]
StaticAddress = Annotated[str, AfterValidator(_static)]
Rssi = Annotated[int, Field(ge=-127, le=20)]


class PaceTable(Table):
    """How fast every connection is: by events, or by what a user sees of it."""

    interval: float | None = Field(default=None, gt=0)
    """Seconds between two connection events; 0.015."""
    packets: int | None = Field(default=None, ge=1)
    """In one event and direction; 5."""
    rate: float | None = Field(default=None, gt=0)
    """Instead of the two: bytes a second of values, one way."""
    latency: float | None = Field(default=None, gt=0)
    """With ``rate``: seconds to an answer."""
    loss: float = Field(default=0.0, ge=0, lt=1)
    """The share of packets that are sent again."""
    supervision: float = Field(default=4.0, gt=0)
    """Seconds out of reach after which both sides call a connection lost."""
    seed: int = 0
    """Of the dice that lose packets."""

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> "PaceTable":
        if (self.rate is None) != (self.latency is None):
            raise ValueError("`rate` and `latency` go together")
        if self.rate is not None and (self.interval is not None or self.packets is not None):
            raise ValueError("either `rate` and `latency`, or `interval` and `packets`")
        return self

    def timing(self) -> Timing:
        """The same for the air."""
        if self.rate is not None and self.latency is not None:
            return Timing.paced(self.rate, self.latency, loss=self.loss, supervision=self.supervision)
        usual = Timing()
        return Timing(
            interval=self.interval or usual.interval,
            packets=self.packets or usual.packets,
            loss=self.loss,
            supervision=self.supervision,
        )


class OfferTable(Table):
    """One adapter, for one gateway at a time."""

    listen: Place
    """``unix:/path`` or ``tcp:HOST:PORT``: what the gateway's ``hci`` says."""
    address: Address


class NodeTable(Table):
    """One node, or several alike."""

    profile: str
    address: StaticAddress
    """Of the first one; copies have every second one after it."""
    count: int = Field(default=1, ge=1, le=200)
    """More than one are called NAME-1, NAME-2, …"""
    calls: str | None = Field(default=None, max_length=26)
    """The name that it calls out; its own if left out."""
    version: str = "1.0.0"
    """Of the small healthy application that it runs where ``firmware`` gives none."""
    firmware: dict[str, Path] = Field(default_factory=dict)
    """Files by component, relative to the description."""
    blank: bool = False
    """No firmware, but for what ``firmware`` gives."""
    traits: dict[str, str] = Field(default_factory=dict)
    """Faults and traits of its flasher's virtual node: `tender virtual PROFILE --list-faults`."""
    power_cut: PowerCutTable | None = None
    rssi: Rssi = -50
    """How strongly every adapter hears it, in dBm."""
    out_of_range: tuple[str, ...] = ()
    """Adapters that do not hear it."""
    battery: int | None = Field(default=None, ge=0, le=100)
    """Per cent, told by a Battery Service; none if left out."""

    def copies(self, name: str) -> list[tuple[str, str]]:
        """Name and address of each."""
        if self.count == 1:
            return [(name, self.address)]
        first = int(self.address.replace(":", ""), 16)
        return [(f"{name}-{number + 1}", _written(first + _APART * number)) for number in range(self.count)]


class AirDescription(Table):
    """Everything that is on an air."""

    air: PaceTable = PaceTable()
    control: Place | None = None
    """Where orders are taken while it runs, a line each; standard input takes them as well."""
    adapters: dict[Name, OfferTable] = Field(min_length=1)
    nodes: dict[Name, NodeTable] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _everybody_is_one(self) -> "AirDescription":
        seen: dict[str, str] = {table.address: f"adapter {name}" for name, table in self.adapters.items()}
        for name, table in self.nodes.items():
            for unknown in set(table.out_of_range) - set(self.adapters):
                raise ValueError(f"nodes.{name}.out_of_range: there is no adapter {unknown!r}")
            for copy, address in table.copies(name):
                if address in seen:
                    raise ValueError(f"{copy} has the address {address} of {seen[address]}")
                seen[address] = copy
        return self


def read_air(file: Path) -> AirDescription:
    """Read a description.

    Raises:
        BadAir: it cannot be read, or says what makes no sense.
    """
    return read_described(AirDescription, file, BadAir)


def _written(address: int) -> str:
    text = f"{address & (1 << 48) - 1:012X}"
    return ":".join(text[place : place + 2] for place in range(0, 12, 2))
