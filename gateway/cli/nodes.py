"""``tender nodes``, ``node show``, ``explain``, and what is said of nodes: adopt, replace, forget, label."""

import argparse
from typing import Any

from gateway.cli import discovery, text
from gateway.cli.durations import duration
from gateway.cli.parsing import UsageError, add_command, add_group, client
from gateway.cli.tables import print_facts, print_json, print_table
from transports.errors import TenderError

VERBS = ("show", "adopt", "replace", "forget", "rename", "label", "accept", *discovery.VERBS)


def register(subparsers: Any) -> None:
    """Add the commands about nodes."""
    nodes = add_command(
        subparsers,
        "nodes",
        _nodes,
        help="list the nodes, what they run, and since when that is known",
        example="tender nodes --on not:1.4.2 --where hall=3 --stale 24h",
    )
    add_query(nodes)
    verbs = add_group(subparsers, "node", help="show one node, take one in, replace, rename or label it")
    _register_verbs(verbs)
    explain = add_command(
        subparsers,
        "explain",
        _explain,
        help="why a node is as it is and what comes next, or what a code means",
        example="tender explain th-4\n  tender explain link-busy",
    )
    explain.add_argument("node", metavar="NODE|CODE")


def _register_verbs(verbs: Any) -> None:
    show = add_command(verbs, "show", _show, help="show one node in full", example="tender node show th-4")
    show.add_argument("node")
    adopt = add_command(
        verbs,
        "adopt",
        _adopt,
        help="take a node in that is in no configuration file",
        example="tender node adopt th-9 --profile mcuboot-uart --link uart:/dev/ttyUSB3 --label hall=3",
    )
    adopt.add_argument("node")
    adopt.add_argument("--profile", required=True, metavar="P", help="`tender profiles list` shows them")
    adopt.add_argument("--link", required=True, metavar="L", help="where it is found")
    adopt.add_argument(
        "--label", action="append", default=[], metavar="K=V", help="a word to select it by; repeatable"
    )
    for name, run, said, example in (
        ("replace", _replace, "say that there is a new board in the same place", "tender node replace th-4"),
        ("forget", _forget, "say that it is no node of this gateway any more", "tender node forget th-4"),
        (
            "accept",
            _accept,
            "say that what a node runs, and where it is, is as it should be",
            "tender node accept th-4",
        ),
    ):
        add_command(verbs, name, run, help=said, example=example).add_argument("node")
    rename = add_command(
        verbs,
        "rename",
        _rename,
        help="give a node another name; its history follows",
        example="tender node rename th-4 hall3-north",
    )
    rename.add_argument("node")
    rename.add_argument("name", help="the new one")
    label = add_command(
        verbs,
        "label",
        _label,
        help="set labels, or take them away",
        example="tender node label th-4 hall=3 spare-",
    )
    label.add_argument("node")
    label.add_argument("change", nargs="+", metavar="K=V|K-")
    discovery.register_verbs(verbs)


def add_query(parser: argparse.ArgumentParser) -> None:
    """The flags that select nodes by what is known of them."""
    parser.add_argument("--on", metavar="VERSION", help="that run this version, or (not:VERSION) do not")
    parser.add_argument(
        "--where", action="append", default=[], metavar="LABEL=VALUE", help="with this label; repeatable"
    )
    parser.add_argument("--profile", metavar="P", help="of this profile")
    parser.add_argument(
        "--state", metavar="STATE", help="that are ok, waiting, updating, wounded, changed-by-others, …"
    )
    parser.add_argument(
        "--stale", type=duration, metavar="AGE", help="verified longer ago than that (24h), or never"
    )
    parser.add_argument("--no-known-good", action="store_true", help="that have nothing to go back to")


def query_of(arguments: argparse.Namespace) -> dict[str, object]:
    """The same for the service, as the body of a request."""
    where = dict(_label_of(text, "--where") for text in arguments.where)
    said: dict[str, object] = {
        "on": arguments.on,
        "where": where or None,
        "profile": arguments.profile,
        "state": arguments.state,
        "stale_s": arguments.stale,
        "no_known_good": arguments.no_known_good or None,
    }
    return {key: value for key, value in said.items() if value is not None}


