"""Stopping, switching off, and what nodes are heard to say: the verbs of the gateway's standing."""

from dataclasses import dataclass
from typing import Protocol

from flashers.api import Stamp
from gateway.model.standing import Draining, PowerOff


@dataclass(frozen=True, slots=True)
class DrainView:
    """Whether anything new is begun, and whether the plug may be pulled."""

    draining: Draining | None
    power_off: PowerOff


@dataclass(frozen=True, slots=True)
class DataView:
    """What was heard of a node's own data."""

    node: str
    count: int
    """Messages since this service began to listen."""
    last: Stamp | None
    per_minute: float | None
    """Over the time that was listened, at most an hour; None until that is long enough to say."""


class StandingVerbs(Protocol):
    """Each raises nothing but :class:`~transports.errors.TenderError`."""

    async def drain(self, *, for_s: float | None, asked_by: str) -> DrainView:
        """Begin nothing new until it is undone, or for ``for_s`` seconds; what is exposed is finished."""
        ...

    async def undrain(self, *, asked_by: str) -> DrainView:
        """Begin attempts again."""
        ...

    async def standing(self) -> DrainView:
        """Whether we drain, and whether the plug may be pulled."""
        ...

    async def heard(self, node: str, *, count: int) -> DataView:
        """``count`` messages of this node were heard just now.  Raises NodeUnknown."""
        ...

    async def data(self, node: str) -> DataView:
        """What was heard of a node so far.  Raises NodeUnknown."""
        ...
