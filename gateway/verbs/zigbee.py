"""The verbs about Zigbee networks: who may join, who did, what is kept, and frames for others' software."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.model.zigbee import (
    BackupView,
    HeardFrame,
    JoinedView,
    NetworkView,
    Upgradable,
    ZclAnswer,
)

LONGEST_PERMIT_S = 254
"""Seconds: 255 would mean for ever (Zigbee specification R22, 2.4.3.3.7.2)."""


@dataclass(frozen=True, slots=True)
class ZclRequest:
    """A frame of the user's own; ``payload`` in hexadecimal.

    ``answer_within`` are the seconds in which an answer has to come; None sends and asks for nothing.
    """

    network: str
    ieee: str
    endpoint: int
    cluster: int
    command: int
    payload: str = ""
    general: bool = False
    to_client: bool = False
    manufacturer: int | None = None
    answer_within: float | None = 8.0


class ZigbeeVerbs(Protocol):
    """None of these changes a node's firmware; each raises NetworkUnknown where it names none of ours."""

    async def networks(self) -> Sequence[NetworkView]:
        """All networks, as they are."""
        ...

    async def joined(self, network: str | None = None) -> Sequence[JoinedView]:
        """Everybody who joined, of one network or all."""
        ...

    async def permit(
        self, network: str, seconds: float, *, through: str | None, asked_by: str
    ) -> NetworkView:
        """Let nodes join for so long, through one router or all; 0 ends it.

        Raises LinkError: the coordinator is not there, the router does not answer.
        """
        ...

    async def interview(self, network: str, ieee: str, *, asked_by: str) -> JoinedView:
        """Ask a node anew what it is.  Raises LinkError, and NodeUnreachable for one that sleeps."""
        ...

    async def dismiss(self, network: str, ieee: str, *, asked_by: str) -> NetworkView:
        """Have a node leave the network.

        Raises NodeBusy where an attempt is open on it, LinkError.
        """
        ...

    async def backups(self, network: str) -> Sequence[BackupView]:
        """What is kept of a network, newest first."""
        ...

    async def back_up(self, network: str, *, asked_by: str) -> BackupView:
        """Keep the network as it is now.  Raises LinkError."""
        ...

    async def restore(self, network: str, name: str, *, asked_by: str) -> NetworkView:
        """Write what was kept to the coordinator that is there now.

        Raises BackupUnknown, LinkError; NodeBusy while attempts are at work in it.
        """
        ...

    async def zcl(self, request: ZclRequest, *, asked_by: str) -> ZclAnswer | None:
        """Send a frame of the user's own, and tell the answer; None if none was asked for.

        Raises ClusterOurs for the OTA cluster, BadPayload, LinkError.
        """
        ...

    async def upgradable(self, name: str, *, downgrade: bool = False) -> Upgradable:
        """What a node runs, and the newest release that it could be brought to, or back to.

        ``name`` is the node's, or its address in any form.  Raises NodeUnknown.
        """
        ...

    def frames(self) -> AsyncIterator[HeardFrame]:
        """Every frame that nodes send from now on, but those of the OTA cluster; a slow reader loses some."""
        ...
