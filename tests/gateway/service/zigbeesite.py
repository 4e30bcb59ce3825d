"""The bench of a service with a Zigbee network: virtual nodes on a mesh in memory, virtual time.

The mesh and its nodes outlive the gateway, as they do at a site: a node in mid-image goes on
asking whoever is at the coordinator, or nobody.
"""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from flashers.api import Digest, Stamp, VirtualSetup, zigbee_node
from gateway.app import make_site
from gateway.model.links import LinkView
from gateway.plugins.registry import Registry
from gateway.profiles.load import load_profiles
from gateway.service.gateway import Gateway
from gateway.service.node_types import NodeTypes
from tests.gateway.service.site import DOOR, LAMP, NEW, NEWER, OLD, Bench, Running, firmware
from transports.virtual.clock import run_virtual
from transports.virtual.memory_mesh import MemoryMesh, MemoryNode
from transports.virtual.memory_zigbee import MemoryNetwork
from transports.zigbee.network import Network
from transports.zigbee.networks import Networks, NetworkSettings

_NOTHING = Digest("sha256", b"")
HALL = "hall"
DAY = 86_400.0
_BEGIN_MS = 1_790_000_000_000
"""The wall clock, when the loop's time is 0."""

_PROFILE = """
schema = 1
name = "{kind}"
flasher = "zigbee_ota"
media = ["zigbee"]
hardware = ["{kind}"]
format = "zigbee-ota"
reset_by = "none"
rollback = ["reflash"]
[evidence]
transfer = ["checksum"]
boot = ["version"]
[timing]
boot_deadline = 120.0
patience = 20.0
soak = 1.0
soak_interval = 0.5
{timing}
[[health]]
kind = "version"
[zigbee]
{zigbee}
[params]
manufacturer = 0x1234
image_type = 1
{params}
"""
_TRAITS: Mapping[str, Mapping[str, str]] = {
    LAMP: {"slot-pages": "4"},
    DOOR: {"slot-pages": "4", "sleepy": "", "report-every": "0"},
}


def running_versions(bench: "ZigbeeBench") -> dict[str, str]:
    """What each virtual node really runs, by the bytes in its flash; both kinds have the same files."""
    known = {Digest.sha256(firmware(LAMP, version)): version for version in (OLD, NEW, NEWER)}
    return {name: known.get(node.truth().running.get(0, _NOTHING), "?") for name, node in bench.nodes.items()}


def profile_text(kind: str, *, zigbee: str = "", timing: str = "", params: str = "") -> str:
    """A profile of such nodes, with what else is said in these tables."""
    return _PROFILE.format(kind=kind, zigbee=zigbee, timing=timing, params=params)


