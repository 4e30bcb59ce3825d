"""``tender events``: what happened, and who ordered it."""

import argparse
import json
import re
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from gateway.cli.parsing import UsageError, add_command, client
from gateway.cli.tables import on_terminal, print_text
from gateway.cli.watch import event_line

_PAGE = 2000
_NEWEST = 100
"""Events that are shown if nothing is said."""
_NOT_SHOWN = frozenset({"asked_by", "by", "remedy"})
"""Data that stand elsewhere in a line for people, or would be most of it."""
_UNITS = {"s": 1, "min": 60, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def register(subparsers: Any) -> None:
    """Add ``events``."""
    parser = add_command(
        subparsers,
        "events",
        _events,
        help="what happened and who ordered it, from the journal, also what upstream has already",
        example="tender events --since 2h --node th-4\n  tender events --kind config.changed",
    )
    parser.add_argument(
        "--since",
        metavar="WHEN",
        help="2h, 30min, 3d; a time (2026-11-21T03:00, 03:00); or an event's number, which is left out; "
        f"the newest {_NEWEST} if it is not given",
    )
    parser.add_argument("--node", metavar="NODE", help="only those about this node")
    parser.add_argument("--kind", metavar="KIND", help="only this kind, as in attempt.done")
    parser.add_argument("--follow", "-f", action="store_true", help="go on with what happens, until Ctrl-C")


def since(said: str | None, now: float) -> dict[str, str]:
    """What ``--since`` means, as the API's query.

    Raises:
        UsageError: it means nothing.
    """
    if said is None:
        return {"newest": "true", "limit": str(_NEWEST)}
    number = said.rpartition("/")[2].removeprefix("#")
    if number.isdecimal():
        return {"after": number}
    span = re.fullmatch(r"(\d+(?:\.\d+)?) ?([a-z]+)", said)
    if span is not None and span[2] in _UNITS:
        return {"since_ms": str(max(0, int((now - float(span[1]) * _UNITS[span[2]]) * 1000)))}
    try:
        if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", said):
            said = f"{datetime.fromtimestamp(now).astimezone():%Y-%m-%d}T{said.zfill(5)}"
        moment = datetime.fromisoformat(said).astimezone()
    except ValueError as error:
        raise UsageError(
            f"--since {said!r} is no time", remedy="Write 2h, 03:00, or an event's number."
        ) from error
    return {"since_ms": str(int(moment.timestamp() * 1000))}


def _events(arguments: argparse.Namespace) -> int:
    asking = client(arguments)
    query = since(arguments.since, time.time())
    query |= {name: value for name in ("node", "kind") if (value := getattr(arguments, name)) is not None}
    if not arguments.follow:
        for page in _pages(asking, query):
            _show(page, arguments, first=page["first"])
        return 0
    # First the watch, then the past: nothing falls between the two.
    with asking.watch() as watching:
        last = 0
        for page in _pages(asking, query):
            _show(page, arguments, first=page["first"])
            last = max([last, *(event["id"]["sequence"] for event in page["events"])])
        for happened in watching:
            event = happened.get("event")
            if event is not None and event["id"]["sequence"] > last and _wanted(event, arguments):
                _print(event, "", as_json=arguments.json)
    return 0


def _pages(asking: Any, query: dict[str, str]) -> Iterator[dict[str, Any]]:
    first = True
    while True:
        page = asking.get("events", **{"limit": str(_PAGE), **query})
        yield {**page, "first": first}
        first = False
        if not page["more"] or query.get("newest") or not page["events"]:
            return
        query = {**query, "after": str(page["events"][-1]["id"]["sequence"])}
        query.pop("since_ms", None)


def _show(page: dict[str, Any], arguments: argparse.Namespace, *, first: bool) -> None:
    if first and not arguments.json:
        _print_bounds(page, newest=arguments.since is None)
    for event in page["events"]:
        _print(event, page["asked_by"].get(str(event["attempt"]), ""), as_json=arguments.json)


def _print_bounds(page: dict[str, Any], *, newest: bool) -> None:
    if not page["events"]:
        print("Nothing of that kind happened, as far as the journal goes back.")
    if newest and page["more"]:
        print(f"(the newest {len(page['events'])}; there are earlier ones: --since)")
    if page["kept_from"] > 1:
        print(f"(events before #{page['kept_from']} are no longer kept)")
    if page["phases_from"] > page["kept_from"]:
        print(f"(before #{page['phases_from']} the phases of attempts are not kept, their ends are)")


def _print(event: dict[str, Any], asked_by: str, *, as_json: bool) -> None:
    asked_by = str(event["data"].get("asked_by") or event["data"].get("by") or asked_by)
    if as_json:
        print(json.dumps({**event, "asked_by": asked_by}, ensure_ascii=False), flush=True)
        return
    day = time.strftime("%m-%d", time.localtime(event["at"]["unix_ms"] / 1000))
    doubt = "" if event["at"]["synchronised"] else "~"
    data = {key: value for key, value in event["data"].items() if key not in _NOT_SHOWN}
    line = event_line({**event, "data": data})
    who = f"  [{asked_by}]" if asked_by else ""
    if on_terminal():
        line = " ".join(line.split())  # columns cost more room than they give
    print_text(f"#{event['id']['sequence']:<6} {doubt}{day} {line}{who}", indent="", further=8)
    sys.stdout.flush()


def _wanted(event: dict[str, Any], arguments: argparse.Namespace) -> bool:
    return arguments.node in (None, event["node"]) and arguments.kind in (None, event["kind"])
