"""What the conversation with upstream needs of a connection, whatever library carries it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message that came in; ``handle`` is the connection's own, None if nothing has to be acknowledged."""

    topic: str
    payload: bytes
    retained: bool
    handle: int | None = None


class Receipt(Protocol):
    """A message under way."""

    @property
    def taken(self) -> bool:
        """Whether upstream has acknowledged it."""
        ...

    async def wait(self) -> None:
        """Wait until it is taken.

        Raises:
            UpstreamLost: the connection ended first; the message may or may not have arrived.
            UpstreamRefused: upstream does not take it.
        """
        ...


class Wire(Protocol):
    """An open connection."""

    @property
    def packet_limit(self) -> int:
        """Bytes of the largest message, topic included, that upstream takes."""
        ...

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> Receipt:
        """Send at least once; messages go out in the order of these calls.

        Waits for a place among those in flight.  Raises UpstreamLost.
        """
        ...

    def publish_once(self, topic: str, payload: bytes) -> bool:
        """Send now or not at all; False if the connection is behind."""
        ...

    @property
    def session_present(self) -> bool:
        """Whether upstream still knew us."""
        ...

    async def subscribe(self, topic: str) -> bool:
        """Ask for a topic's messages; whether that is allowed.  Raises UpstreamLost."""
        ...

    def arrivals(self) -> AsyncIterator[Arrived]:
        """What comes in, until the connection ends: raises UpstreamLost."""
        ...

    def done(self, arrived: Arrived) -> None:
        """The message need not come again."""
        ...

    async def disconnect(self) -> None:
        """End it in order, so that the last will is not published."""
        ...
