"""One node at a time per adapter where loaders cannot be told apart.

Two nodes that both call themselves ``DfuTarg`` at addresses that nobody could know are
one node to us.  So the second one is not sent there before the first is back, and one
that never came back keeps its place for as long as anything is heard that may be it.
"""

from collections.abc import Callable

from flashers.api import Reason
from gateway.service.adapters.callings import Callings


class LoaderPlaces:
    """Who may be in its loader, by adapter.

    Args:
        callings: who was sent there and was not seen back.
        haunted: whether anything is heard that may be the node which went there from a place.
        changed: called when a place became free.
    """

    def __init__(
        self, callings: Callings, haunted: Callable[[str], bool], changed: Callable[[], None]
    ) -> None:
        self._callings = callings
        self._haunted = haunted
        self._changed = changed
        self._held: dict[str, str] = {}

    def take(self, channel: str, place: str) -> bool:
        """Have it for the node at this place; True if that is so now."""
        if self.holder(channel, but=place) is not None:
            return False
        self._held[channel] = place
        return True

    def give_back(self, channel: str, place: str) -> None:
        """Its attempt has ended; a node that did not come back keeps it, see above."""
        if self._held.get(channel) == place:
            del self._held[channel]
            self._changed()

    def holder(self, channel: str, *, but: str = "") -> str | None:
        """Whose place it is."""
        held = self._held.get(channel)
        if held is not None and held != but:
            return held
        for place in sorted(self._callings.away):
            if place != but and place.startswith(f"{channel}#") and self._haunted(place):
                return place
        return None

    def reason(self, channel: str, place: str) -> Reason | None:
        """Why the node at this place may not go to its loader now."""
        holder = self.holder(channel, but=place)
        if holder is None:
            return None
        text = f"The node at {holder} may be in its loader, which cannot be told from this one's."
        return Reason("loader-taken", text, "It has its turn when that one is back.")
