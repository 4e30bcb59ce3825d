"""Everything that the parts of the service share: where things are kept, and how nodes are reached."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from flashers.api import Reason
from gateway.artifacts.backups import BackupStore
from gateway.artifacts.fetch import Fetcher
from gateway.artifacts.store import ArtifactStore
from gateway.attempt.health import Hook
from gateway.attempt.ports import Clock
from gateway.attempt.session import Opener
from gateway.config.model import Config, NodeTable
from gateway.journal import Journal
from gateway.model.records import Record
from gateway.releases.shelf import ReleaseShelf
from gateway.service.adapters.reach import Reach, Way
from gateway.service.identity.keeper import IdentityKeeper
from gateway.service.inventory import Inventory
from gateway.service.links.leases import Leases
from gateway.service.links.naming import channel_of
from gateway.service.links.traffic import TrafficBook
from gateway.service.node_types import NodeTypes
from gateway.service.stock import Pins, Stock
from gateway.service.zigbee.reach import Way as ZigbeeWay
from gateway.service.zigbee.reach import ZigbeeReach
from gateway.trust.policy import TrustPolicy
from transports.ble.adapters import Adapters
from transports.counters import LinkCounters
from transports.links import LinkSpec, Medium
from transports.zigbee.networks import Networks


@dataclass(slots=True)
class Site:
    """One gateway's parts, made by :mod:`gateway.app` and by tests."""

    config: Config
    journal: Journal
    inventory: Inventory
    store: ArtifactStore
    backups: BackupStore
    fetcher: Fetcher
    shelf: ReleaseShelf
    trust: TrustPolicy
    node_types: NodeTypes
    opener: Opener
    clock: Clock
    hooks: Callable[[str], Hook]
    pins: Pins
    identities: IdentityKeeper
    reach: Reach
    """The ways to nodes behind radios."""
    zigbee: ZigbeeReach
    """The ways to nodes of Zigbee networks."""
    leases: Leases = field(default_factory=Leases)
    traffic: TrafficBook = field(default_factory=TrafficBook)
    not_ours: Callable[[str], Reason | None] = field(default=lambda _: None)
    """Why nothing may be done to a node on the air from here; given by whoever keeps the claims."""

    @property
    def adapters(self) -> Adapters:
        """The Bluetooth adapters, by name."""
        return self.reach.adapters

    @property
    def networks(self) -> Networks:
        """The Zigbee networks, by name."""
        return self.zigbee.networks

    @property
    def nodes(self) -> Mapping[str, NodeTable]:
        """Every node of this gateway."""
        return self.inventory.roster.tables

    def stock(self, profile: str) -> Stock:
        """The artifacts as nodes of this profile see them.  Raises as ``NodeTypes.get``."""
        return Stock(self.store, self.backups, self.node_types.get(profile), keep=self.pins.keep)

    def link(self, node: str) -> LinkSpec:
        """A node's link, with the options that its profile gives unless it has its own."""
        table = self.nodes[node]
        spec = table.spec
        profile = self.node_types.get(table.profile).profile
        have = {name for name, _ in spec.options}
        added = tuple((name, str(value)) for name, value in profile.link.items() if name not in have)
        return LinkSpec(spec.scheme, spec.target, spec.options + added, spec.address)

    def radio(self, node: str) -> Way | None:
        """The way to a node over the air; None for one on a line."""
        table = self.nodes[node]
        if table.spec.medium is not Medium.BLE:
            return None
        return self.reach.way(table.spec, self.node_types.get(table.profile).profile.radio)

    def network(self, node: str) -> ZigbeeWay | None:
        """The way to a node of a Zigbee network; None for every other."""
        table = self.nodes[node]
        if table.spec.medium is not Medium.ZIGBEE:
            return None
        zigbee = self.node_types.get(table.profile).profile.zigbee
        return self.zigbee.way(table.spec, zigbee.missing_after)

    def channel(self, node: str) -> str:
        """What a lease of this node's link is for: one port has one, by whatever names it is configured."""
        return channel_of(self.nodes[node].spec)

    def counters(self, node: str) -> LinkCounters:
        """Where what passes between us and a node is counted."""
        return self.traffic.of(self.nodes[node].spec.channel, node)

    async def refresh_pins(self) -> None:
        """Ask the journal again what must stay."""
        self.pins.set(await self.journal.pinned())

    async def known(self, record: Record) -> None:
        """An attempt was made or changed outside of its own runner."""
        self.inventory.attempt(record)
        await self.refresh_pins()
