"""A virtual Zigbee network: a coordinator on a serial line, nodes, and the air between them.

The host at the other end of the line is whatever speaks ZNP: zigpy with zigpy-znp, or
zigbee-herdsman.  What goes wrong is done to it here, and what is true of it is read here.
"""

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from transports.virtual.pty import PtyHost
from transports.virtual.tcp import TcpHost
from transports.virtual.zigbee.agenda import Agenda
from transports.virtual.zigbee.channel import Channel, Counters, Radio, Rule
from transports.virtual.zigbee.coordinator import Coordinator
from transports.virtual.zigbee.descriptors import Binding
from transports.virtual.zigbee.install_codes import key_of
from transports.virtual.zigbee.mesh import Mesh
from transports.virtual.zigbee.ncp import Ncp
from transports.virtual.zigbee.nv import Memory
from transports.virtual.zigbee.stack import NodeStack
from transports.zcl import ZigbeePeer

STATE = "network.json"
SAVE_AFTER = 1.0
"""Seconds after a change until it is written, so that many are written once."""
COORDINATOR = "00:12:4b:00:2a:00:00:01"
"""An address of the coordinator's maker; nothing but a default."""


_Kept = tuple[int, str | None, list[Binding]]
"""Of a node that has joined: short address, the network's key, bindings."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What is so of one node, whatever a host believes."""

    ieee: str
    nwk: int
    joined: bool
    powered: bool
    hops: int
    waiting: int
    """Frames that its parent keeps for it."""
    bindings: tuple[Binding, ...]


