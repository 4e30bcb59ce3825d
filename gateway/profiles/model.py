"""The shape of a device profile: one node type, in one TOML file.

Text enters here, so every key is checked and an unknown one is an error.  What a
flasher alone understands stands in ``[params]`` and is checked by the flasher.
"""

import re
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from flashers.api import Component, ComponentKind, EvidenceKind, ResetKind, RollbackKind
from gateway.model.rescue import ResetBy
from gateway.profiles.discovery import DiscoveryTable
from gateway.profiles.ladder import AnyStep, distinct
from gateway.profiles.radio import RadioTable
from gateway.profiles.zigbee import ZigbeeTable
from transports.links import Medium

PROFILE_SCHEMA = 1
"""The version of this format; a newer one is refused with a sentence."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return text


class ComponentTable(_Table):
    """A part of the node that has its own firmware."""

    id: str = Field(default="app", pattern=r"^[a-z0-9][a-z0-9-]*$")
    kind: ComponentKind = ComponentKind.FIRMWARE
    image: int = Field(default=0, ge=0)

    def value(self) -> Component:
        """The same as a plain value."""
        return Component(self.id, self.kind, self.image)


class EvidenceTable(_Table):
    """Which evidence counts as success; what the flasher declares if it is left out.

    An empty ``boot`` says that a boot cannot be proved: such nodes end as ``flashed``.
    """

    transfer: tuple[EvidenceKind, ...] | None = None
    boot: tuple[EvidenceKind, ...] | None = None


class TimingTable(_Table):
    """Times in seconds."""

    boot_deadline: float = Field(default=30.0, gt=0)
    """From the restart until the node must have answered."""
    patience: float = Field(default=60.0, gt=0)
    """How long an untouched node may be silent before the attempt ends as not reached."""
    soak: float = Field(default=0.0, ge=0)
    """How long the target must stay well before it is confirmed."""
    soak_after: float = Field(default=0.0, ge=0)
    """The same after it was confirmed."""
    soak_interval: float = Field(default=5.0, gt=0)
    """How often it is looked at while soaking."""


class BoundsTable(_Table):
    """How often, at most."""

    activations: int = Field(default=2, ge=1)
    starts: int = Field(default=3, ge=1)
    resets: int = Field(default=1, ge=0)
    recoveries: int = Field(default=3, ge=0)
    """Attempts to bring a wounded node back, before an operator has to ask."""


class VersionCheck(_Table):
    """The node names the target's version."""

    kind: Literal["version"]


class DigestCheck(_Table):
    """The node names, or its flash has, the target's digest."""

    kind: Literal["digest"]


class ConsoleLineCheck(_Table):
    """The node prints a line, counted from before its reset."""

    kind: Literal["console-line"]
    pattern: Annotated[str, Field(min_length=1)]
    within: float = Field(default=10.0, gt=0)
    _compiles = field_validator("pattern")(_pattern)


class CommandCheck(_Table):
    """The node answers a command as expected; the request is the flasher's to interpret."""

    kind: Literal["command"]
    request: str
    expect: Annotated[str, Field(min_length=1)]
    within: float = Field(default=5.0, gt=0)
    _compiles = field_validator("expect")(_pattern)


class ProbesCheck(_Table):
    """The node answers ``count`` probes spread over ``over`` seconds, each time running the target."""

    kind: Literal["probes"]
    count: int = Field(default=3, ge=1, le=100)
    over: float = Field(default=10.0, gt=0)


class HookCheck(_Table):
    """A Python function by entry point (group ``tender.health``), asked for a verdict."""

    kind: Literal["hook"]
    name: str
    options: dict[str, str | int | float | bool] = {}
    within: float = Field(default=30.0, gt=0)


class DataSeenCheck(_Table):
    """The node's own data is heard again: at the local broker, or as the site's own software reports it."""

    kind: Literal["data-seen"]
    topic: str = ""
    """At the broker of `[data.mqtt]`; ``{node}`` is its name, ``{label:NAME}`` one of its labels."""
    within: float = Field(default=120.0, gt=0)
    """Seconds, counted from when it was seen to have booted."""
    least_rate: float = Field(default=0.5, ge=0, le=1)
    """So much of what came before the update has to come, as a share; if that is not known, one message."""

    @field_validator("topic")
    @classmethod
    def _is_filter(cls, value: str) -> str:
        names = re.sub(r"\{(node|label:[A-Za-z0-9._-]+)\}", "x", value)
        if set(names) & set("{}\0") or len(value) > 500:
            raise ValueError("a topic has {node} and {label:NAME} in braces, and nothing else")
        levels = names.split("/")
        if any("#" in level and (level != "#" or at < len(levels) - 1) for at, level in enumerate(levels)):
            raise ValueError("# stands alone, and at the end")
        if any("+" in level and level != "+" for level in levels):
            raise ValueError("+ stands alone between slashes")
        return value


class ReportsCheck(_Table):
    """The node reports again as it did: attribute reports heard by its network, so its bindings work."""

    kind: Literal["reports"]
    within: float = Field(default=900.0, gt=0)
    """Seconds, counted from when it was seen to have booted; longer than the node's longest interval."""
    least_rate: float = Field(default=0.5, ge=0, le=1)
    """So much of what came before the update has to come, as a share; if that is not known, one report."""


