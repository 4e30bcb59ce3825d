"""What nodes that pull are told while no flasher is with them.

A node in mid-image that is told to stop throws away what it has, and one that hears nothing tries
again.  So nothing here ever ends a transfer: the plugin of the node's type is asked, which
knows the protocol and has no state, and whatever goes wrong is silence.
"""

import logging
from collections.abc import Callable

from gateway.service.site import Site
from gateway.service.zigbee.whereabouts import Whereabouts
from transports.zcl import Zcl

log = logging.getLogger("tender.zigbee")

_NOTES_OF_ONE, _NOTES_MOST = 4, 1000
"""How many different odd things are said of one node, and of all of them, in one life of the service."""


class StandingIn:
    """Answers requests of nodes that nobody listens to.

    Args:
        site: whose nodes.
        whereabouts: which node is where.
        due: whether an attempt is open on a node, or a wounded node waits for one.
        asks: called with a node that is awake and asks for firmware.
    """

    def __init__(
        self,
        site: Site,
        whereabouts: Whereabouts,
        due: Callable[[str], bool],
        asks: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._site = site
        self._whereabouts = whereabouts
        self._due = due
        self._asks = asks
        self._noted: dict[str, set[str]] = {}

    def answer(self, network: str, ieee: str, request: Zcl) -> Zcl | None:
        """What the node is told; None says nothing, which is always safe."""
        place = f"zigbee:{network}#{ieee}"
        node = self._whereabouts.node_at(place)
        if node is None:
            self._note(
                place, f"asks for firmware, and is no node of this gateway (command {request.command})"
            )
            return None
        try:
            plugin = self._site.node_types.get(self._site.nodes[node].profile).plugin
            if plugin.unattended is None:
                return None
            told = plugin.unattended(request, self._due(node))
        except Exception as error:  # noqa: BLE001 - a plugin's bug, or a frame that nobody thought of: silence
            self._note(node, f"could not be answered: {error!r}")
            return None
        if told.note:
            self._note(node, told.note)
        if told.wants:
            self._asks(node)
        return told.answer

    def _note(self, who: str, text: str) -> None:
        """Odd things are said once: a node may repeat itself for years."""
        noted = self._noted.setdefault(who, set()) if len(self._noted) < _NOTES_MOST else self._noted.get(who)
        if noted is None or text in noted or len(noted) >= _NOTES_OF_ONE:
            return
        noted.add(text)
        log.warning("node=%s %s", who, text)
