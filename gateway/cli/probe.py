"""``tender probe``: look at a node now, or at all that were not looked at for long."""

import argparse
import time
from typing import Any

from gateway.api.client import Client
from gateway.cli.nodes import add_query, query_of, tell
from gateway.cli.parsing import TROUBLE, UsageError, add_command, client
from gateway.cli.tables import print_json, print_table

_ASK_EVERY_S = 0.3


def register(subparsers: Any) -> None:
    """Add ``probe``."""
    probe = add_command(
        subparsers,
        "probe",
        _probe,
        help="look at a node now, or (--all) at many, instead of telling what was last seen",
        example="tender probe --all --stale 24h",
    )
    probe.add_argument("node", nargs="?")
    probe.add_argument("--all", action="store_true", help="every node, or those that the other flags select")
    probe.add_argument(
        "--allow-restart", action="store_true", help="also if looking restarts the node's application"
    )
    add_query(probe)


def _probe(arguments: argparse.Namespace) -> int:
    query = query_of(arguments)
    stale_s = query.pop("stale_s", None)
    if arguments.all == (arguments.node is not None):
        raise UsageError("name a node, or say --all")
    if arguments.node is not None:
        if query or stale_s is not None:
            raise UsageError("flags that select nodes go with --all")
        body = {"allow_restart": arguments.allow_restart}
        node = client(arguments).post("nodes", arguments.node, "probe", body=body)
        return tell(node, as_json=arguments.json)
    ask: dict[str, object] = {"allow_restart": arguments.allow_restart, "where": query}
    ask |= {"stale_s": stale_s} if stale_s is not None else {}
    service = client(arguments)
    return _told(_until_done(service, service.post("probes", body=ask)), as_json=arguments.json)


def _until_done(service: Client, begun: dict[str, Any]) -> dict[str, Any]:
    while begun["left"]:
        time.sleep(_ASK_EVERY_S)
        begun = service.get("probes", str(begun["id"]))
    return begun


def _told(ended: dict[str, Any], *, as_json: bool) -> int:
    """The result; 1 if a node could not be looked at."""
    results = ended["results"]
    failed = sum(each["result"] == "failed" for each in results)
    if as_json:
        print_json(ended)
        return TROUBLE if failed else 0
    if results:
        print_table(
            ("node", "result", "runs", "why"),
            (
                (
                    each["node"],
                    each["result"],
                    each["runs"] or "-",
                    f"{each['code']}: {each['message']}" if each["code"] else "",
                )
                for each in results
            ),
            empty="",
        )
    counts = {
        name: sum(each["result"] == name for each in results) for name in ("seen", "changed", "left-out")
    }
    print(
        f"{counts['seen'] + counts['changed']} seen, {counts['changed']} of them changed; {failed} failed; "
        f"{counts['left-out']} left out; {ended['fresh']} verified lately enough."
    )
    if any(each["code"] == "probe-costs" for each in results):
        print(
            "Those left out for probe-costs would be restarted by a look; --allow-restart looks at them too."
        )
    return TROUBLE if failed else 0