class UnchangedCheck(_Table):
    """The node answers a request as it did before the update: what it was told to keep, it has kept."""

    kind: Literal["unchanged"]
    request: Annotated[str, Field(min_length=1)]
    """The flasher's to interpret, as of ``command``; asked before the update and after it."""
    within: float = Field(default=10.0, gt=0)


HealthCheck = Annotated[
    VersionCheck
    | DigestCheck
    | ConsoleLineCheck
    | CommandCheck
    | ProbesCheck
    | HookCheck
    | DataSeenCheck
    | ReportsCheck
    | UnchangedCheck,
    Field(discriminator="kind"),
]


class IdentifyTable(_Table):
    """How a node shows itself to somebody in front of it, where its flasher has no way."""

    line: ResetKind = ResetKind.NONE
    """A modem line that a lamp hangs on."""
    console: str = ""
    """Text that is sent to its console; a line end is added."""
    times: int = Field(default=10, ge=1, le=100)
    """How often the lamp is switched."""
    every: float = Field(default=0.5, gt=0, le=10)
    """Seconds between two times."""


class Told(StrEnum):
    """How sure an identity is that an application tells."""

    HW_ID = "hw-id"
    ADDRESS = "address"


class IdentityTable(_Table):
    """How a node is asked who it is, where its protocol does not tell.

    The command is answered by the application, and must be answered alike by every firmware.
    """

    request: str = Field(min_length=1)
    """The flasher's to interpret, as for a health check: a line on the console, an SMP request."""
    pattern: str
    """Finds the identity in the answer: the group ``id``, else the first one."""
    strength: Told = Told.HW_ID
    """``hw-id`` for what is burnt into the part, ``address`` for what somebody gave it."""
    within: float = Field(default=3.0, gt=0)
    """Seconds that an answer may take."""
    _compiles = field_validator("pattern")(_pattern)

    @field_validator("pattern")
    @classmethod
    def _finds(cls, value: str) -> str:
        if not re.compile(value).groups:
            raise ValueError("the identity is what a group of the pattern finds: 'id (?P<id>[0-9a-f]+)'")
        return value


class Profile(_Table):
    """One node type.

    ``hardware`` are the names that an artifact's hardware list must meet;
    ``rollback`` may narrow what the flasher declares, never widen it.
    """

    schema_: int = Field(default=PROFILE_SCHEMA, alias="schema", le=PROFILE_SCHEMA, ge=1)
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    summary: str = ""
    flasher: str
    media: tuple[Medium, ...] = (Medium.UART,)
    hardware: tuple[str, ...] = ()
    format: str
    """The format of an image given without a release: ``ihex``, ``raw``, ``mcuboot``, …"""
    components: tuple[ComponentTable, ...] = (ComponentTable(),)
    link: dict[str, str | int] = {}
    """Link options that hold unless the node's own link says otherwise: ``baud = 115200``."""
    reset: ResetKind = ResetKind.NONE
    """How the host restarts a node that does not answer; none means that it cannot."""
    reset_by: ResetBy | None = None
    """What really restarts a node that hangs on trial; the gateway if it has a ``reset``, else nothing."""
    power_cycle_every: float | None = Field(default=None, gt=0)
    """With ``reset_by = "power"``: its power is known to be cut at least that often."""
    ladder: Annotated[tuple[AnyStep, ...], AfterValidator(distinct)] = ()
    """What may be done from outside to a node that does not answer, from mild to hard."""
    identify: IdentifyTable = IdentifyTable()
    evidence: EvidenceTable = EvidenceTable()
    rollback: tuple[RollbackKind, ...] | None = None
    timing: TimingTable = TimingTable()
    bounds: BoundsTable = BoundsTable()
    health: tuple[HealthCheck, ...] = ()
    radio: RadioTable = RadioTable()
    """What its radio needs, where it has one."""
    zigbee: ZigbeeTable = ZigbeeTable()
    """What it needs where it is on a Zigbee network."""
    identity: IdentityTable | None = None
    """How it is asked who it is; without this it is known by what its protocol tells, or by its place."""
    discovery: DiscoveryTable = DiscoveryTable()
    """How its nodes are told from strangers on the air; without it none is a candidate."""
    params: dict[str, Any] = {}

    @property
    def resets(self) -> ResetBy:
        """What really restarts a node that hangs on trial."""
        if self.reset_by is not None:
            return self.reset_by
        return ResetBy.NONE if self.reset is ResetKind.NONE else ResetBy.GATEWAY

    @model_validator(mode="after")
    def _lamp_is_no_reset(self) -> "Profile":
        if self.identify.line is not ResetKind.NONE and self.identify.line is self.reset:
            raise ValueError("identify.line is the line that resets the node")
        return self

    @field_validator("components")
    @classmethod
    def _distinct(cls, value: tuple[ComponentTable, ...]) -> tuple[ComponentTable, ...]:
        if not value or len({table.id for table in value}) != len(value):
            raise ValueError("components need distinct ids, and there is at least one")
        return value
