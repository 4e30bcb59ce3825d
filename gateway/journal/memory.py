"""What a running gateway still knows when its journal is damaged under it, written into the new one."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field

from flashers.api import Stamp
from flashers.api.plain import dump
from gateway.model.nodes import Kept
from gateway.model.records import Observation, Record, Target


@dataclass(frozen=True, slots=True)
class Memory:
    """Attempts (at least those that are open), nodes, and open deployments as their requests' texts."""

    records: tuple[Record, ...] = ()
    seen: Mapping[str, Observation] = field(default_factory=dict)
    kept: Mapping[str, Kept] = field(default_factory=dict)
    known_goods: Mapping[str, Mapping[str, Target]] = field(default_factory=dict)
    deployments: Mapping[str, tuple[int | None, str]] = field(default_factory=dict)

    @property
    def open_attempts(self) -> int:
        """How many of the attempts have not ended."""
        return sum(1 for record in self.records if not record.done)


def write(connection: sqlite3.Connection, memory: Memory, at: Stamp) -> None:
    """Into a journal that was just begun; attempts keep their numbers, and none is given twice."""
    for record in memory.records:
        outcome = record.result.outcome.value if record.result is not None else None
        connection.execute(
            "INSERT OR REPLACE INTO attempts (id, node, deployment, open, outcome, generation, record) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                *(record.id, record.node, record.deployment, int(not record.done)),
                *(outcome, record.generation, dump(record)),
            ),
        )
    for name in sorted(memory.seen.keys() | memory.kept.keys() | {record.node for record in memory.records}):
        kept = memory.kept.get(name, Kept())
        said = (
            *(memory.seen.get(name), kept.identity, kept.identity_at, kept.place, kept.stranger),
            *(kept.changed, kept.adopted, kept.labels, kept.renamed),
        )
        texts = [dump(value) if value is not None else None for value in said]
        connection.execute(
            "INSERT OR REPLACE INTO nodes (name, generation, seen, identity, identity_at, place, stranger, "
            "changed, adopted, labels, renamed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (name, kept.generation, *texts),
        )
    for node, targets in memory.known_goods.items():
        for component, target in targets.items():
            connection.execute(
                "INSERT OR REPLACE INTO known_goods (node, component, target) VALUES (?, ?, ?)",
                (node, component, dump(target)),
            )
    for name, (revision, text) in memory.deployments.items():
        connection.execute(
            "INSERT OR REPLACE INTO deployments (id, revision, open, request, created) "
            "VALUES (?, ?, 1, ?, ?)",
            (name, revision, text, dump(at)),
        )
