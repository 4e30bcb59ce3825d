"""Set the stage in a temporary folder: keys, images, a signed release, a configuration."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flashers.api import Component
from flashers.sim import Behaviour, SimApp
from gateway.attempt.ports import NodeType
from gateway.demo.script import (
    DOOR,
    FOREIGN_KEY,
    LAMP,
    NEW,
    OLD,
    OTHER_BOARD,
    PLUG,
    RADIO,
    RELAY,
    SENSOR,
    TAG,
    UNWELL,
    Actor,
)
from gateway.mesh.world import build_options
from gateway.releases.keys import PrivateKey, keygen
from gateway.releases.make import make_release, sign_release
from gateway.service.node_types import NodeTypes

PRODUCT = "greenhouse"
ADAPTER = "air"
"""The gateway's name for the adapter that hears the simulated radio."""
HALL = "hall"
"""The gateway's name for the simulated Zigbee network."""
SENSOR_BYTES, RELAY_BYTES, RADIO_BYTES, LAMP_BYTES, TAG_BYTES = 28_000, 12_000, 60_000, 24_000, 6_000
PLUG_BYTES, DOOR_BYTES = 9_000, 4_000
LEGACY, WRONG_BOARD = {"protocol": "legacy"}, {"hw-version": "51"}
LOADER_KEY, OTHER_KEY = {"key": "one"}, {"key": "two"}
"""The virtual sensors' loaders know the first of these test keys."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What was made, and where."""

    folder: Path
    config: Path
    socket: Path
    release: Path
    baselines: Mapping[str, Path]
    """What may be gone back to, by profile, where the loader does not do that by itself."""
    firmware: Mapping[tuple[str, str], Path]
    """What nodes begin with, by profile and version."""
    sensor_key_hash: str