class ZigbeeBench(Bench):
    """A folder, a mesh with nodes, and gateways that come and go at its coordinator."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._loop = asyncio.get_running_loop()
        self.mesh = MemoryMesh()
        self.places: dict[str, MemoryNode] = {}
        self.network: MemoryNetwork | None = None
        self.made: list[str] = []
        """Names of networks as they were opened."""
        self.broken: dict[str, Exception] = {}
        """What opening a network raises."""
        self.settings["networks"] = {HALL: {"radio": "znp", "path": "/dev/serial/by-id/coordinator"}}
        for kind in (LAMP, DOOR):
            self.profile(kind)

    def clock(self) -> Stamp:
        """The wall clock of a site in virtual time; the journal asks it from its own thread."""
        return Stamp(_BEGIN_MS + round(self._loop.time() * 1000), synchronised=True)

    def profile(self, kind: str, *, zigbee: str = "", timing: str = "", params: str = "") -> None:
        """Say something else of a node type."""
        text = profile_text(kind, zigbee=zigbee, timing=timing, params=params)
        (self.profiles / f"{kind}.toml").write_text(text)

    def on_network(
        self,
        name: str,
        kind: str = LAMP,
        *,
        version: str = OLD,
        hops: int = 1,
        joined: bool = True,
        options: Mapping[str, str] | None = None,
    ) -> Any:
        """Put a node on the network."""
        node_type = NodeTypes(load_profiles([self.profiles], Registry())).get(kind)
        node = node_type.plugin.virtual_node(
            VirtualSetup(
                node_type.params,
                flash={"app": firmware(kind, version)},
                options={**_TRAITS[kind], **(options or {})},
                name=name,
            )
        )
        ieee = f"00:12:4b:00:00:00:01:{len(self.places):02x}"
        self.places[name] = self.mesh.add(zigbee_node(node).zigbee(name, ieee), hops=hops, joined=joined)
        self.nodes[name] = node
        self.tables[name] = {"profile": kind, "link": f"zigbee:{HALL}#{ieee}", "labels": {}}
        return node

    def reach(self, name: str, *, reach: bool) -> None:
        """Carry a node out of everybody's reach, or back."""
        self.places[name].set_reach(reach=reach)

    async def quiet(self) -> None:
        """Wait until nodes that have just announced themselves sleep again."""
        await asyncio.sleep(30.0)

    async def _make(self, name: str, settings: NetworkSettings) -> Network:
        del settings
        self.made.append(name)
        if name in self.broken:
            raise self.broken[name]
        self.network = MemoryNetwork(self.mesh, name=name, wall=lambda: self.clock().unix_ms / 1000)
        return self.network

    @asynccontextmanager
    async def gateway(
        self, *, killed: bool = False, first_look_s: float = 5.0
    ) -> AsyncIterator["ZigbeeRunning"]:
        """A service at work; stopped in order at the end, or (``killed``) just gone."""
        config = self.config()
        settings = {name: table.settings for name, table in config.networks.items()}
        networks = Networks(settings, folder=config.state / "zigbee", make=self._make)
        async with AsyncExitStack() as stack:
            site = await make_site(
                config,
                stack,
                opener=self.opener,
                node_types=self.types(),
                networks=networks,
                clock=self.clock,
            )
            gateway = Gateway(site, first_look_s=first_look_s)
            running = ZigbeeRunning(gateway, self)
            await gateway.start()
            running.work = asyncio.create_task(gateway.run())
            try:
                yield running
                if not killed:
                    await gateway.stop()
            finally:
                if killed and self.network is not None:
                    self.network.die()
                await running.end()


class ZigbeeRunning(Running):
    """A running gateway; its end is not the mesh's."""

    def __init__(self, gateway: Gateway, bench: ZigbeeBench) -> None:
        super().__init__(gateway)
        self.bench = bench

    async def end(self) -> None:
        """No more turns of the gateway's; the nodes go on."""
        ours = [
            task
            for task in asyncio.all_tasks()
            if task is not asyncio.current_task() and not _is_of_the_mesh(task)
        ]
        for task in ours:
            task.cancel()
        if ours:
            await asyncio.wait(ours)
        if self.work is not None:
            with suppress(asyncio.CancelledError):
                await self.work

    async def until(self, condition: Callable[[], object], *, within: float = 3600.0) -> None:
        """Wait (in virtual time) for something to become true; over days it is asked less often."""
        async with asyncio.timeout(within):
            while not condition():  # noqa: ASYNC110 - a test asks from outside, as a person would
                await asyncio.sleep(0.1 if within <= 7200.0 else 20.0)

    async def link(self, name: str = f"zigbee:{HALL}") -> LinkView:
        """A network as `tender links` shows it."""
        return await self.gateway.links.link(name)

    def waits_for(self, node: str) -> list[str]:
        """The gates of a node's open attempt, by their codes."""
        return [gate.code for gate in self._gates(node)]

    def says(self, node: str) -> str:
        """The same in words, with what to do."""
        return " ".join(f"{gate.message} {gate.remedy}" for gate in self._gates(node))

    def _gates(self, node: str) -> list[Any]:
        supervisor = self.gateway.supervisor
        return [
            gate
            for record in supervisor.records()
            if record.node == node
            for gate in supervisor.gates(record.id)
        ]


def _is_of_the_mesh(task: "asyncio.Task[Any]") -> bool:
    coroutine = task.get_coro()
    code = getattr(coroutine, "cr_code", None)
    file = code.co_filename if code is not None else ""
    return (
        "/virtual/" in file
        or "run_virtual" in repr(coroutine)
        or (getattr(coroutine, "__qualname__", "").startswith("on_zigbee."))
    )


def on_zigbee(test: Callable[[ZigbeeBench], Coroutine[Any, Any, None]]) -> Callable[[Path], None]:
    """Run a test in virtual time, on a bench with a Zigbee network in a folder of its own."""

    def run(tmp_path: Path) -> None:
        async def main() -> None:
            await test(ZigbeeBench(tmp_path))

        run_virtual(main(), limit=60 * DAY)

    functools.update_wrapper(run, test)
    del run.__wrapped__  # type: ignore[attr-defined] # pytest would ask for the test's own arguments
    return run
