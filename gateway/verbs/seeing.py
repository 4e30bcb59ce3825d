"""What can be asked about the whole: is anything broken, what happened, who ordered it, what passed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from flashers.api import Stamp
from gateway.model.views import Event, Status


class Level(StrEnum):
    """How bad it is; the command that shows it exits with 0, 1 or 2."""

    FINE = "fine"
    WAITS = "waits"
    """Something waits for a person."""
    BROKEN = "broken"


class Cause(StrEnum):
    """Whether it followed something that we did; read off the records, never guessed."""

    OURS = "ours"
    """It was found within an attempt that had changed the node, its soak included; or it is our own bug."""
    NOT_OURS = "not-ours"
    """It was found while no attempt had changed anything."""
    UNKNOWN = "unknown"
    """The records do not say."""


@dataclass(frozen=True, slots=True)
class Concern:
    """One thing that somebody should know; ``next`` is the command that comes next, if there is one."""

    level: Level
    code: str
    message: str
    next: str = ""
    cause: Cause = Cause.UNKNOWN
    because: str = ""
    """What in the records says so."""
    node: str | None = None
    attempt: int | None = None
    subject: str = ""
    """What it is about, where that is no node."""


@dataclass(frozen=True, slots=True)
class UpstreamTrouble:
    """Why upstream is not reached, and since when it is so."""

    code: str
    message: str
    remedy: str
    since: Stamp


@dataclass(frozen=True, slots=True)
class Disk:
    """The state folder's room in bytes; None where the file system does not say."""

    folder: str
    free: int | None
    store: int
    store_cap: int
    journal: int | None = None


@dataclass(frozen=True, slots=True)
class Overview:
    """The answer to "Is anything broken, and did we do it?", with the status that it was made from."""

    level: Level
    headline: str
    concerns: tuple[Concern, ...]
    disk: Disk
    status: Status
    trouble: UpstreamTrouble | None = None
    config: str = ""
    """The digest of the configuration that the service runs with."""


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Which events: all conditions that are given must hold; ``newest`` takes the last ``limit`` of them."""

    after: int = 0
    since_ms: int | None = None
    node: str | None = None
    kind: str | None = None
    limit: int = 500
    newest: bool = False


@dataclass(frozen=True, slots=True)
class EventPage:
    """Kept events in order.

    ``asked_by`` says by attempt who wanted it.  What is older than ``kept_from`` is
    gone, and of attempts' phases what is older than ``phases_from``; ``more`` says
    that there are later ones than these.
    """

    events: tuple[Event, ...]
    asked_by: Mapping[int, str] = field(default_factory=dict)
    kept_from: int = 0
    phases_from: int = 0
    more: bool = False


@dataclass(frozen=True, slots=True)
class TraceLine:
    """What passed on a link, ``at`` seconds after the first frame that is kept.

    ``sign`` is ``>`` down to the node, ``<`` up from it, ``=`` done to the link.  ``said``
    is what the flasher's decoder made of it; empty where it made nothing.
    """

    number: int
    at: float
    sign: str
    said: tuple[str, ...]
    data: str = ""
    """The bytes in hexadecimal, or the note."""


@dataclass(frozen=True, slots=True)
class Trace:
    """The flight recorder of one attempt; ``live`` while the attempt is under way."""

    attempt: int
    node: str
    live: bool
    decoded: bool
    dropped: str = ""
    """What was recorded before and is not kept, in words."""
    lines: tuple[TraceLine, ...] = ()


@dataclass(frozen=True, slots=True)
class JournalCheck:
    """What SQLite says of the journal's file."""

    schema: int
    findings: tuple[str, ...]
    """``ok`` alone, if nothing is wrong."""
    rows: Mapping[str, int]
    bytes: int


class SeeingVerbs(Protocol):
    """What can be seen of a running gateway; nothing here changes anything."""

    async def overview(self) -> Overview:
        """Everything that waits for somebody, and whether we did it."""
        ...

    async def events(self, query: EventQuery) -> EventPage:
        """What happened, from the journal.  Raises NodeUnknown."""
        ...

    async def trace(self, attempt_id: int, *, after: int = 0) -> Trace:
        """The frames of an attempt numbered above ``after``.  Raises AttemptUnknown."""
        ...

    async def trace_of(self, node: str, *, after: int = 0) -> Trace:
        """The same of the attempt under way, else of the newest that has one.

        Raises NodeUnknown, or NoTrace.
        """
        ...

    async def check_journal(self) -> JournalCheck:
        """Have SQLite read the whole journal, beside the work."""
        ...
