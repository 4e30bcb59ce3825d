"""``tender zigbee``: the networks of this gateway, who may join them, who did, and what is kept of them."""

import argparse
from typing import Any

from gateway.cli import text
from gateway.cli.durations import duration
from gateway.cli.parsing import UsageError, add_command, add_group, client
from gateway.cli.tables import print_facts, print_json, print_table, print_text


def register(subparsers: Any) -> None:
    """Add the command."""
    verbs = add_group(subparsers, "zigbee", help="Zigbee networks: who may join, who did, backups")
    add_command(
        verbs,
        "networks",
        _networks,
        help="list the networks and how they are",
        example="tender zigbee networks",
    )
    nodes = add_command(
        verbs,
        "nodes",
        _nodes,
        help="list who joined, and the command that takes a node in",
        example="tender zigbee nodes main",
    )
    nodes.add_argument("network", nargs="?")
    permit = add_command(
        verbs,
        "permit",
        _permit,
        help="let nodes join for a time",
        example="tender zigbee permit main --for 2m",
    )
    permit.add_argument("network")
    permit.add_argument(
        "--for",
        dest="seconds",
        type=duration,
        default=60.0,
        metavar="TIME",
        help="at most 254s; 60s if left out",
    )
    permit.add_argument("--end", action="store_true", help="let nobody join any more")
    permit.add_argument("--through", metavar="IEEE", help="only through this router")
    interview = add_command(
        verbs,
        "interview",
        _interview,
        help="ask a node anew what it is",
        example="tender zigbee interview main 00:12:4b:00:1c:aa:bb:cc",
    )
    remove = add_command(
        verbs,
        "remove",
        _remove,
        help="have a node leave the network",
        example="tender zigbee remove main 00:12:4b:00:1c:aa:bb:cc",
    )
    for each in (interview, remove):
        each.add_argument("network")
        each.add_argument("ieee")
    _register_zcl(verbs)
    _register_backup(verbs)


def _register_zcl(verbs: Any) -> None:
    zcl = add_command(
        verbs,
        "zcl",
        _zcl,
        help="send a node a ZCL frame of your own, and show what it answers",
        example="tender zigbee zcl main 00:12:4b:00:1c:aa:bb:cc --cluster 0x0006 --command 2   # toggle",
    )
    zcl.add_argument("network")
    zcl.add_argument("ieee")
    zcl.add_argument("--endpoint", type=_number, default=1)
    zcl.add_argument("--cluster", type=_number, required=True)
    zcl.add_argument("--command", dest="number", type=_number, required=True)
    zcl.add_argument("--payload", default="", metavar="HEX")
    zcl.add_argument(
        "--general", action="store_true", help="a command of the whole profile, as read attributes"
    )
    zcl.add_argument("--to-client", action="store_true", help="from the cluster's server to its client")
    zcl.add_argument("--manufacturer", type=_number, metavar="CODE")
    zcl.add_argument(
        "--within",
        type=duration,
        default=8.0,
        metavar="TIME",
        help="wait so long for an answer; 8s if left out",
    )
    zcl.add_argument("--no-answer", action="store_true", help="wait for none")


def _register_backup(verbs: Any) -> None:
    backup = add_command(
        verbs,
        "backup",
        _backup,
        help="list what is kept of a network, keep it as it is now, or write it to another coordinator",
        example="tender zigbee backup list main",
    )
    backup.add_argument("what", choices=("list", "make", "restore"))
    backup.add_argument("network")
    backup.add_argument("name", nargs="?", help="with restore: which, as the list calls it")


def _number(value: str) -> int:
    return int(value, 0)


def _networks(arguments: argparse.Namespace) -> int:
    networks = client(arguments).get("zigbee")
    if arguments.json:
        print_json(networks)
        return 0
    print_table(
        ("network", "state", "radio", ">channel", "pan", ">nodes", ">ours", "joining", "coordinator"),
        (
            (
                each["name"],
                "up" if each["up"] else "down",
                each["radio"],
                str(each["channel"] or "-"),
                f"0x{each['pan_id']:04x}" if each["pan_id"] is not None else "-",
                str(each["nodes"]),
                str(each["ours"]),
                f"{each['joining_s']:.0f} s" if each["joining_s"] else "no",
                " ".join(filter(None, (each["coordinator"], each["firmware"]))) or each["path"],
            )
            for each in networks
        ),
        empty="No Zigbee networks; [networks.NAME] of the configuration adds one.",
    )
    for each in networks:
        if each["trouble"]:
            print_text(f"{each['name']}: {each['trouble']}")
    return 0


