"""The flight recorder of an attempt, legible: of the one under way, and of those that were kept."""

import re
from collections.abc import Iterable, Sequence

from flashers.api import Describe, LinkFrame
from gateway.service.node_types import NodeTypes
from gateway.verbs.seeing import Trace, TraceLine
from transports.errors import TenderError

_FRAME = re.compile(r"(?P<at>-?\d+\.\d+) (?P<sign>[<>=]) ?(?P<data>.*)")
"""As :class:`transports.recorder.Frame` is written."""


def describe_of(node_types: NodeTypes, profile: str) -> Describe | None:
    """The decoder of a profile's flasher; None if it offers none, or cannot be used any more."""
    try:
        node_type = node_types.get(profile)
    except TenderError:
        return None
    plugin = node_type.plugin
    return plugin.describe(node_type.params) if plugin.describe is not None else None


def make_trace(
    attempt: int, node: str, kept: Sequence[str], describe: Describe | None, *, live: bool, after: int = 0
) -> Trace:
    """The kept lines, with times from the first of them, and what the decoder says.

    Numbers go on where the recorder dropped the oldest, so that a follower misses none.
    """
    dropped = kept[0] if kept and kept[0].startswith("(") else ""
    first = int(re.sub(r"\D.*", "", dropped[1:]) or 0) if dropped else 0
    lines = tuple(_lines(kept[1:] if dropped else kept, describe, first))
    wanted = tuple(line for line in lines if line.number > after)
    return Trace(attempt, node, live, describe is not None, dropped.strip("()"), wanted)


def _lines(kept: Iterable[str], describe: Describe | None, first: int) -> Iterable[TraceLine]:
    begin: float | None = None
    for number, text in enumerate(kept, first + 1):
        found = _FRAME.fullmatch(text)
        if found is None:
            yield TraceLine(number, 0.0, "=", (), text)
            continue
        at = float(found["at"])
        begin = at if begin is None else begin
        yield TraceLine(number, round(at - begin, 4), found["sign"], _said(found, describe), found["data"])


def _said(found: re.Match[str], describe: Describe | None) -> tuple[str, ...]:
    if describe is None or found["sign"] == "=":
        return ()
    try:
        return describe(LinkFrame(found["sign"] == ">", bytes.fromhex(found["data"])))
    except Exception:  # noqa: BLE001 - a decoder that stumbles leaves the bytes, which are shown beside it
        return ()
