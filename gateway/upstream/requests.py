"""What upstream may say: the shape of every message that comes in.

All of it can only select: nodes by name, type or label, and releases by name.
Unknown fields are ignored, so that a newer upstream can talk to an older gateway;
anything else that does not fit is refused with the place where it does not.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from gateway.control import DeploymentPolicy, DeployRequest, Selector
from gateway.errors import MessageMalformed, VerbUnknown
from gateway.model.activation import checked_when
from gateway.releases import strict_json
from gateway.releases.errors import BadRelease
from gateway.upstream.bounds import cut
from gateway.upstream.errors import MessageTooLarge, SchemaUnknown
from gateway.upstream.messages import SCHEMA

PAYLOAD_MAX = 262_144
"""Bytes of a message that are looked at."""
REVISION_MAX = 2**53 - 1
"""The largest integer that every reader of JSON keeps exactly (RFC 8259, section 6)."""

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Id = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]
WaveSize = Annotated[int, Field(ge=1, le=1000)]
When = Annotated[str, Field(max_length=64), AfterValidator(checked_when)]
Why = Annotated[str, Field(max_length=500)]
Seconds = Annotated[float, Field(ge=0, le=366 * 86_400, allow_inf_nan=False)]

M = TypeVar("M", bound=BaseModel)


class Incoming(BaseModel):
    """A message or a part of one."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class ReleaseName(Incoming):
    """Which release, and where it is if the gateway does not have it."""

    product: Name = Field(description="The release's product.")
    version: Name = Field(description="The release's version.")
    manifest_url: Annotated[str, Field(max_length=2048, pattern=r"^https?://\S+$")] | None = Field(
        default=None, description="Where the signed release file is fetched if it is not in the store."
    )


class Select(Incoming):
    """Which nodes: all conditions that are given must hold; one without any selects nothing."""

    nodes: tuple[Name, ...] = Field(default=(), max_length=1000, description="By name; at most 1000.")
    profiles: tuple[Name, ...] = Field(default=(), max_length=100, description="By node type; at most 100.")
    labels: Mapping[Name, Annotated[str, Field(max_length=200)]] = Field(
        default_factory=dict, max_length=64, description="By label: every one of these must be the node's."
    )
    all: bool = Field(default=False, description="Every node that the release has an artifact for.")


class Policy(Incoming):
    """How to go about it; what is left out is the configuration's or the profile's to say."""

    no_rollback: Literal["refuse", "canary-only", "allow"] | None = Field(
        default=None,
        description="`refuse` or `allow` nodes that could not go back; `canary-only` lets no more than one "
        "of a type go without until that one has proved the release on it.",
    )
    soak: Seconds | None = Field(
        default=None, description="Seconds that the target must stay well before it is confirmed."
    )
    soak_after: Seconds | None = Field(
        default=None, description="Seconds that it is watched after it was confirmed."
    )
    deadline_s: Seconds | None = Field(
        default=None, description="Seconds after which nodes that were not begun end as `not-reached`."
    )
    max_in_parallel: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None, description="Nodes that are updated at the same time, at most."
    )
    all_at_once: bool = Field(
        default=False, description="No waves, and nothing stops a bad release by itself."
    )
    waves: Annotated[tuple[WaveSize, ...], Field(min_length=1, max_length=16)] | None = Field(
        default=None,
        description="Nodes of one type: so many are proved first, then so many more, then so many at a time.",
    )
    stop_in_a_row: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None,
        description="The rollout stops after so many nodes of one type in a row that did not succeed; before "
        "the first wave is through, after the first.",
    )
    stop_share: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None,
        description="It also stops when more than this share of a type's nodes did not succeed, of at least "
        "five.",
    )
    beyond_budget: bool = Field(
        default=False, description="Nodes that had their share within 30 days are updated all the same."
    )
    activate: When | None = Field(
        default=None,
        description="When nodes that have their image are started: `at-once`, `held` (until `activate` is "
        "asked), `02:00-05:00` (the gateway's local time; every day), or a moment as "
        "`2026-11-22T02:00:00+01:00`.  Nodes that start with the last byte are refused if they would wait.",
    )


class Deployment(Incoming):
    """A release, the nodes that shall run it, and how."""

    id: Id = Field(description="Upstream's name for it: the same id is the same deployment.")
    release: ReleaseName = Field(description="What they shall run.")
    select: Select = Field(description="Who shall run it.")
    policy: Policy = Field(default=Policy(), description="How to go about it.")


