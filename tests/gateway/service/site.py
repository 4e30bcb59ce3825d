"""A whole service in memory: the composition root's own site, virtual nodes, virtual time.

Only the clock and the lines are not real: journal, store, releases and profiles are
on a disk, as on a gateway.
"""

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flashers.api import Digest, FlasherPlugin, Segment, VirtualNode, VirtualSetup, uart_node
from flashers.images import write_ihex
from flashers.mcuboot_smp.make import make_image
from flashers.nordic_dfu.legacy.build import build as build_package
from flashers.sim import Behaviour, SimApp, build_app
from flashers.zigbee_ota.build import build as build_ota
from gateway.app import make_site
from gateway.config.model import Config
from gateway.control import DeploymentPolicy, DeployRequest, Selector
from gateway.model.records import Record
from gateway.model.views import Event, NodeView
from gateway.plugins.registry import Registry
from gateway.profiles.load import load_profiles
from gateway.releases.keys import PrivateKey, keygen
from gateway.releases.make import make_release, sign_release
from gateway.service.gateway import Gateway
from gateway.service.links.programs import Programs
from gateway.service.node_types import NodeTypes
from transports.links import MEDIUM_OF_SCHEME, ByteLink, LinkSpec, Medium
from transports.open import open_link, register
from transports.virtual.clock import run_virtual
from transports.virtual.memory import MemoryLine, MemoryLines

SENSOR, RELAY, MUTE = "sensor", "relay", "mute"
THERMO, DFU = "thermo", "dfu"
"""Behind a radio, see :mod:`tests.gateway.service.airsite`: a sensor, and one with Nordic's legacy loader."""
LAMP, DOOR = "lamp", "door"
"""Of a Zigbee network, see :mod:`tests.gateway.service.zigbeesite`: one always there, one that sleeps."""
OLD, NEW, NEWER = "1.0.0", "1.1.0", "1.2.0"
PRODUCT = "greenhouse"

_TIMING = "boot_deadline = 5.0\npatience = 20.0\nsoak = 1.0\nsoak_interval = 0.5\n"
_RELAY = f"""
schema = 1
name = "relay"
flasher = "stk500"
hardware = ["relay"]
format = "ihex"
rollback = ["reflash"]
reset = "dtr"
[evidence]
transfer = ["readback"]
boot = ["version"]
[timing]
{_TIMING}
[[health]]
kind = "command"
request = "health?"
expect = "^ok"
[params]
part = "atmega328p"
loader = "optiboot"
boot_section = 31744
boot_line = '^fw (?P<version>\\S+)'
boot_deadline = 4.0
"""
PROFILES: Mapping[str, str] = {
    SENSOR: f"""
schema = 1
name = "sensor"
flasher = "mcuboot_smp"
hardware = ["sensor"]
format = "mcuboot"
rollback = ["bootloader", "slot-switch"]
reset = "dtr"
[evidence]
boot = ["reported-hash"]
[timing]
{_TIMING}
[[health]]
kind = "command"
request = "echo:health"
expect = "health"
[params]
mode = "swap"
reset = "dtr"
reply_timeout = 0.5
stall_timeout = 3.0
boot_deadline = 5.0
quiet_after_reset = 0.3
""",
    RELAY: _RELAY,
    MUTE: _RELAY.replace('"relay"', '"mute"', 1)
    .replace('boot = ["version"]', "boot = []")
    .replace('[[health]]\nkind = "command"\nrequest = "health?"\nexpect = "^ok"\n', "")
    .replace("boot_line = '^fw (?P<version>\\S+)'\n", ""),
}
_TRAITS: Mapping[str, Mapping[str, str]] = {
    SENSOR: {"page": "256", "slot-pages": "6"},
    RELAY: {"pages": "8"},
    MUTE: {"pages": "8"},
}
FORMATS = {
    SENSOR: "mcuboot",
    RELAY: "ihex",
    MUTE: "ihex",
    THERMO: "mcuboot",
    DFU: "nordic-dfu-zip",
    LAMP: "zigbee-ota",
    DOOR: "zigbee-ota",
}


def firmware(kind: str, version: str, behaviour: Behaviour = Behaviour.HEALTHY) -> bytes:
    """A firmware file for nodes of a kind."""
    app = SimApp(version, behaviour)
    if kind == DFU:
        return build_package(app, 700, {})
    if FORMATS[kind] == "zigbee-ota":
        return build_ota(app, 3000, {})
    if FORMATS[kind] == "mcuboot":
        return make_image(app, size=900)
    return write_ihex([Segment(0, build_app(app, 700))])


