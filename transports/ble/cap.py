"""How many links an adapter carries: configured, or learned from what it refused.

Common dongles carry three at once and fail at the fourth in ways that look like the
node's fault.  So one failure says little; what counts is that two different nodes, both
just heard, could not be connected to while so many links were open as never before.

What was learned may be wrong, or of another time: the air was full, the dongle was another.
So one link more is tried again when the adapter has carried what it may for long and often,
and given up at the first failure, for twice as long each time.
"""

from collections.abc import Callable

_STRIKES = 2
"""Different nodes that must have failed at the same number of links."""
_OFTEN = 20
"""Connects up to the cap itself, after which one more is thought of."""
_DAY = 86_400.0
AGAIN_S = _DAY
"""Seconds after which one more is tried; twice as long after each time that it failed."""
_LONGEST_S = 32 * _DAY


class Cap:
    """The most links at a time.

    Args:
        most: to begin with.
        learns: whether failures may lower it.
        changed: called with the new figure when it was lowered, or raised again.
        ceiling: how far it may rise again; ``most`` if left out.
        now: tells the time in seconds; without one it never rises.
    """

    def __init__(
        self,
        most: int,
        *,
        learns: bool,
        changed: Callable[[int], None] = lambda _: None,
        ceiling: int | None = None,
        now: Callable[[], float] | None = None,
    ) -> None:
        self.most = most
        self.learns = learns
        self.carried = 0
        """The most that were ever open at one time."""
        self._changed = changed
        self._ceiling = most if ceiling is None else ceiling
        self._now = now
        self._strikes: dict[int, set[str]] = {}
        self._since: float | None = None
        """Since when the cap is what it is, as far as this process knows."""
        self._wait = AGAIN_S
        self._full = 0
        self._trying = False
        """One more than is known to be carried is allowed just now."""

    def connected(self, links: int) -> None:
        """So many are open now, the newest included: so many it does carry."""
        self.carried = max(self.carried, links)
        for number in [number for number in self._strikes if number < links]:
            del self._strikes[number]
        if self._now is None or not self.learns or (self.most >= self._ceiling and not self._trying):
            return
        if links >= self.most:
            if self._trying:
                self._trying, self._full, self._since = False, 0, self._now()
            self._full += 1
        self._try_more(self._now())

    def failed(self, address: str, links: int) -> None:
        """A node that is heard could not be connected to while so many others were open."""
        if not self.learns or not links or links < self.carried:
            return  # it has carried more than that
        if self._trying and links == self.most - 1:
            self._wait = min(2 * self._wait, _LONGEST_S)
            self._lower(links)
            return
        struck = self._strikes.setdefault(links, set())
        struck.add(address)
        if len(struck) >= _STRIKES and links < self.most:
            self._lower(links)

    def _lower(self, links: int) -> None:
        self._trying, self._full = False, 0
        self._since = self._now() if self._now is not None else None
        self.most = links
        self._changed(links)

    def _try_more(self, now: float) -> None:
        if self._since is None:
            self._since = now
        due = self._full >= _OFTEN and now - self._since >= self._wait
        if due and not self._trying and self.most < self._ceiling:
            self._trying, self._full = True, 0
            self._strikes.clear()
            self.most += 1
            self._changed(self.most)
