"""Nodes on the air as the gateway keeps them: who owns which, and what is heard beside them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from pydantic import ConfigDict

from flashers.api import Stamp
from flashers.api.plain import PLAIN


class Stand(StrEnum):
    """How a gateway stands to a node on the air, in its own words."""

    NONE = "none"
    """It lays no claim to it."""
    WANTS = "wants"
    """It asks whether anybody else does."""
    HAS = "has"
    """The node is its own."""
    GAVE = "gave"
    """It let go of the node, for one other gateway alone to take."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What one gateway says of one radio address; nobody else may write it.

    ``epoch`` grows by one whenever the node changes hands.  ``revision`` grows with every
    change of this claim, so that an older one that comes late is known to be old.
    ``since`` and ``by`` are for people.
    """

    stand: Stand = Stand.NONE
    epoch: int = 0
    revision: int = 0
    to: str | None = None
    since: Stamp | None = None
    by: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """What the journal keeps of one address: our claim, and what was last heard of the others'.

    ``others`` is by gateway.  What was heard once is not forgotten because a broker forgets.
    """

    __pydantic_config__: ClassVar[ConfigDict] = PLAIN

    mine: Claim = Claim()
    others: Mapping[str, Claim] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OwnerView:
    """Whose a node is, as far as is known here."""

    node: str
    address: str
    stand: Stand
    owner: str | None
    epoch: int
    offered_to: str | None = None
    since: Stamp | None = None
    by: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class CandidateView:
    """Something on the air that looks like a node, and is none of this gateway's.

    ``heard_s`` is how long ago it was heard, in seconds; ``rssi`` in dBm, by the adapter that
    hears it best; ``addressed`` is ``public``, ``static``, ``resolvable``, ``non-resolvable`` or
    ``unknown``; ``note`` says why it is not adopted by a rule, or should not be at all.
    """

    address: str
    adapter: str
    profiles: tuple[str, ...]
    rssi: int
    heard_s: float
    name: str = ""
    addressed: str = "unknown"
    adapters: Mapping[str, int] = field(default_factory=dict)
    services: tuple[str, ...] = ()
    manufacturer: Mapping[str, str] = field(default_factory=dict)
    owner: str | None = None
    note: str = ""
    adopt: tuple[str, ...] = ()
    """The commands that adopt it, one for each profile; which it is, people have to say."""


@dataclass(frozen=True, slots=True)
class AirView:
    """What the adapters hear: candidates, the strongest first, and how much listening there was."""

    candidates: tuple[CandidateView, ...] = ()
    adapters: tuple["EarView", ...] = ()
    crowded: int = 0
    """Candidates that had to make room for others since the start."""


@dataclass(frozen=True, slots=True)
class EarView:
    """One adapter as it listens; ``listened_s`` since the start."""

    adapter: str
    address: str
    scan: str
    listening: bool
    listened_s: float
    advertisements: int
    trouble: str = ""
