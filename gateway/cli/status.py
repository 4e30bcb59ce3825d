"""``tender status``: is anything broken, did we do it, and what comes next."""

import argparse
from typing import Any

from gateway.cli import text
from gateway.cli.parsing import add_command, client
from gateway.cli.tables import print_facts, print_json, print_text

EXIT_CODES = {"fine": 0, "waits": 1, "broken": 2}
"""By level; also of `tender doctor`."""
EXITS = "exit codes:\n  0 fine, 1 something waits for a person, 2 something is broken, 10 no service answers"
MARKS = {"broken": "BROKEN", "waits": "WAITS", "fine": "note"}
CAUSES = {"ours": "did we do it?  yes: ", "not-ours": "did we do it?  no: ", "unknown": ""}


def register(subparsers: Any) -> None:
    """Add ``status``."""
    parser = add_command(
        subparsers,
        "status",
        _status,
        help="is anything broken, did we do it, and what comes next",
        example="tender status || tender status --json | jq .concerns",
    )
    parser.epilog = f"{parser.epilog}\n\n{EXITS}"


def _status(arguments: argparse.Namespace) -> int:
    overview = client(arguments).get("overview")
    if arguments.json:
        status = overview.pop("status")
        print_json({**status, **overview})
    else:
        _print(overview)
    return EXIT_CODES[overview["level"]]


def _print(overview: dict[str, Any]) -> None:
    status = overview["status"]
    print_text(overview["headline"])
    for concern in overview["concerns"]:
        print()
        print_text(f"{MARKS[concern['level']]} {concern['message']}  ({concern['code']})")
        because = CAUSES[concern["cause"]]
        if because and concern["because"]:
            print_text(f"{because}{concern['because']}", indent="  ")
        if concern["next"]:
            print_text(f"next: {concern['next']}", indent="  ")
    print()
    print_facts(_facts(overview, status))


def _facts(overview: dict[str, Any], status: dict[str, Any]) -> list[tuple[str, str]]:
    disk = overview["disk"]
    facts = [
        ("gateway", f"{status['gateway']}, tender {status['version']}"),
        ("running for", text.age(status["started"])),
        ("configuration", overview["config"][:19]),
        ("trust", "UNSIGNED RELEASES ARE FLASHED" if status["unsigned_allowed"] else "signed releases only"),
        ("upstream", _upstream(overview, status)),
        ("unsent", _unsent(status)),
        ("nodes", f"{status['nodes']}, {status['attempts_open']} attempts open"),
        ("power off", _power(status)),
        ("disk", _disk(disk)),
    ]
    return facts + [
        (name, ", ".join(status[name])) for name in ("exposed", "wounded", "quarantined") if status[name]
    ]


def _upstream(overview: dict[str, Any], status: dict[str, Any]) -> str:
    trouble = overview["trouble"]
    if trouble is None:
        return str(status["upstream"])
    return f"{status['upstream']} for {text.age(trouble['since'])}\n{trouble['code']}: {trouble['message']}"


def _unsent(status: dict[str, Any]) -> str:
    unsent = f"{status['outbox_depth']} events"
    if status["oldest_unsent"] is not None:
        unsent += f", the oldest {text.age(status['oldest_unsent'])} old"
    return unsent


def _power(status: dict[str, Any]) -> str:
    if status["safe_to_power_off"]:
        return "safe now"
    off = status["power_off"]
    left = f"\nabout {text.seconds(off['seconds_left'])} left" if off["seconds_left"] is not None else ""
    return "NOT NOW: " + "\n".join(off["why"].split("; ")) + left


def _disk(disk: dict[str, Any]) -> str:
    free = "?" if disk["free"] is None else text.size(disk["free"])
    journal = "" if disk["journal"] is None else f", journal {text.size(disk['journal'])}"
    store = f"store {text.size(disk['store'])} of {text.size(disk['store_cap'])}"
    return f"{free} free in {disk['folder']}\n{store}{journal}"
