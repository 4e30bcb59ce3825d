"""The candidates: what matches a profile and is no node here; bounded, and forgotten when it is gone.

Strangers are not kept at all.  Of what matches, only so many are: a node that changes
its address every quarter of an hour, or somebody who calls out thousands of them, pushes out
what was heard least recently, and no memory grows.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from gateway.service.radio.matching import Call

MOST = 256
"""Candidates that are kept."""
OLD_S = 600.0
"""Seconds after which one that is not heard any more is dropped …"""
LISTENED_S = 30.0
"""… if somebody listened for so long since: an adapter that does something else hears nobody."""


@dataclass(slots=True)
class Candidate:
    """What was last heard of it, by each adapter that hears it."""

    profiles: tuple[str, ...]
    calls: dict[str, Call] = field(default_factory=dict)
    ears: dict[str, float] = field(default_factory=dict)
    """How long each of these adapters had listened when it heard it."""
    first_at: float = 0.0

    @property
    def last(self) -> Call:
        """The newest call."""
        return max(self.calls.values(), key=lambda call: call.at)

    @property
    def best(self) -> Call:
        """The newest call of the adapter that hears it best."""
        return max(self.calls.values(), key=lambda call: call.rssi)

    @property
    def name(self) -> str:
        """Its name; not every one of its packets has it."""
        return next((call.name for call in self._newest if call.name), "")

    @property
    def _newest(self) -> list[Call]:
        return sorted(self.calls.values(), key=lambda call: -call.at)


class Candidates:
    """By address; in the order in which they were last heard."""

    def __init__(self, listened: Callable[[str], float], most: int = MOST) -> None:
        self._listened = listened
        self._most = most
        self._known: dict[str, Candidate] = {}
        self.crowded = 0
        """How many had to make room since the start."""

    def __len__(self) -> int:
        return len(self._known)

    def __iter__(self) -> Iterator[tuple[str, Candidate]]:
        return iter(list(self._known.items()))

    def get(self, address: str) -> Candidate | None:
        """One of them."""
        return self._known.get(address)

    def heard(self, call: Call, profiles: tuple[str, ...]) -> Candidate:
        """It matches these profiles."""
        found = self._known.pop(call.address, None)
        if found is None:
            found = Candidate(profiles, first_at=call.at)
            if len(self._known) >= self._most:
                del self._known[next(iter(self._known))]
                self.crowded += 1
        found.profiles = profiles
        found.calls[call.adapter] = call
        found.ears[call.adapter] = self._listened(call.adapter)
        self._known[call.address] = found
        return found

    def drop(self, addresses: Collection[str]) -> None:
        """These are no candidates any more."""
        for address in addresses:
            self._known.pop(address, None)

    def age(self, now: float) -> None:
        """Drop what is gone."""
        for address, candidate in self:
            for adapter, call in list(candidate.calls.items()):
                listened = self._listened(adapter) - candidate.ears[adapter]
                if now - call.at >= OLD_S and listened >= LISTENED_S:
                    del candidate.calls[adapter], candidate.ears[adapter]
            if not candidate.calls:
                del self._known[address]
