"""What an attempt needs of the rest of the gateway, and nothing more.

The runner is given these by the service, by `tender flash` and by the tests, each
in its own way: a journal on disk or in memory, links that are real or virtual.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from flashers.api import Component, Declaration, Firmware, FirmwareImage, FlasherPlugin, Params, Stamp
from gateway.attempt.session import HostSession
from gateway.journal.journal import Told
from gateway.model.records import Observation, Record, Target
from gateway.profiles.model import Profile


class AttemptJournal(Protocol):
    """Where records go; each call is on the disk when it returns."""

    async def save(
        self, record: Record, told: tuple[Told, ...] = (), *, known_good: Mapping[str, Target] | None = None
    ) -> None:
        """Store the record and what is told of it, together."""
        ...

    async def save_seen(self, node: str, observation: Observation, told: tuple[Told, ...] = ()) -> None:
        """Keep what was last seen of a node."""
        ...


class Artifacts(Protocol):
    """Verified bytes."""

    async def image(self, target: Target, component: Component) -> FirmwareImage:
        """The target's image, its artifact verified by digest, parsed and checked.

        Raises:
            TenderError: it is not here, not what it should be, or no image for this node.
        """
        ...

    async def keep_backup(self, data: bytes, component: Component, before: Firmware | None) -> Target:
        """Keep what was read from a node, privately."""
        ...


class WaysBack(Protocol):
    """What is known of going back."""

    async def known_good(
        self, node: str, profile: str, component: str, seen: Firmware | None
    ) -> Target | None:
        """The artifact to go back to: the node's own, or a baseline that it was seen to run."""
        ...

    async def familiar(self, node: str, profile: str, component: str) -> list[Target]:
        """What the node may well run now: its own known-good and the baselines of its type."""
        ...

    async def worked(self, profile: str, kind: str) -> bool:
        """Whether that kind was ever seen to work on this model."""
        ...

    async def took_older(self, profile: str, model: str, version: str) -> bool | None:
        """Whether such nodes took an older image while that version ran; None if nobody has tried."""
        ...

    async def learn_downgrade(self, record: Record, version: str, *, taken: bool) -> None:
        """It was tried on this attempt's node while that version ran."""
        ...


class Clock(Protocol):
    """The wall clock."""

    def __call__(self) -> Stamp:
        """Now."""
        ...


@dataclass(frozen=True, slots=True)
class NodeType:
    """A profile with what its flasher says of it."""

    profile: Profile
    plugin: FlasherPlugin
    params: Params
    declaration: Declaration


class Sessions(Protocol):
    """Gives a node's link for the length of a lease."""

    def session(self, record: Record) -> HostSession:
        """A session that has not opened its link yet."""
        ...
