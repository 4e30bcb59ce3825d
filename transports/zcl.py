"""What a Zigbee network offers: to a flasher, and to a virtual node.

A Zigbee node is no connection.  It is an address on a network that others share: frames go to
it and come from it whenever it pleases, through routers, and a sleepy one is only there when it
asks its parent.  In this field the node *pulls*: whoever serves it answers requests, and may be
asked at any moment, also when nobody is with the node.  Everything that a flasher has to know is
here, so that the same flasher runs over a real coordinator and over a network in memory.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from transports.zigbee.errors import BadFrame

HOME_AUTOMATION = 0x0104
"""The application profile of nearly every node (Zigbee Home Automation; ZCL, 1.2)."""

_CLUSTER_SPECIFIC, _MANUFACTURER, _TO_CLIENT, _NO_DEFAULT = 0x01, 0x04, 0x08, 0x10
"""Bits of the frame control field (ZCL revision 8, 2.4.1.1)."""

AttributeValue = int | str | bytes | float | bool
"""What an attribute may hold, as far as anything here reads one."""


@dataclass(frozen=True, slots=True)
class Zcl:
    """One ZCL frame between the host and an endpoint of a node (ZCL revision 8, 2.4).

    ``endpoint`` is the node's, ``cluster`` and ``command`` are their numbers, ``payload`` what
    follows the header.  ``tsn`` None lets the network choose one; an answer has that of its
    question.  ``to_client`` is the direction: from a cluster's server to its client.  ``general``
    marks commands of the whole profile (read attributes, default response).
    """

    cluster: int
    command: int
    payload: bytes = b""
    endpoint: int = 1
    tsn: int | None = None
    to_client: bool = False
    general: bool = False
    manufacturer: int | None = None
    no_default: bool = True
    """The sender wants no default response where all is well."""
    profile: int = HOME_AUTOMATION

    def encode(self) -> bytes:
        """The frame's bytes, header and payload.

        Raises:
            ValueError: it has no sequence number yet.
        """
        if self.tsn is None:
            raise ValueError("a frame is sent with a sequence number")
        control = 0 if self.general else _CLUSTER_SPECIFIC
        control |= _TO_CLIENT if self.to_client else 0
        control |= _NO_DEFAULT if self.no_default else 0
        if self.manufacturer is None:
            return bytes((control, self.tsn, self.command)) + self.payload
        header = struct.pack("<BHBB", control | _MANUFACTURER, self.manufacturer, self.tsn, self.command)
        return header + self.payload

    @classmethod
    def decode(cls, data: bytes, *, cluster: int, endpoint: int, profile: int = HOME_AUTOMATION) -> "Zcl":
        """Read a frame.

        Raises:
            BadFrame: it is shorter than its header.
        """
        manufacturer = None
        if len(data) >= 5 and data[0] & _MANUFACTURER:
            control, manufacturer, tsn, command = struct.unpack_from("<BHBB", data)
            payload = data[5:]
        elif len(data) >= 3 and not data[0] & _MANUFACTURER:
            control, tsn, command = data[0], data[1], data[2]
            payload = data[3:]
        else:
            raise BadFrame(f"{data.hex() or 'nothing'} is no ZCL frame: it is shorter than a header")
        return cls(
            cluster=cluster,
            command=command,
            payload=payload,
            endpoint=endpoint,
            tsn=tsn,
            to_client=bool(control & _TO_CLIENT),
            general=not control & 0x03,
            manufacturer=manufacturer,
            no_default=bool(control & _NO_DEFAULT),
            profile=profile,
        )


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What a network knows of a node; None is unknown.

    ``ieee`` is written as eight bytes in small letters, highest first: ``00:12:4b:00:1c:aa:bb:cc``.
    ``last_heard`` is in the loop's time, ``last_seen_unix`` by the wall clock (it outlives a restart).
    ``hops`` counts radio hops from the coordinator: 1 is a neighbour.
    """

    ieee: str
    nwk: int
    sleepy: bool = False
    """Its receiver is off while it is idle; it is reached only when it asks."""
    mains: bool = False
    manufacturer_code: int | None = None
    manufacturer: str | None = None
    model: str | None = None
    interviewed: bool = True
    servers: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """By endpoint, the clusters that it serves."""
    clients: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """By endpoint, the clusters that it uses, as OTA (0x0019)."""
    last_heard: float | None = None
    last_seen_unix: float | None = None
    lqi: int | None = None
    hops: int | None = None


