"""The verbs about nodes on the air: who is heard, and whose each node is."""

from typing import Protocol

from gateway.model.radio import AirView, OwnerView

LONGEST_LISTEN_S = 50.0
"""Less than a client waits for an answer; who wants to listen longer asks again."""


class DiscoveryVerbs(Protocol):
    """None of these touches a node."""

    async def air(self) -> AirView:
        """What the adapters have heard, as far as it looks like a node and is none of this gateway's."""
        ...

    async def listen(self, seconds: float, *, asked_by: str) -> AirView:
        """Listen on every adapter for so long, at most ``LONGEST_LISTEN_S``, and tell the same."""
        ...

    async def owner(self, node: str) -> OwnerView:
        """Whose a node is.  Raises NodeUnknown, NotOnTheAir."""
        ...

    async def handover(self, node: str, to: str, *, asked_by: str) -> OwnerView:
        """Let go of a node, for another gateway alone to take.

        Raises NodeUnknown, NotOnTheAir, BadGateway, NotOwner, NodeBusy.
        """
        ...

    async def claim(self, node: str, *, over: bool, asked_by: str) -> OwnerView:
        """Vouch that a node is this gateway's; ``over``: whoever had it, who then lets go of it.

        Without ``over``, and with an upstream, it is asked for like any other.
        Raises NodeUnknown, NotOnTheAir, NotOwner.
        """
        ...
