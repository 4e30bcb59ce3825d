"""A simulated Zigbee network at work: a coordinator at a port, and the nodes of a description."""

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from flashers.api import ComponentKind, VirtualSetup, ZigbeeNode, zigbee_node
from flashers.sim import SimApp
from gateway.mesh.description import BadMesh, MeshDescription, NodeTable
from gateway.profiles.load import ProfileSet
from transports.errors import TenderError
from transports.virtual.zigbee.network import VirtualNetwork

_SMALL = 1024
"""Bytes of the application that a node runs of which nothing is said."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A node, and where it is."""

    name: str
    profile: str
    ieee: str
    node: ZigbeeNode


class MeshWorld:
    """Everything of a description; an async context manager, whose coordinator is plugged in inside.

    Args:
        described: what is in it.
        profiles: the node types.
        folder: what the description's files are relative to.

    Raises:
        BadMesh: a node cannot be made, or the port cannot be had.
    """

    def __init__(self, described: MeshDescription, profiles: ProfileSet, folder: Path) -> None:
        self.described = described
        self.nodes: dict[str, Placed] = {}
        self.path = ""
        """What a gateway's ``path`` has to say."""
        self._profiles = profiles
        self._folder = folder
        self._stack = AsyncExitStack()
        self._network: VirtualNetwork | None = None
        self._away: dict[str, Callable[[], None]] = {}

    @property
    def network(self) -> VirtualNetwork:
        """The network, once it is there."""
        assert self._network is not None  # noqa: S101 - it is made on entry
        return self._network

    async def __aenter__(self) -> Self:
        table = self.described.coordinator
        try:
            self._network = await self._stack.enter_async_context(await self._made())
            for name, node in self.described.nodes.items():
                firmware = self._firmware(name, node)
                for copy, ieee in node.copies(name):
                    self.nodes[copy] = self._placed(copy, ieee, node, firmware)
            scheme, _, place = table.listen.partition(":")
            if scheme == "pty":
                self.path = str(await self.network.offer_pty(self._folder / place))
            else:
                self.path = await self.network.offer_tcp(int(place))
        except OSError as error:
            await self._stack.aclose()
            raise BadMesh(str(error), remedy="Choose another place; it may be in use.") from error
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def reach(self, name: str, *, reach: bool) -> None:
        """Carry a node out of everybody's reach, or back."""
        back = self._away.pop(name, None)
        if reach:
            if back is not None:
                back()
        else:
            self._away[name] = back or self.network.out_of_range(self.nodes[name].ieee)

    async def _made(self) -> VirtualNetwork:
        table = self.described.coordinator
        if table.state is None:
            return VirtualNetwork(seed=table.seed, ieee=table.ieee)
        return await VirtualNetwork.kept(self._folder / table.state, seed=table.seed, ieee=table.ieee)

    def _placed(self, name: str, ieee: str, table: NodeTable, firmware: Mapping[str, bytes]) -> Placed:
        resolved = self._profiles.resolve(table.profile)
        components = tuple(part.value() for part in self._profiles.get(table.profile).components)
        setup = VirtualSetup(resolved.params, components, firmware, table.traits, name)
        try:
            node = zigbee_node(resolved.plugin.virtual_node(setup))
        except (ValueError, TenderError) as error:
            raise BadMesh(f"nodes.{name}: {error}") from error
        if table.power_cut is not None:
            node.cut_power_at(table.power_cut.at, torn=table.power_cut.torn, off_for=table.power_cut.seconds)
        self.network.add(node.zigbee(name, ieee), hops=table.hops, loss=table.loss, joined=table.joined)
        return Placed(name, table.profile, ieee, node)

    def _firmware(self, name: str, table: NodeTable) -> dict[str, bytes]:
        resolved = self._profiles.resolve(table.profile)
        components = [part.value() for part in self._profiles.get(table.profile).components]
        known = {part.id for part in components}
        if unknown := set(table.firmware) - known:
            raise BadMesh(f"nodes.{name}.firmware: it has no component {unknown.pop()!r}")
        files = {component: (self._folder / file).read_bytes() for component, file in table.firmware.items()}
        try:
            small = resolved.plugin.build(SimApp(table.version), _SMALL, build_options(resolved.params))
        except ValueError as error:
            raise BadMesh(f"nodes.{name}: {error}") from error
        return {part.id: small for part in components if part.kind is ComponentKind.FIRMWARE} | files


def build_options(params: object) -> dict[str, str]:
    """Whose files a profile's nodes take, for those who make one: manufacturer code and image type."""
    options = {}
    for key, option in (("manufacturer", "manufacturer"), ("image_type", "image-type")):
        value = getattr(params, key, None)
        if value is not None:
            options[option] = str(value)
    return options
