"""``tender virtual air``: nodes behind a radio that is not there, for any gateway, until Ctrl-C."""

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
    from gateway.air.description import AirDescription
    from gateway.air.world import AirWorld
    from gateway.profiles.load import ProfileSet

WORD = "air"
"""In the place of a profile's name."""

EPILOG = """
an air, with everything that can be said of it (tender virtual air greenhouse.toml):

  control = "unix:/tmp/air-control"      # orders are taken there, and from standard input
  [air]                                  # or rate = 20_000 (bytes a second) and latency = 0.05
  interval = 0.015                       # seconds between connection events
  packets = 5                            # in each, of 251 bytes
  loss = 0.05
  supervision = 4.0                      # seconds out of reach after which a connection is lost
  [adapters.main]                        # the gateway's: [adapters.NAME] hci = "unix:/tmp/air"
  listen = "unix:/tmp/air"
  address = "00:1A:7D:00:00:01"
  [nodes.th]                             # th-1 to th-10, at every second address from this one
  profile = "demo-ble-sensor"
  address = "C0:00:00:00:00:01"
  count = 10
  rssi = -70
  battery = 80
  power_cut = { at = 40, torn = true, off_for = 2.0 }

then, while it runs:

  tender virtual air greenhouse.toml --tell "th-3 range out"
"""


def run_air(arguments: argparse.Namespace) -> int:
    """Run an air, or give an order to one that runs."""
    from gateway.air.description import read_air
    from gateway.config.load import load_config
    from gateway.profiles.load import load_profiles

    file: Path | None = arguments.file
    if file is None:
        raise UsageError("no air was given", remedy="Write `tender virtual air FILE`; its help shows one.")
    described = read_air(file)
    if arguments.tell is not None:
        return asyncio.run(_tell(described, arguments.tell))
    has_what_it_needs()
    profiles = load_profiles(load_config(config_path(arguments)).config.profiles)
    return asyncio.run(_run(described, profiles, file.parent, as_json=arguments.json))


def has_what_it_needs() -> None:
    """Whether the libraries of the air are installed.

    Raises:
        UsageError: one is not.
    """
    from importlib.util import find_spec

    for package in ("bleak", "bumble"):
        if find_spec(package) is None:
            raise UsageError(
                f"the air needs the package {package!r}",
                remedy="Install Tender with the extra: pip install 'fleet-tender[air]'.",
            )


async def _tell(described: "AirDescription", order: str) -> int:
    from gateway.orders import send_order
    from transports.ble.place import HciPlace

    if described.control is None:
        raise UsageError("this air takes no orders", remedy='Add control = "unix:/path" to its file.')
    try:
        answer = await send_order(HciPlace.parse(described.control), order)
    except OSError as error:
        raise UsageError(f"the air does not run: {error}", remedy="Start it without --tell.") from error
    print_json(answer)
    return 1 if "error" in answer else 0


async def _run(described: "AirDescription", profiles: "ProfileSet", folder: Path, *, as_json: bool) -> int:
    from gateway.air.orders import obey
    from gateway.air.world import AirWorld
    from gateway.orders import listen, take_typed
    from transports.ble.place import HciPlace

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AirWorld(described, profiles, folder) as world:
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


def _announce(world: "AirWorld", *, as_json: bool) -> None:
    if as_json:
        adapters = {name: str(offered.place) for name, offered in world.adapters.items()}
        print(json.dumps({"adapters": adapters, "nodes": sorted(world.nodes)}), flush=True)
        return
    pace = world.air.timing
    print(
        f"simulated: {len(world.nodes)} nodes, {pace.raw_rate(247):,.0f} bytes a second each, "
        f"loss {pace.loss:.0%}; orders are taken here, `help` lists them"
    )
    for name, offered in world.adapters.items():
        print(f'listening: [adapters.{name}] hci = "{offered.place}"', flush=True)
