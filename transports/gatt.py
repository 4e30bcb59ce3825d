"""What a radio with GATT offers: to a flasher, and to a virtual node.

A GATT link is no stream of bytes.  It has characteristics that are written, read and
listened to; it can be gone at any moment; and a write without response says nothing
about arrival.  Everything that a flasher has to know is here, so that the same flasher
runs over BlueZ and over the virtual air.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable


class Property(StrEnum):
    """What a characteristic allows (Core Specification, Vol 3, Part G, 3.3.1.1)."""

    READ = "read"
    WRITE = "write"
    WRITE_WITHOUT_RESPONSE = "write-without-response"
    NOTIFY = "notify"
    INDICATE = "indicate"


@runtime_checkable
class GattLink(Protocol):
    """An open connection to a node's GATT server.

    Characteristics are named by UUID, in small letters and in full (128 bits).  After
    any method has raised :class:`~transports.errors.LinkLost` the link is dead and only
    ``aclose`` is allowed.
    """

    @property
    def address(self) -> str:
        """The address that the node has in its present role."""
        ...

    @property
    def lost(self) -> bool:
        """Whether the connection is known to be gone."""
        ...

    def has(self, characteristic: str) -> bool:
        """Whether the node's table, read anew at this connection, has it."""
        ...

    def room(self, characteristic: str) -> int:
        """The most bytes that one write without response takes: the ATT MTU less three."""
        ...

    async def write(self, characteristic: str, data: bytes, *, response: bool) -> None:
        """Write a value.

        With ``response`` it returns when the node has acknowledged.  Without, it returns when
        the operating system has taken the bytes, however full its queues are: arrival is known
        from the node's own answers only.

        Raises:
            GattRefused: the node answered with an ATT error.
            LinkLost: the connection is gone.
        """
        ...

    async def read(self, characteristic: str) -> bytes:
        """Read a value.  Raises as ``write``."""
        ...

    async def subscribe(self, characteristic: str) -> None:
        """Ask for notifications or indications; they are handed out by ``heard``.  Raises as ``write``."""
        ...

    async def heard(self) -> tuple[str, bytes]:
        """Wait for the next value that the node sent, and from which characteristic.

        Cancelling loses nothing.  The peer's going away is noticed at once.

        Raises:
            LinkLost: the connection is gone, and everything that came before has been handed out.
        """
        ...

    def discard_heard(self) -> int:
        """Drop what came and was not handed out yet; how many values that were."""
        ...

    async def aclose(self) -> None:
        """Disconnect; allowed more than once, and never raises.

        What was written without response and has not left the radio yet may be lost.
        """
        ...


# The far end


@dataclass(frozen=True, slots=True)
class Characteristic:
    """One characteristic of a virtual node; ``secured`` ones want an encrypted link."""

    uuid: str
    properties: frozenset[Property]
    secured: bool = False


@dataclass(frozen=True, slots=True)
class Service:
    """One primary service of a virtual node."""

    uuid: str
    characteristics: tuple[Characteristic, ...]


@dataclass(frozen=True, slots=True)
class Advertisement:
    """What a node calls out; ``interval`` in seconds."""

    name: str = ""
    services: tuple[str, ...] = ()
    manufacturer: tuple[int, bytes] | None = None
    interval: float = 0.1


@dataclass(frozen=True, slots=True)
class Persona:
    """What a node is on the air in one role: its address, its call, its table.

    A bootloader may have another address (plus one), another name and other services
    than the application; it is one node all the same.
    """

    address: str
    advertisement: Advertisement
    services: tuple[Service, ...] = field(default=())
    att_mtu: int = 247
    bondable: bool = False
    """Whether it pairs; a key that it has from another role of the same address counts all the same."""
    passkey: int | None = None
    """Shown by the node when it is paired with; None pairs without asking anybody."""


class NodeRadio(Protocol):
    """What a virtual node may do with its radio."""

    def appear(self, persona: Persona | None) -> None:
        """Be this from now on, or be silent; a connection of the former role ends without a word."""
        ...

    def notify(self, characteristic: str, data: bytes) -> bool:
        """Send a value to whoever listens to it; False if nobody does."""
        ...

    def hang_up(self) -> None:
        """End the connection, politely."""
        ...


class GattPeer(Protocol):
    """The far end of a simulated radio link: what the virtual air drives.

    Everything is called from the event loop's thread, and timers of the node use that
    loop's clock, so virtual time works.
    """

    def attach(self, radio: NodeRadio) -> None:
        """The node is on the air; it calls ``radio.appear`` when it has booted."""
        ...

    def connected(self) -> None:
        """A central is there."""
        ...

    def disconnected(self) -> None:
        """It is gone, for whatever reason."""
        ...

    def written(self, characteristic: str, data: bytes) -> int:
        """A value was written; 0, or an ATT error code to answer with."""
        ...

    def value(self, characteristic: str) -> bytes:
        """The value of a characteristic that is read."""
        ...

    def listened(self, characteristic: str, *, on: bool) -> None:
        """The central wants, or does not want any more, to be notified."""
        ...


def uuid16(short: int) -> str:
    """A UUID of the Bluetooth SIG in full (Core Specification, Vol 3, Part B, 2.5.1)."""
    return f"{short:08x}-0000-1000-8000-00805f9b34fb"


def named(services: Sequence[Service], characteristic: str) -> Characteristic | None:
    """The characteristic of this UUID, or None."""
    for service in services:
        for found in service.characteristics:
            if found.uuid == characteristic:
                return found
    return None