class Desired(Incoming):
    """All that upstream wants of this gateway; retained on `desired`."""

    schema_: int = Field(alias="schema", description="The form of this message: 1.")
    revision: Annotated[int, Field(ge=0, le=REVISION_MAX)] = Field(
        description="Grows with every change; an older one than the gateway holds is ignored."
    )
    deployments: tuple[Deployment, ...] = Field(
        max_length=100,
        description="All of them, at most 100; one that is no longer listed is cancelled.",
    )

    @field_validator("deployments")
    @classmethod
    def _each_once(cls, deployments: tuple[Deployment, ...]) -> tuple[Deployment, ...]:
        ids = [deployment.id for deployment in deployments]
        for index, name in enumerate(ids):
            if name in ids[:index]:
                raise ValueError(f"the id {cut(name, 60)!r} occurs twice")
        return deployments

    def requests(self) -> tuple[DeployRequest, ...]:
        """The same as the gateway's own verbs take it."""
        return tuple(_request(deployment, self.revision) for deployment in self.deployments)


class CommandEnvelope(Incoming):
    """Something to be done once; on `command`, not retained."""

    schema_: int = Field(alias="schema", description="The form of this message: 1.")
    id: Id = Field(description="Upstream's name for it: the same id is done once.")
    verb: Annotated[str, Field(min_length=1, max_length=64)] = Field(description="One of the verbs below.")
    args: Mapping[str, Any] = Field(
        default_factory=dict, max_length=32, description="What the verb is about, as listed below."
    )


class Cancel(Incoming):
    """End an attempt or a deployment early, as far as that is possible."""

    VERB: ClassVar = "cancel"
    target: Id = Field(description="The attempt's number, or the deployment's id.")


class Rollback(Incoming):
    """Bring a node back to its known-good, as an attempt of its own."""

    VERB: ClassVar = "rollback"
    node: Name = Field(description="The node's name.")


class Probe(Incoming):
    """Look at a node now; what is seen becomes its state."""

    VERB: ClassVar = "probe"
    node: Name = Field(description="The node's name.")
    allow_restart: bool = Field(
        default=False, description="Whether its application may be restarted for the look, if need be."
    )


class Refresh(Incoming):
    """Publish the status and every node's state anew."""

    VERB: ClassVar = "refresh"


class Pause(Incoming):
    """Begin nothing new, of one deployment or of everything; a touched node is brought to its end."""

    VERB: ClassVar = "pause"
    deployment: Id | None = Field(default=None, description="The deployment's id; or say `all`.")
    all: bool = Field(default=False, description="Everything.")
    why: Why = Field(default="", description="Told to whoever asks why nothing goes on.")

    @model_validator(mode="after")
    def _one_scope(self) -> Self:
        if (self.deployment is None) is not self.all:
            raise ValueError("name a deployment, or say all, and not both")
        return self


class Resume(Incoming):
    """End such a pause; of a deployment also its stop, if it stopped by itself."""

    VERB: ClassVar = "resume"
    deployment: Id | None = Field(default=None, description="The deployment's id; or say `all`.")
    all: bool = Field(default=False, description="The pause of everything, and no other.")

    @model_validator(mode="after")
    def _one_scope(self) -> Self:
        if (self.deployment is None) is not self.all:
            raise ValueError("name a deployment, or say all, and not both")
        return self


class Activate(Incoming):
    """Start the nodes of a deployment that have their image and wait to be started."""

    VERB: ClassVar = "activate"
    deployment: Id = Field(description="The deployment's id.")


class ReleaseHold(Incoming):
    """Begin no node with a release until that is taken back."""

    VERB: ClassVar = "release-hold"
    release: Name = Field(description="As `PRODUCT:VERSION`.")
    why: Why = Field(default="", description="Told to whoever asks why nothing goes on.")


class ReleaseUnhold(Incoming):
    """Let a held release go."""

    VERB: ClassVar = "release-unhold"
    release: Name = Field(description="As `PRODUCT:VERSION`.")


class ReleaseRecall(Incoming):
    """Never again use a release, as a target or to go back to."""

    VERB: ClassVar = "release-recall"
    release: Name = Field(description="As `PRODUCT:VERSION`.")
    back: bool = Field(default=False, description="Take the nodes that run it to their known-good.")
    why: Why = Field(default="", description="Told to whoever asks why it is not used.")


