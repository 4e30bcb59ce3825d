"""A broker and whoever listens behind it, in virtual time: QoS 1 as it is, with losses and doubles.

It carries the gateway's own conversation (:class:`gateway.upstream.wire.Wire`), so
what arrives here are the bytes that a real broker would have got.
"""

import asyncio
import json
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from gateway.upstream.errors import UpstreamError, UpstreamLost
from gateway.upstream.settings import MqttSettings
from gateway.upstream.wire import Arrived

_ACK_S = 0.02
_PACKET = 1 << 20

Heard = Callable[[str, dict[str, Any], bool], None]
"""A topic, what was published there, and whether it is retained."""


class Broker:
    """One broker; ``heard`` is called for whatever reaches it, doubles too."""

    def __init__(self, heard: Heard, chance: Random) -> None:
        self.up = True
        self.flaky = 0.0
        """The share of messages at which the connection breaks, half of them after it was delivered."""
        self.breaks = 0
        self._heard = heard
        self._chance = chance
        self._wires: list[_Wire] = []
        self._desired: bytes | None = None
        self._commands: OrderedDict[int, bytes] = OrderedDict()
        self._number = 0
        self._prefix = ""

    # What people do

    def want(self, desired: dict[str, Any]) -> None:
        """Publish what is wanted, retained."""
        self._desired = json.dumps(desired).encode()
        for wire in self._wires:
            wire.arrive("desired", self._desired, retained=False, handle=None)

    def command(self, command: dict[str, Any]) -> None:
        """Publish a command; it is kept for a gateway that is away."""
        self._number += 1
        self._commands[self._number] = json.dumps(command).encode()
        for wire in self._wires:
            wire.arrive("command", self._commands[self._number], retained=False, handle=self._number)

    def go_away(self) -> None:
        """It is down, or the way to it is."""
        self.up = False
        self.cut()

    def come_back(self) -> None:
        """It is there again, with what it had."""
        self.up = True

    def cut(self) -> None:
        """Every connection ends."""
        for wire in list(self._wires):
            wire.lose()

    # What the gateway does

    @asynccontextmanager
    async def connect(
        self, settings: MqttSettings, client_id: str, will_topic: str, will: bytes
    ) -> AsyncIterator["_Wire"]:
        """A connection; as :data:`gateway.upstream.keeping.Connect`."""
        await asyncio.sleep(_ACK_S)
        if not self.up:
            raise UpstreamError("nobody answers")
        self._prefix = will_topic.rsplit("/", 1)[0]
        wire = _Wire(self)
        self._wires.append(wire)
        try:
            yield wire
        finally:
            wire.lose()

    def subscribed(self, wire: "_Wire", topic: str) -> None:
        """Give what was kept."""
        name = topic.removeprefix(f"{self._prefix}/")
        if name == "desired" and self._desired is not None:
            wire.arrive("desired", self._desired, retained=True, handle=None)
        if name == "command":
            for number, payload in self._commands.items():
                wire.arrive("command", payload, retained=False, handle=number)

    def taken(self, topic: str, payload: bytes, *, retain: bool) -> bool:
        """A message is under way: whether it is acknowledged.  If not, the connection breaks."""
        fate = self._chance.random()
        lost = fate < self.flaky
        if not lost or fate < self.flaky / 2:
            self._heard(topic.removeprefix(f"{self._prefix}/"), json.loads(payload), retain)
        self.breaks += lost
        return not lost

    def written_off(self, handle: int) -> None:
        """The gateway has done a command."""
        self._commands.pop(handle, None)

    def closed(self, wire: "_Wire") -> None:
        """A connection is gone."""
        if wire in self._wires:
            self._wires.remove(wire)

    def topic(self, name: str) -> str:
        """A topic below the gateway's own."""
        return f"{self._prefix}/{name}"


class _Receipt:
    """A message under way."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def taken(self) -> bool:
        """As in the contract."""
        return self.answer.done() and not self.answer.cancelled() and self.answer.exception() is None

    async def wait(self) -> None:
        """As in the contract."""
        await asyncio.shield(self.answer)


class _Wire:
    """An open connection; :class:`gateway.upstream.wire.Wire`."""

    packet_limit = _PACKET
    session_present = True

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._open = True
        self._under_way: list[_Receipt] = []
        self._arrived: asyncio.Queue[Arrived | None] = asyncio.Queue()

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> _Receipt:
        """As in the contract."""
        self._check()
        receipt = _Receipt()
        self._under_way.append(receipt)
        if self._broker.taken(topic, payload, retain=retain):
            asyncio.get_running_loop().call_later(_ACK_S, self._acknowledge, receipt)
        else:
            self.lose()
        return receipt

    def publish_once(self, topic: str, payload: bytes) -> bool:
        """As in the contract."""
        return self._open and self._broker.taken(topic, payload, retain=False)

    async def subscribe(self, topic: str) -> bool:
        """As in the contract."""
        self._check()
        self._broker.subscribed(self, topic)
        return True

    async def arrivals(self) -> AsyncIterator[Arrived]:
        """As in the contract."""
        while True:
            arrived = await self._arrived.get()
            if arrived is None:
                raise UpstreamLost("the connection is gone")
            yield arrived

    def done(self, arrived: Arrived) -> None:
        """As in the contract."""
        if self._open and arrived.handle is not None:
            self._broker.written_off(arrived.handle)

    async def disconnect(self) -> None:
        """As in the contract."""
        self.lose()

    # What the broker does

    def arrive(self, name: str, payload: bytes, *, retained: bool, handle: int | None) -> None:
        """A message for the gateway."""
        self._arrived.put_nowait(Arrived(self._broker.topic(name), payload, retained, handle))

    def lose(self) -> None:
        """The connection ends; what is under way may have arrived or not."""
        if not self._open:
            return
        self._open = False
        self._broker.closed(self)
        for receipt in self._under_way:
            if not receipt.answer.done():
                receipt.answer.set_exception(UpstreamLost("the connection is gone"))
                receipt.answer.exception()  # whoever still waits gets it; nobody has to
        self._under_way.clear()
        self._arrived.put_nowait(None)

    def _acknowledge(self, receipt: _Receipt) -> None:
        if self._open and not receipt.answer.done():
            receipt.answer.set_result(None)
            self._under_way.remove(receipt)

    def _check(self) -> None:
        if not self._open:
            raise UpstreamLost("the connection is gone")
