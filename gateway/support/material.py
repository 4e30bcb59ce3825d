"""What goes into a support bundle, from the service or from its files: names, and how each is made."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

from gateway.config.model import Config
from gateway.service.seeing.traces import describe_of, make_trace
from gateway.support.ground import Ground
from gateway.support.journal_file import JournalFile, journal_copy

Material = Iterator[tuple[str, Callable[[], Any]]]

_EVENTS = 5000
_PLACES = ("nodes", "deployments", "releases", "links", "leases")
"""What the local API lists; a place that this service does not have is named in the manifest."""


def from_service(ground: Ground, attempts: int) -> Material:
    """By the local API."""
    ask = ground.service.get
    yield "status.json", lambda: ground.overview
    for place in _PLACES:
        yield f"{place}.json", lambda place=place: ask(place)  # type: ignore[misc]
    yield "events.jsonl", lambda: ask("events", limit=str(_EVENTS), newest="true")["events"]
    yield "journal.json", lambda: ask("journal", "check")
    yield "attempts.json", lambda: ask("attempts")
    for view in ask("attempts")[:attempts]:
        yield f"attempts/{view['id']}.json", lambda number=str(view["id"]): _attempt(ask, number)  # type: ignore[misc]


def from_files(config: Config, attempts: int, stack: ExitStack) -> Material:
    """From a copy of the journal."""
    state = config.state
    copies: list[JournalFile] = []

    def copy() -> JournalFile:
        if not copies:
            copies.append(stack.enter_context(journal_copy(state)))
        return copies[0]

    def column(query: str, *values: object) -> list[Any]:
        return [_parsed(row[-1]) for row in copy().rows(query, *values)]

    yield "journal.json", lambda: asdict(copy().check())
    query = "SELECT event FROM events ORDER BY sequence DESC LIMIT ?"
    yield "events.jsonl", lambda: column(query, _EVENTS)[::-1]
    yield "nodes.json", lambda: _named(copy().rows("SELECT name, seen FROM nodes ORDER BY name"))
    yield "deployments.json", lambda: _named(copy().rows("SELECT id, request FROM deployments"))
    yield "attempts.json", lambda: _table(copy())
    newest = "SELECT id FROM attempts ORDER BY id DESC LIMIT ?"
    try:
        numbers = [row[0] for row in copy().rows(newest, attempts)]
    except OSError:
        numbers = []
    for number in numbers:
        yield f"attempts/{number}.json", lambda number=number: _from_file(copy(), number, config)  # type: ignore[misc]
    yield "journal-trouble.json", lambda: list(dict.fromkeys(copy().troubles))


def _table(copy: JournalFile) -> list[dict[str, Any]]:
    names = ("id", "node", "deployment", "open", "outcome")
    rows = copy.rows(f"SELECT {', '.join(names)} FROM attempts ORDER BY id DESC LIMIT 500")  # noqa: S608
    return [dict(zip(names, row, strict=True)) for row in rows]


def _named(rows: list[tuple[Any, ...]]) -> dict[str, Any]:
    return {name: _parsed(text) for name, text in rows}


def _attempt(ask: Callable[..., Any], number: str) -> Any:
    detail = ask("attempts", number)
    trace = ask("attempts", number, "trace")
    return {"view": detail["view"], "record": detail["record"], "trace": without_bytes(trace)}


def _from_file(copy: JournalFile, number: int, config: Config) -> Any:
    records = copy.rows("SELECT record FROM attempts WHERE id = ?", number)
    frames = copy.rows("SELECT frames FROM traces WHERE attempt = ?", number)
    record = _parsed(records[0][0]) if records else None
    kept = _parsed(frames[0][0]) if frames else []
    profile, node = (record["profile"], record["node"]) if isinstance(record, dict) else ("", "")
    kept = kept if isinstance(kept, list) else []
    trace = make_trace(number, node, kept, describe_of(_types(config), profile), live=False)
    return {"record": record, "trace": without_bytes(asdict(trace))}


def _types(config: Config) -> Any:
    from gateway.plugins.registry import Registry
    from gateway.profiles.load import load_profiles
    from gateway.service.node_types import NodeTypes

    return NodeTypes(load_profiles(config.profiles, Registry()))


def without_bytes(trace: dict[str, Any]) -> list[str]:
    """A recording as lines: what a frame said, else how long it was; the bytes may be an image's."""
    told = [f"({trace['dropped']})"] if trace["dropped"] else []
    for line in trace["lines"]:
        begin = f"{line['at']:.4f} {line['sign']} "
        count = (len(line["data"]) + 1) // 3
        if line["sign"] == "=":
            told.append(begin + line["data"])
        elif line["said"]:
            told += [f"{begin}{text} ({count} bytes)" for text in line["said"]]
        else:
            told.append(f"{begin}({count} bytes)")
    return told


def _parsed(text: object) -> Any:
    """JSON; what is none any more is left as the text that it is."""
    try:
        return json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return text
