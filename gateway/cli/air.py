"""``tender virtual air``: nodes behind a radio that is not there, for any gateway, until Ctrl-C."""

import argparse
import asyncio
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.parsing import UsageError, config_path

if TYPE_CHECKING:
    from gateway.air.world import AirWorld

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
    from gateway.cli.simulated import run, tell
    from gateway.config.load import load_config
    from gateway.profiles.load import load_profiles

    file: Path | None = arguments.file
    if file is None:
        raise UsageError("no air was given", remedy="Write `tender virtual air FILE`; its help shows one.")
    described = read_air(file)
    if arguments.tell is not None:
        return asyncio.run(tell(described.control, arguments.tell, "air"))
    has_what_it_needs()
    from gateway.air.orders import obey
    from gateway.air.world import AirWorld

    profiles = load_profiles(load_config(config_path(arguments)).config.profiles)
    world = AirWorld(described, profiles, file.parent)
    return asyncio.run(run(world, described.control, obey, partial(_announce, as_json=arguments.json)))


def has_what_it_needs() -> None:
    """Whether the libraries of the air are installed.  Raises UsageError."""
    from gateway.cli.simulated import need

    need(("bleak", "bumble"), "air", "air")


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