@runtime_checkable
class ZigbeeLink(Protocol):
    """One node of a network, for the length of a lease.

    Having one says nothing about whether the node is there.  After any method has raised
    :class:`~transports.errors.LinkLost` the coordinator is gone, and only ``aclose`` is allowed.
    """

    @property
    def facts(self) -> NodeFacts:
        """What is known of the node now."""
        ...

    async def ask(self, frame: Zcl, *, within: float) -> Zcl:
        """Send a request and wait for the answer with its number, at most so many seconds.

        Raises:
            NotDelivered: the network could not bring it to the node.
            NodeUnreachable: it was brought there, and no answer came in time.
            FrameTooLong: it does not fit into what the route carries unfragmented.
            LinkLost: the coordinator is gone.
        """
        ...

    async def send(self, frame: Zcl, *, acknowledged: bool) -> float:
        """Send a frame; returns, with the seconds that it took, when the coordinator has confirmed it.

        With ``acknowledged`` the node's application layer acknowledged it (two frames on the air);
        without, the next hop did.  Several may be under way at once.  Raises as ``ask``.
        """
        ...

    async def read(
        self,
        cluster: int,
        attributes: Sequence[int],
        *,
        endpoint: int,
        client: bool = False,
        manufacturer: int | None = None,
        within: float,
    ) -> Mapping[int, AttributeValue]:
        """Read attributes; those that the node does not have are absent.

        ``client`` reads those of the cluster's client side (OTA's are there).  Raises as ``ask``.
        """
        ...

    async def bindings(self, *, within: float) -> tuple[str, ...]:
        """Whom the node sends its reports to, an entry of its binding table each, sorted.

        Written as ``1:0x0402 > 00:12:4b:00:2a:00:00:01/1``: its endpoint and cluster, and another's
        address and endpoint, or a group as ``0x0007``.

        Raises:
            NodeUnreachable: it does not answer, or keeps no such table.
            NotDelivered, LinkLost: as ``ask``.
        """
        ...

    def listen(self, cluster: int) -> None:
        """From now on hand out what the node sends in this cluster by :meth:`heard`.

        Until then, and after :meth:`aclose`, the network's stand-in answers it.
        """
        ...

    async def heard(self) -> Zcl:
        """Wait for the next such frame.  Cancelling loses nothing.  Raises LinkLost."""
        ...

    async def aclose(self) -> None:
        """Listen no more; allowed more than once, and never raises."""
        ...


class Hosted(Protocol):
    """Other software that owns the network of a node, and brings images to it for us.

    A link to such a node only reads; it has this as its ``hosted``.
    """

    async def upgrade(
        self, image: bytes, name: str, *, older: bool, progress: Callable[[float], None]
    ) -> None:
        """Have this file brought to the node and started; returns when the host says that it has ended.

        ``older`` offers a file whose version is not higher; ``progress`` is told percent.  A transfer
        of another life that is still under way is waited for first.  What the host says proves
        nothing: read the node's version.

        Raises:
            HostRefused: the host did not do it, or says that it went wrong.
            LinkLost: the host went away.
        """
        ...

    async def abort(self) -> None:
        """Have it end a transfer that is under way; nothing happens if none is.  Raises as upgrade."""
        ...


def hosted(link: ZigbeeLink) -> Hosted | None:
    """The software that owns the node's network; None where that is Tender."""
    found: Hosted | None = getattr(link, "hosted", None)
    return found


# The far end


@dataclass(frozen=True, slots=True)
class EndpointDescription:
    """One endpoint of a virtual node (simple descriptor; Zigbee specification, 2.3.2.5)."""

    id: int = 1
    device: int = 0x0302
    servers: tuple[int, ...] = ()
    clients: tuple[int, ...] = ()
    profile: int = HOME_AUTOMATION


@dataclass(frozen=True, slots=True)
class NodeDescription:
    """What a virtual node is on the network (node descriptor; Zigbee specification, 2.3.2.3)."""

    ieee: str
    endpoints: tuple[EndpointDescription, ...]
    manufacturer_code: int = 0x1234
    sleepy: bool = False
    mains: bool = True
    router: bool = False
    max_buffer: int = 82


class ZigbeeRadio(Protocol):
    """What a virtual node may do with its radio; calls in the event loop's thread."""

    def send(self, frame: Zcl, *, acknowledged: bool = True) -> None:
        """Send to the coordinator; what the channel loses is lost (the node repeats by itself)."""
        ...

    def appear(self) -> None:
        """It has booted: rejoin, and announce (Device_annce)."""
        ...

    def vanish(self) -> None:
        """It has no power, or is restarting: nothing reaches it, what was under way is lost."""
        ...

    def poll(self, interval: float | None) -> None:
        """A sleepy node asks its parent from now on every so many seconds; None does not ask at all.

        What is waiting at the parent (one frame at least, for 7.68 s: macTransactionPersistenceTime)
        comes after a poll.  Without effect for a node whose receiver is always on.
        """
        ...


class ZigbeePeer(Protocol):
    """The far end of a simulated Zigbee network: what a virtual network drives.

    The network does what every stack does by itself (join, ZDO, acknowledgements, bindings); the
    peer is the application.  Timers use the loop's clock, so virtual time works.
    """

    @property
    def description(self) -> NodeDescription:
        """What it is."""
        ...

    def attach(self, radio: ZigbeeRadio) -> None:
        """It is in range of the network; it calls ``radio.appear`` when it has booted."""
        ...

    def received(self, frame: Zcl) -> None:
        """A frame for one of its endpoints."""
        ...
