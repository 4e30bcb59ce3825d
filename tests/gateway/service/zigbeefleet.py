"""A fleet on a virtual Zigbee network, and the real service in a process of its own at its coordinator.

Nothing is shared but the coordinator's port: zigpy and zigpy-znp are the gateway's, and what the nodes
asked, heard and run is written down on their side.
"""

import asyncio
import json
import signal
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from flashers.api import VirtualSetup
from flashers.sim import SimApp
from flashers.zigbee_ota import PLUGIN
from flashers.zigbee_ota.virtual.node import VirtualZigbeeNode
from gateway.api.client import Client
from gateway.plugins.registry import Registry
from gateway.profiles.load import load_profiles
from gateway.releases.keys import PrivateKey, keygen
from gateway.releases.make import make_release, sign_release
from gateway.service.node_types import NodeTypes
from transports.virtual.zigbee import VirtualNetwork
from transports.zcl import NodeDescription, Zcl, ZigbeePeer, ZigbeeRadio

PRODUCT, HALL = "fleet", "hall"
OLD, NEW, OLDER = "1.0.0", "1.1.0", "0.9.0"
LAMP, LARGE, TWIN, DOOR, LATE, STUBBORN = "lamp", "large", "twin", "door", "late", "stubborn"
WANTED = dict.fromkeys((LAMP, LARGE, TWIN, DOOR, LATE), NEW) | {STUBBORN: OLDER}
"""What a release has for each kind; the last kind is to go back to something older."""
_SIZES = {LARGE: 6000}
_PARAMS = {TWIN: "reverts = true"}
_BOOT_DEADLINE = {LATE: 12.0}
_TRAITS: Mapping[str, Mapping[str, str]] = {
    DOOR: {"sleepy": "", "check-in": "8", "long-poll": "2"},
    STUBBORN: {"no-old-header": ""},
}
_USUAL = {"slot-pages": "4", "block": "64", "reply-timeout": "2", "retries": "60", "report-every": "0"}
_OTA, _BLOCK_REQUEST, _BLOCK, _END, _ABORT = 0x0019, 0x03, 0x05, 0x07, 0x95
"""Of the OTA cluster (ZCL revision 8, 11.13); the first status that ends it all."""
_OFFSET_AT = 9
"""Of a block request: behind a field control, manufacturer, image type and version."""
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
boot_deadline = {boot}
patience = 20.0
soak = 0.5
soak_interval = 0.25
[[health]]
kind = "version"
[zigbee]
missing_after = 120.0
[params]
manufacturer = 0x1234
image_type = 1
reply_timeout = 3.0
check_in = 20.0
{params}
"""


def firmware(kind: str, version: str) -> bytes:
    """A file for nodes of this kind."""
    return PLUGIN.build(SimApp(version), _SIZES.get(kind, 1500), {})


class Overheard:
    """A node's application; what it asks for and what it is given is written down."""

    def __init__(self, peer: ZigbeePeer) -> None:
        self._peer = peer
        self.asked: list[int] = []
        """Offsets, in the order in which they were asked for."""
        self.aborts: list[Zcl] = []
        self.bytes = 0
        """Of blocks that arrived here."""

    @property
    def description(self) -> NodeDescription:
        """As in the contract."""
        return self._peer.description

    def attach(self, radio: ZigbeeRadio) -> None:
        """As in the contract."""
        self._peer.attach(_Mouth(radio, self))

    def received(self, frame: Zcl) -> None:
        """As in the contract."""
        if frame.cluster == _OTA and not frame.general and frame.command in (_BLOCK, _END):
            if frame.payload[:1] == bytes((_ABORT,)):
                self.aborts.append(frame)
            elif frame.command == _BLOCK and frame.payload[:1] == b"\0":
                self.bytes += frame.payload[13]
        self._peer.received(frame)

    def says(self, frame: Zcl) -> None:
        """It sends this."""
        if frame.cluster == _OTA and not frame.general and frame.command == _BLOCK_REQUEST:
            (offset,) = struct.unpack_from("<I", frame.payload, _OFFSET_AT)
            self.asked.append(offset)


class _Mouth:
    """A node's radio; what is sent is told."""

    def __init__(self, radio: ZigbeeRadio, tells: Overheard) -> None:
        self._radio = radio
        self._tells = tells

    def send(self, frame: Zcl, *, acknowledged: bool = True) -> None:
        self._tells.says(frame)
        self._radio.send(frame, acknowledged=acknowledged)

    def appear(self) -> None:
        self._radio.appear()

    def vanish(self) -> None:
        self._radio.vanish()

    def poll(self, interval: float | None) -> None:
        self._radio.poll(interval)


@dataclass
class Placed:
    """A node, and where it is."""

    kind: str
    ieee: str
    node: VirtualZigbeeNode
    overheard: Overheard

    def runs(self, version: str) -> bool:
        """Whether it really runs this, by its flash."""
        running = self.node.running
        return running is not None and running.whole == firmware(self.kind, version)

    @property
    def in_mid_image(self) -> bool:
        """Whether it has some of an image, and not all."""
        download = self.node.store.download
        return download is not None and 0 < self.node.store.offset < download[1]


