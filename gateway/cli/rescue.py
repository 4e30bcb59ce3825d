"""``tender recover``, ``power``, ``identify``: what is done from here with a node that does not answer."""

import argparse
import time
from typing import Any

from gateway.cli import text
from gateway.cli.parsing import add_command, client
from gateway.cli.tables import print_facts, print_json, print_table

_POLL_S = 1.0
_CODES = (
    "exit codes: 0 it needs nothing, or answers again; 1 it is not back yet;\n"
    "            8 somebody has to go there (site-visit)"
)
_NEEDS_VISIT = 8


def register(subparsers: Any) -> None:
    """Add the commands of physical rescue."""
    recover = add_command(
        subparsers,
        "recover",
        _recover,
        help="what it takes to have a node back, what was tried, and what happens next",
        example=f"tender recover th-4 --now\n\n{_CODES}",
    )
    recover.add_argument("node")
    recover.add_argument(
        "--now", action="store_true", help="look at once, and climb its ladder without waiting between steps"
    )
    recover.add_argument("--no-wait", action="store_true", help="with --now: do not stay until it is over")
    power = add_command(
        subparsers,
        "power",
        _power,
        help="cut a node's power, or reset it, from outside",
        example="tender power th-4 cycle --step relay",
    )
    power.add_argument("node")
    power.add_argument("action", choices=("cycle", "reset"), help="cut its power, or reset it")
    power.add_argument(
        "--step", metavar="NAME", help="this step of its ladder; else the mildest that does it"
    )
    power.add_argument(
        "--force", action="store_true", help="also inside an attempt, while the node has firmware that runs"
    )
    power.add_argument("--yes-all", action="store_true", help="also if other nodes are hit")
    identify = add_command(
        subparsers,
        "identify",
        _identify,
        help="have a node show itself to somebody in front of it",
        example="tender identify th-4",
    )
    identify.add_argument("node")


def _recover(arguments: argparse.Namespace) -> int:
    service = client(arguments)
    if not arguments.now:
        found = service.get("nodes", arguments.node, "recover")
        return _tell(found, as_json=arguments.json)
    found = service.post("nodes", arguments.node, "recover")
    newest = found["steps"][0]["at"] if found["steps"] else None
    while not arguments.no_wait and not _over(found):
        time.sleep(_POLL_S)
        found = service.get("nodes", arguments.node, "recover")
        if not arguments.json:
            newest = _tell_new(found, newest)
    return _tell(found, as_json=arguments.json)


def _over(found: dict[str, Any]) -> bool:
    """Whether nothing more comes of having asked: it answers, or nothing is left, or a step has to wait."""
    if found["working"]:
        return False
    if not found["silent"] or found["recoverable"] == "site-visit":
        return True
    return bool(found["gate"]) or (found["next_in"] or 0) > 2 * _POLL_S


def _tell_new(found: dict[str, Any], newest: Any) -> Any:
    for step in reversed(found["steps"]):
        if step["at"] and (newest is None or step["at"]["unix_ms"] > newest["unix_ms"]):
            if step["result"] in ("begun", "done"):
                break
            print(f"{step['name']}: {step['result']}  {step['message']}".rstrip(), flush=True)
            newest = step["at"]
    return newest


def _tell(found: dict[str, Any], *, as_json: bool) -> int:
    if as_json:
        print_json(found)
    else:
        _print(found)
    if found["recoverable"] == "site-visit":
        return _NEEDS_VISIT
    return 1 if found["recoverable"] or found["silent"] else 0


def _print(found: dict[str, Any]) -> None:
    facts = [("node", found["node"]), ("state", found["state"])]
    if found["recoverable"]:
        facts.append(("recoverable", found["recoverable"]))
        facts.append(("why", found["reason"]))
    facts.append(("next", _next(found)))
    if found["gate"]:
        facts.append(("waits", f"{found['gate']['message']}\n{found['gate']['remedy']}".rstrip()))
    if found["way_back"]:
        facts.append(("on trial", found["way_back"]))
    print_facts(facts)
    print()
    print_table(
        ("tried", "ago", "does", "result", "by", "also hit", "why"),
        (
            (
                step["name"] if step["node"] == found["node"] else f"{step['name']} on {step['node']}",
                text.age(step["at"]),
                step["effect"],
                step["result"],
                step["by"] or "-",
                ", ".join(step["affects"]) or "-",
                f"{step['code']}: {step['message']}" if step["code"] else step["message"],
            )
            for step in found["steps"]
        ),
        empty="Nothing was done to it from outside yet.",
    )
    print()
    print_table(
        ("ladder", "does", ">after", ">left today", "also hits", "now"),
        (
            (
                rung["name"],
                rung["effect"],
                text.seconds(rung["wait"]),
                str(rung["left_today"]),
                ", ".join(rung["affects"]) or "-",
                "tried" if rung["tried"] else _allowed(rung),
            )
            for rung in found["ladder"]
        ),
        empty="It has no ladder, so nothing can be done from here (`[[nodes.NODE.ladder]]`).",
    )


def _next(found: dict[str, Any]) -> str:
    said: str = found["next"]
    if found["next_in"]:
        said += f"  In {text.seconds(found['next_in'])}."
    return said


def _allowed(rung: dict[str, Any]) -> str:
    return f"in {text.seconds(rung['allowed_in'])}" if rung["allowed_in"] > 0 else "may be taken"


def _power(arguments: argparse.Namespace) -> int:
    body = {
        "action": arguments.action,
        "step": arguments.step,
        "force": arguments.force,
        "yes_all": arguments.yes_all,
    }
    step = client(arguments).post("nodes", arguments.node, "power", body=body)
    if arguments.json:
        print_json(step)
    else:
        others = f"\nHit, too: {', '.join(step['affects'])}." if step["affects"] else ""
        done = "lost its power, and has it again" if step["effect"] == "power" else "was reset"
        if step["result"] == "failed":
            print(f"{step['name']} failed: {step['message']}\n{step['remedy']}".rstrip())
        else:
            print(f"{step['node']} {done} ({step['name']}, {text.seconds(step['seconds'])}).{others}")
            print(f"`tender probe {step['node']}` tells whether it answers.")
    return 1 if step["result"] == "failed" else 0


def _identify(arguments: argparse.Namespace) -> int:
    shown = client(arguments).post("nodes", arguments.node, "identify")
    if arguments.json:
        print_json(shown)
    else:
        print(f"{shown['node']} shows itself: {shown['how']}.")
    return 0
