"""``tender flash``: one image on one node, proved, without a service."""

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

_EXAMPLE = """\
example:
  tender flash firmware.hex --profile optiboot-atmega328p \\
      --link uart:/dev/ttyUSB0?baud=115200 --known-good last-good.hex

The same command again goes on where it was interrupted.  Ctrl-C takes the node to
the nearest proved state first; a second one stops at once.

exit codes:
  0 succeeded or already there   3 flashed, boot not provable   4 rolled back   5 failed
  6 refused   7 cancelled or not reached   8 wounded   9 changed by others   2 bad input
"""


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> Any:
    """Add ``flash`` to the commands."""
    parser = subparsers.add_parser(
        "flash",
        help="bring one node to one image, proved, without a service",
        description="Bring one node to one image by the same attempt that the service makes.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("image", type=Path, help="the firmware file; giving it here is your word for it")
    parser.add_argument("--profile", required=True, metavar="P", help="a profile's name, or its .toml file")
    parser.add_argument(
        "--link",
        required=True,
        metavar="L",
        help="uart:/dev/ttyUSB0?baud=115200, socket://…, rfc2217://…, ble:ADAPTER#C0:FF:EE:00:00:01 (ADAPTER "
        "is its own address, or unix:/path of a controller as `tender virtual air` has them)",
    )
    parser.add_argument("--known-good", type=Path, metavar="IMAGE", help="what to go back to if it fails")
    parser.add_argument(
        "--allow-no-rollback", action="store_true", help="flash also where there is no way back"
    )
    parser.add_argument(
        "--accept", choices=["readback"], help="exit 0 also where the bytes are proved and the boot cannot be"
    )
    parser.add_argument("--state", type=Path, metavar="DIR", help="the journal's folder (default: by link)")
    parser.add_argument("--wait", type=float, metavar="S", help="how long the node may be silent at first")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Flash, and exit by the outcomes table."""
    from gateway.flashing.bench import Wish, default_state
    from gateway.flashing.report import as_json, as_text, exit_code

    wish = Wish(
        image=arguments.image,
        profile=arguments.profile,
        link=arguments.link,
        state=arguments.state or default_state(arguments.link, _state_home()),
        known_good=arguments.known_good,
        no_rollback="allow" if arguments.allow_no_rollback else "refuse",
        patience_s=arguments.wait,
    )
    record = asyncio.run(_flash(wish))
    if record.result is None:
        raise RuntimeError("an attempt returned without a result")
    print(json.dumps(as_json(record), indent=2) if arguments.json else as_text(record))
    return exit_code(record.result, accept_readback=arguments.accept == "readback")


async def _flash(wish: Any) -> Any:
    from gateway.cli.bar import bar
    from gateway.flashing.bench import flash
    from gateway.model.outcomes import CancelReason

    loop = asyncio.get_running_loop()
    asked: set[asyncio.Task[None]] = set()

    with bar(sys.stderr) as show:

        def started(runner: Any) -> None:
            def ask() -> None:
                loop.remove_signal_handler(signal.SIGINT)  # the second one stops at once
                asked.add(loop.create_task(runner.ask_cancel(CancelReason.CANCELLED, "ctrl-c")))

            loop.add_signal_handler(signal.SIGINT, ask)

        return await flash(wish, progress=show, started=started)


def _state_home() -> Path:
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "tender" / "flash"
