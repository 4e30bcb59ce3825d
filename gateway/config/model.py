"""The shape of the gateway's configuration: every key, its unit, its default.

Text enters here, so an unknown key is an error and every value is checked where it
stands.  What a key means is said in its docstring, which ``tender config`` and the
documentation show.
"""

import os
import re
import socket
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from gateway.config.adapters import AdapterTable
from gateway.config.defaults import default_socket, default_state
from gateway.config.links import LinkTable, LinkText
from gateway.config.networks import NetworkTable
from gateway.config.probing import ProbingTable
from gateway.config.radio import AdoptTable
from gateway.config.rollout import RolloutTable
from gateway.config.state import ExportsTable, RebuildTable
from gateway.profiles.ladder import AnyStep, distinct
from gateway.trust.errors import BadTrust
from gateway.trust.policy import TrustPolicy
from gateway.upstream.guest.settings import GuestTable
from gateway.upstream.settings import MqttSettings
from gateway.upstream.zigbee2mqtt.settings import FaceTable
from transports.links import LinkSpec, Medium

NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""Names of gateways and nodes: they become parts of topics, of file names and of commands."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise ValueError("a name is 1 to 64 of the characters A-Z a-z 0-9 . _ -")
    return text


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("a path in the configuration is absolute, since a service has no folder of its own")
    return path


Name = Annotated[str, AfterValidator(_name)]
AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
Seconds = Annotated[float, Field(ge=0)]


def own_name() -> str:
    """The machine's name, with what a name may not have replaced."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:64] or "gateway"


class GatewayTable(_Table):
    """Who we are, upstream."""

    name: Name = Field(default_factory=own_name)
    """What this gateway calls itself; the machine's name if it is left out."""


class LogTable(_Table):
    """What is written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """``info`` tells phases, ``debug`` also frames."""


class TrustTable(_Table):
    """Whose releases are flashed."""

    keys: dict[Name, str] = {}
    """Public keys by name: ``ed25519:`` and base64."""
    threshold: int = Field(default=1, ge=1)
    """How many of these keys must have signed."""
    unsigned: Literal["refuse", "allow"] = "refuse"
    """What happens to a release that too few have signed; ``allow`` is for benches."""

    @model_validator(mode="after")
    def _consistent(self) -> "TrustTable":
        try:
            TrustPolicy.of(self.keys, threshold=self.threshold, unsigned=self.unsigned)
        except BadTrust as bad:
            raise ValueError(bad.message) from bad
        return self


class StoreTable(_Table):
    """The artifacts kept here."""

    max_bytes: int = Field(default=1 << 30, ge=1 << 20)
    """Above this, artifacts that nothing needs are removed; what is pinned stays."""


class RescueTable(_Table):
    """Steps from outside, for nodes that do not answer."""

    by_itself: bool = True
    """Whether Tender climbs a ladder by itself; if not it waits for `tender recover NODE --now`."""
    sysfs: AbsolutePath = Path("/sys")
    """Where the kernel shows its USB hubs."""


class UpstreamTable(_Table):
    """Who is told, and who may ask; without any of these the gateway is its own master."""

    mqtt: MqttSettings | None = None
    """The broker; see the page on the upstream contract."""
    zigbee2mqtt: FaceTable | None = None
    """A second face, with the topics that zigbee2mqtt's users know, at a broker of the site."""


class DataTable(_Table):
    """Where the nodes' own data is heard, for the health check `data-seen`."""

    mqtt: MqttSettings | None = None
    """A local broker that it passes; the settings are those of `[upstream.mqtt]` that reach a broker."""


