"""``tender links`` and ``tender lease``: who has which link, whose fault it is, and to have one oneself."""

import argparse
from typing import Any

from gateway.cli import text
from gateway.cli.durations import duration, spoken
from gateway.cli.lending import run_with_lease, waited_for
from gateway.cli.parsing import UsageError, add_command, client
from gateway.cli.tables import print_facts, print_json, print_table

_DEFAULT_S = 600.0
_NOT_THE_LINK = frozenset({"nothing", "unknown", "broker"})


def register(subparsers: Any) -> None:
    """Add the commands about links."""
    links = add_command(
        subparsers,
        "links",
        _links,
        help="who has which link, what passed on it, and whose fault it is if nothing does",
        example="tender links\n  tender links /dev/ttyUSB0",
    )
    links.add_argument("link", nargs="?", help="one link in full: its name, its port, or a node on it")
    lease = add_command(
        subparsers,
        "lease",
        _lease,
        help="keep Tender off a link, for your own software or hands",
        example="tender lease /dev/ttyUSB0 --for 10m --why 'reading the meter'\n"
        "  tender lease meter-bus -- picocom /dev/ttyUSB0\n"
        "  tender lease --give-back meter-bus",
    )
    lease.add_argument("link", nargs="?", help="its name, its port, or a node on it")
    lease.add_argument(
        "--for",
        dest="seconds",
        type=duration,
        metavar="TIME",
        help="how long: 90s, 10m, 2h; 10m if it is left out, or as long as COMMAND runs",
    )
    lease.add_argument("--why", default="", metavar="TEXT", help="what others are told")
    lease.add_argument(
        "--wait",
        action="store_true",
        help="wait for a node that must not be left, or for others' leases",
    )
    lease.add_argument("--give-back", metavar="LINK", help="end a lease early, by its link or its number")
    lease.usage = (
        "tender lease LINK [--for TIME] [--why TEXT] [--wait] [-- COMMAND …]\n"
        "       tender lease --give-back LINK"
    )
    _split_off_command(lease)


def _split_off_command(parser: argparse.ArgumentParser) -> None:
    """What stands after ``--`` is not ours to read, whatever it looks like."""
    plain = parser.parse_known_args

    def split(args: Any = None, namespace: Any = None) -> Any:
        words, command = list(args or ()), []
        if "--" in words:
            at = words.index("--")
            words, command = words[:at], words[at + 1 :]
        namespace, rest = plain(words, namespace)
        namespace.words = command
        return namespace, rest

    parser.parse_known_args = split  # type: ignore[method-assign]


def _links(arguments: argparse.Namespace) -> int:
    service = client(arguments)
    if arguments.link is not None:
        link = service.get("links", arguments.link)
        if arguments.json:
            print_json(link)
        else:
            _show(link)
        return 0
    links = service.get("links")
    if arguments.json:
        print_json(links)
        return 0
    print_table(
        ("link", "port", "held by", "nodes", ">in", ">out", ">errors", ">resets", "last byte", "at fault"),
        (
            (
                link["name"],
                _there(link),
                _holder(link["holder"]),
                _nodes(link),
                text.size(link["traffic"]["bytes_up"]),
                text.size(link["traffic"]["bytes_down"]),
                str(link["traffic"]["errors"]),
                str(link["traffic"]["resets"]),
                text.age(link["traffic"]["last_good"]),
                _at_fault(link["finding"]),
            )
            for link in links
        ),
        empty="No links; they come with the nodes in the configuration.",
    )
    for link in links:
        finding = link["finding"]
        if finding["culprit"] not in _NOT_THE_LINK:
            print(f"\n{link['name']}: {finding['message']}\n  {finding['remedy']}")
        _print_gate(link["name"], link["trouble"] or link["waits"])
    broker = next((link["finding"] for link in links if link["finding"]["culprit"] == "broker"), None)
    if broker is not None:
        print(f"\nupstream: The broker, or the way to it, is not there.\n  {broker['remedy']}")
    return 0


def _lease(arguments: argparse.Namespace) -> int:
    service = client(arguments)
    if arguments.give_back is not None:
        return _tell(service.post("leases", "give-back", body={"target": arguments.give_back}), arguments)
    if arguments.link is None:
        raise UsageError(
            "which link?", remedy="tender lease LINK --for 10m, or tender lease LINK -- COMMAND …"
        )
    if arguments.words:
        return run_with_lease(service, arguments, arguments.words)
    ask = {"link": arguments.link, "seconds": arguments.seconds or _DEFAULT_S, "why": arguments.why}
    return _tell(waited_for(service, ask, wait=arguments.wait), arguments)


def _tell(lease: dict[str, Any], arguments: argparse.Namespace) -> int:
    if arguments.json:
        print_json(lease)
    elif arguments.give_back is not None:
        print(f"{lease['link']} is given back.")
    else:
        print(
            f"{lease['link']} is yours for {spoken(lease['left_s'])} (lease {lease['id']}).  "
            f"Give it back with: tender lease --give-back {lease['link']}"
        )
    return 0


