"""One node of a network that zigbee2mqtt owns: read by raw frames through it, updated by it.

Reading goes by its request ``action`` of the kind ``raw``, which hands the node's own frame back, so
what is read is what the node said just now and not what somebody remembers.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateway.upstream.guest.broker import Conversation
from gateway.upstream.guest.settings import GuestTable
from transports.errors import LinkError, LinkLost, NodeUnreachable
from transports.zcl import AttributeValue, Hosted, NodeFacts, Zcl
from transports.zigbee.attributes import READ, READ_RESPONSE, answered
from transports.zigbee.errors import BadFrame, HostRefused, NotOurs

_SLACK_S = 5.0
"""What zigbee2mqtt may take beyond the node's own time to answer."""
_STEP_S = 150.0
"""How long it waits for a node's next request by itself (its ``image_block_request_timeout``)."""
_QUIET_S = 3 * _STEP_S + 300.0
"""Without any word from it for so long a transfer is given up: it also waits for the node to come back."""
_BUSY = "already in progress"


class GuestLink:
    """Implements :class:`transports.zcl.ZigbeeLink` as far as a guest can, and :class:`Hosted`."""

    def __init__(
        self, conversation: Conversation, table: GuestTable, facts: Callable[[], NodeFacts], told: "Updates"
    ) -> None:
        self._conversation = conversation
        self._table = table
        self._facts = facts
        self._told = told
        self._closed = asyncio.Event()

    @property
    def facts(self) -> NodeFacts:
        """As in the contract."""
        return self._facts()

    @property
    def hosted(self) -> Hosted:
        """As :func:`transports.zcl.hosted` has it."""
        return self

    async def read(
        self,
        cluster: int,
        attributes: Sequence[int],
        *,
        endpoint: int,
        client: bool = False,
        manufacturer: int | None = None,
        within: float,
    ) -> Mapping[int, AttributeValue]:
        """As in the contract."""
        values: dict[int, AttributeValue] = {}
        left, one_by_one = list(attributes), False
        while left:
            names = left[:1] if one_by_one else left
            frame = await self._read(cluster, names, endpoint, manufacturer, within, client=client)
            found, absent = answered(frame.payload)
            told = [name for name in names if name in found or name in absent]
            values.update(found)
            # An answer may be cut short: what was not said is asked for by itself, and then is not there.
            left = [name for name in left if name not in told and not (one_by_one and name in names)]
            one_by_one = True
        return values

    async def _read(
        self,
        cluster: int,
        attributes: Sequence[int],
        endpoint: int,
        manufacturer: int | None,
        within: float,
        *,
        client: bool,
    ) -> Zcl:
        facts = self.facts
        zcl: dict[str, Any] = {
            "frame_type": 0,
            "direction": 1 if client else 0,
            "disable_default_response": True,
            "command_key": "read",
            "payload": [{"attrId": each} for each in attributes],
        }
        if manufacturer is not None:
            zcl["manufacturer_code"] = manufacturer
        params = {
            "ieee_address": f"0x{facts.ieee.replace(':', '')}",
            "network_address": facts.nwk,
            "dst_endpoint": endpoint,
            "cluster_key": cluster,
            "zcl": zcl,
            "timeout": round(within * 1000),
        }
        try:
            said = await self._conversation.request(
                "action", {"action": "raw", "params": params}, within=within + _SLACK_S
            )
        except HostRefused as error:
            # It does not tell a node that is away from one that it could not send to.
            raise NodeUnreachable(error.message) from error
        data = said.get("data") if isinstance(said, dict) else None
        raw = data.get("data") if isinstance(data, dict) else data
        try:
            frame = Zcl.decode(bytes(raw or ()), cluster=cluster, endpoint=endpoint)
        except (BadFrame, TypeError, ValueError) as error:
            raise NodeUnreachable(f"zigbee2mqtt handed back no frame: {error}") from error
        if not frame.general or frame.command != READ_RESPONSE:
            raise NodeUnreachable(f"the node answered a read with command 0x{frame.command:02x}")
        return frame

    # A host alone sends, and hears

    async def ask(self, frame: Zcl, *, within: float) -> Zcl:
        """As in the contract, for reading alone."""
        if not frame.general or frame.command != READ:
            raise NotOurs("a guest only reads")
        names = [
            int.from_bytes(frame.payload[at : at + 2], "little") for at in range(0, len(frame.payload), 2)
        ]
        return await self._read(
            frame.cluster, names, frame.endpoint, frame.manufacturer, within, client=frame.to_client
        )

    async def send(self, frame: Zcl, *, acknowledged: bool) -> float:
        """As in the contract; a guest sends nothing."""
        del frame, acknowledged
        raise NotOurs("a guest only reads")

    async def bindings(self, *, within: float) -> tuple[str, ...]:
        """As in the contract; zigbee2mqtt alone asks for them."""
        del within
        raise NotOurs("a guest only reads attributes")

    def listen(self, cluster: int) -> None:
        """As in the contract; nothing comes."""
        del cluster

    async def heard(self) -> Zcl:
        """As in the contract; nothing comes before the link is closed."""
        await self._closed.wait()
        raise LinkLost("the link was closed")

    async def aclose(self) -> None:
        """As in the contract."""
        self._closed.set()

    # Updates

    async def upgrade(
        self, image: bytes, name: str, *, older: bool, progress: Callable[[float], None]
    ) -> None:
        """As in the contract."""
        await self._until_idle(progress)
        words: dict[str, Any] = {
            "id": f"0x{self.facts.ieee.replace(':', '')}",
            "hex": {"data": image.hex(), "file_name": name},
        }
        if self._table.response_delay is not None:
            words["image_block_response_delay"] = self._table.response_delay
        if self._table.block_size is not None:
            words["default_maximum_data_size"] = self._table.block_size
        place = f"device/ota_update/update{'/downgrade' if older else ''}"
        asked = asyncio.ensure_future(self._conversation.request(place, words, within=86_400.0))
        try:
            while not asked.done():
                news = asyncio.ensure_future(self._told.next())
                await asyncio.wait({asked, news}, timeout=_QUIET_S, return_when=asyncio.FIRST_COMPLETED)
                if not news.done() and not asked.done():
                    raise HostRefused(f"zigbee2mqtt says nothing of the update for {_QUIET_S:g} s")
                if news.done() and self._told.percent is not None:
                    progress(self._told.percent)
                news.cancel()
            await asked
        except HostRefused as error:
            if _BUSY not in error.message:
                raise
            await self._until_idle(progress)
        finally:
            asked.cancel()

    async def _until_idle(self, progress: Callable[[float], None]) -> None:
        """Wait for a transfer that another life began: zigbee2mqtt goes on with it."""
        while self._told.state == "updating":
            try:
                async with asyncio.timeout(_QUIET_S):
                    await self._told.next()
            except TimeoutError:
                return  # what it said last is from before its own restart
            if self._told.percent is not None:
                progress(self._told.percent)

    async def abort(self) -> None:
        """As in the contract."""
        ieee = f"0x{self.facts.ieee.replace(':', '')}"
        try:
            await self._conversation.request("device/ota_update/update/abort", {"id": ieee}, within=10.0)
        except LinkError:
            return  # none was under way, or it has ended meanwhile


class Updates:
    """What zigbee2mqtt says of one node's update."""

    def __init__(self) -> None:
        self.state = ""
        self.percent: float | None = None
        self._news = asyncio.Event()

    def told(self, update: Mapping[str, Any]) -> None:
        """The ``update`` object of a state that was just published."""
        self.state = str(update.get("state") or "")
        found = update.get("progress")
        self.percent = float(found) if isinstance(found, int | float) else None
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def next(self) -> None:
        """Wait for the next word."""
        await self._news.wait()
