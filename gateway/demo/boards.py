"""The fleet itself: virtual nodes behind real PTYs, on a virtual air, in a virtual Zigbee network.

The gateway reaches them as it would reach any: by opening a port, by a Bluetooth controller that
it finds behind a socket, by a Zigbee coordinator at a port.
"""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

from flashers.api import Component, Digest, VirtualNode, VirtualSetup, uart_node
from gateway.air.description import AirDescription
from gateway.air.world import AirWorld
from gateway.demo.script import LAMP, PLUG, RADIO, SENSOR, Actor
from gateway.demo.stage import ADAPTER, HALL, Stage
from gateway.mesh.description import MeshDescription
from gateway.mesh.world import MeshWorld
from gateway.service.node_types import NodeTypes
from transports.virtual.pty import PtyHost

RATE = 30_000
"""Bytes a second of each simulated radio link; real ones have 15,000 to 30,000 to show for."""
_LATENCY_S = 0.03
_BAUD = 115_200
_SUPERVISION_S = 2.0
_LOSS = 0.02
"""Of frames in the Zigbee network, on each hop and before they are sent again."""
_AWAY_S = 5.0
"""Longer than the supervision time-out, so that the connection is lost."""


def air_in(folder: Path) -> str:
    """Where the air offers its adapter."""
    return f"unix:{folder / 'air'}"


def coordinator_in(folder: Path) -> str:
    """Where the Zigbee network's coordinator is plugged in."""
    return str(folder / "coordinator")


def links_in(folder: Path, fleet: tuple[Actor, ...]) -> dict[str, str]:
    """How the gateway reaches each of them."""
    return {actor.name: _link(folder, number, actor) for number, actor in enumerate(fleet)}


def _link(folder: Path, number: int, actor: Actor) -> str:
    if actor.on_air:
        return f"ble:{ADAPTER}#{_address(number)}"
    return f"zigbee:{HALL}#{_ieee(number)}" if actor.on_mesh else f"uart:{folder / actor.name}"


def _address(number: int) -> str:
    return f"C0:00:00:00:{number:02X}:00"


def _ieee(number: int) -> str:
    return f"00:12:4b:00:00:00:01:{number:02x}"


class Boards:
    """The fleet, there while the context is."""

    def __init__(self, stage: Stage, fleet: tuple[Actor, ...], node_types: NodeTypes) -> None:
        self._stage = stage
        self._fleet = fleet
        self._types = node_types
        self._nodes: dict[str, VirtualNode] = {}
        self._leaving = {actor.name: actor.leaves_at for actor in fleet if actor.leaves_at is not None}
        self._stack = AsyncExitStack()
        self._world: AirWorld | None = None

    @property
    def nodes(self) -> Mapping[str, VirtualNode]:
        """Each by its name."""
        return self._nodes

    @property
    def never_left(self) -> tuple[str, ...]:
        """Who should have been carried off, and was not."""
        return tuple(self._leaving)

    async def __aenter__(self) -> Self:
        for actor in self._fleet:
            if not actor.on_air and not actor.on_mesh:
                self._nodes[actor.name] = await self._on_a_line(actor)
        world = AirWorld(self._air(), self._types.profiles, self._stage.folder)
        self._world = await self._stack.enter_async_context(world)
        self._nodes |= {name: placed.node for name, placed in world.nodes.items()}
        mesh = await self._stack.enter_async_context(
            MeshWorld(self._mesh(), self._types.profiles, self._stage.folder)
        )
        self._nodes |= {name: placed.node for name, placed in mesh.nodes.items()}
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def progressed(self, progress: Mapping[str, Any]) -> None:
        """Carry a node off when so much of its image has been sent, and back after a while."""
        name = progress["node"]
        share = self._leaving.get(name)
        if share is None or self._world is None or progress["done"] < share * (progress["total"] or 1):
            return
        del self._leaving[name]
        world = self._world
        world.place(name, (ADAPTER,), reach=False)
        asyncio.get_running_loop().call_later(_AWAY_S, lambda: world.place(name, (ADAPTER,), reach=True))

    def firmware(self, actor: Actor) -> tuple[Digest, str | None]:
        """What it should run in the end, read from the file itself: its digest, and its version."""
        node_type = self._types.get(actor.profile)
        data = self._stage.firmware[actor.profile, actor.runs].read_bytes()
        image = node_type.plugin.parse(data, node_type.profile.format, Component(), node_type.params)
        # Where a node names no digest, what is in its flash is the file.
        version = image.firmware.version if actor.on_mesh else actor.runs
        return image.firmware.identity or Digest.sha256(data), version

    async def _on_a_line(self, actor: Actor) -> VirtualNode:
        """A virtual node behind a real PTY, paced to the speed of its line."""
        node_type = self._types.get(actor.profile)
        setup = VirtualSetup(
            params=node_type.params,
            flash={"app": self._stage.firmware[actor.profile, actor.starts_with].read_bytes()},
            options=self._traits(actor),
            name=actor.name,
        )
        node = uart_node(node_type.plugin.virtual_node(setup))
        if actor.cut_at is not None:
            node.cut_power_at(actor.cut_at, torn=True, off_for=None if actor.stays_off else 1.5)
        port = PtyHost(node, link=self._stage.folder / actor.name, baud=_BAUD)
        await self._stack.enter_async_context(port)
        return node

    def _air(self) -> AirDescription:
        """The same as a file of `tender virtual air` would say."""
        nodes = {
            actor.name: {
                "profile": actor.profile,
                "address": _address(number),
                "firmware": {"app": str(self._stage.firmware[actor.profile, actor.starts_with])},
                "traits": self._traits(actor),
                "rssi": -60,
            }
            for number, actor in enumerate(self._fleet)
            if actor.on_air
        }
        adapter = {"listen": air_in(self._stage.folder), "address": "00:1A:7D:00:00:01"}
        pace = {"rate": RATE, "latency": _LATENCY_S, "supervision": _SUPERVISION_S}
        return AirDescription.model_validate({"air": pace, "adapters": {ADAPTER: adapter}, "nodes": nodes})

    def _mesh(self) -> MeshDescription:
        """The same as a file of `tender virtual zigbee` would say; the nodes join when they may."""
        nodes = {
            actor.name: {
                "profile": actor.profile,
                "ieee": _ieee(number),
                "hops": 2 if actor.profile == PLUG else 1,
                "loss": _LOSS,
                "firmware": {"app": str(self._stage.firmware[actor.profile, actor.starts_with])},
                "traits": dict(actor.traits),
                "power_cut": None if actor.cut_at is None else {"at": actor.cut_at, "torn": True},
            }
            for number, actor in enumerate(self._fleet)
            if actor.on_mesh
        }
        coordinator = {"listen": f"pty:{coordinator_in(self._stage.folder)}"}
        return MeshDescription.model_validate({"coordinator": coordinator, "nodes": nodes})

    def _traits(self, actor: Actor) -> dict[str, str]:
        if actor.profile in (SENSOR, RADIO):
            return {"key-hash": self._stage.sensor_key_hash}
        return {"rule": "off"} if actor.profile == LAMP else {}
