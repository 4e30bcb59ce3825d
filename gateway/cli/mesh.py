"""``tender virtual zigbee``: a Zigbee network that is not there, for any host, until Ctrl-C."""

import argparse
import asyncio
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.parsing import UsageError, config_path

if TYPE_CHECKING:
    from gateway.mesh.world import MeshWorld

WORD = "zigbee"
"""In the place of a profile's name."""

EPILOG = """
a Zigbee network with its nodes (tender virtual zigbee hall.toml), for Tender, zigbee2mqtt or any host
of a coordinator that speaks ZNP (zStack):

  control = "unix:/tmp/hall-control"     # orders are taken there, and from standard input
  [coordinator]                          # the gateway's: [networks.NAME] radio = "znp"
  listen = "pty:/tmp/ttyZ0"              #   path = "/tmp/ttyZ0"; or "tcp:6638" and "socket://127.0.0.1:6638"
  state = "hall-state"                   # a folder; without one it begins anew each time
  [nodes.plug]                           # plug-1 to plug-8, at addresses one after the other
  profile = "demo-zigbee-plug"
  ieee = "00:12:4b:00:00:00:01:01"
  count = 8
  hops = 2
  loss = 0.1
  [nodes.door]
  profile = "demo-zigbee-sensor"
  ieee = "00:12:4b:00:00:00:02:01"
  traits = { sleepy = "", long-poll = "5" }

then, while it runs:

  tender virtual zigbee hall.toml --tell "plug-3 power off"
"""


def run_mesh(arguments: argparse.Namespace) -> int:
    """Run a network, or give an order to one that runs."""
    from gateway.cli.simulated import run, tell
    from gateway.config.load import load_config
    from gateway.mesh.description import read_mesh
    from gateway.profiles.load import load_profiles

    file: Path | None = arguments.file
    if file is None:
        raise UsageError(
            "no network was given", remedy="Write `tender virtual zigbee FILE`; its help shows one."
        )
    described = read_mesh(file)
    if arguments.tell is not None:
        return asyncio.run(tell(described.control, arguments.tell, "network"))
    has_what_it_needs()
    from gateway.mesh.orders import obey
    from gateway.mesh.world import MeshWorld

    profiles = load_profiles(load_config(config_path(arguments)).config.profiles)
    world = MeshWorld(described, profiles, file.parent)
    return asyncio.run(run(world, described.control, obey, partial(_announce, as_json=arguments.json)))


def has_what_it_needs() -> None:
    """Whether the libraries of Zigbee are installed.  Raises UsageError."""
    from gateway.cli.simulated import need

    need(("zigpy", "zigpy_znp"), "network", "zigbee")


def _announce(world: "MeshWorld", *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"path": world.path, "nodes": sorted(world.nodes)}), flush=True)
        return
    print(f"simulated: {len(world.nodes)} Zigbee nodes; orders are taken here, `help` lists them")
    print(f'listening: radio = "znp", path = "{world.path}"', flush=True)
