"""A network that zigbee2mqtt owns, as any other network of this gateway: nodes, who is heard, how it is."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from gateway.upstream.guest.broker import Conversation
from gateway.upstream.guest.link import GuestLink, Updates
from gateway.upstream.guest.listed import Listed, heard_at, read
from gateway.upstream.guest.settings import GuestTable
from transports.errors import NodeUnreachable
from transports.zcl import NodeFacts, Zcl, ZigbeeLink
from transports.zigbee.errors import CoordinatorLost, NotOurs
from transports.zigbee.network import NetworkState, StandIn

log = logging.getLogger("tender.guest")

_ASK_S = 30.0
_INTERVIEW_S = 120.0


class GuestNetwork:
    """Implements :class:`transports.zigbee.network.Network`; what only an owner may do it refuses."""

    def __init__(self, name: str, table: GuestTable, client_id: str) -> None:
        self._name = name
        self._table = table
        self._conversation = Conversation(table.mqtt, table.base_topic, client_id, self._told)
        self._nodes: dict[str, Listed] = {}
        self._friendly: dict[str, str] = {}
        self._updates: dict[str, Updates] = {}
        self._online = False
        self._info: Mapping[str, Any] = {}
        self._hearing: set[Callable[[str, Zcl | None], None]] = set()
        self._changed: set[Callable[[], None]] = set()
        self._task = asyncio.create_task(self._conversation.run())

    @property
    def name(self) -> str:
        """As in the contract."""
        return self._name

    @property
    def state(self) -> NetworkState:
        """As in the contract."""
        trouble = self._conversation.trouble
        if not trouble and not self._online:
            trouble = f"zigbee2mqtt is not online below {self._table.base_topic}"
        network = _table(self._info.get("network"))
        coordinator = _table(self._info.get("coordinator"))
        return NetworkState(
            up=not trouble,
            trouble=trouble,
            channel=_number(network.get("channel")),
            pan_id=_number(network.get("pan_id")),
            extended_pan_id=_text(network.get("extended_pan_id")),
            coordinator=_text(coordinator.get("ieee_address")),
            firmware=" ".join(filter(None, ("zigbee2mqtt", _text(self._info.get("version"))))),
        )

    def node(self, ieee: str) -> ZigbeeLink:
        """As in the contract."""
        if ieee not in self._nodes:
            raise NodeUnreachable(f"zigbee2mqtt lists no node {ieee}")
        updates = self._updates.setdefault(ieee, Updates())
        return GuestLink(self._conversation, self._table, lambda: self._known(ieee), updates)

    def _known(self, ieee: str) -> NodeFacts:
        found = self._nodes.get(ieee)
        return found.facts if found is not None else NodeFacts(ieee, 0, interviewed=False)

    def nodes(self) -> Mapping[str, NodeFacts]:
        """As in the contract."""
        return {ieee: node.facts for ieee, node in self._nodes.items()}

    def stand_in(self, answer: StandIn) -> None:
        """Zigbee2mqtt answers its nodes; nobody here is asked."""

    def wants_fast_poll(self, wants: Callable[[str], bool]) -> None:
        """Zigbee2mqtt answers check-ins."""

    def hear(self, listener: Callable[[str, Zcl | None], None]) -> Callable[[], None]:
        """As in the contract; frames are not handed on, only that somebody was heard."""
        self._hearing.add(listener)
        return lambda: self._hearing.discard(listener)

    def changed(self, listener: Callable[[], None]) -> Callable[[], None]:
        """As in the contract."""
        self._changed.add(listener)
        return lambda: self._changed.discard(listener)

    async def permit(self, seconds: float, *, through: str | None = None) -> None:
        """As in the contract."""
        words: dict[str, Any] = {"time": round(seconds)}
        if through is not None:
            words["device"] = f"0x{through.replace(':', '')}"
        await self._conversation.request("permit_join", words, within=_ASK_S)

    async def interview(self, ieee: str) -> NodeFacts:
        """As in the contract."""
        words = {"id": f"0x{ieee.replace(':', '')}"}
        await self._conversation.request("device/interview", words, within=_INTERVIEW_S)
        return self._known(ieee)

    async def remove(self, ieee: str) -> None:
        """As in the contract; a guest throws nobody out."""
        raise NotOurs(f"{ieee} is a node of zigbee2mqtt's")

    async def aclose(self) -> None:
        """As in the contract."""
        self._task.cancel()
        await asyncio.wait({self._task})

    async def until_listed(self, within: float) -> None:
        """Wait until zigbee2mqtt has said who its nodes are.

        Raises:
            CoordinatorLost: it did not in time; it goes on listening.
        """
        listed = asyncio.Event()
        forget = self.changed(lambda: listed.set() if self.state.up and self._nodes else None)
        try:
            async with asyncio.timeout(within):
                await listed.wait()
        except TimeoutError:
            raise CoordinatorLost(self.state.trouble or "zigbee2mqtt lists no nodes") from None
        finally:
            forget()

    # What it says

    def _told(self, place: str, body: Any, retained: bool) -> None:
        match place:
            case "":
                self._news()
            case "bridge/state":
                self._online = body == "online" or _table(body).get("state") == "online"
                self._news()
            case "bridge/info":
                self._info = _table(body)
                self._news()
            case "bridge/devices":
                self._listed(read(body))
            case "bridge/event":
                self._heard_of(str(_table(_table(body).get("data")).get("ieee_address") or ""))
            case _:
                if not place.startswith("bridge/"):
                    self._state_of(place, _table(body), retained=retained)

    def _listed(self, nodes: dict[str, Listed]) -> None:
        now = {ieee: old.facts.last_heard for ieee, old in self._nodes.items()}
        self._nodes = {
            ieee: heard_at(node, last) if (last := now.get(ieee)) is not None else node
            for ieee, node in nodes.items()
        }
        self._friendly = {node.friendly: ieee for ieee, node in nodes.items()}
        self._news()

    def _heard_of(self, address: str) -> None:
        digits = address.removeprefix("0x").lower()
        found = next((ieee for ieee in self._nodes if ieee.replace(":", "") == digits), None)
        if found is not None:
            self._sign(found)

    def _state_of(self, friendly: str, body: Mapping[str, Any], *, retained: bool) -> None:
        ieee = self._friendly.get(friendly)
        if ieee is None or not body:
            return
        update = body.get("update")
        if isinstance(update, Mapping):
            self._updates.setdefault(ieee, Updates()).told(update)
        # What zigbee2mqtt says of an update it says by itself, also while the node is away.
        if not retained and set(body) - {"update", "update_available", "last_seen", "linkquality"}:
            self._sign(ieee)

    def _sign(self, ieee: str) -> None:
        self._nodes[ieee] = heard_at(self._nodes[ieee], asyncio.get_running_loop().time())
        for listener in list(self._hearing):
            listener(ieee, None)

    def _news(self) -> None:
        for listener in list(self._changed):
            listener()


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
