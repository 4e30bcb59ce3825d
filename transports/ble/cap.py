"""How many links an adapter carries: configured, or learned from what it refused.

Common dongles carry three at once and fail at the fourth in ways that look like the
node's fault.  So one failure says little; what counts is that two different nodes, both
just heard, could not be connected to while so many links were open as never before.
"""

from collections.abc import Callable

_STRIKES = 2
"""Different nodes that must have failed at the same number of links."""


class Cap:
    """The most links at a time.

    Args:
        most: to begin with.
        learns: whether failures may lower it.
        changed: called with the new figure when it was lowered.
    """

    def __init__(self, most: int, *, learns: bool, changed: Callable[[int], None] = lambda _: None) -> None:
        self.most = most
        self.learns = learns
        self.carried = 0
        """The most that were ever open at one time."""
        self._changed = changed
        self._strikes: dict[int, set[str]] = {}

    def connected(self, links: int) -> None:
        """So many are open now, the newest included: so many it does carry."""
        self.carried = max(self.carried, links)
        for number in [number for number in self._strikes if number < links]:
            del self._strikes[number]

    def failed(self, address: str, links: int) -> None:
        """A node that is heard could not be connected to while so many others were open."""
        if not self.learns or not links or links < self.carried:
            return  # it has carried more than that
        struck = self._strikes.setdefault(links, set())
        struck.add(address)
        if len(struck) >= _STRIKES and links < self.most:
            self.most = links
            self._changed(links)
