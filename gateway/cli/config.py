"""``tender config``: every value, and who said so."""

import argparse
from pathlib import Path
from typing import Any

from gateway.cli.parsing import UsageError, add_command, config_path
from gateway.cli.tables import print_json, print_table


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
    told = values(loaded)
    if arguments.json:
        print_json(
            {
                "values": {each.key: {"value": each.value, "origin": each.origin} for each in told},
                "left_aside": list(loaded.aside),
            }
        )
        return 0
    print_table(
        ("key", "value", "from"),
        ((each.key, json.dumps(each.value, ensure_ascii=False), each.origin) for each in told),
        empty="",
    )
    for sentence in loaded.aside:
        print(sentence)
    return 0
