"""``tender trace``: what passed on a node's link, decoded where its flasher can."""

import argparse
import shutil
import textwrap
import time
from collections.abc import Callable
from typing import Any

from gateway.cli.parsing import add_command, client
from gateway.cli.tables import on_terminal, print_json

_EVERY_S = 0.3
"""How often a running attempt is asked for more."""
_BYTES = 24
"""Bytes that are shown of a frame that nothing is made of."""


def register(subparsers: Any) -> None:
    """Add ``trace``."""
    parser = add_command(
        subparsers,
        "trace",
        _trace,
        help="what passed on a node's link: of the attempt under way, or of the last that was kept",
        example="tender trace th-4 --follow",
    )
    parser.add_argument("node")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--follow", "-f", action="store_true", help="go on until the attempt ends")
    which.add_argument("--last", action="store_true", help="what there is now, and no more (the default)")
    parser.add_argument(
        "--raw", action="store_true", help="every byte in hexadecimal, also of what is decoded"
    )


def _trace(arguments: argparse.Namespace) -> int:
    asking = client(arguments)
    trace = asking.get("nodes", arguments.node, "trace")
    if not arguments.follow:
        if arguments.json:
            print_json(trace)
        else:
            print_trace(trace, raw=arguments.raw)
        return 0
    _follow(
        trace, lambda after: asking.get("attempts", str(trace["attempt"]), "trace", after=after), arguments
    )
    return 0


def _follow(trace: dict[str, Any], more: Callable[[str], Any], arguments: argparse.Namespace) -> None:
    last = 0
    _heading(trace)
    while True:
        for line in trace["lines"]:
            print(line_of(line, raw=arguments.raw), flush=True)
            last = line["number"]
        if not trace["live"]:
            return
        time.sleep(_EVERY_S)
        trace = more(str(last))


def print_trace(trace: dict[str, Any], *, raw: bool = False) -> None:
    """The whole recording, one line a frame."""
    _heading(trace)
    if trace["dropped"]:
        print(f"({trace['dropped']})")
    for line in trace["lines"]:
        print(line_of(line, raw=raw))


def _heading(trace: dict[str, Any]) -> None:
    state = "under way" if trace["live"] else "ended"
    print(
        f"attempt {trace['attempt']} on {trace['node']}, {state}; seconds since the first frame that is kept"
    )


def line_of(line: dict[str, Any], *, raw: bool = False) -> str:
    """A frame: when, which way, what it says; the bytes where it says nothing, or if they are asked for."""
    begin = f"{line['at']:10.4f} {line['sign']} "
    said = list(line["said"])
    if line["sign"] == "=":
        said = [line["data"]]
    elif not said or raw:
        said.append(_hexadecimal(line["data"], raw=raw))
    return begin + f"\n{' ' * len(begin)}".join(_wrapped(text, len(begin)) for text in said)


def _wrapped(text: str, indent: int) -> str:
    """On a terminal, between words; else as it is, for `grep`."""
    if not on_terminal():
        return text
    width = max(40, shutil.get_terminal_size().columns - indent)
    return textwrap.fill(
        text, width, subsequent_indent=f"  {' ' * indent}", break_long_words=False, break_on_hyphens=False
    )


def _hexadecimal(data: str, *, raw: bool) -> str:
    count = (len(data) + 1) // 3
    if raw or count <= _BYTES:
        return data
    return f"{data[: _BYTES * 3 - 1]} … ({count} bytes)"
