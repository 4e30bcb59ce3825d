"""``tender discover``, and whose a node on the air is: ``tender node owner``, ``handover`` and ``claim``."""

import argparse
from typing import Any

from gateway.cli import text
from gateway.cli.durations import duration
from gateway.cli.parsing import UsageError, add_command, client
from gateway.cli.tables import print_facts, print_json, print_table, print_text

VERBS = ("owner", "handover", "claim")


def register(subparsers: Any) -> None:
    """Add the command."""
    from gateway.verbs.discovery import LONGEST_LISTEN_S

    discover = add_command(
        subparsers,
        "discover",
        _discover,
        help="what is heard on the air that looks like a node, and the command that adopts it",
        example="tender discover --for 20s",
    )
    discover.add_argument(
        "--for",
        dest="seconds",
        type=duration,
        metavar="TIME",
        help=f"listen for so long first, at most {LONGEST_LISTEN_S:g} s; else what was heard is shown",
    )


def register_verbs(verbs: Any) -> None:
    """Add the verbs of ``tender node``."""
    owner = add_command(
        verbs,
        "owner",
        _owner,
        help="say which gateway has a node on the air",
        example="tender node owner th-4",
    )
    owner.add_argument("node")
    handover = add_command(
        verbs,
        "handover",
        _handover,
        help="let go of a node on the air, for another gateway to take",
        example="tender node handover th-4 --to hall-2",
    )
    handover.add_argument("node")
    handover.add_argument("--to", required=True, metavar="GATEWAY", help="as it calls itself")
    claim = add_command(
        verbs,
        "claim",
        _claim,
        help="say that a node on the air is this gateway's",
        example="tender node claim th-4 --take-over",
    )
    claim.add_argument("node")
    claim.add_argument(
        "--take-over",
        action="store_true",
        help="whoever had it: only where that gateway is gone, or will hear of it before it does anything",
    )


def _discover(arguments: argparse.Namespace) -> int:
    from gateway.verbs.discovery import LONGEST_LISTEN_S

    service = client(arguments)
    if arguments.seconds is None:
        air = service.get("air")
    elif arguments.seconds > LONGEST_LISTEN_S:
        raise UsageError(f"--for is at most {LONGEST_LISTEN_S:g} s; ask again to go on")
    else:
        air = service.post("air", "listen", body={"seconds": arguments.seconds})
    if arguments.json:
        print_json(air)
        return 0
    for ear in air["adapters"]:
        if ear["trouble"]:
            print_text(f"adapter {ear['adapter']} does not listen: {ear['trouble']}")
    print_table(
        ("address", "profile", "name", ">rssi", "heard", "adapter", "owner", "note"),
        (
            (
                each["address"],
                ", ".join(each["profiles"]),
                each["name"] or "-",
                f"{each['rssi']} dBm",
                f"{each['heard_s']:.0f} s ago",
                each["adapter"],
                each["owner"] or "-",
                each["note"],
            )
            for each in air["candidates"]
        ),
        empty=_nobody(air),
    )
    commands = [command for each in air["candidates"] for command in each["adopt"]]
    if commands:
        print("\nto adopt one:")
        for command in commands:
            print(f"  {command}")
    if air["crowded"]:
        print(f"\n{air['crowded']} candidates were dropped for newer ones: more call than are kept.")
    return 0


def _nobody(air: dict[str, Any]) -> str:
    if not air["adapters"]:
        return "No adapters; add [adapters.NAME] to the configuration."
    heard = sum(ear["advertisements"] for ear in air["adapters"])
    if not heard:
        return "Nothing was heard yet; `tender discover --for 20s` listens now."
    return f"Of {heard} advertisements none is of a node that is not known already, as far as profiles say."


def _owner(arguments: argparse.Namespace) -> int:
    return _tell(client(arguments).get("nodes", arguments.node, "owner"), arguments)


def _handover(arguments: argparse.Namespace) -> int:
    service = client(arguments)
    view = service.post("nodes", arguments.node, "handover", body={"to": arguments.to})
    if arguments.json:
        return _tell(view, arguments)
    print_text(
        f"{view['node']} is not this gateway's any more; only {arguments.to} can take it, and does once it "
        f"hears of it, if {view['address']} is one of its nodes (`tender node adopt` there)."
    )
    return 0


def _claim(arguments: argparse.Namespace) -> int:
    body = {"take_over": arguments.take_over}
    return _tell(client(arguments).post("nodes", arguments.node, "claim", body=body), arguments)


def _tell(view: dict[str, Any], arguments: argparse.Namespace) -> int:
    if arguments.json:
        print_json(view)
        return 0
    facts = [("node", view["node"]), ("address", view["address"]), ("owner", view["owner"] or "nobody")]
    if view["offered_to"]:
        facts.append(("handed to", view["offered_to"]))
    if view["owner"] is not None:
        since = f"since {text.age(view['since'])}" if view["since"] is not None else "since some time"
        facts.append(("", f"{since}, by {view['by'] or 'itself'}, epoch {view['epoch']}"))
    if view["message"]:
        facts.append(("here", view["message"]))
    print_facts(facts)
    return 0