@dataclass(frozen=True, slots=True)
class Piece:
    """One artifact of a release, and what the manifest says of it."""

    kind: str
    behaviour: Behaviour = Behaviour.HEALTHY
    format: str | None = None
    hardware: str | None = None
    variant: str | None = None
    lines: str = ""


class Bench:
    """A folder, nodes on lines in memory, and gateways that come and go over them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nodes: dict[str, VirtualNode] = {}
        self.lines = MemoryLines()
        self.tables: dict[str, dict[str, Any]] = {}
        self.settings: dict[str, Any] = {}
        self.opener: Callable[[LinkSpec], Awaitable[ByteLink]] = open_link
        self.programs: Programs | None = None
        self._at_work = 0
        self._unregister: Callable[[], None] = lambda: None
        self._identities: dict[tuple[str, str, Behaviour], Digest] = {}
        self.swap_plugin: dict[str, Callable[[FlasherPlugin], FlasherPlugin]] = {}
        profiles = folder / "profiles"
        profiles.mkdir()
        for name, text in PROFILES.items():
            (profiles / f"{name}.toml").write_text(text)
        self.public, _ = keygen(folder / "key.pem")

    @property
    def profiles(self) -> Path:
        """The site's own profiles."""
        return self.folder / "profiles"

    def types(self) -> NodeTypes:
        """The node types, with whatever plugin a test put in place of the real one."""
        types = NodeTypes(load_profiles([self.profiles], Registry()))
        for name, swap in self.swap_plugin.items():
            real = types.get(name)
            types._known[name] = type(real)(real.profile, swap(real.plugin), real.params, real.declaration)
        return types

    def node(
        self,
        name: str,
        kind: str = SENSOR,
        *,
        version: str = OLD,
        link: str | None = None,
        options: Mapping[str, str] | None = None,
        faults: str = "",
        labels: Mapping[str, str] | None = None,
    ) -> Any:
        """Put a node on a line of its own, or on that of another name."""
        node_type = NodeTypes(load_profiles([self.profiles], Registry())).get(kind)
        node = node_type.plugin.virtual_node(
            VirtualSetup(
                node_type.params,
                flash={"app": firmware(kind, version)},
                options={**_TRAITS[kind], **(options or {})},
                name=name,
            )
        )
        self.nodes[name] = node
        if link is None:
            self.lines.lines[name] = MemoryLine(uart_node(node), faults=faults)
        self.tables[name] = {"profile": kind, "link": link or f"memory:{name}", "labels": dict(labels or {})}
        return node

    def release(self, version: str, *pieces: Piece, signed: bool = True) -> Path:
        """A release file with these artifacts; healthy ones for both kinds if nothing is said."""
        text = f'product = "{PRODUCT}"\nversion = "{version}"\n'
        for number, piece in enumerate(pieces or (Piece(SENSOR), Piece(RELAY), Piece(MUTE))):
            file = f"{version}-{number}-{piece.kind}.img"
            source = piece.kind if piece.format is None else RELAY
            (self.folder / file).write_bytes(firmware(source, version, piece.behaviour))
            text += f'[[artifact]]\nfile = "{file}"\nprofile = "{piece.kind}"\n'
            text += f'format = "{piece.format or FORMATS[piece.kind]}"\n{piece.lines}'
            text += f'hardware = ["{piece.hardware}"]\n' if piece.hardware else ""
            text += f'variant = "{piece.variant}"\n' if piece.variant else ""
        description = self.folder / f"{version}.toml"
        description.write_text(text)
        made = make_release(description, self.folder / f"{version}-{len(list(self.folder.iterdir()))}.tender")
        if signed:
            sign_release(made.path, PrivateKey.load(self.folder / "key.pem"))
        return made.path

    def identity(self, kind: str, version: str, behaviour: Behaviour) -> Digest:
        """By what a node names this firmware."""
        key = (kind, version, behaviour)
        if key not in self._identities:
            node_type = self.types().get(kind)
            component = node_type.profile.components[0].value()
            data = firmware(kind, version, behaviour)
            parsed = node_type.plugin.parse(data, FORMATS[kind], component, node_type.params)
            assert parsed.firmware.identity is not None
            self._identities[key] = parsed.firmware.identity
        return self._identities[key]

    def config(self) -> Config:
        """As the service would have read it."""
        return Config.model_validate(
            {
                "state": self.folder / "state",
                "socket": self.folder / "sock",
                "profiles": (self.profiles,),
                "gateway": {"name": "gw"},
                "trust": {"keys": {"team": str(self.public)}},
                "nodes": self.tables,
                **self.settings,
            }
        )

    @asynccontextmanager
    async def gateway(self, *, killed: bool = False, first_look_s: float = 5.0) -> AsyncIterator["Running"]:
        """A service at work; stopped in order at the end, or (``killed``) just gone."""
        first, self._at_work = not self._at_work, self._at_work + 1
        if first:
            MEDIUM_OF_SCHEME.pop("memory", None)  # of a test that got stuck
            self._unregister = register("memory", Medium.UART, self.lines.open)
        try:
            async with AsyncExitStack() as stack:
                types = self.types()
                site = await make_site(
                    self.config(), stack, opener=self.opener, programs=self.programs, node_types=types
                )
                gateway = Gateway(site, first_look_s=first_look_s)
                running = Running(gateway)
                await gateway.start()
                running.work = asyncio.create_task(gateway.run())
                try:
                    yield running
                    if not killed:
                        await gateway.stop()
                finally:
                    await running.end()
        finally:
            self._at_work -= 1
            if first:
                self._unregister()


