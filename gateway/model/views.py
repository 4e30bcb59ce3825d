"""What people and upstreams are shown: flat values, made from the journal and the inventory.

The local API, the command line, the page and every upstream show the same ones, so
that there is one truth to check.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from flashers.api import Evidence, Firmware, Reason, Role, RollbackKind, Stamp
from gateway.model.outcomes import Outcome, Phase
from gateway.model.records import Record
from gateway.model.standing import SAFE, Draining, PowerOff


@dataclass(frozen=True, slots=True)
class EventId:
    """Orders everything a gateway says.

    A new ``epoch`` begins when the journal is made anew; ``sequence`` grows by one
    within it, and a missing number is a gap that is named by an event of its own.
    """

    gateway: str
    epoch: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, as it is told in order and at least once.

    ``kind`` is one of the texts in :data:`EVENT_KINDS`; ``data`` are plain values.
    """

    id: EventId
    kind: str
    at: Stamp
    node: str | None = None
    attempt: int | None = None
    deployment: str | None = None
    data: Mapping[str, object] = field(default_factory=dict)


EVENT_KINDS: dict[str, str] = {
    "attempt.phase": "An attempt entered a phase; data: phase, profile, and why (code, message) once it has "
    "turned back.",
    "attempt.done": "An attempt ended; data: outcome, code, message, remedy, profile, before, want, after, "
    "evidence, rollback (the kind that was done, or `none`), reasons (code, message), bytes_sent, seconds, "
    "origin, asked_by.",
    "deployment.accepted": "A deployment was taken; data: release, nodes, revision, asked_by, trust.",
    "deployment.refused": "A deployment was not taken; data: code, message, remedy, revision.",
    "deployment.done": "Every attempt of a deployment has ended; data: outcomes (count by outcome).",
    "command.refused": "A message was not understood or not allowed; data: verb, code, message, remedy.",
    "release.added": "A release is in the store; data: product, version, trust, asked_by.",
    "node.changed": "A node was seen to run something else than last known; data: before, after (digest or "
    "version, by image number).",
    "gateway.started": "The service began; data: version, unsigned_allowed, resumed (open attempts).",
    "gateway.stopping": "The service ends on request; data: open (attempts).",
    "gateway.draining": "Nothing new is begun from now on; data: by, for_s (absent until it is undone).",
    "gateway.undrained": "Attempts are begun again; data: by (nobody where its time was over).",
    "gateway.degraded": "The gateway has to do without something; data: code, message, remedy.",
    "gateway.recovered": "It has it again; data: code.",
    "journal.lost": "The journal was damaged, and begun anew; data: kept (the damaged file), message, "
    "remembered (open attempts that were still in memory).",
    "journal.gap": "Events were dropped to stay within bounds; data: first, last (sequences).",
}
"""The closed list of event kinds, each with what its data holds."""


@dataclass(frozen=True, slots=True)
class ComponentView:
    """What is known of one component, how, and when it was last verified."""

    id: str
    kind: str
    image: int
    firmware: Firmware | None = None
    slot: int | None = None
    confirmed: bool | None = None
    evidence: tuple[Evidence, ...] = ()
    verified_at: Stamp | None = None


@dataclass(frozen=True, slots=True)
class AttemptView:
    """An attempt as it is listed; ``show`` adds the record itself."""

    id: int
    node: str
    profile: str
    deployment: str | None
    origin: str
    phase: Phase
    outcome: Outcome | None
    code: str
    message: str
    remedy: str
    before: Mapping[str, Firmware | None]
    want: Mapping[str, Firmware]
    after: Mapping[str, Firmware | None]
    evidence: tuple[Evidence, ...]
    rollback_available: RollbackKind
    rollback_seen: bool
    rollback_done: RollbackKind
    bytes_sent: int
    seconds: float
    done_bytes: int = 0
    """How far the transfer under way is, in acknowledged bytes; never stored."""
    total_bytes: int = 0
    waiting_for: tuple[Reason, ...] = ()
    created: Stamp | None = None
    ended: Stamp | None = None
    asked_by: str = ""


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node as it is listed and as its retained state is published.

    ``state`` sums it up for people: ``ok``, ``waiting``, ``updating``, ``wounded``,
    ``quarantined``, ``unknown`` (never seen).
    """

    name: str
    profile: str
    link: str
    state: str
    role: Role
    components: tuple[ComponentView, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    identity: str | None = None
    identity_strength: str | None = None
    seen_at: Stamp | None = None
    attempt: int | None = None
    phase: Phase | None = None
    last_attempt: int | None = None
    last_outcome: Outcome | None = None
    known_good: Mapping[str, Firmware] = field(default_factory=dict)
    rollback: RollbackKind = RollbackKind.NONE
    """The best kind that such a node can have; whether it holds is found out by preparation."""
    next_step: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a node is as it is: what is known, what is open, what it waits for, what to do."""

    node: NodeView
    summary: str
    gates: tuple[Reason, ...] = ()
    attempts: tuple[AttemptView, ...] = ()


@dataclass(frozen=True, slots=True)
class DeploymentView:
    """A deployment and how far it is."""

    id: str
    product: str
    version: str
    revision: int | None
    asked_by: str
    state: str
    """``open`` or ``done``."""
    nodes: tuple[str, ...] = ()
    outcomes: Mapping[str, int] = field(default_factory=dict)
    created: Stamp | None = None


@dataclass(frozen=True, slots=True)
class ReleaseView:
    """A release in the store."""

    product: str
    version: str
    trust: str
    """``signed by NAME, …`` or ``unsigned, allowed by configuration``."""
    complete: bool
    """Whether every artifact is in the store (else it is fetched when a node wants it)."""
    artifacts: tuple[Mapping[str, str | int], ...] = ()


@dataclass(frozen=True, slots=True)
class Status:
    """The gateway at a glance."""

    gateway: str
    version: str
    epoch: int
    started: Stamp | None
    unsigned_allowed: bool
    upstream: str
    """``none``, ``connected`` or ``disconnected``."""
    outbox_depth: int
    oldest_unsent: Stamp | None
    nodes: int
    attempts_open: int
    wounded: tuple[str, ...]
    quarantined: tuple[str, ...]
    exposed: tuple[str, ...]
    """Nodes that have no firmware that runs at this moment."""
    store_bytes: int
    warnings: tuple[Reason, ...] = ()
    desired_revision: int | None = None
    """The newest desired state that upstream gave, None before the first."""
    safe_to_power_off: bool = True
    """Whether the plug may be pulled now; ``power_off`` says why not, and for how long."""
    power_off: PowerOff = SAFE
    draining: Draining | None = None
    """Set while nothing new is begun."""
    degraded: tuple[Reason, ...] = ()
    """What the gateway has to do without (a disk that can be written, its journal's past), with remedies."""


@dataclass(frozen=True, slots=True)
class AttemptDetail:
    """An attempt with its record and, if it did not succeed, the last frames of its link."""

    view: AttemptView
    record: Record
    trace: tuple[str, ...] = ()
