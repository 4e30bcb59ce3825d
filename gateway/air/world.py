"""An air at work: the nodes of a description on one virtual air, and adapters that hear it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from flashers.api import ComponentKind, RadioNode, VirtualSetup, radio_node
from flashers.sim import SimApp
from gateway.air.description import AirDescription, BadAir, NodeTable
from gateway.profiles.load import ProfileSet
from transports.ble.place import HciPlace
from transports.errors import TenderError
from transports.virtual.air.air import Air
from transports.virtual.air.battery import Battery
from transports.virtual.air.node import AirNode
from transports.virtual.air.offering import Offered

_SMALL = 512
"""Bytes of the application that a node runs of which nothing is said."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A node, its radio, and what can be changed about it."""

    name: str
    profile: str
    address: str
    node: RadioNode
    radio: AirNode
    battery: Battery | None


class AirWorld:
    """Everything of a description; an async context manager, whose adapters listen inside.

    Args:
        described: what is on it.
        profiles: the node types.
        folder: what the description's files are relative to.

    Raises:
        BadAir: a node cannot be made, or an adapter cannot listen.
    """

    def __init__(self, described: AirDescription, profiles: ProfileSet, folder: Path) -> None:
        self.described = described
        self.air = Air(described.air.timing(), seed=described.air.seed)
        self.nodes: dict[str, Placed] = {}
        self.adapters: dict[str, Offered] = {}
        self._profiles = profiles
        self._folder = folder

    async def __aenter__(self) -> Self:
        try:
            for name, offer in self.described.adapters.items():
                offered = Offered(self.air, name, offer.address, HciPlace.parse(offer.listen))
                self.adapters[name] = offered
                await offered.start()
            for name, table in self.described.nodes.items():
                firmware = self._firmware(name, table)
                for copy, address in table.copies(name):
                    self.nodes[copy] = self._placed(copy, address, table, firmware)
        except OSError as error:
            await self.__aexit__()
            raise BadAir(str(error), remedy="Choose another place; it may be in use.") from error
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        for placed in self.nodes.values():
            await placed.radio.aclose()
        for offered in self.adapters.values():
            await offered.aclose()

    def place(self, name: str, adapters: tuple[str, ...], *, reach: bool) -> None:
        """Bring a node into or out of the reach of some adapters."""
        for adapter in adapters:
            self.air.set_reach(self.nodes[name].radio, self.adapters[adapter].controller, reach=reach)

    def set_rssi(self, name: str, adapters: tuple[str, ...], rssi: int) -> None:
        """How strongly some adapters hear a node, in dBm."""
        for adapter in adapters:
            self.air.set_rssi(self.nodes[name].radio, self.adapters[adapter].controller, rssi)

    def _placed(self, name: str, address: str, table: NodeTable, firmware: Mapping[str, bytes]) -> Placed:
        resolved = self._profiles.resolve(table.profile)
        components = tuple(part.value() for part in self._profiles.get(table.profile).components)
        setup = VirtualSetup(resolved.params, components, firmware, table.traits, name)
        try:
            node = radio_node(resolved.plugin.virtual_node(setup))
        except (ValueError, TenderError) as error:
            raise BadAir(f"nodes.{name}: {error}") from error
        if table.power_cut is not None:
            node.cut_power_at(table.power_cut.at, torn=table.power_cut.torn, off_for=table.power_cut.seconds)
        peer = node.radio(table.calls or name, address)
        battery = Battery(peer, table.battery) if table.battery is not None else None
        radio = AirNode(self.air, battery or peer, name)
        placed = self.nodes[name] = Placed(name, table.profile, address, node, radio, battery)
        self.set_rssi(name, tuple(self.adapters), table.rssi)
        self.place(name, table.out_of_range, reach=False)
        return placed

    def _firmware(self, name: str, table: NodeTable) -> dict[str, bytes]:
        resolved = self._profiles.resolve(table.profile)
        components = [part.value() for part in self._profiles.get(table.profile).components]
        known = {part.id for part in components}
        if unknown := set(table.firmware) - known:
            raise BadAir(f"nodes.{name}.firmware: it has no component {unknown.pop()!r}")
        files = {component: (self._folder / file).read_bytes() for component, file in table.firmware.items()}
        if table.blank:
            return files
        try:
            small = resolved.plugin.build(SimApp(table.version), _SMALL, {})
        except ValueError as error:
            raise BadAir(f"nodes.{name}: {error}") from error
        return {part.id: small for part in components if part.kind is ComponentKind.FIRMWARE} | files
