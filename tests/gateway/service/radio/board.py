"""A broker in memory for claims, in virtual time: it keeps what is retained, may be away, and takes its time.

Everything goes through the product's own talk; only the socket and the broker behind it
are ours.  As a real one does, it hands each subscriber what it took in that order.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from gateway.upstream.claims import ClaimDesk, ClaimTalk
from gateway.upstream.errors import UpstreamLost
from gateway.upstream.together import until_one_ends
from gateway.upstream.wire import Arrived

PREFIX = "tender-claims"
_AGAIN_S = 2.0


class Board:
    """The broker; ``latency`` is for one way, in seconds, by gateway."""

    def __init__(self) -> None:
        self.retained: dict[str, bytes] = {}
        self.latency: dict[str, float] = {}
        self.wires: set[BoardWire] = set()
        self.up = asyncio.Event()
        self.up.set()

    def go_down(self) -> None:
        """Nobody is connected any more, and nobody can connect."""
        self.up.clear()
        for wire in list(self.wires):
            wire.cut()

    def come_up(self, *, forgetful: bool = False) -> None:
        """As before; ``forgetful``: with nothing that it kept."""
        if forgetful:
            self.retained.clear()
        self.up.set()

    async def serve(self, gateway: str, desk: ClaimDesk) -> None:
        """Connect a gateway, and again whenever that ended; ends by cancellation."""
        while True:
            await self.up.wait()
            wire = BoardWire(self, self.latency.get(gateway, 0.05))
            talk = ClaimTalk(wire, desk, PREFIX, gateway)
            try:
                with suppress(UpstreamLost):
                    await until_one_ends(talk.run(), _listen(wire, talk))
            finally:
                wire.cut()
            await asyncio.sleep(_AGAIN_S)

    def accept(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """A message is taken, and handed on."""
        if retain:
            self.retained[topic] = payload
        for wire in self.wires:
            if wire.wants(topic):
                wire.deliver(Arrived(topic, payload, retained=False))


async def _listen(wire: "BoardWire", talk: ClaimTalk) -> None:
    async for arrived in wire.arrivals():
        assert talk.takes(arrived), arrived.topic


class _Taken:
    def __init__(self, done: "asyncio.Future[None]") -> None:
        self._done = done

    @property
    def taken(self) -> bool:
        return self._done.done() and not self._done.cancelled()

    async def wait(self) -> None:
        try:
            await asyncio.shield(self._done)
        except asyncio.CancelledError:
            if self._done.cancelled():
                raise UpstreamLost("cut off") from None
            raise


class BoardWire:
    """One connection; implements :class:`gateway.upstream.wire.Wire` as far as claims need it."""

    def __init__(self, board: Board, latency: float) -> None:
        self._board = board
        self._latency = latency
        self._topics: list[str] = []
        self._inbox: asyncio.Queue[Arrived | None] = asyncio.Queue()
        self._ended = False
        self._waiting: set[asyncio.Future[None]] = set()
        board.wires.add(self)

    packet_limit = 1 << 20
    session_present = False

    def wants(self, topic: str) -> bool:
        return any(topic.startswith(wanted.removesuffix("+")) for wanted in self._topics)

    def deliver(self, arrived: Arrived) -> None:
        asyncio.get_running_loop().call_later(self._latency, self._inbox.put_nowait, arrived)

    def cut(self) -> None:
        """What is under way either way is lost."""
        self._ended = True
        self._board.wires.discard(self)
        self._inbox = asyncio.Queue()
        self._inbox.put_nowait(None)
        for waiting in self._waiting:
            waiting.cancel()

    async def subscribe(self, topic: str) -> bool:
        await self._there_and_back(lambda: self._topics.append(topic))
        for kept, payload in list(self._board.retained.items()):
            if kept.startswith(topic.removesuffix("+")):
                self.deliver(Arrived(kept, payload, retained=True))
        return True

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> _Taken:
        if self._ended:
            raise UpstreamLost("cut off")
        return _Taken(self._send(lambda: self._board.accept(topic, payload, retain=retain)))

    def publish_once(self, topic: str, payload: bytes) -> bool:
        del topic, payload
        return False

    async def arrivals(self) -> AsyncIterator[Arrived]:
        while True:
            arrived = None if self._ended else await self._inbox.get()
            if arrived is None or self._ended:
                raise UpstreamLost("cut off")
            yield arrived

    def done(self, arrived: Arrived) -> None:
        del arrived

    async def disconnect(self) -> None:
        self.cut()

    async def _there_and_back(self, act: Callable[[], object]) -> None:
        await _Taken(self._send(act)).wait()

    def _send(self, act: Callable[[], object]) -> "asyncio.Future[None]":
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.add(done)
        done.add_done_callback(self._waiting.discard)

        def arrived() -> None:
            if not self._ended:
                act()
                loop.call_later(self._latency, lambda: None if done.done() else done.set_result(None))

        loop.call_later(self._latency, arrived)
        return done
