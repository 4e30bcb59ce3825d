"""Whether a command that somebody is told to type can be typed."""

import argparse
import shlex
from importlib import import_module

from gateway.cli.main import COMMANDS
from gateway.cli.parsing import Parser


def can_be_typed(said: str) -> bool:
    """Each of the commands in ``said`` that is ours has to be understood; others are not ours to judge.

    Raises:
        UsageError: one is not.
    """
    for command in said.split(";"):
        words = shlex.split(command.partition("||")[0])
        if words[:1] == ["sudo"]:
            words = words[1:]
        if words[:1] != ["tender"] or words[1:2] == ["--version"] or "--help" in words:
            continue
        parser = Parser(prog="tender")
        import_module(COMMANDS[words[1]].module).register(parser.add_subparsers(dest="command"))
        parsed = parser.parse_args(words[1:])
        assert isinstance(parsed, argparse.Namespace)
    return True
