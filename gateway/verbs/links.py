"""The verbs about links: who has them, who may have them, and whose fault it is."""

from dataclasses import dataclass
from typing import Protocol

from gateway.model.links import Finding, LeaseView, LinkView


@dataclass(frozen=True, slots=True)
class LeaseRequest:
    """Keep Tender off a link.

    ``link`` is its name in the configuration, the link itself, its port, or a node on it.
    ``wait_s`` is how long to wait for an attempt that must not be interrupted.
    """

    link: str
    seconds: float
    who: str
    why: str = ""
    wait_s: float = 0.0


class LinkVerbs(Protocol):
    """What can be asked about links.  Each raises LinkUnknown where a link is named."""

    async def links(self) -> list[LinkView]:
        """Every link, by name; nothing is opened for it."""
        ...

    async def link(self, name: str) -> LinkView:
        """One link."""
        ...

    async def diagnose(self, name: str) -> Finding:
        """Whose fault it is that a link does not carry, or that a node does not answer."""
        ...

    async def leases(self) -> list[LeaseView]:
        """Every lease that is out: Tender's own and the users'."""
        ...

    async def lease(self, request: LeaseRequest) -> LeaseView:
        """Give the link to the user's own software or people.

        What Tender does there steps aside, and goes on later.  Raises LinkExposed if a
        node has no firmware just then, and LinkLeased if somebody else has the lease.
        """
        ...

    async def renew(self, lease_id: int, seconds: float, *, asked_by: str) -> LeaseView:
        """Count ``seconds`` from now.  Raises LeaseUnknown."""
        ...

    async def give_back(self, target: str, *, asked_by: str) -> LeaseView:
        """End a user's lease, by its number or its link.  Raises LeaseUnknown."""
        ...
