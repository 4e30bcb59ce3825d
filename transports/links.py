"""What the media offer to a flasher, and nothing about who speaks over them.

A *link* is a bus or channel; a node is a link plus an address on it.  A link is
named by a :class:`LinkSpec` (text in configuration and on the command line) and,
once open, is one of the small protocols below.  Flashers are written against
these protocols only, so the same flasher runs over a port, a socket or memory.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable
from urllib.parse import parse_qsl, urlencode

from transports.errors import BadLink


class Medium(StrEnum):
    """The kinds of link that a flasher can declare."""

    UART = "uart"
    BLE = "ble"
    ZIGBEE = "zigbee"


MEDIUM_OF_SCHEME = {
    "uart": Medium.UART,
    "socket": Medium.UART,
    "rfc2217": Medium.UART,
    "ble": Medium.BLE,
    "zigbee": Medium.ZIGBEE,
}
"""Which medium each scheme gives; a transport that brings a scheme adds it here."""

_LOCAL = frozenset({"uart", "ble", "zigbee"})
"""Schemes whose target is something of this machine, and no host."""


@dataclass(frozen=True, slots=True)
class LinkSpec:
    """A link by name: ``uart:/dev/ttyUSB0?baud=115200``, ``socket://host:port``, ``zigbee:NETWORK#ADDRESS``.

    ``options`` keep their order, so that text → spec → text is the identity.  The
    fragment, if any, is the node's address on a bus that several nodes share, or behind
    an adapter, which is named as in the configuration or by its own Bluetooth address.
    """

    scheme: str
    target: str
    options: tuple[tuple[str, str], ...] = ()
    address: str | None = None

    @classmethod
    def parse(cls, text: str) -> "LinkSpec":
        """Read a link's name.

        Raises:
            BadLink: the scheme is unknown or the target is empty.
        """
        scheme, colon, rest = text.partition(":")
        if not colon or scheme not in MEDIUM_OF_SCHEME:
            raise BadLink(f"{text!r} is not a link: it starts with none of {', '.join(MEDIUM_OF_SCHEME)}")
        rest, _, address = rest.partition("#")
        target, _, query = rest.partition("?")
        target = target if scheme in _LOCAL else target.removeprefix("//")
        if not target:
            raise BadLink(f"{text!r} names no port, host or adapter")
        options = tuple(parse_qsl(query, keep_blank_values=True))
        return cls(scheme, target, options, address or None)

    @property
    def medium(self) -> Medium:
        """The medium that this link is on."""
        return MEDIUM_OF_SCHEME[self.scheme]

    @property
    def channel(self) -> str:
        """What leases are for: the link without options and address; a line has one at a time."""
        return f"{self.scheme}:{self.target}" if self.scheme in _LOCAL else f"{self.scheme}://{self.target}"

    def option(self, name: str) -> str | None:
        """The option's value, or None."""
        return dict(self.options).get(name)

    def __str__(self) -> str:
        query = f"?{urlencode(self.options, safe='/:')}" if self.options else ""
        return f"{self.channel}{query}" + (f"#{self.address}" if self.address else "")


@runtime_checkable
class ByteLink(Protocol):
    """An open channel of bytes, as a UART gives it.

    It is unbuffered in the sense that matters: ``read`` hands over what came, in
    whatever pieces it came.  Exactly one reader at a time.  After any method has
    raised :class:`~transports.errors.LinkLost` the link is dead and only
    ``aclose`` is allowed.
    """

    async def read(self) -> bytes:
        """Wait for bytes and return at least one.

        Cancelling a read loses no bytes.

        Raises:
            LinkLost: the port was unplugged or the peer closed.
        """
        ...

    async def write(self, data: bytes) -> None:
        """Return when the operating system (or the peer's window) has taken all bytes.

        Raises:
            LinkLost: as for ``read``.
        """
        ...

    def discard_input(self) -> bytes:
        """Drop, and return, what has arrived and was not read yet."""
        ...

    async def set_lines(self, *, dtr: bool | None = None, rts: bool | None = None) -> None:
        """Drive the modem lines; None leaves a line as it is.

        Raises:
            LinesUnsupported: the link has none (a PTY, a plain socket).
            LinkLost: as for ``read``.
        """
        ...

    async def set_baud(self, baud: int) -> None:
        """Change the speed in bits per second; without effect where there is none."""
        ...

    async def aclose(self) -> None:
        """Close; allowed more than once, and never raises."""
        ...


@runtime_checkable
class UartPeer(Protocol):
    """The far end of a simulated UART: what a virtual medium drives.

    A virtual node implements it.  Everything is called from the event loop's
    thread; timers of the node use that loop's clock, so virtual time works.
    """

    def attach(self, transmit: "Transmit") -> None:
        """A medium has been connected; ``transmit`` sends bytes to the host."""
        ...

    def receive(self, data: bytes) -> None:
        """Bytes from the host."""
        ...

    def lines(self, *, dtr: bool, rts: bool) -> None:
        """The host's modem lines changed.

        Linux raises both on every open and drops them on the last close, so every
        medium calls this at open and close, also those without real lines.
        """
        ...


class Transmit(Protocol):
    """Sends bytes from a virtual node towards the host."""

    def __call__(self, data: bytes, /) -> None:
        """Send; never waits, and a medium with nobody at its other end loses the bytes."""
        ...
