"""The ways to nodes of Zigbee networks, and the networks themselves, kept open for whoever may speak.

A network is opened when the service starts, not when somebody wants a node of it: a sleepy node
speaks when it likes, and one that asks for the next block of an image must find somebody there.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial

from flashers.api import Reason
from gateway.service.zigbee.hearing import Hearing
from transports.errors import BadLink, NodeUnreachable, TenderError
from transports.links import LinkSpec
from transports.zcl import NodeFacts, Zcl, ZigbeeLink
from transports.zigbee.address import ieee_address
from transports.zigbee.errors import CoordinatorLost
from transports.zigbee.network import Network
from transports.zigbee.networks import Networks

log = logging.getLogger("tender.zigbee")

_AGAIN_FIRST_S, _AGAIN_LAST_S = 15.0, 300.0
"""Pauses before a network that could not be opened is tried again: doubled, to the last."""

Answer = Callable[[str, str, Zcl], Zcl | None]
"""(network, node's IEEE address, request) → what a node is told while no flasher is with it."""


class NotJoined(NodeUnreachable):
    """The node is none of this network's."""

    code = "zigbee-not-joined"
    remedy = "Let it join: `tender zigbee permit NETWORK`, then bring the node to look for a network."


class ZigbeeReach:
    """All ways over the Zigbee networks of one gateway."""

    def __init__(self, networks: Networks, hearing: Hearing) -> None:
        self.networks = networks
        self.hearing = hearing
        self._answer: Answer | None = None
        self._listeners: list[Callable[[], None]] = []
        self._watching: list[Callable[[], None]] = []
        self._attending: list[Callable[[str], None]] = []
        self._wanted: set[str] = set()
        self._opening: dict[str, asyncio.Task[None]] = {}
        self._trouble: dict[str, TenderError] = {}
        networks.listen(self._made)

    # The networks

    def stand_in(self, answer: Answer) -> None:
        """Who answers for nodes that no flasher is with; said before any network is opened."""
        self._answer = answer
        for network in self.networks.made.values():
            network.stand_in(partial(answer, network.name))

    def keep_open(self, names: Iterable[str]) -> None:
        """Open these networks, and go on trying; those that are open already stay so."""
        for name in names:
            if name not in self._opening and name not in self.networks.made:
                self._opening[name] = asyncio.create_task(self._open(name))

    def network(self, name: str) -> Network | None:
        """A network that was made."""
        return self.networks.made.get(name)

    def trouble(self, name: str) -> Reason | None:
        """Why a network cannot be used; None if it can, or is still being opened."""
        network = self.network(name)
        if network is None:
            error = self._trouble.get(name)
            return Reason(error.code, f"{error.message}.", error.what_to_do) if error is not None else None
        state = network.state
        if state.up or not state.trouble:
            return None
        text = f"The Zigbee network {name} is down: {state.trouble}."
        return Reason(CoordinatorLost.code, text, state.remedy or CoordinatorLost.remedy)

    def away(self, name: str) -> Reason | None:
        """The same, and while it is being opened."""
        network = self.network(name)
        if network is not None and network.state.up:
            return None
        opening = Reason(
            "zigbee-opening", f"The Zigbee network {name} is being opened.", "It begins after that."
        )
        return self.trouble(name) or opening

    async def aclose(self) -> None:
        """Try no more, and let go of the coordinators."""
        tasks = list(self._opening.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self.networks.aclose()

    # Their nodes

    def way(self, spec: LinkSpec, missing_after: float) -> "Way":
        """The way to one node.  Raises BadLink: the link has no address."""
        if spec.address is None:
            raise BadLink(f"{spec} names no node", remedy=f"Write {spec}#00:12:4b:00:1c:aa:bb:cc.")
        return Way(self, spec, missing_after)

    def facts(self, spec: LinkSpec) -> NodeFacts | None:
        """What its network knows of a node; None if it is none of it, or not made."""
        network = self.network(spec.target)
        if network is None or spec.address is None:
            return None
        return network.nodes().get(ieee_address(spec.address))

    def places(self, channel: str) -> int | None:
        """How many nodes are updated over this channel at one time; None if it is no network."""
        scheme, _, name = channel.partition(":")
        return self.networks.concurrent(name) if scheme == "zigbee" else None

    def listen(self, changed: Callable[[], None]) -> None:
        """Call ``changed`` when a node that waits may go on."""
        self._listeners.append(changed)

    def listen_states(self, changed: Callable[[], None]) -> None:
        """Call ``changed`` when a network came up or went down, or its nodes are others."""
        self._watching.append(changed)

    def attend(self, heard: Callable[[str], None]) -> None:
        """Call ``heard`` with the place of every node that gives a sign of life."""
        self._attending.append(heard)

    def want(self, place: str) -> None:
        """Somebody waits for this node, until :meth:`drop`."""
        self._wanted.add(place)

    def drop(self, place: str) -> None:
        """Nobody waits for it any more."""
        self._wanted.discard(place)

    def wants(self, place: str) -> bool:
        """Whether somebody waits for it."""
        return place in self._wanted

    def _made(self, network: Network) -> None:
        if self._answer is not None:
            network.stand_in(partial(self._answer, network.name))
        network.hear(partial(self._heard, network.name))
        network.changed(self._state_changed)
        network.wants_fast_poll(lambda ieee: self.wants(f"zigbee:{network.name}#{ieee}"))
        self._trouble.pop(network.name, None)
        self._state_changed()

    def _heard(self, name: str, ieee: str, frame: Zcl | None) -> None:
        del frame  # whatever it says, it is awake
        place = f"zigbee:{name}#{ieee}"
        self.hearing.sign(place)
        for heard in self._attending:
            heard(place)
        if place in self._wanted:
            self._changed()

    def _state_changed(self) -> None:
        for watcher in self._watching:
            watcher()
        self._changed()

    def _changed(self) -> None:
        for listener in self._listeners:
            listener()

    async def _open(self, name: str) -> None:
        pause = _AGAIN_FIRST_S
        try:
            while True:
                try:
                    await self.networks.get(name)
                except TenderError as error:
                    if name not in self._trouble:
                        log.warning("network=%s is not opened: %s: %s", name, error.code, error.message)
                    self._trouble[name] = error
                    self._state_changed()
                else:
                    return
                await asyncio.sleep(pause)
                pause = min(pause * 2, _AGAIN_LAST_S)
        finally:
            self._opening.pop(name, None)


class Way:
    """The way to one node; implements :class:`gateway.attempt.zigbee.ZigbeeWay`."""

    def __init__(self, reach: ZigbeeReach, spec: LinkSpec, missing_after: float) -> None:
        self._reach = reach
        self._missing_after = missing_after
        self._network = spec.target
        self._ieee = ieee_address(spec.address or "")
        self.place = place_of(spec)

    async def link(self) -> ZigbeeLink:
        """As in the contract."""
        network = await self._reach.networks.get(self._network)
        if not network.state.up:
            raise CoordinatorLost(
                f"the network {self._network} is down: {network.state.trouble or 'opening'}"
            )
        if self._ieee not in network.nodes():
            raise NotJoined(f"{self._ieee} is no node of the network {self._network}")
        return network.node(self._ieee)

    def away(self) -> str:
        """As in the contract."""
        reason = self._reach.away(self._network)
        return reason.message if reason is not None else ""

    def heard(self) -> None:
        """As in the contract."""
        self._reach.hearing.sign(self.place)

    def missed(self) -> str:
        """As in the contract."""
        self._reach.hearing.missed(self.place)
        return f"does not answer, and {self.words()}"

    def words(self) -> str:
        """As in the contract."""
        return self._reach.hearing.words(self.place)

    def overdue(self) -> bool:
        """As in the contract."""
        return self._reach.hearing.overdue(self.place, self._missing_after)


def place_of(spec: LinkSpec) -> str:
    """A node by its network and address, without options."""
    address = spec.address or ""
    with suppress(BadLink):
        address = ieee_address(address)
    return f"{spec.channel}#{address}"
