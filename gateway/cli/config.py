"""``tender config``: every value, and who said so."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.cli.parsing import UsageError, add_command, config_path
from gateway.cli.tables import print_json, print_table

if TYPE_CHECKING:
    from gateway.config.model import Config
    from gateway.config.show import Value


def register(subparsers: Any) -> None:
    """Add ``config``."""
    parser = add_command(
        subparsers,
        "config",
        _config,
        help="every value of the configuration, and where it is from",
        example="tender config --config gateway.toml --set log.level=debug",
        asks_service=False,
    )
    add_config_flags(parser)


def add_config_flags(parser: argparse.ArgumentParser) -> None:
    """The flags that are the strongest layer of the configuration."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="the main file (/etc/tender/gateway.toml)"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="one value, as in log.level=debug; repeatable",
    )
    parser.add_argument("--state", metavar="DIR", help="the folder of journal and store")
    parser.add_argument("--socket", metavar="PATH", help="of the local API")


def flags(arguments: argparse.Namespace) -> dict[str, tuple[str, str]]:
    """What was said on the command line, by key: the value and the flag that said it."""
    said: dict[str, tuple[str, str]] = {}
    for given in arguments.set:
        key, equals, value = given.partition("=")
        if not equals or not key:
            raise UsageError(f"--set {given!r} is not KEY=VALUE")
        said[key] = (value, f"--set {key}")
    # A relative path is meant from where the command is given.
    for key in ("state", "socket"):
        if (value := getattr(arguments, key)) is not None:
            said[key] = (str(Path(value).absolute()), f"--{key}")
    return said


def _config(arguments: argparse.Namespace) -> int:
    import json

    from gateway.config.load import load_config
    from gateway.config.show import values

    loaded = load_config(config_path(arguments), flags=flags(arguments))
    adopted, left = _from_journal(loaded.config)
    said = {each.key for each in adopted}
    told = (*(each for each in values(loaded) if each.key not in said), *adopted)
    aside = (*loaded.aside, *left)
    if arguments.json:
        print_json(
            {
                "values": {each.key: {"value": each.value, "origin": each.origin} for each in told},
                "left_aside": list(aside),
            }
        )
        return 0
    print_table(
        ("key", "value", "from"),
        ((each.key, json.dumps(each.value, ensure_ascii=False), each.origin) for each in told),
        empty="",
    )
    for sentence in aside:
        print(sentence)
    return 0


def _from_journal(config: "Config") -> "tuple[list[Value], list[str]]":
    """What people said of nodes by commands, which the journal keeps beside the files."""
    from gateway.config.show import Value
    from gateway.journal.errors import JournalError
    from gateway.journal.peek import nodes_said

    try:
        said = nodes_said(config.state / "journal.sqlite")
    except JournalError as error:
        return [], [f"Nodes that were adopted are not shown: {error.message}."]
    found, aside = [], []
    for name, (adopted, relabelled) in sorted(said.items()):
        if adopted is not None and name in config.nodes:
            aside.append(f"nodes.{name} was adopted as well, and is in a file: the file counts.")
        elif adopted is not None:
            origin = f"journal: adopted by {adopted.by or 'somebody'}"
            found.append(Value(f"nodes.{name}.profile", adopted.profile, origin))
            found.append(Value(f"nodes.{name}.link", adopted.link, origin))
            found += [
                Value(f"nodes.{name}.labels.{key}", text, origin) for key, text in adopted.labels.items()
            ]
        if relabelled is not None and (adopted is not None or name in config.nodes):
            origin = f"journal: labelled by {relabelled.by or 'somebody'}"
            found += [
                Value(f"nodes.{name}.labels.{key}", text, origin) for key, text in relabelled.labels.items()
            ]
    last = {each.key: each for each in found}  # a label that was changed since is what it was changed to
    return list(last.values()), aside
