"""Which node types an advertisement could be of, as their profiles say.

An advertisement proves nothing: anybody can send any.  What matches becomes a candidate,
and who it really is shows when it is asked.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from gateway.profiles.discovery import DiscoveryTable

NAME_MAX = 248
"""Bytes of the longest name (Core Specification, Vol 3, Part C, 12.1); a longer text is nobody's."""


@dataclass(frozen=True, slots=True)
class Call:
    """What a node called out, and where it was heard; ``at`` is the loop's time in seconds."""

    address: str
    adapter: str
    rssi: int
    at: float
    name: str = ""
    services: tuple[str, ...] = ()
    manufacturer: Mapping[int, bytes] = field(default_factory=dict)
    random: bool | None = None
    """Whether the address is a random one; None where the adapter does not tell."""

    @property
    def addressed(self) -> str:
        """The kind of its address (Core Specification, Vol 6, Part B, 1.3.2)."""
        if self.random is None:
            return "unknown"
        if not self.random:
            return "public"
        return ("non-resolvable", "resolvable", "unknown", "static")[int(self.address[:2], 16) >> 6]

    @property
    def changes(self) -> bool:
        """Whether the address is one that the node will leave for another."""
        return self.addressed in ("resolvable", "non-resolvable")


@dataclass(frozen=True, slots=True)
class Pattern:
    """One profile's table, ready to be held against thousands of calls."""

    profile: str
    services: frozenset[str]
    company: int | None
    data: bytes
    name: re.Pattern[str] | None
    addresses: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, profile: str, table: DiscoveryTable) -> Self:
        """Compile a table."""
        sender = table.manufacturer
        return cls(
            profile,
            frozenset(table.services),
            sender.company if sender is not None else None,
            bytes.fromhex(sender.data) if sender is not None else b"",
            re.compile(table.name) if table.name is not None else None,
            tuple(map(_bounds, table.addresses)),
        )

    def fits(self, call: Call) -> bool:
        """Whether all that the table says holds."""
        if self.addresses and not any(low <= call.address <= high for low, high in self.addresses):
            return False
        if self.services and self.services.isdisjoint(call.services):
            return False
        if self.company is not None:
            data = call.manufacturer.get(self.company)
            if data is None or not data.startswith(self.data):
                return False
        if self.name is None:
            return True
        return len(call.name) <= NAME_MAX and self.name.fullmatch(call.name) is not None


class Matcher:
    """All profiles that say how their nodes are known."""

    def __init__(self, tables: Mapping[str, DiscoveryTable]) -> None:
        self._patterns = [
            Pattern.of(name, table) for name, table in sorted(tables.items()) if table.says_anything
        ]

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def profiles(self, call: Call) -> tuple[str, ...]:
        """The node types that it could be, by name."""
        return tuple(pattern.profile for pattern in self._patterns if pattern.fits(call))


def _bounds(text: str) -> tuple[str, str]:
    """A beginning or a range as two whole addresses; as texts they are in the order of their numbers."""
    first, dash, last = text.partition("-")
    if dash:
        return first, last
    start = first.rstrip(":")
    missing = 6 - len(start.split(":"))
    return start + ":00" * missing, start + ":FF" * missing