@dataclass
class Fleet:
    """A folder with all that a service needs, and the network."""

    folder: Path
    network: VirtualNetwork
    path: str
    nodes: dict[str, Placed] = field(default_factory=dict)

    @property
    def client(self) -> Client:
        """For the service's API."""
        return Client(self.folder / "sock")

    def add(self, name: str, kind: str = LAMP, **traits: str) -> None:
        """One more node, which has not joined yet."""
        types = NodeTypes(load_profiles([self.folder / "profiles"], Registry()))
        options = {trait.replace("_", "-"): value for trait, value in traits.items()}
        setup = VirtualSetup(
            types.get(kind).params,
            flash={"app": firmware(kind, OLD)},
            options={**_USUAL, **_TRAITS.get(kind, {}), **options},
            name=name,
        )
        node = VirtualZigbeeNode(setup)
        ieee = f"00:12:4b:00:1c:00:00:{len(self.nodes) + 1:02x}"
        self.nodes[name] = Placed(kind, ieee, node, Overheard(node.zigbee(name, ieee)))

    def join(self, *, hops: int) -> None:
        """All of them come within reach."""
        for placed in self.nodes.values():
            self.network.add(placed.overheard, hops=hops, joined=False)

    def lose(self, share: float) -> None:
        """From now on each hop loses so many of its frames."""
        for node in self.network.nodes.values():
            *route, _coordinator = self.network.mesh.up(node.aps.radio)
            for radio in route:
                radio.loss = share

    def write(self) -> None:
        """Configuration, profiles, baselines and a release."""
        (self.folder / "profiles").mkdir()
        for kind in WANTED:
            text = _PROFILE.format(
                kind=kind, params=_PARAMS.get(kind, ""), boot=_BOOT_DEADLINE.get(kind, 40.0)
            )
            (self.folder / "profiles" / f"{kind}.toml").write_text(text)
            (self.folder / f"{kind}-{OLD}.ota").write_bytes(firmware(kind, OLD))

    def configure(self) -> None:
        """With all nodes that there are."""
        public, _ = keygen(self.folder / "key.pem")
        text = (
            f"state = {json.dumps(str(self.folder / 'state'))}\n"
            f"socket = {json.dumps(str(self.folder / 'sock'))}\n"
            f"profiles = [{json.dumps(str(self.folder / 'profiles'))}]\n"
            '[gateway]\nname = "fleet"\n'
            f"[trust.keys]\nteam = {json.dumps(str(public))}\n"
            f'[networks.{HALL}]\nradio = "znp"\npath = {json.dumps(self.path)}\nchannel = 15\n'
        )
        for name, placed in self.nodes.items():
            text += f'[nodes.{name}]\nprofile = "{placed.kind}"\nlink = "zigbee:{HALL}#{placed.ieee}"\n'
        (self.folder / "gateway.toml").write_text(text)

    def release(self) -> Path:
        """What they are wanted to run."""
        text = f'product = "{PRODUCT}"\nversion = "{NEW}"\n'
        for kind, version in WANTED.items():
            (self.folder / f"{kind}.ota").write_bytes(firmware(kind, version))
            text += f'[[artifact]]\nfile = "{kind}.ota"\nprofile = "{kind}"\nformat = "zigbee-ota"\n'
        (self.folder / "release.toml").write_text(text)
        made = make_release(self.folder / "release.toml", self.folder / "release.tender")
        sign_release(made.path, PrivateKey.load(self.folder / "key.pem"))
        return made.path

    async def get(self, *place: str, **query: str) -> Any:
        """Ask the service."""
        return await asyncio.to_thread(lambda: self.client.get(*place, **query))

    async def post(self, *place: str, body: Mapping[str, object]) -> Any:
        """Have the service do something."""
        return await asyncio.to_thread(lambda: self.client.post(*place, body=body))

    async def deploy(self, name: str, *nodes: str, no_rollback: str = "refuse") -> None:
        """Bring these to the release, or as far as they go."""
        policy = {"all_at_once": True, "no_rollback": no_rollback}
        body = {"id": name, "product": PRODUCT, "version": NEW, "select": {"nodes": nodes}, "policy": policy}
        await self.post("deployments", body=body)


class Service:
    """`tender serve`, killed and started again; its log is kept."""

    def __init__(self, folder: Path) -> None:
        self._config = folder / "gateway.toml"
        self._process: asyncio.subprocess.Process | None = None
        self._ready = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self.log: list[str] = []

    async def start(self) -> None:
        """Until it says that it is ready."""
        self._ready.clear()
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "serve", "--config", str(self._config)),
            stderr=asyncio.subprocess.PIPE,
        )
        self._reader = asyncio.create_task(self._read())
        async with asyncio.timeout(60):
            await self._ready.wait()
        assert self._process.returncode is None, "\n".join(self.log[-20:])

    async def end(self, how: signal.Signals) -> None:
        """Send it a signal, and wait for its end."""
        assert self._process is not None
        assert self._reader is not None
        if self._process.returncode is None:
            self._process.send_signal(how)
        await self._process.wait()
        await self._reader

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None:
            await self.end(signal.SIGKILL)

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            self.log.append(line.decode(errors="replace").rstrip())
            if " ready: " in self.log[-1]:
                self._ready.set()
        self._ready.set()