def _show(link: dict[str, Any]) -> None:
    traffic, adapter = link["traffic"], link["adapter"]
    last = f", last {traffic['last_error']}" if traffic["last_error"] else ""
    facts = [
        ("link", link["name"]),
        ("held by", _holder(link["holder"], since=True)),
        ("shared with", link["shared_with"] or "-"),
    ]
    if link["network"] is not None:
        facts += _network(link["network"])
    else:
        facts += _radio(link["radio"]) if link["radio"] is not None else [("port", _port(link))]
    if adapter is not None and adapter["by_path"]:
        facts.append(("by-path", adapter["by_path"]))
    if adapter is not None and adapter["hub"]:
        facts.append(("hub", adapter["hub"]))
    facts += [
        ("opens", f"{traffic['opens']}, {traffic['reopens']} of them after a loss"),
        ("errors", f"{traffic['errors']}{last}"),
        ("resets", str(traffic["resets"])),
        ("bytes", f"{text.size(traffic['bytes_up'])} in, {text.size(traffic['bytes_down'])} out"),
        ("last byte", text.age(traffic["last_good"])),
    ]
    print_facts(facts)
    if link["nodes"]:
        print()
        print_table(
            ("node", ">in", ">out", ">resets", "last byte", "answers"),
            (
                (
                    node["name"],
                    text.size(node["traffic"]["bytes_up"]),
                    text.size(node["traffic"]["bytes_down"]),
                    str(node["traffic"]["resets"]),
                    text.age(node["traffic"]["last_good"]),
                    _answers(node["traffic"]),
                )
                for node in link["nodes"]
            ),
            empty="",
        )
    finding = link["finding"]
    print(f"\nat fault: {finding['culprit']}.  {finding['message']}")
    for line in finding["reasoning"]:
        print(f"  {line}")
    if finding["remedy"]:
        print(f"  {finding['remedy']}")
    _print_gate(link["name"], link["trouble"] or link["waits"])


def _print_gate(name: str, gate: dict[str, Any] | None) -> None:
    if gate is not None:
        print(f"\n{name}: {gate['message']} ({gate['code']})\n  {gate['remedy']}")


def _there(link: dict[str, Any]) -> str:
    """Of a port or network whether it is there, of an adapter how many nodes it has and may have."""
    radio, network = link["radio"], link["network"]
    if network is not None:
        return "up" if network["up"] else "DOWN" if network["trouble"] else "opening"
    if radio is None:
        return {True: "there", False: "GONE", None: "-"}[link["exists"]]
    said = f"{len(radio['connected'])} of {radio['cap']}"
    return said if radio["state"] == "fine" else f"{said}, {radio['state'].upper()}"


def _radio(radio: dict[str, Any]) -> list[tuple[str, str]]:
    cap = f"{radio['cap']}{', as was learned' if radio['learned'] else ''}"
    state = f"{radio['state']}: {radio['message']}" if radio["message"] else radio["state"]
    cycles = f"{radio['power_cycles']}" + (
        f", last since {radio['cycled_for']}" if radio["cycled_for"] else ""
    )
    return [
        ("adapter", state),
        ("connected", ", ".join(radio["connected"]) or "nobody"),
        ("at most", cap),
        ("last heard", f"{text.age(radio['last_heard'])}, {radio['hears']} radios in the last minute"),
        ("power cycles", cycles),
    ]


def _network(network: dict[str, Any]) -> list[tuple[str, str]]:
    state = "up" if network["up"] else network["trouble"] or "being opened"
    facts = [("network", state), ("at a time", f"{network['concurrent']} nodes")]
    if not network["up"]:
        return facts
    made = network["coordinator"] or "-"
    joining = f"open for {network['joining_s']:.0f} s more" if network["joining_s"] else "closed"
    facts.append(("coordinator", f"{made} ({network['firmware']})" if network["firmware"] else made))
    pan = "-" if network["pan_id"] is None else f"0x{network['pan_id']:04x}"
    facts.append(("channel", f"{network['channel'] or '-'}, PAN {pan}"))
    facts.append(("joined", f"{network['members']} nodes; for others it is {joining}"))
    sleepy = [node["name"] for node in network["nodes"] if node["sleepy"]]
    if sleepy:
        facts.append(("sleepy", ", ".join(sleepy)))
    return facts


def _port(link: dict[str, Any]) -> str:
    if link["exists"] is None:
        return "on the network"
    there = "there" if link["exists"] else "GONE"
    adapter = link["adapter"]
    if adapter is None:
        return there
    made = [adapter["kind"]]
    if adapter["vid"] is not None:
        numbers = f"{adapter['vid']:04x}:{adapter['pid']:04x}"
        made = [numbers, adapter["product"] or "", adapter["position"] or ""]
        made += [f"serial {adapter['serial']}"] if adapter["serial"] else []
    return f"{there}, {' '.join(word for word in made if word)}, {adapter['device']}"


def _holder(holder: dict[str, Any], *, since: bool = False) -> str:
    match holder["holder"]:
        case "nobody":
            return "-"
        case "tender":
            said = f"tender: {holder['who']}"
        case "user":
            said = f"{holder['who']}, {spoken(max(holder['left_s'], 0))} left"
            said += f" ({holder['why']})" if holder["why"] else ""
        case _:
            said = str(holder["who"])
    return f"{said}, since {text.age(holder['since'])}" if since and holder["since"] else said


def _nodes(link: dict[str, Any]) -> str:
    names = [node["name"] for node in link["nodes"]]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "") or "-"


def _answers(traffic: dict[str, Any]) -> str:
    if traffic["silent"]:
        return "no"
    return "yes" if traffic["bytes_up"] else "-"


def _at_fault(finding: dict[str, Any]) -> str:
    return {"nothing": "-", "broker": "-", "unknown": "?"}.get(finding["culprit"], str(finding["culprit"]))
