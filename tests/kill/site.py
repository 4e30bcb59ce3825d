"""A site that a killed service has to bring through: its configuration, releases and nodes."""

import json
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from flashers.api import Digest, Segment, VirtualSetup, uart_node
from flashers.images import write_ihex
from flashers.mcuboot_smp.make import make_image
from flashers.sim import SimApp, build_app
from gateway.plugins.registry import Registry
from gateway.profiles.load import load_profiles
from gateway.releases.keys import PrivateKey, keygen
from gateway.releases.make import make_release, sign_release
from gateway.service.node_types import NodeTypes
from tests.kill.logbook import Logbook
from tests.matrix.guard import Node
from transports.virtual.pty import PtyHost

PRODUCT = "hail"
SENSOR, RELAY = "hail-sensor", "hail-relay"
FIRST = "1.0.0"
VERSIONS = ("1.1.0", "1.2.0", "1.3.0")
_SENSOR_BYTES, _RELAY_BYTES = 900, 700

_PROFILES = {
    SENSOR: """
schema = 1
name = "hail-sensor"
flasher = "mcuboot_smp"
format = "mcuboot"
rollback = ["bootloader", "slot-switch"]
[evidence]
boot = ["reported-hash"]
[timing]
boot_deadline = 5.0
patience = 20.0
soak = 0.4
soak_interval = 0.2
[bounds]
recoveries = 100
[[health]]
kind = "digest"
[params]
mode = "swap"
reply_timeout = 1.0
stall_timeout = 5.0
boot_deadline = 5.0
quiet_after_reset = 0.2
""",
    RELAY: """
schema = 1
name = "hail-relay"
flasher = "stk500"
format = "ihex"
rollback = ["reflash", "restore"]
[evidence]
transfer = ["readback"]
boot = ["version"]
[timing]
boot_deadline = 5.0
patience = 20.0
soak = 0.3
soak_interval = 0.2
[bounds]
recoveries = 100
[[health]]
kind = "command"
request = "health?"
expect = "^ok"
[params]
part = "atmega328p"
loader = "optiboot"
boot_section = 31488
boot_line = '^fw (?P<version>\\S+)'
boot_deadline = 4.0
reset = "none"
resets = 3
sync_timeout = 0.5
""",
}
_OPTIONS: Mapping[str, Mapping[str, str]] = {
    SENSOR: {"page": "256", "slot-pages": "6", "boot-time": "0.05"},
    RELAY: {"pages": "10"},
}


@dataclass(slots=True)
class HailSite:
    """Where everything is, and what really is on the nodes."""

    gateway: str
    folder: Path
    config: Path
    socket: Path
    releases: list[Path]
    nodes: dict[str, Node] = field(default_factory=dict)
    books: dict[str, Logbook] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        """The service's own folder."""
        return self.folder / "state"


async def make_hail_site(
    folder: Path, gateway: str, broker_url: str, count: int, stack: AsyncExitStack
) -> HailSite:
    """Half of the nodes have two slots, the others one; each is behind a PTY of this process."""
    profiles = folder / "profiles"
    profiles.mkdir(parents=True)
    for name, text in _PROFILES.items():
        (profiles / f"{name}.toml").write_text(text)
    public, _ = keygen(folder / "key.pem")
    releases = [_release(folder, version) for version in VERSIONS]
    kinds = {f"{'rs'[number % 2]}{number:02}": (RELAY, SENSOR)[number % 2] for number in range(count)}
    lines = [
        f"state = {json.dumps(str(folder / 'state'))}",
        f"socket = {json.dumps(str(folder / 'sock'))}",
        f"profiles = [{json.dumps(str(profiles))}]",
        "[gateway]",
        f'name = "{gateway}"',
        "[trust.keys]",
        f"team = {json.dumps(str(public))}",
        "[rollout]",
        f"max_in_parallel = {count}",
        "waves = []",
        "budget = { attempts = 1_000_000, erases = 1_000_000, air_seconds = 1e9 }",
        "[upstream.mqtt]",
        f"url = {json.dumps(broker_url)}",
        "retry_first = 0.2",
        "retry_cap = 1.0",
        "status_settle = 0.5",
    ]
    for name, kind in kinds.items():
        lines += [f"[nodes.{name}]", f'profile = "{kind}"', f'link = "uart:{folder / name}"']
    config = folder / "gateway.toml"
    config.write_text("\n".join(lines) + "\n")
    site = HailSite(gateway, folder, config, folder / "sock", releases)
    types = NodeTypes(load_profiles([profiles], Registry()))
    for name, kind in kinds.items():
        node_type = types.get(kind)
        node = node_type.plugin.virtual_node(
            VirtualSetup(
                node_type.params, flash={"app": image(kind, FIRST)}, options=_OPTIONS[kind], name=name
            )
        )
        site.nodes[name] = node  # type: ignore[assignment]
        site.books[name] = Logbook(site.nodes[name])
        await stack.enter_async_context(PtyHost(uart_node(node), link=folder / name))
    return site


def image(kind: str, version: str) -> bytes:
    """The firmware file of a version."""
    if kind == SENSOR:
        return make_image(SimApp(version), size=_SENSOR_BYTES)
    return write_ihex([Segment(0, build_app(SimApp(version), _RELAY_BYTES))])


def identities(site: HailSite, version: str) -> dict[str, Digest]:
    """What each node runs when it is on this version."""
    types = NodeTypes(load_profiles([site.folder / "profiles"], Registry()))
    found = {}
    for name in site.nodes:
        node_type = types.get(SENSOR if name.startswith("s") else RELAY)
        component = node_type.profile.components[0].value()
        data = image(node_type.profile.name, version)
        parsed = node_type.plugin.parse(data, node_type.profile.format, component, node_type.params)
        assert parsed.firmware.identity is not None
        found[name] = parsed.firmware.identity
    return found


def _release(folder: Path, version: str) -> Path:
    text = f'product = "{PRODUCT}"\nversion = "{version}"\n'
    for kind, form in ((SENSOR, "mcuboot"), (RELAY, "ihex")):
        file = f"{kind}-{version}.{'hex' if form == 'ihex' else 'bin'}"
        (folder / file).write_bytes(image(kind, version))
        text += f'[[artifact]]\nfile = "{file}"\nprofile = "{kind}"\nformat = "{form}"\n'
    description = folder / f"{version}.toml"
    description.write_text(text)
    made = make_release(description, folder / f"{version}.tender")
    sign_release(made.path, PrivateKey.load(folder / "key.pem"))
    return made.path
