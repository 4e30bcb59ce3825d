"""``tender drain``, ``undrain`` and ``data``: begin nothing new, pull the plug; what was heard of nodes."""

import argparse
import sys
import time
from typing import Any

from gateway.cli import text
from gateway.cli.durations import duration, spoken
from gateway.cli.parsing import TROUBLE, add_command, client
from gateway.cli.tables import print_facts, print_json

_ASK_EVERY_S = 0.5


def register(subparsers: Any) -> None:
    """Add the commands."""
    drain = add_command(
        subparsers,
        "drain",
        _drain,
        help="begin nothing new, finish what is exposed, and tell when the plug may be pulled",
        example="tender drain --wait && sudo poweroff",
    )
    drain.add_argument(
        "--for",
        dest="for_s",
        type=duration,
        metavar="TIME",
        help="begin again by itself after 90s, 10m, 2h (time in which the gateway is off does not count)",
    )
    drain.add_argument("--wait", action="store_true", help="return when the plug may be pulled (exit code 0)")
    drain.add_argument(
        "--timeout", type=duration, metavar="TIME", help="with --wait: give up after this time (exit code 1)"
    )
    add_command(subparsers, "undrain", _undrain, help="begin updates again", example="tender undrain")
    data = add_command(
        subparsers,
        "data",
        _data,
        help="say that a node's own data was heard, for its health check `data-seen`; or show what was heard",
        example="tender data th-4 --heard 3",
    )
    data.add_argument("node", metavar="NODE")
    data.add_argument("--heard", type=int, metavar="N", help="N messages were heard since the last report")


def power_line(power: dict[str, Any]) -> str:
    """The answer to "May I pull the plug?"."""
    return f"{'yes' if power['ok'] else 'NO'}: {power['why']}"


def draining_line(draining: dict[str, Any] | None) -> str:
    """Whether anything new is begun; if not, by whose word and for how long."""
    if draining is None:
        return "no: updates are begun as they come"
    left = draining["left_s"]
    until = "until `tender undrain`" if left is None else f"for another {spoken(left)}"
    return f"for {text.age(draining['since'])}, {until}, as {draining['by']} asked"


def _drain(arguments: argparse.Namespace) -> int:
    service = client(arguments)
    body = {} if arguments.for_s is None else {"for_s": arguments.for_s}
    view = service.post("drain", body=body)
    end = None if arguments.timeout is None else time.monotonic() + arguments.timeout
    told = ""
    while arguments.wait and not view["power_off"]["ok"]:
        if end is not None and time.monotonic() >= end:
            break
        if view["power_off"]["why"] != told and not arguments.json:
            told = view["power_off"]["why"]
            print(f"waiting: {told}", file=sys.stderr)
        time.sleep(_ASK_EVERY_S)
        view = service.get("drain")
    _show(view, as_json=arguments.json)
    return TROUBLE if arguments.wait and not view["power_off"]["ok"] else 0


def _undrain(arguments: argparse.Namespace) -> int:
    _show(client(arguments).post("undrain"), as_json=arguments.json)
    return 0


def _show(view: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(view)
        return
    print_facts(
        [
            ("draining", draining_line(view["draining"])),
            ("safe to power off", power_line(view["power_off"])),
        ]
    )


def _data(arguments: argparse.Namespace) -> int:
    service = client(arguments)
    if arguments.heard is not None:
        view = service.post("nodes", arguments.node, "data", body={"count": arguments.heard})
    else:
        view = service.get("nodes", arguments.node, "data")
    if arguments.json:
        print_json(view)
        return 0
    rate = "not known yet" if view["per_minute"] is None else f"{view['per_minute']:.2f} a minute"
    print_facts(
        [
            ("node", view["node"]),
            ("heard", f"{view['count']} messages, the last {text.age(view['last'])} ago"),
            ("rate", rate),
        ]
    )
    return 0
