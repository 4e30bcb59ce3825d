"""What the journal knows of an attempt, and what is known of a node.

A record holds intent and what was done; an observation holds what the node itself
showed.  Neither is true without the other, and only
:func:`gateway.attempt.decide.decide` joins them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import ConfigDict

from flashers.api import (
    Component,
    Digest,
    Evidence,
    EvidenceKind,
    Firmware,
    Reason,
    RollbackKind,
    Seen,
    Stamp,
)
from flashers.api.plain import PLAIN
from gateway.model.outcomes import CancelReason, Direction, Origin, Outcome, Phase, Verdict

RECORD_SCHEMA = 1
"""The shape of a stored record; a newer one is refused by an older binary."""


@dataclass(frozen=True, slots=True)
class Target:
    """An artifact that a component may be brought to, and how the node names it then."""

    artifact: Digest
    firmware: Firmware
    size: int
    format: str
    variant: str | None = None
    version: str = ""
    """The release's word for it, for people."""
    data_format: str | None = None
    """How the firmware lays out the data that it keeps on the node."""
    returns_to: tuple[str, ...] = ()
    """Older data formats whose firmware can still work after this one ran."""
    follows: str | None = None
    """The oldest version that this firmware can be put on."""
    private: bool = False
    """Read from the node: it stays on this gateway."""


@dataclass(frozen=True, slots=True)
class Part:
    """One component's share of an attempt.

    ``before`` is what the node ran when the attempt was prepared; ``known_good`` is
    pinned before the first destructive write.
    """

    component: Component
    want: Target
    before: Firmware | None = None
    known_good: Target | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """How often, at most; every one of them ends an attempt rather than starting it anew."""

    activations: int = 2
    """Restarts into the target; a second one only if the first was lost."""
    starts: int = 3
    """Starts of one step without any progress."""
    resets: int = 1
    """Restarts of a node that fell silent."""
    turns: int = 60
    """Steps altogether."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The node type's and the deployment's rules, copied when the attempt was made.

    A profile that is edited in the middle of an attempt does not change the attempt.
    ``transfer`` and ``boot`` are the evidence that counts; an empty ``boot`` says that
    a boot cannot be proved on such nodes.  Times are in seconds.
    """

    transfer: frozenset[EvidenceKind] = frozenset()
    boot: frozenset[EvidenceKind] = frozenset()
    separate: bool = True
    """Transferred images wait in a slot of their own until they are activated."""
    exposes: bool | None = None
    """While it is written the node may be without firmware that runs; None is as ``separate`` says."""
    keeps_staged: bool = True
    """What waits there is gone only if the loader refused it; else it may be a restart that lost it."""
    trial_boot: bool = False
    """The loader reverts an image that is not confirmed."""
    reverts: bool = False
    """The loader takes a bad image back without being asked: old firmware after a start says so."""
    startable: bool = True
    """What lies in place can be started once more; a node that pulls restarts only for another image."""
    restartable: bool = False
    """The host can restart a node that does not answer."""
    stays_hung: bool = False
    """Nothing restarts a node that hangs on trial, so its loader has no occasion to take anything back."""
    boot_deadline: float = 30.0
    patience: float = 60.0
    """How long an untouched node may be silent before the attempt ends as not reached."""
    soak: float = 0.0
    soak_after: float = 0.0
    """A longer soak, after confirming, with the rollback kind that then holds."""
    no_rollback: str = "refuse"
    """What to do with a node that cannot go back: refuse, allow, or canary-only.

    The last one refuses nobody whose turn came by waves: only the node by which a type is
    proved can have its turn before it is proved.  Without waves it is refuse.
    """
    bounds: Bounds = Bounds()


@dataclass(frozen=True, slots=True)
class Trouble:
    """An error as it is stored: what, and what may be done."""

    code: str
    message: str
    remedy: str = ""
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """How an attempt ended; ``after`` holds, by component, what the node was last seen to run."""

    outcome: Outcome
    code: str = ""
    message: str = ""
    remedy: str = ""
    rollback: RollbackKind = RollbackKind.NONE
    after: Mapping[str, Firmware | None] = field(default_factory=dict)
    evidence: tuple[Evidence, ...] = ()
    reasons: tuple[Reason, ...] = ()
    at: Stamp | None = None


