"""What people and upstreams are shown: flat values, made from the journal and the inventory.

The local API, the command line, the page and every upstream show the same ones, so
that there is one truth to check.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from flashers.api import Evidence, Firmware, Reason, Role, RollbackKind, Stamp
from gateway.model.links import Finding
from gateway.model.outcomes import Outcome, Phase
from gateway.model.records import Record
from gateway.model.rollout import Pause, ReleaseMark, RolloutView
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
    "origin, asked_by, revision (of the desired state that it came by), config (digest of the configuration, "
    "without its secrets), tender (the version that made the attempt).",
    "deployment.accepted": "A deployment was taken; data: release, nodes, revision, asked_by, trust.",
    "deployment.refused": "A deployment was not taken; data: code, message, remedy, revision.",
    "deployment.done": "Every attempt of a deployment has ended; data: outcomes (count by outcome).",
    "rollout.stopped": "A rollout stopped by itself; data: release, code, message, remedy, profile, nodes "
    "(that did not succeed), finishing (nodes), waiting (attempts).",
    "rollout.paused": "Nothing new is begun, of a deployment or, without one, of everything; data: by, why, "
    "finishing (nodes).",
    "rollout.resumed": "A pause, or a stop, was ended; data: by, forgiven (nodes that count no longer).",
    "rollout.activated": "Somebody said that the staged nodes of a deployment are to be started, those that "
    "come later too; data: by, nodes (that were staged).",
    "release.held": "No node is begun with a release; data: release, by, why.",
    "release.unheld": "A hold was taken back; data: release, by.",
    "release.recalled": "A release is never used again; data: release, by, why, running (nodes), going_back "
    "(nodes), stranded (nodes without a way back).",
    "command.refused": "A message was not understood or not allowed; data: verb, code, message, remedy.",
    "release.added": "A release is in the store; data: product, version, trust, asked_by.",
    "node.changed": "A node was seen to run something else than last known; data: before, after (digest or "
    "version, by image number).",
    "node.identified": "A node said for the first time who it is, or surer than before; data: identity, "
    "strength, before (the identity that was known).",
    "node.identity-changed": "Another node answers than the one that is known, or the same link leads to "
    "another socket; data: known, found, strength, looks_like (the node that was known by it).",
    "node.adopted": "A node was taken in that is in no file; data: profile, link, labels, by.",
    "node.replaced": "There is a new board in a node's place; data: generation, by.",
    "node.forgotten": "It is no node of this gateway any more; data: by, still (`configuration`, if only the "
    "adopted one of two by that name was forgotten).",
    "node.renamed": "A node has another name; data: old, by.",
    "node.labelled": "A node's labels were changed; data: labels (all of them now), by.",
    "node.accepted": "What a node runs, or where it is, was accepted; data: firmware (by image number), "
    "place, by.",
    "node.owned": "A node on the air is this gateway's from now on; data: address, epoch, before (the "
    "gateway that had it), by (nobody where it was free, or handed over).",
    "node.disowned": "It is this gateway's no longer; data: address, epoch, owner (the gateway that people "
    "gave it to).",
    "node.handed-over": "This gateway let go of a node, for one other to take; data: address, epoch, to, by.",
    "gateway.started": "The service began; data: version, unsigned_allowed, resumed (open attempts).",
    "config.changed": "The service began with another configuration than last time; data: before, after "
    "(digests, which do not cover secrets), changed (key, before, after, at most 50 of them), more (keys "
    "that are left out).",
    "gateway.stopping": "The service ends on request; data: open (attempts).",
    "gateway.draining": "Nothing new is begun from now on; data: by, for_s (absent until it is undone).",
    "gateway.undrained": "Attempts are begun again; data: by (nobody where its time was over).",
    "gateway.degraded": "The gateway has to do without something; data: code, message, remedy.",
    "gateway.recovered": "It has it again; data: code.",
    "journal.lost": "The journal was damaged, and begun anew; data: kept (the damaged file), message, "
    "remembered (open attempts that were still in memory).",
    "rescue.step": "Something was done to a node from outside, since it did not answer or somebody asked; "
    "data: step, kind, effect (`reset` or `power`), result (`answered`, `silent`, `done`, `failed`, "
    "`interrupted`), affects (other nodes that were hit), by, seconds, and code, message, remedy if it "
    "failed.",
    "rescue.exhausted": "A node does not answer, and nothing more can be done from here; data: recoverable "
    "(`site-visit`), why, steps (step, result).",
    "link.leased": "The user's own software or people got a link; data: link, who, why, seconds, lease (its "
    "number).",
    "link.lease-ended": "Such a lease ended; data: link, who, lease, by (who gave it back, or `deadline`).",
    "link.not-given-back": "Other software could not be let back to a link that it shares, and it is tried "
    "again; data: link, shared_with, code, message, remedy.",
    "link.given-back": "After such trouble the other software has its link again; data: link, shared_with.",
    "link.overdue": "Other software waits for a link beyond the lease's deadline, since a node must not be "
    "left now; data: link, shared_with.",
    "adapter.power-cycled": "A Bluetooth adapter was switched off and on, since it heard nothing or hung; "
    "data: adapter, why, power_cycles (since the service began), nodes (behind it).",
    "zigbee.permit": "Nodes may join a Zigbee network; data: network, seconds (0 ends it), through (address "
    "of one router, or nothing for all), by.",
    "zigbee.left": "A node was made to leave a Zigbee network; data: network, ieee, by.",
    "zigbee.restored": "A Zigbee network was written to a coordinator; data: network, backup, by.",
    "state.exported": "The state was exported; data: asked_by, sealed (`scrypt` or `x25519`), bytes, nodes, "
    "known_goods, open_attempts, lacking (artifacts).",
    "state.imported": "The service began with an imported state; data: made_ms (by the exporting machine's "
    "clock), made_synchronised, tender (the version that exported), gateway, artifacts, nodes, "
    "known_goods, open_attempts, lacking (artifacts), epoch_before, epoch.",
    "state.rebuilt": "A gateway without a past, or one that was asked to, has asked every node that it "
    "could; data: nodes, remembered (by upstream), asked, silent, costly (not asked), known_goods, "
    "unknown (components without a known-good), asked_by.",
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
    generation: int = 1
    """Which of the boards that had the node's name."""
    revision: int | None = None
    """Of the desired state that it came by."""
    config: str = ""
    """The digest of the configuration when it was made, without its secrets."""
    tender: str = ""
    """The version of Tender that made it."""
    no_rollback: str = ""
    """What its deployment said of nodes that cannot go back: `refuse`, `canary-only` or `allow`."""
    all_at_once: bool = False
    beyond_budget: bool = False
    rollback_refused: bool = False
    """Such a node, with the target on it, is known to take nothing older."""


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node as it is listed and as its retained state is published.

    ``state`` sums it up for people: ``ok``, ``waiting``, ``updating``, ``wounded``,
    ``quarantined``, ``identity-changed`` (another node answers), ``changed-by-others``
    (it runs what nobody here brought to it), ``silent`` (it was asked since, and does not
    answer), ``unknown`` (never seen).
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
    verified_at: Stamp | None = None
    """When all that is said of its firmware was last verified: the oldest of its components."""
    identity_at: Stamp | None = None
    """When it last said who it is."""
    known_good_at: Stamp | None = None
    """When its known-good was proved to run on it."""
    place: str | None = None
    """The socket of this machine that it was last found at."""
    origin: str = ""
    """Where it comes from: ``configuration``, or who adopted it."""
    generation: int = 1
    """Which of the boards that had this name."""
    reset_by: str = ""
    """What really restarts it if it hangs on trial: ``watchdog``, ``gateway``, ``power`` or ``none``."""
    way_back: str = ""
    """What the rollback kind and ``reset_by`` mean together, as a sentence."""
    recoverable: str = ""
    """``remote``, ``power-cycle`` or ``site-visit`` for a node that does not work, else empty."""
    recoverable_why: str = ""
    owner: str | None = None
    """The gateway that has a node on the air, as far as that is known."""
    takes_older: bool | None = None
    """Whether such a node took older firmware while what it runs now ran; None: nobody has tried."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a node is as it is: what is known, what is open, what it waits for, what to do."""

    node: NodeView
    summary: str
    gates: tuple[Reason, ...] = ()
    attempts: tuple[AttemptView, ...] = ()
    finding: Finding | None = None
    """Whose fault it is if the node's link does not carry."""


@dataclass(frozen=True, slots=True)
class DeploymentView:
    """A deployment and how far it is."""

    id: str
    product: str
    version: str
    revision: int | None
    asked_by: str
    state: str
    """``open``, ``paused``, ``stopped`` or ``done``."""
    nodes: tuple[str, ...] = ()
    outcomes: Mapping[str, int] = field(default_factory=dict)
    created: Stamp | None = None
    rollout: RolloutView = field(default_factory=RolloutView)


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
    mark: ReleaseMark | None = None
    """Set where it is held or recalled."""


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
    paused: Pause | None = None
    """The pause of everything."""
    deployments: tuple[DeploymentView, ...] = ()
    """Those that have not ended."""
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