class Handover(Incoming):
    """Let go of a node on the air, for one other gateway to take; refused while an attempt is open on it."""

    VERB: ClassVar = "handover"
    node: Name = Field(description="The node's name.")
    to: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = Field(
        description="The gateway that may take it, as it calls itself."
    )


class TakeOver(Incoming):
    """Own a node on the air from now on, whoever had it: where that gateway is gone for good."""

    VERB: ClassVar = "take-over"
    node: Name = Field(description="The node's name.")


OfRollout = Pause | Resume | Activate | ReleaseHold | ReleaseUnhold | ReleaseRecall
OfOwners = Handover | TakeOver
Args = Cancel | Rollback | Probe | Refresh | OfOwners | OfRollout
VERBS: dict[str, type[Args]] = {
    kind.VERB: kind
    for kind in (
        Cancel,
        Rollback,
        Probe,
        Refresh,
        Handover,
        TakeOver,
        Pause,
        Resume,
        Activate,
        ReleaseHold,
        ReleaseUnhold,
        ReleaseRecall,
    )
}
"""The closed list of verbs.  Deploying is none of them: it is a state, and belongs into `desired`."""


def read_desired(payload: bytes) -> Desired:
    """The desired state that these bytes say.

    Raises:
        MessageMalformed, MessageTooLarge, SchemaUnknown: told with the field's place.
    """
    return _read(Desired, payload, what="desired state")


def read_command(payload: bytes) -> CommandEnvelope:
    """The command that these bytes say, before its verb is looked at.

    Raises:
        MessageMalformed, MessageTooLarge, SchemaUnknown: told with the field's place.
    """
    return _read(CommandEnvelope, payload, what="command")


def read_args(command: CommandEnvelope) -> Args:
    """What the command's verb is about.

    Raises:
        VerbUnknown: there is no such verb.
        MessageMalformed: the arguments are not the verb's.
    """
    kind = VERBS.get(command.verb)
    if kind is None:
        raise VerbUnknown(
            f"{cut(command.verb, 60)!r} is no verb of this contract; there are {', '.join(VERBS)}"
        )
    try:
        return kind.model_validate(command.args)
    except ValidationError as error:
        raise MessageMalformed(_places(error, ("args",))) from None


def _read(model: type[M], payload: bytes, *, what: str) -> M:
    if len(payload) > PAYLOAD_MAX:
        raise MessageTooLarge(f"the {what} has {len(payload)} bytes; at most {PAYLOAD_MAX} are read")
    try:
        value = strict_json.loads(payload, what=what, limit=PAYLOAD_MAX)
    except BadRelease as error:
        raise MessageMalformed(cut(error.message, 300)) from None
    schema = value.get("schema") if isinstance(value, dict) else None
    if isinstance(schema, int) and schema > SCHEMA:
        raise SchemaUnknown(f"schema: this is {schema}, and this Tender reads {SCHEMA}")
    try:
        return model.model_validate_json(payload)
    except ValidationError as error:
        raise MessageMalformed(_places(error)) from None


def _places(error: ValidationError, prefix: tuple[str | int, ...] = ()) -> str:
    """The first faults, each with its place as ``deployments[2].select.nodes[0]``."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    texts = []
    for fault in found[:3]:
        place = ""
        for part in (*prefix, *fault["loc"]):
            place += f"[{part}]" if isinstance(part, int) else f".{cut(str(part), 60)}"
        texts.append(f"{place.lstrip('.') or 'message'}: {fault['msg']}")
    if len(found) > 3:
        texts.append(f"and {len(found) - 3} more")
    return cut("; ".join(texts), 500)


def _request(deployment: Deployment, revision: int) -> DeployRequest:
    select, policy = deployment.select, deployment.policy
    return DeployRequest(
        id=deployment.id,
        product=deployment.release.product,
        version=deployment.release.version,
        select=Selector(
            nodes=select.nodes, profiles=select.profiles, labels=dict(select.labels), all=select.all
        ),
        policy=DeploymentPolicy(
            no_rollback=policy.no_rollback,
            soak=policy.soak,
            soak_after=policy.soak_after,
            deadline_s=policy.deadline_s,
            max_in_parallel=policy.max_in_parallel,
            all_at_once=policy.all_at_once,
            waves=policy.waves,
            stop_in_a_row=policy.stop_in_a_row,
            stop_share=policy.stop_share,
            beyond_budget=policy.beyond_budget,
            activate=policy.activate,
        ),
        revision=revision,
        asked_by="upstream",
        manifest_url=deployment.release.manifest_url,
    )
