"""What happened while one node was served, in numbers, and what is told of it once."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields

_NOTED = 3
"""Of the same oddity so many are told by name; all are counted."""


@dataclass(slots=True)
class Counts:
    """Numbers of one session; the odd ones are each named in the log a few times."""

    note: Callable[[str], None] = field(repr=False)
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

    def odd(self, what: str, text: str) -> None:
        """Count something that a well-behaved node does not do, and name it."""
        count = getattr(self, what) + 1
        setattr(self, what, count)
        if count <= _NOTED:
            self.note(f"{text} ({what} {count})")

    def summary(self) -> str:
        """One line: what was not zero."""
        said = [(each.name, getattr(self, each.name)) for each in fields(self) if each.name != "note"]
        return ", ".join(f"{name} {count}" for name, count in said if count)
