"""``tender nodes``, ``node show``, ``probe``, ``explain``."""

import argparse
from typing import Any

from gateway.cli import text
from gateway.cli.parsing import add_command, add_group, client
from gateway.cli.tables import print_facts, print_json, print_table


def register(subparsers: Any) -> None:
    """Add the commands about nodes."""
    nodes = add_command(
        subparsers,
        "nodes",
        _nodes,
        help="list the nodes and what they run",
        example="tender nodes --state wounded",
    )
    nodes.add_argument(
        "--state", metavar="STATE", help="only those that are ok, waiting, updating, wounded, …"
    )
    nodes.add_argument("--profile", metavar="P", help="only those of this profile")
    verbs = add_group(subparsers, "node", help="show one node in full")
    show = add_command(verbs, "show", _show, help="show one node in full", example="tender node show th-4")
    show.add_argument("node")
    probe = add_command(
        subparsers,
        "probe",
        _probe,
        help="look at a node now, instead of telling what was last seen",
        example="tender probe relay-2 --allow-restart",
    )
    probe.add_argument("node")
    probe.add_argument(
        "--allow-restart", action="store_true", help="also if looking restarts the node's application"
    )
    explain = add_command(
        subparsers,
        "explain",
        _explain,
        help="why a node is as it is, and what comes next",
        example="tender explain th-4",
    )
    explain.add_argument("node")


def _nodes(arguments: argparse.Namespace) -> int:
    nodes = [
        node
        for node in client(arguments).get("nodes")
        if arguments.state in (None, node["state"]) and arguments.profile in (None, node["profile"])
    ]
    if arguments.json:
        print_json(nodes)
        return 0
    print_table(
        ("node", "profile", "state", "runs", "seen", "rollback", "attempt"),
        (
            (
                node["name"],
                node["profile"],
                node["state"],
                text.by_component({each["id"]: each["firmware"] for each in node["components"]}),
                text.age(node["seen_at"]),
                node["rollback"],
                _attempt(node),
            )
            for node in nodes
        ),
        empty="No nodes; add them in the configuration.",
    )
    return 0


def _show(arguments: argparse.Namespace) -> int:
    return _tell(client(arguments).get("nodes", arguments.node), as_json=arguments.json)


def _probe(arguments: argparse.Namespace) -> int:
    body = {"allow_restart": arguments.allow_restart}
    return _tell(client(arguments).post("nodes", arguments.node, "probe", body=body), as_json=arguments.json)


def _explain(arguments: argparse.Namespace) -> int:
    explanation = client(arguments).get("nodes", arguments.node, "explain")
    if arguments.json:
        print_json(explanation)
        return 0
    print(explanation["summary"])
    for gate in explanation["gates"]:
        print(f"\nwaits: {gate['message']} ({gate['code']})\n       {gate['remedy']}".rstrip())
    print()
    print_facts(_facts(explanation["node"]))
    attempts = explanation["attempts"][:5]
    if attempts:
        print()
        print_table(
            ("attempt", "ended", "outcome", "why"),
            (
                (
                    str(attempt["id"]),
                    text.age(attempt["ended"]),
                    attempt["outcome"] or attempt["phase"],
                    f"{attempt['code']}: {attempt['message']}" if attempt["code"] else "",
                )
                for attempt in attempts
            ),
            empty="",
        )
    return 0


def _tell(node: dict[str, Any], *, as_json: bool) -> int:
    if as_json:
        print_json(node)
    else:
        print_facts(_facts(node))
    return 0


def _facts(node: dict[str, Any]) -> list[tuple[str, str]]:
    identity = node["identity"] or "not known"
    if node["identity_strength"]:
        identity = f"{identity} ({node['identity_strength']})"
    facts = [
        ("node", node["name"]),
        ("state", node["state"]),
        ("profile", node["profile"]),
        ("link", node["link"]),
        ("identity", identity),
        ("labels", ", ".join(f"{key}={value}" for key, value in node["labels"].items()) or "-"),
        ("seen", f"{text.moment(node['seen_at'])}, as {node['role']}"),
    ]
    facts += [(component["id"], _component(component)) for component in node["components"]]
    facts += [
        (f"known-good {name}", text.firmware_in_full(known)) for name, known in node["known_good"].items()
    ]
    facts.append(("rollback", node["rollback"]))
    facts.append(("attempt", _attempt(node)))
    if node["next_step"]:
        facts.append(("next", node["next_step"]))
    return facts


def _component(component: dict[str, Any]) -> str:
    said = text.firmware_in_full(component["firmware"])
    if component["slot"] is not None:
        said += f" in slot {component['slot']}"
    if component["confirmed"] is False:
        said += ", not confirmed"
    known = text.evidence(component["evidence"])
    return f"{said}\nknown by {known}, {text.moment(component['verified_at'])}"


def _attempt(node: dict[str, Any]) -> str:
    if node["attempt"] is not None:
        return f"#{node['attempt']} {node['phase']}"
    if node["last_attempt"] is not None:
        return f"#{node['last_attempt']} {node['last_outcome']}"
    return "-"
