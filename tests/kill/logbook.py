"""What really happened to a node's flash, and when: the other side of every report."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flashers.api import Digest, Segment
from flashers.images import extents_digest
from flashers.mcuboot_smp.virtual import VirtualMcubootNode
from flashers.mcuboot_smp.virtual.node import Life
from flashers.sim import Operation
from flashers.stk500.virtual import VirtualStk500
from flashers.stk500.virtual_app import program_in
from tests.matrix.guard import Node, flash_of

UNPROVED = frozenset({"wounded"})
"""Outcomes that claim nothing of what the node runs."""
HEALTHY_PHASES = frozenset({"proving", "soaking", "confirming"})
"""Phases in which the node was seen running the target."""


Content = bytes | Digest | None
"""What a node boots: one slot's flash as it is, or the digest of the slot that runs."""


@dataclass(frozen=True, slots=True)
class Written:
    """One flash operation that a host asked for, and what the node would have booted just before it."""

    unix_ms: int
    large: bool
    boots: Content


class Logbook:
    """Writes down every operation on one node's flash; what its own loader does is not a host's doing."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.written: list[Written] = []
        flash_of(node).watch = self._before

    def boots(self) -> Digest | None:
        """What the node boots now, or None."""
        content = self.content()
        if not isinstance(content, bytes):
            return content
        program = program_in(content)
        return program.identity if program is not None else None

    def content(self) -> Content:
        """The same, not looked into yet."""
        node = self.node
        if isinstance(node, VirtualStk500):
            return node.flash.read(0, len(node.flash))
        return node.truth().running.get(0)

    def _before(self, operation: Operation) -> None:
        if isinstance(self.node, VirtualMcubootNode) and self.node.life is Life.BOOTING:
            return
        large = operation.erase or operation.size > 1  # one byte is a flag: a confirmation
        self.written.append(Written(time.time_ns() // 1_000_000, large, self.content()))


def violations(name: str, book: Logbook, events: Iterable[Mapping[str, Any]]) -> list[str]:
    """Everything in which a node's own story and what was told of it do not agree.

    ``events`` are those of this node, each once, in order of their sequence.
    """
    told = [event for event in events if event["kind"] in ("attempt.phase", "attempt.done")]
    found = [*_after_the_end(name, told), *_writes_out_of_place(name, book, told)]
    for number, event in enumerate(told):
        if event["kind"] != "attempt.done" or event["data"]["outcome"] in UNPROVED:
            continue
        claimed = ((event["data"]["after"] or {}).get("app") or {}).get("digest")
        if claimed is None:
            continue
        really = _names(book, _boots_after(book, event["at"]["unix_ms"]))
        if claimed not in really:
            found.append(f"{name}: event {number} says {claimed} after {event['data']['outcome']}: {really}")
    return found


def _names(book: Logbook, content: Content) -> list[str]:
    """The digests by which this may be named: a read-out of a flash has one of its own."""
    if not isinstance(content, bytes) or not isinstance(book.node, VirtualStk500):
        return [str(content)]
    program = program_in(content)
    if program is None:
        return []
    page = book.node.flash.page
    pages = -(-len(content.rstrip(b"\xff")) // page)
    return [str(program.identity), str(extents_digest([Segment(0, content[: pages * page])]))]


def _after_the_end(name: str, told: list[Mapping[str, Any]]) -> list[str]:
    ended: set[int] = set()
    found = []
    for event in told:
        if event["attempt"] in ended:
            found.append(f"{name}: {event['kind']} of attempt {event['attempt']} came after its end")
        if event["kind"] == "attempt.done":
            ended.add(event["attempt"])
    return found


def _writes_out_of_place(name: str, book: Logbook, told: list[Mapping[str, Any]]) -> list[str]:
    """Writes while no attempt said that it writes, or after the node was seen running the target."""
    found = []
    for write in book.written:
        before = [event for event in told if event["at"]["unix_ms"] <= write.unix_ms]
        # Within the millisecond of an event nobody knows which came first.
        if not before or before[-1]["at"]["unix_ms"] == write.unix_ms:
            continue
        last = _story(before)
        if all(state == "ended" for state in last.values()):
            found.append(f"{name}: a write at {write.unix_ms}, and no attempt is under way")
        elif write.large and any(state in HEALTHY_PHASES for state in last.values()):
            found.append(f"{name}: a write at {write.unix_ms}, and the target was seen running")
    return found


def _story(events: list[Mapping[str, Any]]) -> dict[int, str]:
    """Where each attempt is after these events."""
    state: dict[int, str] = {}
    for event in events:
        done = event["kind"] == "attempt.done"
        state[event["attempt"]] = "ended" if done else event["data"]["phase"]
    return state


def _boots_after(book: Logbook, unix_ms: int) -> Content:
    """What the node booted from that moment until somebody wrote to it again."""
    later = next((write for write in book.written if write.unix_ms > unix_ms), None)
    return later.boots if later is not None else book.content()
