"""``tender demo``: see it work, without any hardware."""

import argparse
import asyncio
from pathlib import Path
from typing import Any

from gateway.cli.air import has_what_it_needs


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> Any:
    """Add ``demo`` to the commands."""
    parser = subparsers.add_parser(
        "demo",
        help="a fleet of virtual nodes is brought to a new release, with every kind of trouble",
        description="A gateway, a broker and virtual nodes, on lines and behind a simulated radio: ordinary "
        "updates, and every kind of trouble.  It ends with 0 only if each node ended as scripted and "
        "upstream was told so.",
    )
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave the gateway's state and log here")
    parser.add_argument("--picture", type=Path, metavar="SVG", help="a picture of the end goes here")
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Play the demo."""
    has_what_it_needs()
    from gateway.demo.play import play

    keep = arguments.keep.absolute() if arguments.keep else None
    return asyncio.run(play(keep=keep, picture=arguments.picture))
