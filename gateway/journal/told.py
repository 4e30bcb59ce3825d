"""What is told, before the journal has given it a number."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Told:
    """An event before it has a number."""

    kind: str
    node: str | None = None
    attempt: int | None = None
    deployment: str | None = None
    data: Mapping[str, object] = field(default_factory=dict)
