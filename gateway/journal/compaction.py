"""After months without an upstream: drop the oldest phases, keep the ends, and name the gap."""

import sqlite3
from dataclasses import replace

from flashers.api.plain import dump, load
from gateway.model.views import Event

UNSENT_EVENTS = 50_000
"""Untold events before the oldest phases are dropped behind a gap marker."""
_ON_THEIR_WAY = 100
"""The oldest untold events may be on the wire this moment, and are left as they are."""


def compact(connection: sqlite3.Connection, most: int = UNSENT_EVENTS) -> None:
    """Drop up to half of the untold events, if there are more than ``most``.

    Phases and changes of nodes go, ends and everything else stay; the marker has the
    number of the first that is gone, and covers earlier gaps that it meets.
    """
    (depth,) = connection.execute("SELECT count(*) FROM events WHERE unsent").fetchone()
    if depth <= most:
        return
    query = (
        "SELECT sequence, event FROM events WHERE unsent AND sequence > "
        "(SELECT max(sequence) FROM (SELECT sequence FROM events WHERE unsent ORDER BY sequence LIMIT ?)) "
        "AND json_extract(event, '$.kind') IN ('attempt.phase', 'node.changed', 'journal.gap') "
        "ORDER BY sequence LIMIT ?"
    )
    dropped = connection.execute(query, (min(_ON_THEIR_WAY, depth // 2), depth // 2)).fetchall()
    if not dropped:
        return
    first, last = load(Event, dropped[0][1]), load(Event, dropped[-1][1])
    data = {
        "first": first.data.get("first", first.id.sequence),
        "last": last.data.get("last", last.id.sequence),
    }
    marker = replace(first, kind="journal.gap", node=None, attempt=None, deployment=None, data=data)
    connection.executemany("DELETE FROM events WHERE sequence = ?", [(row[0],) for row in dropped])
    connection.execute(
        "INSERT INTO events (sequence, unsent, event) VALUES (?, 1, ?)", (first.id.sequence, dump(marker))
    )