def _nodes(arguments: argparse.Namespace) -> int:
    query = {} if arguments.network is None else {"network": arguments.network}
    nodes = client(arguments).get("zigbee", "nodes", **query)
    if arguments.json:
        print_json(nodes)
        return 0
    print_table(
        ("network", "address", "node", "model", "manufacturer", "kind", "heard", ">lqi", ">hops", "upgrades"),
        (
            (
                each["network"],
                each["ieee"],
                each["node"] or "-",
                each["model"] or "-",
                _manufacturer(each),
                "sleepy" if each["sleepy"] else "awake",
                _heard(each),
                _or_dash(each["lqi"]),
                _or_dash(each["hops"]),
                "yes" if each["ota"] else "no" if each["interviewed"] else "?",
            )
            for each in nodes
        ),
        empty="Nobody has joined; `tender zigbee permit NETWORK` lets nodes join.",
    )
    commands = [command for each in nodes for command in each["adopt"]]
    if commands:
        print("\nto take one in:")
        for command in commands:
            print(f"  {command}")
    return 0


def _permit(arguments: argparse.Namespace) -> int:
    seconds = 0.0 if arguments.end else arguments.seconds
    body = {"seconds": seconds, "through": arguments.through}
    view = client(arguments).post("zigbee", arguments.network, "permit", body=body)
    if arguments.json:
        print_json(view)
    elif seconds:
        print(f"Nodes may join {view['name']} for {seconds:g} s; bring them to look for a network.")
    else:
        print(f"Nobody can join {view['name']} any more.")
    return 0


def _interview(arguments: argparse.Namespace) -> int:
    view = client(arguments).post("zigbee", arguments.network, "nodes", arguments.ieee, "interview")
    if arguments.json:
        print_json(view)
        return 0
    print_facts(
        [
            ("address", view["ieee"]),
            ("model", view["model"] or "-"),
            ("manufacturer", _manufacturer(view)),
            ("kind", "sleepy" if view["sleepy"] else "awake"),
            ("upgrades", "yes" if view["ota"] else "no"),
            ("node types", ", ".join(view["profiles"]) or "-"),
        ]
    )
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    view = client(arguments).post("zigbee", arguments.network, "nodes", arguments.ieee, "dismiss")
    if arguments.json:
        print_json(view)
    else:
        print(f"{arguments.ieee} has left {view['name']}; {view['nodes']} nodes are in it.")
    return 0


def _zcl(arguments: argparse.Namespace) -> int:
    body = {
        "endpoint": arguments.endpoint,
        "cluster": arguments.cluster,
        "command": arguments.number,
        "payload": arguments.payload,
        "general": arguments.general,
        "to_client": arguments.to_client,
        "manufacturer": arguments.manufacturer,
        "answer_within": None if arguments.no_answer else arguments.within,
    }
    answer = client(arguments).post("zigbee", arguments.network, "nodes", arguments.ieee, "zcl", body=body)
    if arguments.json:
        print_json(answer)
    elif answer is None:
        print("sent")
    else:
        kind = "general command" if answer["general"] else "command"
        print(f"{kind} 0x{answer['command']:02x}: {answer['payload'] or 'nothing'}")
    return 0


def _backup(arguments: argparse.Namespace) -> int:
    service, network = client(arguments), arguments.network
    if arguments.what == "restore":
        if arguments.name is None:
            raise UsageError("restore needs the name of a backup; `tender zigbee backup list` shows them")
        view = service.post("zigbee", network, "restore", body={"name": arguments.name})
        if arguments.json:
            print_json(view)
        else:
            print(f"{network} goes on as {arguments.name} had it, with {view['coordinator'] or 'its radio'}.")
        return 0
    kept = service.get("zigbee", network, "backups")
    if arguments.what == "make":
        kept = [service.post("zigbee", network, "backups")]
    if arguments.json:
        print_json(kept)
        return 0
    print_table(
        ("backup", "made", "coordinator", ">nodes"),
        (
            (
                each["name"],
                text.age(each["made"]) if each["made"] else "-",
                each["coordinator"] or "-",
                str(each["nodes"]),
            )
            for each in kept
        ),
        empty=f"Nothing is kept of {network}; `tender zigbee backup make {network}` keeps it as it is.",
    )
    return 0


def _manufacturer(each: dict[str, Any]) -> str:
    code = each["manufacturer_code"]
    known = each["manufacturer"] or "-"
    return known if code is None else f"{known} (0x{code:04x})"


def _heard(each: dict[str, Any]) -> str:
    return "-" if each["heard_s"] is None else f"{text.seconds(each['heard_s'])} ago"


def _or_dash(value: Any) -> str:
    return "-" if value is None else str(value)
