"""The verbs about the state: export it, find it out again, and say what is not known since."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from flashers.api import Reason
from gateway.state.contents import Artifacts
from gateway.state.exporting import Exported
from gateway.state.keys import Seal


@dataclass(frozen=True, slots=True)
class AskedView:
    """A node that is, or was, to be asked what it runs, and what that established.

    ``state``: ``open`` (not asked yet), ``silent`` (asked in vain, and asked again), ``costly`` (asking
    would restart its application, and nobody allowed that), ``asked``.
    """

    node: str
    state: str
    runs: Mapping[str, str] = field(default_factory=dict)
    """By component: the digest, or the version if there is none."""
    known_good: Mapping[str, str] = field(default_factory=dict)
    """By component: ``kept``, ``established`` or ``unknown``."""
    reasons: tuple[Reason, ...] = ()
    """Why something is not known."""


@dataclass(frozen=True, slots=True)
class OriginView:
    """An import or a rebuilding that this journal is from."""

    kind: str
    """``import`` or ``rebuild``."""
    facts: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class StateView:
    """Where the journal is from, what is to be found out, and how its exports are."""

    epoch: int
    origins: tuple[OriginView, ...]
    asked: tuple[AskedView, ...]
    sources: tuple[Reason, ...] = ()
    """Releases that could not be had for rebuilding, and why."""
    exports_to: str | None = None
    last_export: str | None = None
    export_trouble: Reason | None = None


class StateVerbs(Protocol):
    """What can be asked about the state."""

    async def show(self) -> StateView:
        """Where it is from, and what of it is not known."""
        ...

    def export(self, seal: Seal, what: Artifacts, *, asked_by: str) -> AbstractAsyncContextManager[Exported]:
        """Lend an export as a file of the service's own, which is gone afterwards.

        Raises DiskFull, DiskTrouble, JournalFull or JournalError.
        """
        ...

    async def rebuild(self, *, allow_restart: bool, asked_by: str) -> StateView:
        """Have every node asked, and known-goods established where there are none.

        ``allow_restart`` asks nodes also where that restarts their application.
        """
        ...