@dataclass(frozen=True, slots=True)
class Provenance:
    """What was in force when the attempt was made, besides who asked for it.

    ``config`` is the digest of the configuration without its secrets: the same digest
    does not say that a password is the same.
    """

    revision: int | None = None
    """Of the desired state that it came by."""
    config: str = ""
    tender: str = ""
    """Tender's version."""


@dataclass(frozen=True, slots=True)
class Record:
    """One deployment on one node, as the journal knows it.

    ``touched`` is the first destructive write, noted before it happens; ``tried`` that
    the target was seen running, or is known to have been started and taken back;
    ``starts`` counts, by step, how often it was begun without progress since, and
    ``mark`` how far the transfer is known to have come.
    """

    __pydantic_config__: ClassVar[ConfigDict] = PLAIN

    id: int
    node: str
    profile: str
    parts: tuple[Part, ...]
    rules: Rules
    schema: int = RECORD_SCHEMA
    deployment: str | None = None
    origin: Origin = Origin.DEPLOYMENT
    asked_by: str = ""
    provenance: Provenance = Provenance()
    phase: Phase = Phase.QUEUED
    prepared: bool = False
    rollback: RollbackKind = RollbackKind.NONE
    rollback_seen: bool = False
    """Whether that rollback was ever seen to work on this model and firmware."""
    rollback_refused: bool = False
    """Whether such a node, with the target on it, is known to take nothing older: then it has no rollback."""
    model: str = ""
    """What the node called its model when the attempt was prepared."""
    touched: bool = False
    staged: bool = False
    """Everything is where it is started from, and starting it waits for its gate."""
    direction: Direction = Direction.FORWARD
    turned: Trouble | None = None
    """Why the attempt turned back."""
    back_kind: RollbackKind = RollbackKind.NONE
    """What was really done to go back, so far."""
    activations: int = 0
    activated: bool = False
    """Whether the last of them is known to have been done: the flasher came back from it."""
    resets: int = 0
    tried: bool = False
    verdict: Verdict = Verdict.OPEN
    late_verdict: Verdict = Verdict.OPEN
    verdict_why: Trouble | None = None
    cancel: CancelReason | None = None
    cancel_by: str = ""
    starts: Mapping[str, int] = field(default_factory=dict)
    mark: int = 0
    turns: int = 0
    error: Trouble | None = None
    data_rate: float | None = None
    """Messages a second of the node's own data, as heard before it was touched; None if not known."""
    report_rate: float | None = None
    """Attribute reports a second, as its network heard them before it was touched; None if not known."""
    answers: Mapping[str, str] = field(default_factory=dict)
    """What it answered before it was touched, by request, where that is to stay so."""
    judged_by: tuple[str, ...] = ()
    """What a health check rested on, where that is not the same each time."""
    bytes_sent: int = 0
    evidence: tuple[Evidence, ...] = ()
    generation: int = 1
    """Which of the boards that had this node's name, given by the journal."""
    created: Stamp | None = None
    started: Stamp | None = None
    ended: Stamp | None = None
    seconds: float = 0.0
    """Time spent with the node, in seconds; waiting is not counted."""
    erases: int = 0
    """Transfers that began; each erases what it writes to."""
    all_at_once: bool = False
    """Its deployment was asked to have no waves."""
    beyond_budget: bool = False
    """Its deployment was asked not to mind what the node has borne."""
    recovers: int | None = None
    """The attempt whose wounded node this one brings back."""
    result: Result | None = None

    @property
    def done(self) -> bool:
        """Whether the attempt has ended."""
        return self.result is not None


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen of a node, and for how long it has been silent (seconds, this process's clock)."""

    __pydantic_config__: ClassVar[ConfigDict] = PLAIN

    seen: Seen
    silent_for: float = 0.0
    at: Stamp | None = None
    trouble: Trouble | None = None
    """Why it could not be seen."""
