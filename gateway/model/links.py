"""What is known of a link, who has it, and whose fault it is when it does not carry.

A link is shared with other software on the gateway.  What was asked of that software is
a value of its own, since it has to outlive us: whoever was asked off is let back, also
by a life of ours that has another configuration.
"""

from dataclasses import dataclass
from enum import StrEnum

from flashers.api import Reason, Stamp
from transports.uart.adapters import Adapter


@dataclass(frozen=True, slots=True)
class LockMark:
    """A lock file of ours, so that it can be told from one that somebody else made in its place."""

    path: str
    pid: int
    inode: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Borrowed:
    """A link that other software was asked off, and all that is needed to let it back.

    It is in the journal before the first hook runs and until the last one has ended, so
    a hook may be run again after a crash: each has to be harmless when repeated.
    """

    channel: str
    shared_with: str
    since: Stamp
    systemctl: str
    unit: str | None = None
    unit_was_active: bool = False
    after: tuple[str, ...] = ()
    hook_deadline: float = 30.0
    lock: LockMark | None = None


@dataclass(frozen=True, slots=True)
class UserLease:
    """The user's own software or people have the link, until a deadline.

    ``mono`` is the loop's time when ``seconds`` began to count, in the kernel's life
    ``boot``: the wall clock only counts where that life has ended.
    """

    id: int
    channel: str
    who: str
    why: str
    seconds: float
    since: Stamp
    mono: float
    boot: str


class Holder(StrEnum):
    """Who has a link."""

    NOBODY = "nobody"
    TENDER = "tender"
    USER = "user"
    OTHER = "other"
    """Other software that shares it: a unit, or whatever the hooks stand for."""


@dataclass(frozen=True, slots=True)
class LeaseView:
    """One lease: the right to a link, with a deadline.

    ``id`` is None for Tender's own.  ``left_s`` are the seconds until the deadline, None
    where there is none; less than zero if it has passed.
    """

    link: str
    holder: Holder
    who: str
    why: str = ""
    id: int | None = None
    since: Stamp | None = None
    left_s: float | None = None


@dataclass(frozen=True, slots=True)
class Traffic:
    """What passed between us and one node, or over a whole link.

    ``last_good`` is when the last byte came from there; ``silent`` that it was asked
    since and did not answer.
    """

    opens: int = 0
    reopens: int = 0
    errors: int = 0
    resets: int = 0
    bytes_down: int = 0
    bytes_up: int = 0
    last_good: Stamp | None = None
    silent: bool = False
    last_error: str = ""
    """The code of the newest error; empty once the link was opened again."""
    last_message: str = ""


class Culprit(StrEnum):
    """Where the fault is, as far as the counters tell."""

    NOTHING = "nothing"
    NODE = "node"
    CABLE = "cable"
    ADAPTER = "adapter"
    BROKER = "broker"
    GATEWAY = "gateway"
    UNKNOWN = "unknown"
    """Nothing was asked over this link yet."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A diagnosis: who, in one sentence, from which facts, and what to do."""

    link: str
    culprit: Culprit
    message: str
    reasoning: tuple[str, ...] = ()
    remedy: str = ""
    nodes: tuple[str, ...] = ()
    """The nodes that are concerned."""


@dataclass(frozen=True, slots=True)
class NodeOnLink:
    """A node, and what passed between it and us."""

    name: str
    traffic: Traffic


@dataclass(frozen=True, slots=True)
class RadioView:
    """A Bluetooth adapter at one moment.

    ``connected`` are the nodes, by name where they have one; ``cap`` is how many there may be,
    ``learned`` whether that was found out here.  ``state`` is ``fine``, ``deaf``, ``hung`` or
    ``missing``.  ``hears`` is how many different radios it heard in the last minute.
    """

    connected: tuple[str, ...]
    cap: int
    learned: bool = False
    power_cycles: int = 0
    last_heard: Stamp | None = None
    hears: int = 0
    state: str = "fine"
    message: str = ""
    cycled_for: str = ""
    """Why it was switched off and on last."""


@dataclass(frozen=True, slots=True)
class NodeOnNetwork:
    """A node of this gateway as its Zigbee network knows it; ``heard_s`` are seconds, None is unknown."""

    name: str
    joined: bool
    sleepy: bool = False
    heard: Stamp | None = None
    heard_s: float | None = None
    hops: int | None = None
    lqi: int | None = None


@dataclass(frozen=True, slots=True)
class NetworkSight:
    """A Zigbee network at one moment; ``trouble`` is empty while it works, or is being opened.

    ``members`` is how many joined, whether they are nodes of this gateway or not.
    """

    up: bool
    trouble: str = ""
    remedy: str = ""
    concurrent: int = 0
    channel: int | None = None
    pan_id: int | None = None
    coordinator: str | None = None
    firmware: str = ""
    joining_s: float = 0.0
    members: int = 0
    nodes: tuple[NodeOnNetwork, ...] = ()


@dataclass(frozen=True, slots=True)
class LinkView:
    """A link as it is listed.

    ``exists`` is None where that cannot be known without trying (a socket).
    ``waits`` is why the link cannot be had just now, with its figure.
    """

    name: str
    channel: str
    nodes: tuple[NodeOnLink, ...]
    holder: LeaseView
    traffic: Traffic
    finding: Finding
    exists: bool | None = None
    adapter: Adapter | None = None
    shared_with: str = ""
    waits: Reason | None = None
    trouble: Reason | None = None
    """What went wrong with the hooks, and is being tried again."""
    radio: RadioView | None = None
    """Of a Bluetooth adapter, which many nodes share."""
    network: NetworkSight | None = None
    """Of a Zigbee network."""
