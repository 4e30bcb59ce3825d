"""What happened while one node was served, in numbers, and what is told of it once.

What a well-behaved node does not do is told twice: in the attempt's trace, which is kept of those that
did not succeed, and in the log, where one that harms others would be looked for.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, fields

log = logging.getLogger("tender.zigbee")

_FLOOD = 20
"""So many questions more than were answered are no accident of a network that loses frames."""
_NOTED = 3
"""Of the same oddity so many are told by name; all are counted."""


@dataclass(slots=True)
class Counts:
    """Numbers of one session; ``note`` takes a line for the trace, ``node`` is who is served."""

    note: Callable[[str], None] = field(repr=False)
    node: str = ""
    blocks: int = 0
    """Blocks that were confirmed."""
    bytes: int = 0
    repeated: int = 0
    """Questions that were asked again after their answer."""
    duplicates: int = 0
    """Questions that came again while they were being answered; they got one answer."""
    dropped: int = 0
    """Questions that a newer one overtook before they could be answered."""
    lost: int = 0
    """Answers that were not confirmed."""
    pages: int = 0
    gaps: int = 0
    """Blocks of pages that were asked for again."""
    beyond: int = 0
    """Questions about what is beyond the end."""
    other: int = 0
    """Questions about another image."""
    malformed: int = 0
    same_number: int = 0
    """Questions with the sequence number of another one before them."""

    def odd(self, what: str, text: str) -> None:
        """Count something that a well-behaved node does not do, and name it."""
        count = getattr(self, what) + 1
        setattr(self, what, count)
        if count <= _NOTED:
            self.note(f"{text} ({what} {count})")
        if count == 1:
            log.warning("node=%s %s", self.node, text)

    def end(self) -> None:
        """Say what can only be said of all of it."""
        surplus = self.repeated + self.duplicates + self.dropped
        if surplus > max(self.blocks, _FLOOD):
            log.warning(
                "node=%s asks far too often: %d questions beyond %d answers", self.node, surplus, self.blocks
            )
        if self.same_number > _FLOOD:
            log.warning("node=%s gives its questions one number: %d of them", self.node, self.same_number)
        self.note(f"served: {self.summary() or 'nothing'}")

    def summary(self) -> str:
        """One line: what was not zero."""
        said = [
            (each.name, getattr(self, each.name))
            for each in fields(self)
            if each.name not in ("note", "node")
        ]
        return ", ".join(f"{name} {count}" for name, count in said if count)