def _nodes(arguments: argparse.Namespace) -> int:
    query = query_of(arguments)
    asked = [(str(key), str(query[key])) for key in ("on", "profile", "state") if key in query]
    asked += [("where", text) for text in arguments.where]
    asked += [("stale", str(arguments.stale))] if arguments.stale is not None else []
    asked += [("no_known_good", "true")] if arguments.no_known_good else []
    nodes = client(arguments).find("nodes", asked)
    if arguments.json:
        print_json([_aged(node) for node in nodes])
        return 0
    print_table(
        ("node", "profile", "state", "runs", "verified", "rollback", "attempt"),
        (
            (
                node["name"],
                node["profile"],
                node["state"],
                text.by_component({each["id"]: each["firmware"] for each in node["components"]}),
                text.ago(node["verified_at"]),
                node["rollback"],
                _attempt(node),
            )
            for node in nodes
        ),
        empty="No node is like this." if asked else "No nodes; add them in the configuration, or adopt them.",
    )
    return 0


def _show(arguments: argparse.Namespace) -> int:
    return tell(client(arguments).get("nodes", arguments.node), as_json=arguments.json)


def _adopt(arguments: argparse.Namespace) -> int:
    labels = dict(_label_of(said, "--label") for said in arguments.label)
    body = {"profile": arguments.profile, "link": arguments.link, "labels": labels}
    return _say(
        arguments, "adopt", body, "{node} is a node of this gateway; `tender probe {node}` looks at it."
    )


def _replace(arguments: argparse.Namespace) -> int:
    return _say(
        arguments,
        "replace",
        {},
        "{node} is a new board (number {generation} of that name); `tender probe` says what it runs.",
    )


def _forget(arguments: argparse.Namespace) -> int:
    answer = client(arguments).post("nodes", arguments.node, "forget")
    if arguments.json:
        print_json(answer)
    else:
        print(f"{arguments.node} is no node here any more; `tender attempts --node` still tells its history.")
    return 0


def _rename(arguments: argparse.Namespace) -> int:
    said = f"{arguments.node} is {{node}} now."
    return _say(arguments, "rename", {"name": arguments.name}, said)


def _label(arguments: argparse.Namespace) -> int:
    changes: dict[str, str | None] = {}
    for said in arguments.change:
        if said.endswith("-") and "=" not in said:
            changes[said[:-1]] = None
        else:
            label, value = _label_of(said, "a label")
            changes[label] = value
    return _say(arguments, "label", {"labels": changes}, "{node}: {labels}")


def _accept(arguments: argparse.Namespace) -> int:
    return _say(arguments, "accept", {}, "{node} is {state}: it runs {runs}.")


def _say(arguments: argparse.Namespace, verb: str, body: dict[str, object], sentence: str) -> int:
    node = client(arguments).post("nodes", arguments.node, verb, body=body)
    if arguments.json:
        print_json(node)
        return 0
    print(
        sentence.format(
            node=node["name"],
            generation=node["generation"],
            state=node["state"],
            labels=_labels(node),
            runs=text.by_component({each["id"]: each["firmware"] for each in node["components"]}),
        )
    )
    return 0


def _label_of(said: str, where: str) -> tuple[str, str]:
    label, equals, value = said.partition("=")
    if not equals or not label:
        raise UsageError(f"{where}: {said!r} is not KEY=VALUE")
    return label, value


def _explain_code(arguments: argparse.Namespace) -> bool:
    from gateway.support.codes import meaning_of

    meaning = meaning_of(arguments.node)
    if meaning is None:
        return False
    if arguments.json:
        print_json({"code": meaning.code, "says": meaning.says, "remedies": meaning.remedies})
        return True
    print("\n".join([meaning.code, *(f"  {text}" for text in meaning.says)]))
    print("\n".join(["\nwhat to do:", *(f"  {text}" for text in meaning.remedies)]))
    print("\n".join(["\nit comes from:", *(f"  {place}" for place in meaning.places)]))
    return True


