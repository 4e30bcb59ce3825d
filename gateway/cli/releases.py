"""``tender release add | list`` and ``tender baseline add``: firmware that the service takes in."""

import argparse
from pathlib import Path
from typing import Any

from gateway.cli import text
from gateway.cli.parsing import UsageError, add_command, add_group, client
from gateway.cli.tables import print_json, print_table


def register(subparsers: Any) -> None:
    """Add what asks the service beside the verbs of ``release`` that need none."""
    from gateway.cli import release
    from gateway.cli.rollout import register_release

    verbs = release.register(subparsers)
    register_release(verbs)
    add = add_command(
        verbs,
        "add",
        _add,
        help="verify a release file and take it into the store",
        example="tender release add th-sensor-2.1.0.tender",
    )
    add.add_argument("file", type=Path)
    add_command(verbs, "list", _list, help="list the releases in the store", example="tender release list")
    verbs = add_group(subparsers, "baseline", help="vouch for firmware that nodes had before")
    baseline = add_command(
        verbs,
        "add",
        _baseline,
        help="take a known-good that you vouch for, for nodes that were flashed before we came",
        example="tender baseline add relay-1.0.hex --profile optiboot-atmega328p --version 1.0",
    )
    baseline.add_argument("file", type=Path)
    baseline.add_argument("--profile", required=True, metavar="P", help="the nodes' profile")
    baseline.add_argument("--component", default="app", metavar="C", help="the component (app)")
    baseline.add_argument("--version", metavar="V", help="the version that such nodes report")


def _add(arguments: argparse.Namespace) -> int:
    _readable(arguments.file)
    return _taken(client(arguments).upload(arguments.file, "releases"), arguments)


def _baseline(arguments: argparse.Namespace) -> int:
    _readable(arguments.file)
    query = {"profile": arguments.profile, "component": arguments.component}
    if arguments.version is not None:
        query["version"] = arguments.version
    return _taken(client(arguments).upload(arguments.file, "baselines", **query), arguments)


def _list(arguments: argparse.Namespace) -> int:
    releases = client(arguments).get("releases")
    if arguments.json:
        print_json(releases)
    else:
        _print(releases)
    return 0


def _taken(release: dict[str, Any], arguments: argparse.Namespace) -> int:
    if arguments.json:
        print_json(release)
    else:
        _print([release])
    return 0


def _print(releases: list[dict[str, Any]]) -> None:
    print_table(
        ("release", "version", "for", ">size", "trust", "in store", ""),
        (
            (
                release["product"],
                release["version"],
                ", ".join(dict.fromkeys(str(each.get("profile", "?")) for each in release["artifacts"])),
                text.size(sum(int(each.get("size", 0)) for each in release["artifacts"])),
                release["trust"],
                "all" if release["complete"] else "fetched when a node wants it",
                release["mark"]["mark"] if release.get("mark") else "",
            )
            for release in releases
        ),
        empty="No releases; add one with `tender release add FILE`.",
    )


def _readable(file: Path) -> None:
    try:
        with file.open("rb"):
            pass
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}", remedy="Name a file that can be read.") from error
