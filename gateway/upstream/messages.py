"""What the gateway says: the shape of every message that leaves it.

Each is made from the same views that the local API shows.  The descriptions are the
contract: `docs/upstream.md` repeats them, and a test holds the two together.  A
field without a value is left out of the message.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import Field

from flashers import api
from gateway.control import Progress
from gateway.model.views import ComponentView, Event, NodeView, Status
from gateway.upstream.bounds import Plain
from gateway.upstream.outgoing import Detail, Moment, Outgoing, Text
from gateway.upstream.rollouts import NODES_MAX, DeploymentState, PauseState

SCHEMA = 1
"""The form of all messages.  New fields do not change it; another meaning of an old one does."""

EVENT_MAX = 32_768
"""Bytes of an event; a longer one is sent without its lists and long texts."""
LIST_MAX = 100
"""Names in one list of the status."""

T = TypeVar("T")


class Message(Outgoing):
    """What every message begins with."""

    schema_: Literal[1] = Field(default=1, alias="schema", description="The form of this message: 1.")


class Firmware(Outgoing):
    """One firmware, by what is known of it."""

    version: Detail | None = Field(default=None, description="As the node or the release names it.")
    digest: str | None = Field(
        default=None, description="What the firmware is told apart by, as `algorithm:hex`."
    )

    @classmethod
    def of(cls, firmware: api.Firmware | None) -> "Firmware | None":
        """A firmware for upstream; None where nothing is known."""
        if firmware is None:
            return None
        digest = firmware.identity
        return cls(version=firmware.version, digest=None if digest is None else str(digest))


class Evidence(Outgoing):
    """How something is known."""

    of_: api.Of = Field(
        alias="of", description="`transfer`: the bytes in flash; `boot`: the firmware that runs."
    )
    kind: api.EvidenceKind = Field(
        description="`computed-hash`, `readback`, `reported-hash`, `checksum`, `version`, "
        "`announce` or `none`, strongest first."
    )
    detail: Detail = Field(default="", description="What exactly was seen, for people.")
    at: Moment | None = Field(default=None, description="When it was seen.")


class ComponentState(Outgoing):
    """A part of a node that has its own firmware."""

    id: str = Field(description="The component's name within the node.")
    kind: api.ComponentKind = Field(description="`firmware`, `loader`, `config` or `data`.")
    image: int = Field(description="The number that the node's protocol has for it.")
    slot: int | None = Field(default=None, description="The slot that it runs from, if there are several.")
    version: Detail | None = Field(default=None, description="The version that runs; absent if not known.")
    digest: str | None = Field(
        default=None, description="The digest of what runs, as `algorithm:hex`; absent if not known."
    )
    confirmed: bool | None = Field(
        default=None, description="Whether it stays after a reset; absent where nodes do not tell that apart."
    )
    evidence: tuple[Evidence, ...] = Field(default=(), description="How version and digest are known.")
    verified_at: Moment | None = Field(default=None, description="When they were last verified.")

    @classmethod
    def of(cls, view: ComponentView) -> "ComponentState":
        """A component for upstream."""
        firmware = Firmware.of(view.firmware) or Firmware()
        return cls(
            id=view.id,
            kind=api.ComponentKind(view.kind),
            image=view.image,
            slot=view.slot,
            version=firmware.version,
            digest=firmware.digest,
            confirmed=view.confirmed,
            evidence=tuple(
                Evidence(of_=piece.of, kind=piece.kind, detail=piece.detail, at=Moment.of(piece.at))
                for piece in view.evidence[:16]
            ),
            verified_at=Moment.of(view.verified_at),
        )


class NodeState(Message):
    """A node as the gateway knows it now; retained on `node/NODE`."""

    gateway: str = Field(description="The gateway's name.")
    node: str = Field(description="The node's name, unescaped.")
    profile: str = Field(description="The node type.")
    link: Detail = Field(description="The link that the node is on.")
    labels: Mapping[str, Detail] = Field(description="The operator's labels; deployments can select by them.")
    state: str = Field(
        description="`ok`, `waiting`, `updating`, `wounded`, `quarantined`, `identity-changed` (another node "
        "answers there), `changed-by-others` (it runs what nobody brought to it), "
        "`silent` (it was asked since, and does not answer), `seen` (it is heard on the air, and is another "
        "gateway's or nobody's: nothing is done to it from here) or `unknown` (never seen)."
    )
    role: api.Role = Field(description="How it was found: `app`, `loader`, `asleep`, `silent` or `unknown`.")
    identity: Detail | None = Field(default=None, description="Which node this is; absent if not known.")
    identity_strength: str | None = Field(
        default=None, description="`hw-id`, `bonded`, `address`, `position` or `operator`, strongest first."
    )
    identity_at: Moment | None = Field(default=None, description="When it last said who it is.")
    place: Detail | None = Field(
        default=None, description="The socket of the gateway that it was last found at; absent if not known."
    )
    origin: Detail = Field(
        default="", description="Where the gateway has it from: `configuration`, or who adopted it."
    )
    board: int = Field(default=1, description="Which of the boards that had this name: the first is 1.")
    seen_at: Moment | None = Field(default=None, description="When the node was last looked at or heard.")
    verified_at: Moment | None = Field(
        default=None,
        description="When all that is said of its firmware was last verified: the oldest of its components.",
    )
    components: tuple[ComponentState, ...] = Field(description="What runs on it, part by part; at most 16.")
    rollback: api.RollbackKind = Field(
        description="The best way back that such a node can have: `bootloader`, `slot-switch`, `reflash`, "
        "`restore` or `none`."
    )
    known_good: Mapping[str, Firmware] = Field(description="What it would go back to, by component.")
    known_good_at: Moment | None = Field(
        default=None, description="When that was proved to run on it; absent if it never was."
    )
    attempt: int | None = Field(default=None, description="The attempt under way; absent if there is none.")
    phase: str | None = Field(default=None, description="The phase of that attempt.")
    last_attempt: int | None = Field(default=None, description="The last attempt that ended.")
    last_outcome: str | None = Field(default=None, description="How it ended: one of the outcomes below.")
    owner: Detail | None = Field(
        default=None,
        description="The gateway that has the node, of one on the air; absent if that is not known.",
    )
    next_step: Text = Field(default="", description="What happens or has to be done next, for people.")

    @classmethod
    def of(cls, gateway: str, view: NodeView) -> "NodeState":
        """A node for upstream."""
        return cls(
            gateway=gateway,
            node=view.name,
            profile=view.profile,
            link=view.link,
            labels=_some(view.labels),
            state=view.state,
            role=view.role,
            identity=view.identity,
            identity_strength=view.identity_strength,
            identity_at=Moment.of(view.identity_at),
            place=view.place,
            origin=view.origin,
            board=view.generation,
            seen_at=Moment.of(view.seen_at),
            verified_at=Moment.of(view.verified_at),
            known_good_at=Moment.of(view.known_good_at),
            components=tuple(ComponentState.of(component) for component in view.components[:16]),
            rollback=view.rollback,
            known_good={
                name: Firmware.of(firmware) or Firmware() for name, firmware in _some(view.known_good).items()
            },
            attempt=view.attempt,
            phase=view.phase,
            last_attempt=view.last_attempt,
            last_outcome=view.last_outcome,
            owner=view.owner,
            next_step=view.next_step,
        )


class EventMessage(Message):
    """One thing that happened; in order on `event`, at least once."""

    gateway: str = Field(description="The gateway's name; first part of the event's id.")
    epoch: int = Field(
        description="Another one, and a greater one if the clock runs, where the journal was made anew; "
        "second part of the id."
    )
    sequence: int = Field(description="Grows by one within an epoch; third part of the id.")
    kind: str = Field(description="One of the event kinds below.")
    at: Moment = Field(description="When it happened.")
    node: str | None = Field(default=None, description="The node that it is about.")
    attempt: int | None = Field(default=None, description="The attempt that it is about.")
    deployment: str | None = Field(default=None, description="The deployment that it is about.")
    data: Mapping[str, Any] = Field(description="What the kind says, as listed below.")
    truncated: bool | None = Field(
        default=None, description="True where lists or texts of `data` were shortened to fit; else absent."
    )

    @classmethod
    def of(cls, event: Event, limit: int = EVENT_MAX) -> "EventMessage":
        """An event for upstream, in at most ``limit`` bytes if that can be: shortened step by step."""
        for plain in (Plain(), Plain(text_max=200, items_max=16), Plain(text_max=60, items_max=4)):
            message = cls._with(event, {key: plain.value(item) for key, item in event.data.items()}, plain)
            if len(message.payload()) <= limit:
                return message
        return cls._with(event, {}, None)

    @classmethod
    def _with(cls, event: Event, data: Mapping[str, object], plain: Plain | None) -> "EventMessage":
        return cls(
            gateway=event.id.gateway,
            epoch=event.id.epoch,
            sequence=event.id.sequence,
            kind=event.kind,
            at=Moment(unix_ms=event.at.unix_ms, synchronised=event.at.synchronised),
            node=event.node,
            attempt=event.attempt,
            deployment=event.deployment,
            data=data,
            truncated=True if plain is None or plain.shortened else None,
        )


class ProgressMessage(Message):
    """How far a transfer is; on `progress/NODE`, the latest only, and lost without harm."""

    node: str = Field(description="The node's name, unescaped.")
    attempt: int = Field(description="The attempt that transfers.")
    phase: str = Field(description="Its phase.")
    done_bytes: int = Field(description="Bytes that the node has taken.")
    total_bytes: int = Field(description="Bytes altogether; 0 if that is not known yet.")

    @classmethod
    def of(cls, progress: Progress) -> "ProgressMessage":
        """Progress for upstream."""
        return cls(
            node=progress.node,
            attempt=progress.attempt,
            phase=progress.phase,
            done_bytes=progress.done,
            total_bytes=progress.total,
        )


class Warned(Outgoing):
    """Something that the operator should know."""

    code: str = Field(description="To search for.")
    message: Text = Field(description="What is true, in one sentence.")
    remedy: Text = Field(default="", description="What can be done about it.")

    @classmethod
    def of(cls, reason: api.Reason) -> "Warned":
        """A reason for upstream."""
        return cls(code=reason.code, message=reason.message, remedy=reason.remedy)


class StatusMessage(Message):
    """The gateway at a glance; retained on `status` while it is connected."""

    VOLATILE: ClassVar = frozenset({"outbox_depth", "oldest_unsent", "store_bytes"})
    """Changes of these alone are no reason to publish."""

    gateway: str = Field(description="The gateway's name.")
    state: Literal["online"] = Field(default="online", description="`online`.")
    version: str = Field(description="Tender's version.")
    epoch: int = Field(description="The epoch that its events are in.")
    started: Moment | None = Field(default=None, description="When the service began.")
    desired_revision: int | None = Field(
        default=None, description="The revision of `desired` that it holds; absent if it never had one."
    )
    unsigned_allowed: bool = Field(description="Whether unsigned releases are let in: not for the field.")
    outbox_depth: int = Field(description="Events that upstream does not have yet.")
    oldest_unsent: Moment | None = Field(default=None, description="When the oldest of them happened.")
    nodes: int = Field(description="How many nodes it knows.")
    attempts_open: int = Field(description="How many attempts have not ended.")
    wounded: tuple[str, ...] = Field(description="Nodes that need recovery; at most 100 of them.")
    quarantined: tuple[str, ...] = Field(description="Nodes that are left alone; at most 100 of them.")
    exposed: tuple[str, ...] = Field(
        description="Nodes without firmware that runs at this moment; at most 100 of them."
    )
    store_bytes: int = Field(description="Bytes of the artifact store.")
    paused: PauseState | None = Field(default=None, description="The pause of everything; else absent.")
    deployments: tuple[DeploymentState, ...] = Field(
        default=(), description="Deployments that have not ended; at most 20 of them."
    )
    warnings: tuple[Warned, ...] = Field(default=(), description="What the operator should know; at most 20.")

    @classmethod
    def of(cls, status: Status, warnings: Sequence[api.Reason] = ()) -> "StatusMessage":
        """The status for upstream, with ``warnings`` of the connection's own."""
        return cls(
            gateway=status.gateway,
            version=status.version,
            epoch=status.epoch,
            started=Moment.of(status.started),
            desired_revision=status.desired_revision,
            unsigned_allowed=status.unsigned_allowed,
            outbox_depth=status.outbox_depth,
            oldest_unsent=Moment.of(status.oldest_unsent),
            nodes=status.nodes,
            attempts_open=status.attempts_open,
            wounded=status.wounded[:LIST_MAX],
            quarantined=status.quarantined[:LIST_MAX],
            exposed=status.exposed[:LIST_MAX],
            store_bytes=status.store_bytes,
            paused=PauseState.of(status.paused),
            deployments=tuple(map(DeploymentState.of, status.deployments[:NODES_MAX])),
            warnings=tuple(
                Warned.of(reason) for reason in (*warnings, *status.degraded, *status.warnings)[:20]
            ),
        )

    def same_as(self, other: "StatusMessage | None") -> bool:
        """Whether there is nothing new in it."""
        if other is None:
            return False
        return self.lasting() == other.lasting()

    def lasting(self) -> dict[str, Any]:
        """What is worth a message of its own: of a deployment its state and waves, not each node's turn."""
        dumped = self.model_dump(exclude=set(self.VOLATILE))
        dumped["deployments"] = [each.lasting() for each in self.deployments]
        return dumped


