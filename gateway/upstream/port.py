"""What the service lends an upstream, and what it expects of one.

Events come from the journal's outbox: they were written in the same transaction as
the phase that they tell of, and are deleted only after the upstream has them.
"""

from typing import Protocol

from flashers.api import Stamp
from gateway.control import Control, Progress
from gateway.model.views import Event, NodeView, Status
from gateway.upstream.claims import ClaimDesk
from transports.errors import TenderError


class Outbox(Protocol):
    """What is still to be told, in order."""

    async def unsent(self, limit: int) -> list[Event]:
        """The oldest events that were not acknowledged, in order of their ids."""
        ...

    async def acknowledged(self, sequences: list[int]) -> None:
        """Upstream has these; they are deleted."""
        ...

    async def changed(self) -> None:
        """Wait until there may be something new to send: an event or a node state."""
        ...

    async def stale_states(self, limit: int) -> list[tuple[NodeView, int]]:
        """Nodes whose retained state differs from what was last published, with a revision each."""
        ...

    async def state_published(self, node: str, revision: int) -> None:
        """Upstream has the state of that revision; a newer one stays stale."""
        ...

    async def gone_states(self, limit: int) -> list[str]:
        """Names that are no node's any more, whose retained state upstream may still have."""
        ...

    async def state_cleared(self, name: str) -> None:
        """Upstream has no state of that name any more."""
        ...

    async def all_states_stale(self) -> None:
        """Publish every node state again: after a fresh connection, so that a lost one heals."""
        ...

    def take_progress(self) -> list[Progress]:
        """The latest progress by node since the last call."""
        ...


class Upstream(Protocol):
    """A door to the outside, run for as long as the service runs."""

    async def run(self, control: Control, outbox: Outbox, claims: ClaimDesk | None = None) -> None:
        """Connect, send, receive; reconnect for ever.  Ends only by cancellation."""
        ...

    @property
    def connected(self) -> bool:
        """Whether it is connected now."""
        ...

    @property
    def trouble(self) -> TenderError | None:
        """Why it is not connected, or was not the last time; None while it is."""
        ...

    @property
    def trouble_since(self) -> Stamp | None:
        """Since when."""
        ...


class StatusSource(Protocol):
    """Where an upstream gets the gateway's status from."""

    async def status(self) -> Status:
        """The gateway at a glance."""
        ...