class Running:
    """A running gateway, with the questions that tests ask of it."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.work: asyncio.Task[None] | None = None
        self.kept: list[Event] = []
        gateway.site.journal.listen(self.kept.append)

    async def end(self) -> None:
        """No more turns."""
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self.work is not None:
            with suppress(asyncio.CancelledError):
                await self.work

    async def deploy(
        self,
        name: str = "d",
        *nodes: str,
        version: str = NEW,
        select: Selector | None = None,
        **policy: Any,
    ) -> Any:
        """Deploy a release on some nodes, or on all."""
        chosen = select or (Selector(nodes=nodes) if nodes else Selector(all=True))
        return await self.gateway.deploy(
            DeployRequest(name, PRODUCT, version, chosen, DeploymentPolicy(**policy), asked_by="test")
        )

    async def records(self, node: str | None = None) -> list[Record]:
        """Attempts, oldest first."""
        return list(reversed(await self.gateway.site.journal.attempts(node=node, limit=1000)))

    async def ended(self, *, within: float = 3600.0) -> list[Record]:
        """Wait until nothing is open, and tell every attempt."""
        await self.until(lambda: self.gateway.supervisor.depth == 0, within=within)
        # A deployment's end is told by a task of its own.
        await asyncio.sleep(0.5)
        return await self.records()

    async def until(self, condition: Callable[[], object], *, within: float = 3600.0) -> None:
        """Wait (in virtual time) for something to become true."""
        async with asyncio.timeout(within):
            while not condition():  # noqa: ASYNC110 - a test asks from outside, as a person would
                await asyncio.sleep(0.1)

    async def under_way(self, node: str) -> int:
        """Wait until an attempt on this node has its link; its number."""
        supervisor = self.gateway.supervisor

        def found() -> list[int]:
            return [
                number
                for number, entry in supervisor._open.items()
                if entry.record.node == node and entry.runner is not None
            ]

        await self.until(found)
        return found()[0]

    async def in_phase(self, node: str, phase: str) -> None:
        """Wait until a phase of a node's attempt was told."""
        await self.until(lambda: any(e.node == node and e.data.get("phase") == phase for e in self.kept))

    def told(self, kind: str) -> list[Event]:
        """What was told of this kind since this gateway started."""
        return [event for event in self.kept if event.kind == kind]

    async def view(self, node: str) -> NodeView:
        """A node as it is shown."""
        return await self.gateway.node(node)


def outcomes(records: list[Record]) -> list[str]:
    """How attempts ended, in order; an open one as its phase."""
    return [record.result.outcome.value if record.result else record.phase.value for record in records]


def runs(bench: Bench, name: str, kind: str, version: str, behaviour: Behaviour = Behaviour.HEALTHY) -> bool:
    """Ask the virtual node itself."""
    truth = bench.nodes[name].truth()
    return truth.bootable and truth.running.get(0) == bench.identity(kind, version, behaviour)


def virtual(test: Callable[[Bench], Coroutine[Any, Any, None]]) -> Callable[[Path], None]:
    """Run a test in virtual time, on a bench in a folder of its own."""

    def run(tmp_path: Path) -> None:
        async def main() -> None:
            await test(Bench(tmp_path))

        run_virtual(main())

    functools.update_wrapper(run, test)
    del run.__wrapped__  # type: ignore[attr-defined] # pytest would ask for the test's own arguments
    return run
