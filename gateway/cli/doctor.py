"""``tender doctor``: look for what is wrong here, and say what to do; with or without a service."""

import argparse
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gateway.cli.parsing import add_command, config_path, socket_path
from gateway.cli.status import EXIT_CODES, EXITS, MARKS
from gateway.cli.tables import print_json, print_text


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
        print_text(f"{MARKS[each.level]} {each.code}: {each.message}")
        print_text(each.remedy, indent="  ")
        if each.next:
            print_text(f"next: {each.next}", indent="  ")
        print()
    worse = sum(1 for each in diagnosis.found if each.level != "fine")
    print_text(f"Checked: {', '.join(diagnosis.checked)}.")
    print(
        f"{worse} of the findings want{'s' if worse == 1 else ''} somebody." if worse else "Nothing is wrong."
    )
    return EXIT_CODES[diagnosis.level]