class VirtualNetwork:
    """See the module.  It is used inside a running loop.

    Args:
        seed: the same seed makes the same waits, losses and addresses.
        speed: how many seconds pass on the air in a second of the loop.
        state: what :meth:`dump` gave in an earlier run; else the flash is fresh and nobody has joined.
        folder: where the state is kept while it runs; see :meth:`kept`.
        ieee: the coordinator's address where the flash is fresh.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        speed: float = 1.0,
        state: str | None = None,
        folder: Path | None = None,
        ieee: str = COORDINATOR,
    ) -> None:
        self.agenda = Agenda(speed=speed)
        self.channel = Channel(self.agenda, random.Random(f"{seed} channel"))
        self.mesh = Mesh(self.channel, random.Random(f"{seed} mesh"))
        dice = random.Random(f"{seed} coordinator")
        kept: dict[str, Any] = json.loads(state) if state else {}
        flash = Memory.load(kept["coordinator"], dice) if kept else Memory(ieee, dice)
        self.coordinator = Coordinator(self.mesh, flash, dice)
        self.ncp = Ncp(self.coordinator, self.agenda, dice, self._changed)
        self._known: dict[str, _Kept] = {
            address: (nwk, key, [Binding(*line) for line in bindings])
            for address, (nwk, key, bindings) in kept.get("nodes", {}).items()
        }
        self._folder = folder
        self._saving: asyncio.TimerHandle | None = None
        self._writing: asyncio.Future[None] | None = None
        self.nodes: dict[str, NodeStack] = {}
        self.line: PtyHost | TcpHost | None = None
        self._relays: dict[int, Radio] = {}

    @property
    def memory(self) -> Memory:
        """The coordinator's flash."""
        return self.coordinator.memory

    @classmethod
    async def kept(cls, folder: Path, *, seed: int = 0, speed: float = 1.0, ieee: str = COORDINATOR) -> Self:
        """A network whose coordinator and nodes remember across runs, in a file of this folder."""
        file = folder / STATE
        loop = asyncio.get_running_loop()
        state = await loop.run_in_executor(None, lambda: file.read_text() if file.exists() else None)
        return cls(seed=seed, speed=speed, state=state, folder=folder, ieee=ieee)

    def dump(self) -> str:
        """What outlives a loss of power: the coordinator's flash, and who has joined."""
        nodes = {
            node.ieee: (
                node.nwk,
                node.key.hex() if node.key is not None else None,
                [astuple(binding) for binding in node.subject.bindings],
            )
            for node in self.nodes.values()
            if node.joined
        }
        return json.dumps({"coordinator": self.memory.dump(), "nodes": nodes})

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Take it all away."""
        if self.line is not None:
            await self.line.aclose()
        self.coordinator.keep_count()
        self.agenda.close()
        if self._folder is not None:
            if self._saving is not None:
                self._saving.cancel()
            self._write()
            if self._writing is not None:
                await self._writing

    def _changed(self) -> None:
        """The flash, or who has joined, may have changed: write it down soon, and once."""
        if self._folder is not None and self._saving is None:
            self._saving = asyncio.get_running_loop().call_later(SAVE_AFTER, self._write)

    def _write(self) -> None:
        self._saving = None
        folder, text = self._folder, self.dump()
        if folder is None:
            return
        before = self._writing

        def write() -> None:
            folder.mkdir(parents=True, exist_ok=True)
            fresh = folder / f".{STATE}"
            fresh.write_text(text)
            fresh.replace(folder / STATE)

        async def in_turn() -> None:
            if before is not None:
                await before
            await asyncio.get_running_loop().run_in_executor(None, write)

        self._writing = asyncio.ensure_future(in_turn())

    async def offer_pty(self, link: Path | str | None = None, *, baud: int | None = None) -> Path:
        """Put the coordinator behind a PTY; returns the path for a host."""
        self.line = await PtyHost(self.ncp, link=link, baud=baud).start()
        return self.line.path

    async def offer_tcp(self, port: int = 0, *, baud: int | None = None) -> str:
        """Put the coordinator behind a TCP port of this machine; returns ``socket://…`` for a host."""
        self.line = await TcpHost(self.ncp, port=port, baud=baud).start()
        return self.line.url

    def add(
        self,
        peer: ZigbeePeer,
        *,
        hops: int = 1,
        loss: float = 0.0,
        joined: bool = True,
        through: str | None = None,
        nwk: int | None = None,
        install_code: bytes | None = None,
    ) -> NodeStack:
        """Put a node in range, so many hops from the coordinator; it appears when it has booted.

        Args:
            peer: the node's application.
            hops: 1 is a neighbour; further ones are reached through relays that all share.
            loss: the chance that a frame, or an acknowledgement, is lost on each hop.
            joined: it has been in this network for long; else it joins when that is permitted.
                A node that the kept state knows is in it in any case.
            through: a router of this network that it is behind, instead of ``hops``.
            nwk: its short address, where it has been joined.
            install_code: with its checksum; it joins only where that was entered.
        """
        node = NodeStack(
            peer, self.mesh, self.coordinator.aps, self.coordinator.joining, self.coordinator.went
        )
        radio = node.aps.radio
        parent = self.nodes[through].aps.radio if through is not None else self._relay(hops - 1, loss)
        self.mesh.put_behind(radio, parent)
        radio.loss = loss
        if install_code is not None:
            node.install_key = key_of(install_code)
        self.nodes[node.ieee] = node
        known = self._known.get(node.ieee)
        if known is not None:
            node.key = None if known[1] is None else bytes.fromhex(known[1])
            joined, nwk = True, known[0]
            node.subject.bindings[:] = known[2]
        if joined:
            self.coordinator.seed(node, nwk)
            self.coordinator.keep_nodes()
        peer.attach(node)
        return node

    # What goes wrong

    def power(self, ieee: str, *, on: bool) -> None:
        """Give a node's radio power, or take it; one that has power says anew that it is there."""
        node = self.nodes[ieee]
        if node.powered:
            node.vanish()
        if on:
            node.appear()

    def unplug(self) -> None:
        """Pull the coordinator out: no power, no port."""
        if isinstance(self.line, PtyHost):
            self.line.unplug()
        elif self.line is not None:
            self.line.cut()
        self.ncp.switch(on=False)

    def replug(self) -> None:
        """Put it back: the port is there again under its link, and the chip boots."""
        if isinstance(self.line, PtyHost):
            self.line.replug()
        self.ncp.switch(on=True)

    def reset_coordinator(self) -> None:
        """Its watchdog bites; the host is told by the chip's own indication."""
        self.ncp.restart(reason=2)

    def lose(self, rule: Rule) -> Callable[[], None]:
        """The channel loses every frame for which ``rule`` says so; returns what ends it."""
        self.channel.rules.append(rule)
        return lambda: self.channel.rules.remove(rule)

    def out_of_range(self, ieee: str) -> Callable[[], None]:
        """Nothing comes from or to a node, which itself runs on; returns what ends it."""
        radio = self.nodes[ieee].aps.radio
        return self.lose(lambda frame: radio in (frame.sender, frame.receiver))

    # What is true

    @property
    def counters(self) -> Counters:
        """What was on the air."""
        return self.channel.counters

    @property
    def blocks(self) -> int:
        """Blocks of images that arrived at nodes, all together."""
        return sum(node.blocks for node in self.nodes.values())

    def truth(self, ieee: str) -> Truth:
        """What is so of a node."""
        node = self.nodes[ieee]
        radio = node.aps.radio
        hops = len(self.mesh.up(radio)) - 1
        waiting = self.mesh.waiting(radio)
        return Truth(ieee, node.nwk, node.joined, node.powered, hops, waiting, tuple(node.subject.bindings))

    def _relay(self, depth: int, loss: float) -> Radio:
        if depth <= 0:
            return self.coordinator.aps.radio
        relay = self._relays.get(depth)
        if relay is None:
            above = self._relay(depth - 1, loss)
            relay = self._relays[depth] = self.mesh.radio(f"relay {depth}", None, router=True)
            self.mesh.put_behind(relay, above)
        relay.loss = max(relay.loss, loss)
        return relay
