"""Notice nodes that are looked for, in whatever is heard anyway.

A node that was left wounded is looked at more and more rarely while it does not answer.
Somebody listens now and then all the same, for candidates or for another node; who is
heard then may be looked at at once.  Nobody listens a second longer for that.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from flashers.api import Role
from gateway.service.adapters.hearing import adapter_of, fits
from gateway.service.adapters.reach import Reach

if TYPE_CHECKING:
    from transports.ble.adapter import Adapter, Sighting


class Overhearing:
    """Takes part in every scan of every adapter.

    Args:
        reach: how nodes are called, and the adapters.
        heard: called with a node's name each time that it is heard.
    """

    def __init__(self, reach: Reach, heard: Callable[[str], None]) -> None:
        self._reach = reach
        self._heard = heard
        self._wanted: dict[str, str] = {}
        reach.adapters.listen(self._made)

    def look_out(self, places: Mapping[str, str]) -> None:
        """From now on these are looked for: nodes by their places."""
        self._wanted = dict(places)

    def _made(self, adapter: "Adapter") -> None:
        adapter.attend(lambda sighting: self._look(adapter.name, sighting))

    def _look(self, adapter: str, sighting: "Sighting") -> None:
        reach = self._reach
        for place, node in self._wanted.items():
            its_own = reach.adapters.named(adapter_of(place)) == adapter
            if its_own and fits(reach.calls(place, Role.UNKNOWN), sighting):
                self._heard(node)
