"""What can be asked about nodes: who belongs here, under which name, and what is still true."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from flashers.api import Stamp
from gateway.model.views import NodeView


@dataclass(frozen=True, slots=True)
class AdoptRequest:
    """A node that is in no configuration file."""

    name: str
    profile: str
    link: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NodeQuery:
    """Which nodes: every condition that is given must hold; an empty one is met by all.

    ``on`` is a version, or ``not:`` and one; what runs is compared, and a node of which
    that is not known is *not* on it.  ``stale_s`` asks for those whose last
    verification is older, or never was, or was stamped by a clock that was not synchronised.
    """

    on: str | None = None
    where: Mapping[str, str] = field(default_factory=dict)
    profile: str | None = None
    state: str | None = None
    stale_s: float | None = None
    no_known_good: bool = False


@dataclass(frozen=True, slots=True)
class ProbeAll:
    """Look at many nodes; those verified within ``stale_s`` are left as they are."""

    stale_s: float | None = None
    allow_restart: bool = False
    where: NodeQuery = NodeQuery()


@dataclass(frozen=True, slots=True)
class Probed:
    """What became of one node in a round.

    ``result`` is ``seen``, ``changed``, ``failed`` (with its code) or ``left-out`` (with why).
    """

    node: str
    result: str
    code: str = ""
    message: str = ""
    remedy: str = ""
    runs: str = ""


@dataclass(frozen=True, slots=True)
class ProbeRound:
    """A round of looks; ``left`` nodes still wait for theirs, ``fresh`` needed none."""

    id: int
    asked_by: str
    begun: Stamp
    left: int
    fresh: int
    results: tuple[Probed, ...] = ()

    @property
    def done(self) -> bool:
        """Whether every node had its turn."""
        return self.left == 0


class NodeVerbs(Protocol):
    """All of these are journalled with who asked and when; asked again they change nothing more."""

    async def adopt(self, request: AdoptRequest, *, asked_by: str) -> NodeView:
        """Take a node in that is in no file.

        Raises:
            NodeExists: the name or the link is another node's.
            BadNode, ProfileUnknown, BadProfile, PluginBroken: it cannot be one.
        """
        ...

    async def replace(self, name: str, *, asked_by: str) -> NodeView:
        """There is a new board in the same place: what is known belongs to the old one.

        Raises NodeUnknown or NodeBusy.
        """
        ...

    async def forget(self, name: str, *, asked_by: str) -> None:
        """It is no node of this gateway any more; its history stays.

        Raises NodeUnknown, NodeBusy, or NodeInFile if a file still says that it is one.
        """
        ...

    async def rename(self, old: str, new: str, *, asked_by: str) -> NodeView:
        """The same node by another name; history, known-good and retained state follow.

        Raises NodeUnknown, NodeBusy, NodeExists, BadNode, or NodeInFile.
        """
        ...

    async def label(self, name: str, changes: Mapping[str, str | None], *, asked_by: str) -> NodeView:
        """Set labels, or take them away (None).  Raises NodeUnknown, NodeBusy or BadNode."""
        ...

    async def accept(self, name: str, *, asked_by: str) -> NodeView:
        """What it runs now, and where it is now, is as it should be.

        Raises NodeUnknown, NodeBusy, or NotAcceptable if it is another node.
        """
        ...

    async def find(self, query: NodeQuery) -> list[NodeView]:
        """The nodes that meet the query, by name."""
        ...

    async def probe_all(self, request: ProbeAll, *, asked_by: str) -> ProbeRound:
        """Begin a round of looks.  Raises ProbingUnderWay while there is another."""
        ...

    async def probe_round(self, number: int) -> ProbeRound:
        """How far a round is.  Raises RoundUnknown."""
        ...
