"""A site with two dozen virtual nodes on real ports, a real broker, and the service as a process."""

import asyncio
import contextlib
import json
import os
import shlex
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flashers.api import Digest, Segment, VirtualNode, VirtualSetup, uart_node
from flashers.images import write_ihex
from flashers.mcuboot_smp.make import make_image
from flashers.sim import Behaviour, SimApp, build_app
from gateway.demo.broker import broker
from gateway.demo.listener import Listener
from gateway.plugins.registry import Registry
from gateway.profiles.load import load_profiles
from gateway.releases.keys import PrivateKey, keygen
from gateway.releases.make import make_release, sign_release
from gateway.service.node_types import NodeTypes
from transports.virtual.pty import PtyHost
from transports.virtual.tcp import TcpHost

PRODUCT = "greenhouse"
SENSOR, RELAY = "climate-sensor", "valve-relay"
OLD, NEW, BAD = "1.0.0", "1.1.0", "1.2.0"
GATEWAY = "greenhouse-3"
SERVED = "s16"
"""The one node that is behind a device server instead of a port of the gateway."""
SENSORS = tuple(f"s{number:02}" for number in range(1, 17))
RELAYS = tuple(f"r{number:02}" for number in range(1, 9))
_SENSOR_BYTES, _RELAY_BYTES = 6000, 4000
_READY_S, _STOP_S = 30.0, 30.0
_OTHERS = "somebody-elses-file"
_COLUMNS = "112"
_TREE = str(Path(__file__).resolve().parents[2])

