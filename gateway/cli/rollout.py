"""``tender pause``, ``resume``, ``deployment show``, and what is said of a release: hold, unhold, recall."""

import argparse
from typing import Any

from gateway.cli import text
from gateway.cli.parsing import add_command, add_group, client
from gateway.cli.tables import print_facts, print_json, print_table

_SHOWN = 12
"""Names of nodes in one line."""


def register(subparsers: Any) -> None:
    """Add what is asked of rollouts."""
    pause = add_command(
        subparsers,
        "pause",
        _pause,
        help="begin nothing new: of one deployment, or of everything",
        example='tender pause --all --why "the bus is being rewired"\n\n'
        "Nodes that are touched are still brought to their end; the answer says which.",
    )
    _scope(pause)
    pause.add_argument("--why", default="", metavar="TEXT", help="told to whoever asks why nothing goes on")
    resume = add_command(
        subparsers,
        "resume",
        _resume,
        help="end a pause, or let a rollout go on that stopped by itself",
        example="tender resume greenhouse-2.1.0-5c02d1",
    )
    _scope(resume)
    verbs = add_group(subparsers, "deployment", help="show one deployment in full")
    show = add_command(
        verbs,
        "show",
        _show,
        help="show one deployment: its waves, who proved it, and what the others wait for",
        example="tender deployment show greenhouse-2.1.0-5c02d1",
    )
    show.add_argument("deployment")
    activate = add_command(
        verbs,
        "activate",
        _activate,
        help="start the nodes that have their image and wait to be started",
        example="tender deployment activate greenhouse-2.1.0-5c02d1\n\n"
        "For deployments with --activate: those that get their image later are started at once, too.",
    )
    activate.add_argument("deployment")
    budget = add_command(
        subparsers,
        "budget",
        _budget,
        help="what a node was asked to bear within 30 days, and what it may be",
        example="tender budget th-4",
    )
    budget.add_argument("node")


def register_release(verbs: Any) -> None:
    """Add what is said of a release that is in the store."""
    for name, run, told in (
        ("hold", _hold, "begin no node with a release until it is let go"),
        ("unhold", _unhold, "let a held release go"),
        ("recall", _recall, "never again use a release, as a target or to go back to"),
    ):
        example = f"tender release {name} greenhouse:2.1.0" + (" --back" if name == "recall" else "")
        parser = add_command(verbs, name, run, help=told, example=example)
        parser.add_argument("release", metavar="PRODUCT:VERSION")
        if name != "unhold":
            parser.add_argument("--why", default="", metavar="TEXT", help="told to whoever asks why")
        if name == "recall":
            parser.add_argument(
                "--back", action="store_true", help="take the nodes that run it to their known-good"
            )


def stopped_lines(deployment: dict[str, Any]) -> list[str]:
    """Why a deployment does not go on, each with what can be done; nothing if it does."""
    rollout, lines = deployment["rollout"], []
    if (stop := rollout["stopped"]) is not None:
        lines.append(f"{deployment['id']} stopped by itself: {stop['message']}")
        lines.append(f"  `tender resume {deployment['id']}` goes on all the same.")
    if (pause := rollout["paused"]) is not None:
        scope = "--all" if pause["deployment"] is None else pause["deployment"]
        lines.append(f"{_paused(pause)}  `tender resume {scope}` ends that.")
    if (mark := rollout["release_mark"]) is not None:
        lines.append(f"{mark['release']} is {mark['mark']} by {mark['by']}{_why(mark['why'])}.")
    return lines


def _scope(parser: argparse.ArgumentParser) -> None:
    scope = parser.add_mutually_exclusive_group(required=True)
    scope.add_argument("deployment", nargs="?", metavar="DEPLOYMENT")
    scope.add_argument("--all", action="store_true", help="everything")


def _body(arguments: argparse.Namespace, **more: object) -> dict[str, object]:
    return {"all": True, **more} if arguments.all else {"deployment": arguments.deployment, **more}


def _pause(arguments: argparse.Namespace) -> int:
    answer = client(arguments).post("pause", body=_body(arguments, why=arguments.why))
    return _said(answer, arguments)


def _resume(arguments: argparse.Namespace) -> int:
    return _said(client(arguments).post("resume", body=_body(arguments)), arguments)


def _said(answer: dict[str, Any], arguments: argparse.Namespace) -> int:
    if arguments.json:
        print_json(answer)
        return 0
    finishing = answer["finishing"]
    if answer["paused"] is not None:
        print(_paused(answer["paused"]))
    elif answer["deployment"] is None:
        print("The pause of everything is over; what was paused or held apart from it stays so.")
    else:
        print(f"Deployment {answer['deployment']} goes on.")
    for line in answer["still_held"]:
        print(f"Still: {line}")
    if finishing:
        print(f"{len(finishing)} touched, and brought to their end: {_names(finishing)}.")
    print(f"{answer['waiting']} attempts have not begun.")
    return 0


def _paused(pause: dict[str, Any]) -> str:
    what = "Everything" if pause["deployment"] is None else f"Deployment {pause['deployment']}"
    return f"{what} is paused by {pause['by']} since {text.moment(pause['since'])}{_why(pause['why'])}."


