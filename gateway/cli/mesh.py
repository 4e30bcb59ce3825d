"""``tender virtual zigbee``: a Zigbee network that is not there, for any host, until Ctrl-C."""

import argparse
import asyncio
import json
import signal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.parsing import UsageError, config_path
from gateway.cli.tables import print_json

if TYPE_CHECKING:
    from gateway.mesh.description import MeshDescription
    from gateway.mesh.world import MeshWorld
    from gateway.profiles.load import ProfileSet

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
        return asyncio.run(_tell(described, arguments.tell))
    has_what_it_needs()
    profiles = load_profiles(load_config(config_path(arguments)).config.profiles)
    return asyncio.run(_run(described, profiles, file.parent, as_json=arguments.json))


def has_what_it_needs() -> None:
    """Whether the libraries of Zigbee are installed.

    Raises:
        UsageError: one is not.
    """
    from importlib.util import find_spec

    for package in ("zigpy", "zigpy_znp"):
        if find_spec(package) is None:
            raise UsageError(
                f"the network needs the package {package!r}",
                remedy="Install Tender with the extra: pip install 'fleet-tender[zigbee]'.",
            )


async def _tell(described: "MeshDescription", order: str) -> int:
    from gateway.orders import send_order
    from transports.ble.place import HciPlace

    if described.control is None:
        raise UsageError("this network takes no orders", remedy='Add control = "unix:/path" to its file.')
    try:
        answer = await send_order(HciPlace.parse(described.control), order)
    except OSError as error:
        raise UsageError(f"the network does not run: {error}", remedy="Start it without --tell.") from error
    print_json(answer)
    return 1 if "error" in answer else 0


async def _run(described: "MeshDescription", profiles: "ProfileSet", folder: Path, *, as_json: bool) -> int:
    from gateway.mesh.orders import obey
    from gateway.mesh.world import MeshWorld
    from gateway.orders import listen, take_typed
    from transports.ble.place import HciPlace

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with MeshWorld(described, profiles, folder) as world:
        control = None
        if described.control is not None:
            try:
                control = await listen(partial(obey, world), HciPlace.parse(described.control))
            except OSError as error:
                raise UsageError(str(error), remedy="Choose another `control`; it may be in use.") from error
        _announce(world, as_json=as_json)
        take_typed(partial(obey, world), partial(print, flush=True))
        try:
            await stop.wait()
        finally:
            if control is not None:
                control.close()
    return 0


def _announce(world: "MeshWorld", *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"path": world.path, "nodes": sorted(world.nodes)}), flush=True)
        return
    print(f"simulated: {len(world.nodes)} Zigbee nodes; orders are taken here, `help` lists them")
    print(f'listening: radio = "znp", path = "{world.path}"', flush=True)