PROFILES = {
    SENSOR: """
schema = 1
name = "climate-sensor"
flasher = "mcuboot_smp"
format = "mcuboot"
rollback = ["bootloader", "slot-switch"]
[evidence]
boot = ["reported-hash"]
[timing]
boot_deadline = 5.0
patience = 8.0
soak = 1.0
soak_interval = 0.3
[[health]]
kind = "digest"
[[health]]
kind = "command"
request = "echo:health"
expect = "health"
[params]
mode = "swap"
reply_timeout = 1.0
stall_timeout = 5.0
boot_deadline = 5.0
quiet_after_reset = 0.2
""",
    RELAY: """
schema = 1
name = "valve-relay"
flasher = "stk500"
format = "ihex"
rollback = ["reflash", "restore"]
[evidence]
transfer = ["readback"]
boot = ["version"]
[timing]
boot_deadline = 5.0
patience = 8.0
soak = 0.6
soak_interval = 0.3
[[health]]
kind = "command"
request = "health?"
expect = "^ok"
[params]
part = "atmega328p"
loader = "optiboot"
boot_section = 28672
boot_line = '^fw (?P<version>\\S+)'
boot_deadline = 4.0
reset = "none"
resets = 3
sync_timeout = 0.5
""",
}
_OPTIONS: Mapping[str, Mapping[str, str]] = {
    SENSOR: {"page": "512", "slot-pages": "16", "boot-time": "0.1"},
    RELAY: {"pages": "32"},
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command printed, and how it ended."""

    command: str
    code: int
    text: str

    @property
    def json(self) -> Any:
        """The same, parsed."""
        return json.loads(self.text)


@dataclass(slots=True)
class Site:
    """The staged site; everything in it may be broken, and repaired."""

    folder: Path
    types: NodeTypes
    public_key: str
    extra: str = ""
    """More of the configuration, by scene."""
    baud: int | None = 57_600
    nodes: dict[str, VirtualNode] = field(default_factory=dict)
    ports: dict[str, PtyHost] = field(default_factory=dict)
    service: asyncio.subprocess.Process | None = None
    broker_url: str = ""
    server: TcpHost = field(init=False)
    """The device server that one node is behind."""
    listener: Listener | None = None
    answers: list[Answer] = field(default_factory=list)
    _mounted: bool = False
    _broker: AsyncExitStack = field(default_factory=AsyncExitStack)
    _ports: AsyncExitStack = field(default_factory=AsyncExitStack)

    # People

    async def ask(self, command: str, *, shown: bool = True) -> Answer:
        """Type a command, as a person does; ``shown`` ones go onto the page."""
        words = shlex.split(command)
        assert words[0] == "tender", command
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "gateway",
            *words[1:],
            env=self._environment(),
            cwd=self.folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(), 120)
        answer = Answer(command, process.returncode or 0, output.decode().replace(f"{self.folder}/", ""))
        if shown:
            self.answers.append(answer)
        return answer

    def _environment(self) -> dict[str, str]:
        """As on a gateway: nothing of ours but where the socket and the configuration are."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TENDER_")}
        ours = {"TENDER_SOCKET": "sock", "TENDER_CONFIG": "gateway.toml"}
        paths = {name: str(self.folder / file) for name, file in ours.items()}
        path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")])
        return kept | paths | {"PATH": path, "PYTHONPATH": _TREE, "COLUMNS": _COLUMNS, "TZ": "UTC"}

    async def json(self, command: str) -> Any:
        """The same for a program."""
        answer = await self.ask(f"{command} --json", shown=False)
        return answer.json

    async def json_lines(self, command: str) -> list[Any]:
        """The same where each line is a value."""
        answer = await self.ask(f"{command} --json", shown=False)
        return [json.loads(line) for line in answer.text.splitlines() if line.startswith("{")]

    async def until(self, what: str, condition: Any, *, within: float = 60.0) -> None:
        """Wait for something to become true; ``condition`` is asked again and again."""
        try:
            async with asyncio.timeout(within):
                while not await condition():  # noqa: ASYNC110 - from outside, as a person looks
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"not within {within:g} s: {what}") from None

    # The service

    async def start(self) -> None:
        """Start the service and wait until it answers."""
        self._configure()
        with (self.folder / "tender.log").open("ab") as log:
            self.service = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "gateway",
                "serve",
                "--config",
                str(self.folder / "gateway.toml"),
                stderr=log,
                cwd=self.folder,
                env=self._environment(),
            )

        async def answers() -> bool:
            assert self.service is not None
            if self.service.returncode is not None:
                raise AssertionError((self.folder / "tender.log").read_text()[-4000:])
            return (await self.ask("tender status --json", shown=False)).code in {0, 1, 2}

        await self.until("the service answers", answers, within=_READY_S)

    async def stop(self, *, killed: bool = False) -> None:
        """Stop the service in order, or pull the gateway's plug."""
        service, self.service = self.service, None
        if service is None or service.returncode is not None:
            return
        service.send_signal(signal.SIGKILL if killed else signal.SIGTERM)
        await asyncio.wait_for(service.wait(), _STOP_S)

    def _configure(self) -> None:
        lines = [
            f"state = {json.dumps(str(self.folder / 'state'))}",
            f"socket = {json.dumps(str(self.folder / 'sock'))}",
            f"profiles = [{json.dumps(str(self.folder / 'profiles'))}]",
            "[gateway]",
            f'name = "{GATEWAY}"',
            "[trust.keys]",
            f"release-team = {json.dumps(self.public_key)}",
        ]
        if self.broker_url:
            lines += ["[upstream.mqtt]", f"url = {json.dumps(self.broker_url)}"]
            lines += ["retry_first = 0.2", "retry_cap = 1.0", "status_settle = 0.5"]
        for name in (*SENSORS, *RELAYS):
            kind = SENSOR if name in SENSORS else RELAY
            house = "north" if int(name[1:]) % 2 else "south"
            lines += [
                f"[nodes.{name}]",
                f'profile = "{kind}"',
                f'link = "{self.server.url if name == SERVED else f"uart:{self.folder / name}"}"',
                f'labels = {{ house = "{house}" }}',
            ]
        lines.append(self.extra.replace("FOLDER", str(self.folder)))
        (self.folder / "gateway.toml").write_text("\n".join(lines) + "\n")

    # The broker

    async def broker_on(self) -> None:
        """Start a broker; it has the same port each time only if it never ended."""
        host, port = await self._broker.enter_async_context(broker(self.folder))
        self.broker_url = f"mqtt://{host}:{port}"
        self.listener = Listener(host, port, GATEWAY)
        self._broker.callback(self.listener.close)

    async def broker_off(self) -> None:
        """End it."""
        await self._broker.aclose()
        self._broker = AsyncExitStack()

    # Releases and nodes

    async def release(self, version: str, behaviour: Behaviour = Behaviour.HEALTHY) -> None:
        """Make, sign and add a release for both kinds."""
        text = f'product = "{PRODUCT}"\nversion = "{version}"\n'
        for kind, form, end in ((SENSOR, "mcuboot", "bin"), (RELAY, "ihex", "hex")):
            file = f"{kind}-{version}.{end}"
            (self.folder / file).write_bytes(image(kind, version, behaviour))
            text += f'[[artifact]]\nfile = "{file}"\nprofile = "{kind}"\nformat = "{form}"\n'
        (self.folder / f"{version}.toml").write_text(text)
        made = make_release(self.folder / f"{version}.toml", self.folder / f"{version}.tender")
        sign_release(made.path, PrivateKey.load(self.folder / "key.pem"))
        answer = await self.ask(f"tender release add {version}.tender", shown=False)
        assert answer.code == 0, answer.text

    async def baseline(self) -> None:
        """Vouch for what the relays have had from the factory."""
        (self.folder / "relay-old.hex").write_bytes(image(RELAY, OLD))
        answer = await self.ask(
            f"tender baseline add relay-old.hex --profile {RELAY} --version {OLD}", shown=False
        )
        assert answer.code == 0, answer.text

    async def put_up(self, *names: str, version: str = OLD, behaviour: Behaviour = Behaviour.HEALTHY) -> None:
        """Power these nodes and plug them in."""
        for name in names or (*SENSORS, *RELAYS):
            kind = SENSOR if name in SENSORS else RELAY
            node_type = self.types.get(kind)
            setup = VirtualSetup(
                node_type.params,
                flash={"app": image(kind, version, behaviour)},
                options=_OPTIONS[kind],
                name=name,
            )
            self.nodes[name] = node = node_type.plugin.virtual_node(setup)
            if name == SERVED:
                self.server = await self._ports.enter_async_context(TcpHost(uart_node(node)))
                continue
            port = PtyHost(uart_node(node), link=self.folder / name, baud=self.baud)
            self.ports[name] = await self._ports.enter_async_context(port)

    async def swap(self, name: str, version: str, behaviour: Behaviour = Behaviour.HEALTHY) -> None:
        """Put another board with this firmware in a node's place."""
        self.ports.pop(name).unplug()
        await self.put_up(name, version=version, behaviour=behaviour)

    async def power_when_switched(self, name: str) -> None:
        """Give a node power when its supply is switched on."""
        told = self.folder / "switched"

        async def on() -> bool:
            return told.exists() and "on" in told.read_text()

        await self.until("the supply is switched on", on)
        self.nodes[name].power_on()

    def runs(self, name: str) -> str:
        """What a node really runs, asked of the node itself: a version, or ``nothing``."""
        truth = self.nodes[name].truth()
        for version in (OLD, NEW, BAD):
            for behaviour in (Behaviour.HEALTHY, Behaviour.UNHEALTHY):
                if truth.running.get(0) == self.identity(name, version, behaviour):
                    return version
        return "something" if truth.running else "nothing"

    def identity(self, name: str, version: str, behaviour: Behaviour = Behaviour.HEALTHY) -> Digest:
        """What a node's firmware is called when it runs this version."""
        kind = SENSOR if name in SENSORS else RELAY
        node_type = self.types.get(kind)
        parsed = node_type.plugin.parse(
            image(kind, version, behaviour),
            node_type.profile.format,
            node_type.profile.components[0].value(),
            node_type.params,
        )
        assert parsed.firmware.identity is not None
        return parsed.firmware.identity

    def heard_by_the_broker(self) -> list[int]:
        """The sequences of the events that an independent client of the broker was handed."""
        assert self.listener is not None
        return [int(event["sequence"]) for event in self.listener.events]

    def switch(self) -> None:
        """The program that switches a supply; it writes down what it was told."""
        (self.folder / "switch").write_text(f'#!/bin/sh\necho "$1" >> {self.folder}/switched\n')

    async def small_disk(self, size: str) -> bool:
        """Give the state folder a small disk of its own; False where that is not allowed."""
        (self.folder / "state").mkdir(exist_ok=True)
        self._mounted = await _run(
            "mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(self.folder / "state")
        )
        return self._mounted

    async def hang_the_server(self) -> None:
        """The device server takes no connection any more, and refuses none."""
        await self.server.aclose()
        deaf = socket.socket()
        self._ports.callback(deaf.close)
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        deaf.bind((self.server.host, self.server.port))
        deaf.listen(0)
        for _ in range(3):  # until its queue is full
            knock = socket.socket()
            knock.setblocking(False)
            knock.connect_ex((self.server.host, self.server.port))
            self._ports.callback(knock.close)

    def fill_disk(self) -> None:
        """Somebody else's file takes all that is left."""
        with (self.folder / "state" / _OTHERS).open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(1 << 16))

    def make_room(self) -> None:
        """It is gone again."""
        (self.folder / "state" / _OTHERS).unlink()

    async def end(self) -> None:
        """Take everything down."""
        await self.stop(killed=True)
        if self._mounted:
            await _run("umount", str(self.folder / "state"))
        await self._ports.aclose()
        await self._broker.aclose()


@asynccontextmanager
async def site(folder: Path, *, extra: str = "", with_broker: bool = True) -> AsyncIterator[Site]:
    """A site whose nodes are up and whose service is not started yet."""
    (folder / "profiles").mkdir(parents=True)
    for name, text in PROFILES.items():
        (folder / "profiles" / f"{name}.toml").write_text(text)
    public, _ = keygen(folder / "key.pem")
    types = NodeTypes(load_profiles([folder / "profiles"], Registry()))
    staged = Site(folder, types, str(public), extra)
    try:
        if with_broker:
            await staged.broker_on()
        staged.switch()
        await staged.put_up()
        yield staged
    finally:
        await staged.end()


def image(kind: str, version: str, behaviour: Behaviour = Behaviour.HEALTHY) -> bytes:
    """The firmware file of a version."""
    app = SimApp(version, behaviour)
    if kind == SENSOR:
        return make_image(app, size=_SENSOR_BYTES)
    return write_ihex([Segment(0, build_app(app, _RELAY_BYTES))])


async def _run(*command: str) -> bool:
    null = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, stdout=null, stderr=null)
    return await process.wait() == 0
