"""``tender attempts``, ``attempt show``, ``cancel``."""

import argparse
from collections.abc import Iterable
from typing import Any

from gateway.cli import text
from gateway.cli.parsing import add_command, add_group, client
from gateway.cli.tables import print_facts, print_json, print_table
from gateway.cli.trace import print_trace


def register(subparsers: Any) -> None:
    """Add the commands about attempts."""
    listing = add_command(
        subparsers,
        "attempts",
        _attempts,
        help="list attempts, newest first",
        example="tender attempts --node th-4",
    )
    listing.add_argument("--node", metavar="NODE", help="only those on this node")
    listing.add_argument("--open", action="store_true", help="only those that have not ended")
    listing.add_argument("--limit", type=int, default=30, metavar="N", help="at most so many (30)")
    verbs = add_group(subparsers, "attempt", help="show one attempt in full")
    show = add_command(
        verbs,
        "show",
        _show,
        help="show one attempt with its record, and the last frames of its link if it went wrong",
        example="tender attempt show 17",
    )
    show.add_argument("attempt", type=int)
    show.add_argument("--trace", action="store_true", help="what passed on its link, decoded where possible")
    cancel = add_command(
        subparsers,
        "cancel",
        _cancel,
        help="end an attempt (by number) or a deployment (by id) early",
        example="tender cancel 17",
    )
    cancel.add_argument("target", metavar="ATTEMPT|DEPLOYMENT")


def print_attempts(attempts: Iterable[dict[str, Any]], *, empty: str) -> None:
    """The attempts as a table, as `attempts` and those who wait for attempts show them."""
    attempts = list(attempts)
    several = {each["node"] for each in attempts if each["generation"] > 1}
    print_table(
        (">#", "node", "outcome", "before", "after", "evidence", "rollback", ">sent", ">took", "ended"),
        (
            (
                str(attempt["id"]),
                attempt["node"] if attempt["node"] not in several else _with_board(attempt),
                attempt["outcome"] or attempt["phase"],
                text.by_component(attempt["before"]) if attempt["before"] else "?",
                text.by_component(attempt["after"]) if attempt["after"] else "-",
                text.evidence(attempt["evidence"]),
                _rollback(attempt),
                text.size(attempt["bytes_sent"]),
                text.seconds(attempt["seconds"]),
                text.age(attempt["ended"]),
            )
            for attempt in attempts
        ),
        empty=empty,
    )


def _with_board(attempt: dict[str, Any]) -> str:
    """The node, and which of the boards that had its name."""
    return f"{attempt['node']} (board {attempt['generation']})"


def why(attempt: dict[str, Any]) -> str:
    """What went wrong and what may be done, in two lines; nothing if nothing did."""
    if not attempt["code"]:
        return ""
    return f"{attempt['node']}: {attempt['code']}: {attempt['message']}\n  {attempt['remedy']}".rstrip()


def _attempts(arguments: argparse.Namespace) -> int:
    query = {"open": "true"} if arguments.open else {}
    if arguments.node is not None:
        query["node"] = arguments.node
    attempts = client(arguments).get("attempts", **query)[: arguments.limit]
    if arguments.json:
        print_json(attempts)
    else:
        print_attempts(attempts, empty="No attempts.")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    asking = client(arguments)
    if arguments.trace:
        trace = asking.get("attempts", str(arguments.attempt), "trace")
        if arguments.json:
            print_json(trace)
        else:
            print_trace(trace)
        return 0
    detail = asking.get("attempts", str(arguments.attempt))
    if arguments.json:
        print_json(detail)
        return 0
    view = detail["view"]
    facts = [
        ("attempt", str(view["id"])),
        ("node", f"{view['node']} ({view['profile']})"),
        ("outcome", view["outcome"] or f"none yet: {view['phase']}"),
    ]
    if view["code"]:
        facts.append(("why", f"{view['code']}: {view['message']}\n{view['remedy']}"))
    facts += [(f"wait for {gate['code']}", gate["message"]) for gate in view["waiting_for"]]
    for component in view["want"]:
        facts += [
            (f"{component} before", text.firmware_in_full(view["before"].get(component))),
            (f"{component} target", text.firmware_in_full(view["want"][component])),
            (f"{component} after", text.firmware_in_full(view["after"].get(component))),
        ]
    facts += [
        ("evidence", text.evidence(view["evidence"])),
        ("rollback", _rollback(view)),
        ("sent", f"{text.size(view['bytes_sent'])} in {text.seconds(view['seconds'])}"),
        ("asked by", view["asked_by"] or "-"),
        ("origin", view["origin"] if view["deployment"] is None else f"deployment {view['deployment']}"),
        ("made by", _made_by(view)),
        ("asked, ended", f"{text.moment(view['created'])}, {text.moment(view['ended'])}"),
    ]
    print_facts(facts)
    if detail["trace"]:
        print(
            f"\n{len(detail['trace'])} frames of its link were kept: tender attempt show {view['id']} --trace"
        )
    return 0


def _cancel(arguments: argparse.Namespace) -> int:
    attempts = client(arguments).post("cancel", body={"target": arguments.target})
    if arguments.json:
        print_json(attempts)
        return 0
    print_attempts(attempts, empty="Nothing was open.")
    if any(attempt["outcome"] is None for attempt in attempts):
        print("\nThose without an outcome are taken to the nearest proved state first; see `tender watch`.")
    return 0


def _made_by(view: dict[str, Any]) -> str:
    """What was in force when it was made."""
    parts = [f"tender {view['tender'] or '?'}", f"configuration {view['config'][:19] or '?'}"]
    if view["revision"] is not None:
        parts.append(f"desired revision {view['revision']}")
    return ", ".join(parts)


def _rollback(attempt: dict[str, Any]) -> str:
    """What was done, else what there is, and whether it was ever seen to work."""
    if attempt["rollback_done"] != "none":
        return f"{attempt['rollback_done']} done"
    available: str = attempt["rollback_available"]
    if available == "none":
        refused = attempt["rollback_refused"]
        return f"{available}{', since such nodes took nothing older once they ran this' if refused else ''}"
    return f"{available}, {'seen to work' if attempt['rollback_seen'] else 'not tried yet'}"