class NodeTable(_Table):
    """One node: what it is and where it is found."""

    profile: str
    """Its device profile; `tender profiles list` shows them."""
    link: LinkText
    """``uart:/dev/serial/by-path/…?baud=115200``, ``socket://host:port``, ``rfc2217://host:port``;
    ``#address`` for one of several nodes on a line; ``ble:ADAPTER#ADDRESS``; ``zigbee:NETWORK#IEEE``."""
    labels: dict[Name, str] = {}
    """Words to select it by."""
    ladder: Annotated[tuple[AnyStep, ...], AfterValidator(distinct)] | None = None
    """What may be done to it from outside when it is silent, from mild to hard; the profile's if left out."""

    @field_validator("link")
    @classmethod
    def _leads_to_a_node(cls, value: str) -> str:
        spec = LinkSpec.parse(value)
        if spec.medium is Medium.BLE and spec.address is None:
            raise ValueError(f"behind an adapter are many nodes; write {value}#ADDRESS")
        if spec.medium is Medium.ZIGBEE and spec.address is None:
            raise ValueError(f"a network has many nodes; write {value}#00:12:4b:00:1c:aa:bb:cc")
        return value

    @property
    def spec(self) -> LinkSpec:
        """The link as a value."""
        return LinkSpec.parse(self.link)


class Config(_Table):
    """The whole configuration."""

    gateway: GatewayTable = Field(default_factory=GatewayTable)
    state: AbsolutePath = Field(default_factory=lambda: default_state(os.environ))
    """Folder of the journal and the store; ``$STATE_DIRECTORY`` if the service manager gives one."""
    socket: AbsolutePath = Field(default_factory=lambda: default_socket(os.environ))
    """Of the local API; ``tender.sock`` in ``$RUNTIME_DIRECTORY`` if the service manager gives one."""
    log: LogTable = LogTable()
    profiles: tuple[AbsolutePath, ...] = ()
    """Folders with the site's own device profiles; later ones win."""
    trust: TrustTable = Field(default_factory=TrustTable)
    store: StoreTable = StoreTable()
    rollout: RolloutTable = RolloutTable()
    rescue: RescueTable = RescueTable()
    probing: ProbingTable = ProbingTable()
    upstream: UpstreamTable = UpstreamTable()
    data: DataTable = DataTable()
    exports: ExportsTable = ExportsTable()
    rebuild: RebuildTable = RebuildTable()
    nodes: dict[Name, NodeTable] = {}
    """The nodes, by name."""
    links: dict[Name, LinkTable] = {}
    """Links that other software on this gateway uses as well, by names of your choice."""
    adapters: dict[Name, AdapterTable] = {}
    """Bluetooth adapters, by names of your choice; nodes' links name them: ``ble:NAME#ADDRESS``."""
    networks: dict[Name, NetworkTable] = {}
    """Zigbee networks, by names of your choice; nodes' links name them: ``zigbee:NAME#IEEE``."""
    guests: dict[Name, GuestTable] = {}
    """Networks that zigbee2mqtt owns, by names of your choice; no name is also one of `[networks]`."""
    adopt: tuple[AdoptTable, ...] = ()
    """Rules by which nodes that are heard on the air become nodes of this gateway."""
    stop_budget: Seconds = 60.0
    """How long the service may take to stop, to bring a node through that has no firmware just then."""

    @field_validator("networks")
    @classmethod
    def _one_network_each(cls, value: dict[str, NetworkTable]) -> dict[str, NetworkTable]:
        owners: dict[str, str] = {}
        for name, table in value.items():
            other = owners.setdefault(table.path, name)
            if other != name:
                raise ValueError(f"{other} and {name} have the same coordinator, {table.path}")
        return value

    @model_validator(mode="after")
    def _no_name_twice(self) -> "Config":
        both = sorted(self.networks.keys() & self.guests.keys())
        if both:
            raise ValueError(f"{', '.join(both)}: a network is Tender's or zigbee2mqtt's, not both")
        return self

    @field_validator("socket")
    @classmethod
    def _short(cls, value: Path) -> Path:
        # sockaddr_un.sun_path has 108 bytes, the last one zero: unix(7).
        if len(os.fsencode(value)) > 107:
            raise ValueError("the path of a socket has at most 107 bytes")
        return value
