"""Set the stage in a temporary folder: keys, images, a signed release, a configuration."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from flashers.api import Segment
from flashers.images import write_ihex
from flashers.mcuboot_smp.make import key_hash, make_image
from flashers.sim import Behaviour, SimApp, build_app
from gateway.demo.script import FOREIGN_KEY, NEW, OLD, OTHER_BOARD, RELAY, SENSOR, UNWELL, Actor
from gateway.releases.keys import PrivateKey, keygen
from gateway.releases.make import make_release, sign_release

PRODUCT = "greenhouse"
SENSOR_BYTES, RELAY_BYTES = 28_000, 12_000
LOADER_KEY_SEED = bytes(range(32))
"""The virtual sensors' loaders know one key: a fixed one, since nothing is to be protected here."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What was made, and where."""

    folder: Path
    config: Path
    socket: Path
    release: Path
    baseline: Path
    firmware: Mapping[tuple[str, str], bytes]
    """What nodes begin with, by profile and version."""
    sensor_key_hash: str


def set_stage(folder: Path, fleet: tuple[Actor, ...], links: Mapping[str, str], broker: str) -> Stage:
    """Make everything that the gateway is given."""
    loader_key = Ed25519PrivateKey.from_private_bytes(LOADER_KEY_SEED)
    files = {
        "sensor-old.bin": make_image(SimApp(OLD), size=SENSOR_BYTES, key=loader_key),
        "sensor.bin": make_image(SimApp(NEW), size=SENSOR_BYTES, key=loader_key),
        "sensor-unwell.bin": make_image(SimApp(NEW, Behaviour.UNHEALTHY), size=SENSOR_BYTES, key=loader_key),
        "sensor-foreign.bin": make_image(
            SimApp(NEW), size=SENSOR_BYTES, seed=1, key=Ed25519PrivateKey.generate()
        ),
        "relay-old.hex": _hex(SimApp(OLD)),
        "relay.hex": _hex(SimApp(NEW)),
        "relay-unwell.hex": _hex(SimApp(NEW, Behaviour.UNHEALTHY)),
        "relay-other.hex": _hex(SimApp(NEW, hardware="relay-v2")),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    public, _ = keygen(folder / "release-key.pem")
    (folder / "release.toml").write_text(_description())
    made = make_release(folder / "release.toml", folder / "greenhouse.tender")
    sign_release(made.path, PrivateKey.load(folder / "release-key.pem"))
    socket = folder / "tender.sock"
    config = folder / "gateway.toml"
    config.write_text(_config(folder, socket, str(public), broker, fleet, links))
    return Stage(
        folder,
        config,
        socket,
        made.path,
        folder / "relay-old.hex",
        {
            (SENSOR, OLD): files["sensor-old.bin"],
            (SENSOR, NEW): files["sensor.bin"],
            (RELAY, OLD): files["relay-old.hex"],
            (RELAY, NEW): files["relay.hex"],
        },
        key_hash(loader_key).hex(),
    )


def _hex(app: SimApp) -> bytes:
    return write_ihex([Segment(0, build_app(app, RELAY_BYTES))])


def _description() -> str:
    rows = (
        ("sensor.bin", SENSOR, "mcuboot", None, "th-sensor"),
        ("sensor-unwell.bin", SENSOR, "mcuboot", UNWELL, "th-sensor"),
        ("sensor-foreign.bin", SENSOR, "mcuboot", FOREIGN_KEY, "th-sensor"),
        ("relay.hex", RELAY, "ihex", None, "relay"),
        ("relay-unwell.hex", RELAY, "ihex", UNWELL, "relay"),
        ("relay-other.hex", RELAY, "ihex", OTHER_BOARD, "relay-v2"),
    )
    text = f'product = "{PRODUCT}"\nversion = "{NEW}"\n'
    for file, profile, image_format, variant, hardware in rows:
        text += f'\n[[artifact]]\nfile = "{file}"\nprofile = "{profile}"\nformat = "{image_format}"\n'
        text += f'hardware = ["{hardware}"]\n' + (f'variant = "{variant}"\n' if variant else "")
    return text


def _config(
    folder: Path,
    socket: Path,
    public_key: str,
    broker: str,
    fleet: tuple[Actor, ...],
    links: Mapping[str, str],
) -> str:
    lines = [
        f"state = {json.dumps(str(folder / 'state'))}",
        f"socket = {json.dumps(str(socket))}",
        "[gateway]",
        'name = "demo"',
        "[trust.keys]",
        f"release-team = {json.dumps(public_key)}",
        "[upstream.mqtt]",
        f"url = {json.dumps(broker)}",
        "progress_every = 0.5",
        "status_settle = 0.2",
    ]
    for actor in fleet:
        lines += [
            f"[nodes.{actor.name}]",
            f'profile = "{actor.profile}"',
            f"link = {json.dumps(links[actor.name])}",
        ]
        if actor.variant is not None:
            lines.append(f'labels = {{ variant = "{actor.variant}" }}')
    return "\n".join(lines) + "\n"