class OfflineMessage(Message):
    """The gateway is away; retained on `status`, by itself when it stops, by the broker when it is lost."""

    gateway: str = Field(description="The gateway's name.")
    state: Literal["offline"] = Field(default="offline", description="`offline`.")
    reason: Literal["stopped", "lost"] = Field(
        description="`stopped`: the service ended in order; `lost`: the broker lost the connection."
    )


class AttemptLine(Outgoing):
    """An attempt that a command was about."""

    attempt: int = Field(description="Its number.")
    node: str = Field(description="Its node.")
    phase: str = Field(description="Its phase now.")
    outcome: str | None = Field(default=None, description="How it ended; absent while it has not.")


class ResultMessage(Message):
    """The answer to a command; on `command/result`, at least once."""

    gateway: str = Field(description="The gateway's name.")
    id: str = Field(description="The command's id.")
    verb: Detail = Field(description="The command's verb.")
    ok: bool = Field(description="Whether it was done.")
    code: str = Field(default="", description="If not: why, to search for.")
    message: Text = Field(default="", description="If not: why, in one sentence.")
    remedy: Text = Field(default="", description="If not: what can be done about it.")
    attempts: tuple[AttemptLine, ...] = Field(
        default=(), description="The attempts concerned, as they stand; at most 100."
    )
    deployments: tuple[DeploymentState, ...] = Field(
        default=(), description="The deployment that was paused or resumed, as it stands."
    )


def _some(mapping: Mapping[str, T]) -> dict[str, T]:
    return dict(list(mapping.items())[:64])
