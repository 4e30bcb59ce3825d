"""Zigbee networks and their nodes as people and upstream see them."""

from dataclasses import dataclass

from flashers.api import Stamp


@dataclass(frozen=True, slots=True)
class NetworkView:
    """One network of this gateway; ``joining_s`` are the seconds for which nodes may still join."""

    name: str
    radio: str
    path: str
    up: bool
    trouble: str = ""
    channel: int | None = None
    pan_id: int | None = None
    extended_pan_id: str | None = None
    coordinator: str | None = None
    firmware: str = ""
    joining_s: float = 0.0
    nodes: int = 0
    """Nodes that joined it."""
    ours: int = 0
    """Those among them that Tender looks after."""
    at_once: int = 0
    """Nodes that are updated at one time."""


@dataclass(frozen=True, slots=True)
class JoinedView:
    """One node that joined a network; ``node`` is its name here, None for one that is not looked after.

    ``heard_s`` is how many seconds ago it was heard; None if that is not known.
    """

    network: str
    ieee: str
    nwk: int
    node: str | None
    sleepy: bool
    mains: bool
    interviewed: bool
    manufacturer_code: int | None = None
    manufacturer: str | None = None
    model: str | None = None
    ota: bool = False
    """Whether it has a client for over-the-air upgrades."""
    lqi: int | None = None
    hops: int | None = None
    heard_s: float | None = None
    profiles: tuple[str, ...] = ()
    """The node types that it can be of."""
    adopt: tuple[str, ...] = ()
    """The commands that take it in, one for each type; which it is, people have to say."""


@dataclass(frozen=True, slots=True)
class BackupView:
    """What is kept of a network, so that another coordinator can take its place."""

    network: str
    name: str
    made: Stamp | None
    coordinator: str | None
    nodes: int


@dataclass(frozen=True, slots=True)
class ZclAnswer:
    """What a node answered: the command and its payload in hexadecimal."""

    command: int
    payload: str
    general: bool
    manufacturer: int | None = None


@dataclass(frozen=True, slots=True)
class NextRelease:
    """A release that a node could be brought to; ``file_version`` is its file's own number."""

    product: str
    version: str
    file_version: int


@dataclass(frozen=True, slots=True)
class Upgradable:
    """What a node runs, by its file version, and what it could be brought to; None where nothing is known."""

    node: str
    ieee: str
    installed: int | None
    next: NextRelease | None


@dataclass(frozen=True, slots=True)
class HeardFrame:
    """A ZCL frame that a node sent; ``payload`` in hexadecimal, ``node`` its name here, if it has one."""

    network: str
    ieee: str
    node: str | None
    endpoint: int
    cluster: int
    command: int
    payload: str
    general: bool
    to_client: bool
    tsn: int | None = None
    manufacturer: int | None = None