def set_stage(
    folder: Path,
    fleet: tuple[Actor, ...],
    links: Mapping[str, str],
    air: str,
    coordinator: str,
    broker: str,
    node_types: NodeTypes,
) -> Stage:
    """Make everything that the gateway is given."""
    sensor, relay = node_types.get(SENSOR), node_types.get(RELAY)
    make_sensor, make_relay = sensor.plugin.build, relay.plugin.build
    make_radio, make_dfu = node_types.get(RADIO).plugin.build, node_types.get(LAMP).plugin.build
    unwell = SimApp(NEW, Behaviour.UNHEALTHY)
    plug, door = node_types.get(PLUG), node_types.get(DOOR)
    make_ota, for_plug, for_door = plug.plugin.build, build_options(plug.params), build_options(door.params)
    files = {
        "sensor-old.bin": make_sensor(SimApp(OLD), SENSOR_BYTES, LOADER_KEY),
        "sensor.bin": make_sensor(SimApp(NEW), SENSOR_BYTES, LOADER_KEY),
        "sensor-unwell.bin": make_sensor(unwell, SENSOR_BYTES, LOADER_KEY),
        "ble-old.bin": make_radio(SimApp(OLD), RADIO_BYTES, LOADER_KEY),
        "ble.bin": make_radio(SimApp(NEW), RADIO_BYTES, LOADER_KEY),
        "ble-unwell.bin": make_radio(unwell, RADIO_BYTES, LOADER_KEY),
        "sensor-foreign.bin": make_sensor(SimApp(NEW), SENSOR_BYTES, {"seed": "1"} | OTHER_KEY),
        "lamp-old.zip": make_dfu(SimApp(OLD), LAMP_BYTES, {}),
        "lamp.zip": make_dfu(SimApp(NEW), LAMP_BYTES, {}),
        "lamp-other.zip": make_dfu(SimApp(NEW), LAMP_BYTES, WRONG_BOARD),
        "tag-old.zip": make_dfu(SimApp(OLD), TAG_BYTES, LEGACY),
        "tag.zip": make_dfu(SimApp(NEW), TAG_BYTES, LEGACY),
        "plug-old.ota": make_ota(SimApp(OLD), PLUG_BYTES, for_plug),
        "plug.ota": make_ota(SimApp(NEW), PLUG_BYTES, for_plug),
        "door-old.ota": make_ota(SimApp(OLD), DOOR_BYTES, for_door),
        "door.ota": make_ota(SimApp(NEW), DOOR_BYTES, for_door),
        "door-other.ota": make_ota(SimApp(NEW), DOOR_BYTES, for_door),
        "relay-old.hex": make_relay(SimApp(OLD), RELAY_BYTES, {}),
        "relay.hex": make_relay(SimApp(NEW), RELAY_BYTES, {}),
        "relay-unwell.hex": make_relay(unwell, RELAY_BYTES, {}),
        "relay-other.hex": make_relay(SimApp(NEW, hardware="relay-v2"), RELAY_BYTES, {}),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    public, _ = keygen(folder / "release-key.pem")
    (folder / "release.toml").write_text(_description())
    made = make_release(folder / "release.toml", folder / "greenhouse.tender")
    sign_release(made.path, PrivateKey.load(folder / "release-key.pem"))
    socket = folder / "tender.sock"
    config = folder / "gateway.toml"
    config.write_text(_config(folder, socket, str(public), broker, fleet, links, air, coordinator))
    return Stage(
        folder,
        config,
        socket,
        made.path,
        {
            RELAY: folder / "relay-old.hex",
            LAMP: folder / "lamp-old.zip",
            TAG: folder / "tag-old.zip",
            PLUG: folder / "plug-old.ota",
            DOOR: folder / "door-old.ota",
        },
        {
            (SENSOR, OLD): folder / "sensor-old.bin",
            (SENSOR, NEW): folder / "sensor.bin",
            (RADIO, OLD): folder / "ble-old.bin",
            (LAMP, OLD): folder / "lamp-old.zip",
            (LAMP, NEW): folder / "lamp.zip",
            (TAG, OLD): folder / "tag-old.zip",
            (TAG, NEW): folder / "tag.zip",
            (RELAY, OLD): folder / "relay-old.hex",
            (PLUG, OLD): folder / "plug-old.ota",
            (PLUG, NEW): folder / "plug.ota",
            (DOOR, OLD): folder / "door-old.ota",
            (DOOR, NEW): folder / "door.ota",
        },
        _key_hash(sensor, files["sensor-old.bin"]),
    )


def _key_hash(node_type: NodeType, image: bytes) -> str:
    """Whose signature the image has, as its own flasher reads it."""
    parsed = node_type.plugin.parse(image, node_type.profile.format, Component(), node_type.params)
    return str(parsed.facts["key_hash"])


def _description() -> str:
    rows = (
        ("sensor.bin", SENSOR, "mcuboot", None, "th-sensor"),
        ("sensor-unwell.bin", SENSOR, "mcuboot", UNWELL, "th-sensor"),
        ("sensor-foreign.bin", SENSOR, "mcuboot", FOREIGN_KEY, "th-sensor"),
        ("ble.bin", RADIO, "mcuboot", None, "ble-sensor"),
        ("ble-unwell.bin", RADIO, "mcuboot", UNWELL, "ble-sensor"),
        ("lamp.zip", LAMP, "nordic-dfu-zip", None, "lamp"),
        ("lamp-other.zip", LAMP, "nordic-dfu-zip", OTHER_BOARD, "lamp"),
        ("tag.zip", TAG, "nordic-dfu-zip", None, "tag"),
        ("plug.ota", PLUG, "zigbee-ota", None, "zigbee-plug"),
        ("door.ota", DOOR, "zigbee-ota", None, "zigbee-sensor"),
        ("door-other.ota", DOOR, "zigbee-ota", OTHER_BOARD, "zigbee-sensor-v2"),
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
    air: str,
    coordinator: str,
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
        "[rollout]",
        f"max_in_parallel = {len(fleet)}",
        f"[adapters.{ADAPTER}]",
        f"hci = {json.dumps(air)}",
        f"[networks.{HALL}]",
        'radio = "znp"',
        f"path = {json.dumps(coordinator)}",
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
