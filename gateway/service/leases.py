"""Who holds which link.  One at a time, in the order of asking; waiting holds nothing."""

from collections.abc import Mapping
from dataclasses import dataclass

from flashers.api import Reason


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to a link, for a node's attempt or for a look at it."""

    channel: str
    holder: str


class Leases:
    """The links that are held now."""

    def __init__(self, per_link: int = 1) -> None:
        self._per_link = per_link
        self._held: dict[str, list[Lease]] = {}

    def take(self, channel: str, holder: str) -> Lease | None:
        """The lease, or None if the link is held."""
        held = self._held.setdefault(channel, [])
        if len(held) >= self._per_link:
            return None
        lease = Lease(channel, holder)
        held.append(lease)
        return lease

    def give_back(self, lease: Lease) -> None:
        """Let the next one have it."""
        held = self._held.get(lease.channel, [])
        if lease in held:
            held.remove(lease)

    def reason(self, channel: str) -> Reason | None:
        """Why the link cannot be had now."""
        held = self._held.get(channel, [])
        if len(held) < self._per_link:
            return None
        holders = ", ".join(lease.holder for lease in held)
        return Reason(
            "link-busy", f"{channel} is held for {holders}.", "It is given back when that has ended."
        )

    @property
    def held(self) -> Mapping[str, tuple[Lease, ...]]:
        """Everything that is held."""
        return {channel: tuple(leases) for channel, leases in self._held.items() if leases}
