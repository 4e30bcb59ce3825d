"""One update by one host on a virtual Zigbee network, in real time, timed at the node.

Every host is a process of its own, behind the coordinator's TCP port, so that its processor time
is its own and the simulated network's is not in it.
"""

import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from bench.watched import Watch, Watched
from flashers.api import VirtualSetup, zigbee_node
from flashers.sim import SimApp
from flashers.zigbee_ota import PLUGIN
from tests.peers.herdsman import Herdsman, Host
from transports.virtual.zigbee.network import VirtualNetwork

BLOCK = 64
"""The most that the node takes in one block, and nearly all that a frame carries (65)."""
FLEET, FLEET_SIZE, FLEET_HOPS = 16, 16_000, 2
SEED = 5
_SIZE, _SLOW_SIZE = 32_000, 4_000
"""Bytes of a file; the smaller one for who sends four blocks a second."""
_PATIENCE = 900.0
_BASE = "00:12:4b:00:1c:00:00:{:02x}"


@dataclass(frozen=True, slots=True)
class Contender:
    """Somebody who updates nodes; ``delay`` is in milliseconds between two blocks, ``size`` of its file."""

    name: str
    make: Callable[[str, Path], Host]
    delay: int | None = None
    size: int = _SIZE


@dataclass(frozen=True, slots=True)
class Took:
    """One update as the node saw it, and the processor's seconds of the host."""

    size: int
    watch: Watch
    cpu: float

    @property
    def rate(self) -> float:
        """Bytes of the file a second."""
        return self.size / self.watch.seconds

    @property
    def blocks(self) -> float:
        """Blocks a second."""
        return self.watch.blocks / self.watch.seconds

    @property
    def cpu_per_block(self) -> float:
        """Seconds of the processor."""
        return self.cpu / self.watch.blocks


@dataclass(slots=True)
class Score:
    """What a contender did in all its runs."""

    contender: Contender
    tooks: list[Took] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Bytes a second, the median."""
        return statistics.median(took.rate for took in self.tooks)

    @property
    def blocks(self) -> float:
        """Blocks a second, the median."""
        return statistics.median(took.blocks for took in self.tooks)

    @property
    def cpu_per_block(self) -> float:
        """Seconds of the processor, the median."""
        return statistics.median(took.cpu_per_block for took in self.tooks)


def _python(module: str) -> Callable[[str, Path], Host]:
    def make(_path: str, folder: Path) -> Host:
        return Host([sys.executable, "-m", module, str(folder)], folder)

    return make


DEFAULT = Contender("zigbee-herdsman, its default of 250 ms", Herdsman, 250, _SLOW_SIZE)
FASTEST = Contender("zigbee-herdsman, 50 ms", Herdsman, 50, _SIZE // 4)
ZIGPY = Contender("zigpy's own", _python("bench.peers.zigpy_host"))
OURS = Contender("Tender", _python("bench.peers.tender_host"))


def traits(asks: str) -> dict[str, str]:
    """The node of every bench: what it asks for and how much of it, all else as it is by default."""
    return {"asks": asks, "block": str(BLOCK), "slot-pages": "64"}


def file_of(version: str, size: int) -> bytes:
    """An OTA file of about so many bytes."""
    return PLUGIN.build(SimApp(version), size, {})


async def run(contender: Contender, asks: str, folder: Path) -> Took:
    """Form a network, join one node next to the coordinator, update it."""
    data = file_of("2.0.0", contender.size)
    words: dict[str, Any] = {} if contender.delay is None else {"delay": contender.delay}
    site = Site(folder, 1, asks=asks, hops=1)
    async with site, contender.make(site.path, folder / "host") as host:
        await site.join(host)
        words |= {"ieee": site.nodes[0], "file": str(site.file(data))}
        said = await host.order("update", within=_PATIENCE, **words)
        return Took(len(data), site.watched[0].watch, said["cpu"])


@dataclass(frozen=True, slots=True)
class Fleet:
    """Sixteen nodes behind relays: when each was proved, and what was on the air meanwhile."""

    proved: list[float]
    on_air: float
    """Seconds of frames and acknowledgements."""
    size: int
    """Bytes of the file."""

    @property
    def first(self) -> float:
        """Seconds until the first verdict."""
        return self.proved[0]

    @property
    def last(self) -> float:
        """Seconds until the last one."""
        return self.proved[-1]

    @property
    def rate(self) -> float:
        """Bytes a second, to all of them together."""
        return len(self.proved) * self.size / self.last


async def run_fleet(concurrent: int, folder: Path) -> Fleet:
    """Update sixteen nodes behind relays, so many at a time."""
    data = file_of("2.0.0", FLEET_SIZE)
    site = Site(folder, FLEET, asks="pages", hops=FLEET_HOPS)
    async with site, OURS.make(site.path, folder / "host") as host:
        await site.join(host)
        words = {"nodes": site.nodes, "file": str(site.file(data)), "concurrent": concurrent}
        before = site.network.counters.air_seconds
        said = await host.order("fleet", within=_PATIENCE, **words)
        return Fleet(said["proved"], site.network.counters.air_seconds - before, len(data))


class Site:
    """A virtual network with nodes that run the old firmware, and a coordinator behind a TCP port."""

    def __init__(self, folder: Path, count: int, *, asks: str, hops: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.network = VirtualNetwork(seed=SEED)
        self.nodes = [_BASE.format(number) for number in range(1, count + 1)]
        self.watched = [self._node(ieee, asks) for ieee in self.nodes]
        self._hops = hops
        self.path = ""

    def _node(self, ieee: str, asks: str) -> Watched:
        params = PLUGIN.params.model_validate({})
        setup = VirtualSetup(params, flash={"app": file_of("1.0.0", 2000)}, options=traits(asks))
        return Watched(zigbee_node(PLUGIN.virtual_node(setup)).zigbee(ieee, ieee))

    def file(self, data: bytes) -> Path:
        """The new firmware, where a host can read it."""
        path = self._folder / "new.ota"
        path.write_bytes(data)
        return path

    async def join(self, host: Host) -> None:
        """Have a host form its network, and all nodes join it."""
        await host.order("start", path=self.path)
        await host.order("permit", seconds=200)
        for ieee, watched in zip(self.nodes, self.watched, strict=True):
            self.network.add(watched, hops=self._hops, joined=False)
            await host.order("joined", ieee=ieee)

    async def __aenter__(self) -> Self:
        self.path = (await self.network.offer_tcp()).replace("socket://", "tcp://")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.network.aclose()
