"""``tender status``: the gateway at a glance."""

import argparse
from typing import Any

from gateway.cli import text
from gateway.cli.parsing import add_command, client
from gateway.cli.tables import print_facts, print_json


def register(subparsers: Any) -> None:
    """Add ``status``."""
    add_command(subparsers, "status", _status, help="the gateway at a glance", example="tender status --json")


def _status(arguments: argparse.Namespace) -> int:
    status = client(arguments).get("status")
    if arguments.json:
        print_json(status)
        return 0
    unsent = str(status["outbox_depth"])
    if status["oldest_unsent"] is not None:
        unsent += f" events, the oldest {text.age(status['oldest_unsent'])} old"
    facts = [
        ("gateway", f"{status['gateway']}, tender {status['version']}"),
        ("running for", text.age(status["started"])),
        ("trust", "UNSIGNED RELEASES ARE FLASHED" if status["unsigned_allowed"] else "signed releases only"),
        ("upstream", status["upstream"]),
        ("unsent", unsent),
        ("nodes", f"{status['nodes']}, {status['attempts_open']} attempts open"),
        ("store", text.size(status["store_bytes"])),
    ]
    facts += [
        (name, ", ".join(status[name])) for name in ("exposed", "wounded", "quarantined") if status[name]
    ]
    facts += [
        (warning["code"], f"{warning['message']}\n{warning['remedy']}") for warning in status["warnings"]
    ]
    print_facts(facts)
    return 0
