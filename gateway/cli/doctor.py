"""``tender doctor``: look for what is wrong here, and say what to do; with or without a service."""

import argparse
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gateway.cli.parsing import add_command, config_path, socket_path
from gateway.cli.status import EXIT_CODES, EXITS
from gateway.cli.tables import print_json


def register(subparsers: Any) -> None:
    """Add ``doctor``."""
    parser = add_command(
        subparsers,
        "doctor",
        _doctor,
        help="look for what is wrong here and say what to do, also without a running service",
        example="sudo tender doctor",
    )
    parser.epilog = f"{parser.epilog}\n\n{EXITS.partition(', 10')[0]}"
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="the main file (/etc/tender/gateway.toml)"
    )


def _doctor(arguments: argparse.Namespace) -> int:
    from gateway.support.doctor import examine
    from gateway.support.ground import look_around

    socket = arguments.socket or socket_path(os.environ)
    diagnosis = examine(look_around(config_path(arguments), socket))
    if arguments.json:
        found = [asdict(each) for each in diagnosis.found]
        print_json({"level": diagnosis.level, "checked": list(diagnosis.checked), "found": found})
        return EXIT_CODES[diagnosis.level]
    for each in diagnosis.found:
        mark = {"broken": "BROKEN", "waits": "WAITS", "fine": "note"}[each.level]
        print(f"{mark} {each.code}: {each.message}\n  {each.remedy}")
        if each.next:
            print(f"  next: {each.next}")
        print()
    worse = sum(1 for each in diagnosis.found if each.level != "fine")
    print(f"Checked: {', '.join(diagnosis.checked)}.")
    print(
        f"{worse} of the findings want{'s' if worse == 1 else ''} somebody." if worse else "Nothing is wrong."
    )
    return EXIT_CODES[diagnosis.level]