def _explain(arguments: argparse.Namespace) -> int:
    try:
        explanation = client(arguments).get("nodes", arguments.node, "explain")
    except TenderError:
        # A node may be called like a code; only what is no node here is taken for one.
        if _explain_code(arguments):
            return 0
        raise
    if arguments.json:
        print_json({**explanation, "node": _aged(explanation["node"])})
        return 0
    print(explanation["summary"])
    for gate in explanation["gates"]:
        print(f"\nwaits: {gate['message']} ({gate['code']})\n       {gate['remedy']}".rstrip())
    print()
    print_facts(_facts(explanation["node"]))
    finding = explanation["finding"]
    if finding is not None and finding["culprit"] not in {"nothing", "unknown"}:
        print(f"\nat fault: {finding['culprit']}.  {finding['message']}\n       {finding['remedy']}")
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


def tell(node: dict[str, Any], *, as_json: bool) -> int:
    """One node in full."""
    if as_json:
        print_json(_aged(node))
    else:
        print_facts(_facts(node))
    return 0


def _aged(node: dict[str, Any]) -> dict[str, Any]:
    """With the age of what is said of its firmware, in seconds: as sure as the clocks were and are."""
    return {**node, "age_s": text.seconds_ago(node["verified_at"])}


def _facts(node: dict[str, Any]) -> list[tuple[str, str]]:
    identity = node["identity"] or "not known"
    if node["identity_strength"]:
        identity = f"{identity} ({node['identity_strength']})"
    if node["identity_at"] is not None:
        identity += f", said {text.ago(node['identity_at'])}"
    board = f", board {node['generation']} of that name" if node["generation"] > 1 else ""
    facts = [
        ("node", f"{node['name']}{board}"),
        ("state", node["state"]),
        *([("owner", node["owner"])] if node.get("owner") else []),
        ("profile", node["profile"]),
        ("link", node["link"]),
        ("from", node["origin"] or "-"),
        ("identity", identity),
        ("place", node["place"] or "not known"),
        ("labels", _labels(node)),
        ("seen", f"{text.ago(node['seen_at'])}, as {node['role']}"),
    ]
    facts += [(component["id"], _component(component)) for component in node["components"]]
    proved = f", proved {text.ago(node['known_good_at'])}" if node["known_good_at"] is not None else ""
    facts += [
        (f"known-good {name}", f"{text.firmware_in_full(known)}{proved}")
        for name, known in node["known_good"].items()
    ]
    facts.append(("rollback", node["rollback"] + _OLDER[node.get("takes_older")]))
    if node.get("way_back"):
        facts.append(("on trial", node["way_back"]))
    if node.get("recoverable"):
        facts.append(("recoverable", f"{node['recoverable']}\n{node['recoverable_why']}"))
    facts.append(("attempt", _attempt(node)))
    if node["next_step"]:
        facts.append(("next", node["next_step"]))
    return facts


_OLDER = {
    None: "",
    True: "; from what it runs now such a node took older firmware",
    False: "; from what it runs now such a node takes nothing older",
}


def _labels(node: dict[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(node["labels"].items())) or "-"


def _component(component: dict[str, Any]) -> str:
    said = text.firmware_in_full(component["firmware"])
    if component["slot"] is not None:
        said += f" in slot {component['slot']}"
    if component["confirmed"] is False:
        said += ", not confirmed"
    known = text.evidence(component["evidence"])
    return f"{said}\nknown by {known}, verified {text.ago(component['verified_at'])}"


def _attempt(node: dict[str, Any]) -> str:
    if node["attempt"] is not None:
        return f"#{node['attempt']} {node['phase']}"
    if node["last_attempt"] is not None:
        return f"#{node['last_attempt']} {node['last_outcome']}"
    return "-"
