"""``tender deploy``, ``deployments``, ``rollback``: what makes attempts, and waiting for them."""

import argparse
import os
import sys
from typing import Any

from gateway.cli import text
from gateway.cli.attempts import print_attempts, why
from gateway.cli.parsing import UsageError, add_command, client
from gateway.cli.rollout import stopped_lines
from gateway.cli.tables import print_json, print_table

_CODES = (
    "exit codes with --wait, the highest of all nodes:\n"
    "  0 succeeded or already there   3 flashed, boot not provable   4 rolled back   5 failed\n"
    "  6 refused   7 cancelled or not reached   8 wounded   9 changed by others\n"
    "A rollout that stops by itself ends the waiting, too."
)


def register(subparsers: Any) -> None:
    """Add the commands that make attempts."""
    deploy = add_command(
        subparsers,
        "deploy",
        _deploy,
        help="bring the selected nodes to a release",
        example=f"tender deploy th-sensor 2.1.0 --label room=cellar --wait\n\n{_CODES}",
    )
    deploy.add_argument("product")
    deploy.add_argument("version")
    select = deploy.add_argument_group("which nodes (what is given must all hold)")
    select.add_argument("--node", action="append", default=[], metavar="NODE", help="this one; repeatable")
    select.add_argument(
        "--profile", action="append", default=[], metavar="P", help="of this type; repeatable"
    )
    select.add_argument(
        "--label", action="append", default=[], metavar="KEY=VALUE", help="with this label; repeatable"
    )
    select.add_argument("--all", action="store_true", help="every node that the release is for")
    policy = deploy.add_argument_group("how (otherwise as configured)")
    policy.add_argument(
        "--no-rollback",
        choices=("refuse", "canary-only", "allow"),
        help="nodes that could not go back: refuse, allow, or only the one by which its type is proved",
    )
    policy.add_argument("--soak", type=float, metavar="S", help="seconds of health before it is confirmed")
    policy.add_argument("--soak-after", type=float, metavar="S", help="seconds of health after that")
    policy.add_argument("--deadline", type=float, metavar="S", help="begin no node later than in S seconds")
    policy.add_argument("--max-in-parallel", type=int, metavar="N", help="at most N nodes at a time")
    pace = policy.add_mutually_exclusive_group()
    pace.add_argument(
        "--waves",
        type=_waves,
        metavar="N,N,…",
        help="nodes of one type: so many proved, so many more, at a time",
    )
    pace.add_argument(
        "--all-at-once", action="store_true", help="no waves, and nothing stops a bad release by itself"
    )
    policy.add_argument(
        "--stop-in-a-row", type=int, metavar="N", help="stop after N nodes in a row that did not succeed"
    )
    policy.add_argument(
        "--stop-share", type=float, metavar="F", help="stop when more than this share did not succeed (0.2)"
    )
    policy.add_argument(
        "--beyond-budget", action="store_true", help="also nodes that had their share within 30 days"
    )
    policy.add_argument(
        "--activate",
        metavar="WHEN",
        help="transfer now, and start at-once, within 02:00-05:00 (the gateway's local time), at a moment "
        "as 2026-11-22T02:00:00+01:00, or held until `tender deployment activate`",
    )
    deploy.add_argument("--url", help="where the release's manifest is fetched if it is not here")
    deploy.add_argument("--id", help="a name for it; the same name again is the same deployment")
    deploy.add_argument("--wait", action="store_true", help="wait until every node has ended")
    deploy.add_argument(
        "--accept", choices=("readback",), help="with --wait: proved bytes without a proof of boot are good"
    )
    add_command(
        subparsers,
        "deployments",
        _deployments,
        help="list what was deployed, newest first",
        example="tender deployments",
    )
    rollback = add_command(
        subparsers,
        "rollback",
        _rollback,
        help="bring a node back to its known-good",
        example=f"tender rollback relay-2 --wait\n\n{_CODES}",
    )
    rollback.add_argument("node")
    rollback.add_argument("--wait", action="store_true", help="wait until it has ended")