def _show(arguments: argparse.Namespace) -> int:
    deployment = client(arguments).get("deployments", arguments.deployment)
    if arguments.json:
        print_json(deployment)
        return 0
    rollout = deployment["rollout"]
    facts = [
        ("deployment", deployment["id"]),
        ("release", f"{deployment['product']} {deployment['version']}"),
        ("state", deployment["state"]),
        ("asked by", f"{deployment['asked_by'] or '-'}, {text.age(deployment['created'])} ago"),
        ("nodes", f"{len(deployment['nodes'])}, {rollout['waiting']} have not begun"),
        ("outcomes", text.counts(deployment["outcomes"])),
    ]
    if rollout["finishing"]:
        facts.append(("under way", _names(rollout["finishing"])))
    if rollout["gates"]:
        facts.append(("waiting for", text.counts(rollout["gates"])))
    facts.append(("no way back", rollout["no_rollback"] or "-"))
    if rollout["activate"] != "at-once":
        facts.append(("activate", rollout["activate"]))
    if rollout["staged"]:
        facts.append(("staged", f"{_names(rollout['staged'])}"))
        facts.append(("", rollout["starts"]))
    if rollout["all_at_once"]:
        facts.append(("waves", "none: all at once, and nothing stops it by itself"))
    if rollout["beyond_budget"]:
        facts.append(("budget", "not minded"))
    print_facts(facts)
    if rollout["waves"]:
        print()
        print_waves(rollout["waves"])
    if lines := stopped_lines(deployment):
        print("\n" + "\n".join(lines))
    return 0


def _activate(arguments: argparse.Namespace) -> int:
    answer = client(arguments).post("deployments", arguments.deployment, "activate")
    if arguments.json:
        print_json(answer)
        return 0
    waited = _names(answer["nodes"]) or "no node"
    print(f"{waited} waited to be started; nodes that get their image later are started at once.")
    for code in answer["still_held"]:
        print(f"Still held: {code}.  `tender deployment show {arguments.deployment}` says why.")
    return 0


def print_waves(waves: list[dict[str, Any]]) -> None:
    """How far each type of node is."""
    print_table(
        ("profile", "wave", ">at a time", ">proved", "did not succeed", "under way", ">waiting"),
        (
            (
                wave["profile"],
                f"{wave['wave']} of {wave['waves']}",
                str(wave["size"]),
                str(len(wave["proved"])),
                _names(wave["not_successes"]) or "-",
                _names(wave["under_way"]) or "-",
                str(wave["waiting"]),
            )
            for wave in waves
        ),
        empty="",
    )


def _budget(arguments: argparse.Namespace) -> int:
    budget = client(arguments).get("nodes", arguments.node, "budget")
    if arguments.json:
        print_json(budget)
        return 0
    print_facts(
        (
            ("node", budget["node"]),
            ("attempts", f"{budget['attempts']} of {budget['attempts_allowed']} within 30 days"),
            ("erases", f"{budget['erases']} of {budget['erases_allowed']}"),
            ("air", f"{budget['air_seconds']:.0f} of {budget['air_seconds_allowed']:.0f} s"),
            ("free", "now" if not budget["free_in_s"] else f"in {budget['free_in_s'] / 3600:.1f} h"),
        )
    )
    return 0


def _hold(arguments: argparse.Namespace) -> int:
    mark = client(arguments).post("releases", arguments.release, "hold", body={"why": arguments.why})
    if arguments.json:
        print_json(mark)
    else:
        print(f"{mark['release']} is {mark['mark']} by {mark['by']}{_why(mark['why'])}.")
        print(f"`tender release unhold {mark['release']}` lets it go.")
    return 0


def _unhold(arguments: argparse.Namespace) -> int:
    marks = client(arguments).post("releases", arguments.release, "unhold")
    if arguments.json:
        print_json(marks)
    else:
        print(f"{arguments.release} is not held.")
    return 0


def _recall(arguments: argparse.Namespace) -> int:
    body = {"why": arguments.why, "back": arguments.back}
    answer = client(arguments).post("releases", arguments.release, "recall", body=body)
    if arguments.json:
        print_json(answer)
        return 0
    mark = answer["mark"]
    print(f"{mark['release']} is recalled by {mark['by']}{_why(mark['why'])}: it is never used again.")
    print(f"{len(answer['running'])} nodes run it: {_names(answer['running']) or '-'}.")
    if answer["cancelled"]:
        print(f"{len(answer['cancelled'])} attempts that wanted it were ended.")
    if answer["going_back"]:
        print(f"{len(answer['going_back'])} are taken back: {_names(answer['going_back'])}.")
    elif answer["running"] and not arguments.back:
        print("With --back they are taken to their known-good.")
    if answer["stranded"]:
        print(f"{len(answer['stranded'])} have nothing to go back to: {_names(answer['stranded'])}.")
        print("Deploy another release to them, or give a known-good with `tender baseline add`.")
    return 0


def _names(names: Any) -> str:
    listed = list(names)
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return ", ".join(listed[:_SHOWN]) + more


def _why(why: str) -> str:
    return f": {why}" if why else ""
