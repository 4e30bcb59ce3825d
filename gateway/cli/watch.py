"""``tender watch``: what happens, as it happens."""

import argparse
import json
import sys
import time
from typing import Any

from gateway.cli import text
from gateway.cli.parsing import add_command, client


def register(subparsers: Any) -> None:
    """Add ``watch``."""
    watch = add_command(
        subparsers,
        "watch",
        _watch,
        help="tell what happens, as it happens, until Ctrl-C",
        example="tender watch --json | jq 'select(.event.kind == \"attempt.done\")'",
    )
    watch.add_argument("--no-progress", action="store_true", help="events only")


def event_line(event: dict[str, Any]) -> str:
    """An event as a line: the time, whom it is about, and what its data say."""
    clock = time.strftime("%H:%M:%S", time.localtime(event["at"]["unix_ms"] / 1000))
    about = event["node"] or event["deployment"] or event["id"]["gateway"]
    number = f"#{event['attempt']}" if event["attempt"] is not None else ""
    return (
        f"{clock}  {about:<16} {number:<6} {event['kind']:<20} {_said(event['kind'], event['data'])}".rstrip()
    )


def _said(kind: str, data: dict[str, Any]) -> str:
    """What is interesting of an event's data; all of it is in the JSON."""
    match kind:
        case "attempt.phase":
            return str(data.get("phase", ""))
        case "attempt.done":
            parts = [str(data.get("outcome", ""))]
            if data.get("code"):
                parts.append(f"{data['code']}: {data.get('message', '')}")
            if data.get("evidence"):
                parts.append(text.evidence(data["evidence"]))
            if data.get("bytes_sent"):
                parts.append(f"{text.size(data['bytes_sent'])} in {text.seconds(data.get('seconds', 0.0))}")
            return "; ".join(parts)
        case _:
            interesting = {key: value for key, value in data.items() if value not in (None, "", [], {})}
            return " ".join(f"{key}={_short(value)}" for key, value in interesting.items())


def _watch(arguments: argparse.Namespace) -> int:
    with client(arguments).watch() as watching:
        for happened in watching:
            if "progress" in happened and arguments.no_progress:
                continue
            if arguments.json:
                print(json.dumps(happened, ensure_ascii=False), flush=True)
            elif "event" in happened:
                _clear()
                print(event_line(happened["event"]), flush=True)
            elif sys.stdout.isatty():
                _clear()
                now = happened["progress"]
                percent = 100 * now["done"] // max(1, now["total"])
                print(f"{now['node']}  #{now['attempt']}  {now['phase']}  {percent} %", end="", flush=True)
    return 0


def _clear() -> None:
    """Take a progress away that stands on the last line of a terminal."""
    if sys.stdout.isatty():
        print("\r\x1b[K", end="")


def _short(value: object) -> str:
    said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return said if len(said) <= 60 else f"{said[:57]}…"