def _deploy(arguments: argparse.Namespace) -> int:
    select = {
        "nodes": arguments.node,
        "profiles": arguments.profile,
        "labels": dict(map(_label, arguments.label)),
        "all": arguments.all,
    }
    if not any(select.values()):
        raise UsageError(
            "no nodes were selected", remedy="Select by --node, --profile, --label KEY=VALUE, or --all."
        )
    policy = {
        "no_rollback": arguments.no_rollback,
        "soak": arguments.soak,
        "soak_after": arguments.soak_after,
        "deadline_s": arguments.deadline,
        "max_in_parallel": arguments.max_in_parallel,
        "all_at_once": arguments.all_at_once,
        "waves": arguments.waves,
        "stop_in_a_row": arguments.stop_in_a_row,
        "stop_share": arguments.stop_share,
        "beyond_budget": arguments.beyond_budget,
        "activate": arguments.activate,
    }
    body = {
        "id": arguments.id or f"{arguments.product}-{arguments.version}-{os.urandom(3).hex()}",
        "product": arguments.product,
        "version": arguments.version,
        "select": select,
        "policy": policy,
        "manifest_url": arguments.url,
    }
    service = client(arguments)
    deployment = service.post("deployments", body=body)
    if arguments.wait:
        from gateway.cli.waiting import wait_for_deployment

        attempts = wait_for_deployment(service, deployment["id"], quiet=arguments.json)
        code = _ended(attempts, arguments, accept_readback=arguments.accept == "readback")
        _tell_stop(service.get("deployments", deployment["id"]))
        return code
    if arguments.json:
        print_json(deployment)
    else:
        _print_deployments([deployment])
        name = deployment["id"]
        print(
            f"\n`tender deployment show {name}` tells how it goes; `tender pause`, `tender cancel` end that."
        )
    return 0


def _deployments(arguments: argparse.Namespace) -> int:
    deployments = client(arguments).get("deployments")
    if arguments.json:
        print_json(deployments)
    else:
        _print_deployments(deployments)
    return 0


def _rollback(arguments: argparse.Namespace) -> int:
    service = client(arguments)
    attempt = service.post("nodes", arguments.node, "rollback")
    if arguments.wait:
        from gateway.cli.waiting import wait_for_attempt

        return _ended([wait_for_attempt(service, attempt["id"], quiet=arguments.json)], arguments)
    if arguments.json:
        print_json(attempt)
    else:
        print_attempts([attempt], empty="")
    return 0


def _ended(
    attempts: list[dict[str, Any]], arguments: argparse.Namespace, *, accept_readback: bool = False
) -> int:
    from gateway.model.outcomes import EXIT_CODES, Outcome

    if arguments.json:
        print_json(attempts)
    else:
        print_attempts(attempts, empty="It came to no attempt: the nodes were not reached.")
        for attempt in attempts:
            if told := why(attempt):
                print(f"\n{told}")

    def code(attempt: dict[str, Any]) -> int:
        outcome = Outcome(attempt["outcome"])
        went_back = attempt["rollback_done"] != "none"
        accepted = accept_readback and outcome is Outcome.FLASHED and not went_back
        return 0 if accepted else EXIT_CODES[outcome]

    return max(map(code, attempts), default=7)


def _print_deployments(deployments: list[dict[str, Any]]) -> None:
    print_table(
        ("deployment", "release", "state", ">nodes", "outcomes", "asked by", "age"),
        (
            (
                each["id"],
                f"{each['product']} {each['version']}",
                each["state"],
                str(len(each["nodes"])),
                text.counts(each["outcomes"]),
                each["asked_by"] or "-",
                text.age(each["created"]),
            )
            for each in deployments
        ),
        empty="Nothing was deployed yet.",
    )


def _tell_stop(deployment: dict[str, Any]) -> None:
    """Why it did not come to its end, if it did not; beside the answer, which may be JSON."""
    for line in stopped_lines(deployment):
        print(line, file=sys.stderr)


def _waves(given: str) -> list[int]:
    try:
        return [int(size) for size in given.split(",")]
    except ValueError as error:
        raise UsageError(f"--waves {given!r} is not N,N,…", remedy="Write it like --waves 1,3,10.") from error


def _label(given: str) -> tuple[str, str]:
    key, equals, value = given.partition("=")
    if not equals or not key:
        raise UsageError(f"--label {given!r} is not KEY=VALUE")
    return key, value
