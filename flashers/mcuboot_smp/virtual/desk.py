"""Where a virtual node's requests wait: buffers, one hand that works, and answers on their way.

What is lost here is lost as on a small target: a request that finds no buffer, bytes
that arrive while the processor writes its flash.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from flashers.mcuboot_smp.codec import ConsoleDecoder, Message, encode_packet, max_packet
from flashers.mcuboot_smp.codec.stream import PacketDecoder
from flashers.mcuboot_smp.virtual.answers import Reply
from flashers.mcuboot_smp.virtual.options import NodeOptions
from flashers.mcuboot_smp.wire import CONSOLE_FRAMING

_BUSY = 10
"""MGMT_ERR_EBUSY."""


@dataclass(slots=True)
class Counts:
    """What tests ask about afterwards."""

    requests: int = 0
    dropped: int = 0
    boots: int = 0
    most_outstanding: int = 0


class Timers:
    """Everything that a node has set itself to do; a restart forgets it."""

    def __init__(self) -> None:
        self._running: set[asyncio.TimerHandle] = set()
        self._postponed: list[tuple[float, Callable[[], None]]] = []

    def later(self, seconds: float, what: Callable[[], None]) -> None:
        """Do it then; before any event loop runs, count from when one does."""
        handle: asyncio.TimerHandle

        def run() -> None:
            self._running.discard(handle)
            what()

        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._postponed.append((seconds, what))
            return
        handle = loop.call_later(seconds, run)
        self._running.add(handle)

    def begin(self) -> None:
        """An event loop runs now."""
        postponed, self._postponed = self._postponed, []
        for seconds, what in postponed:
            self.later(seconds, what)

    def forget(self) -> None:
        """Do nothing of it."""
        for timer in self._running:
            timer.cancel()
        self._running.clear()


class Desk:
    """Takes bytes, has each request carried out in its turn, and hands the answers over.

    ``carry_out`` returns None if the power failed meanwhile.
    """

    def __init__(
        self,
        options: NodeOptions,
        timers: Timers,
        counts: Counts,
        carry_out: Callable[[Message], Reply | None],
        answer: Callable[[Message, Reply], None],
    ) -> None:
        self.asked = False
        self._on_air = False
        self._options = options
        self._timers = timers
        self._counts = counts
        self._carry_out = carry_out
        self._answer = answer
        self._decoder: ConsoleDecoder | PacketDecoder = ConsoleDecoder()
        self._queue: deque[Message] = deque()
        self._outstanding = 0
        self._working = False

    def on_air(self) -> None:
        """What comes is no console: messages as values of a characteristic."""
        self._on_air = True
        self._decoder = PacketDecoder()

    def clear(self) -> None:
        """A restart: nothing waits any more."""
        self.asked = False
        self._decoder = PacketDecoder() if self._on_air else ConsoleDecoder()
        self._queue.clear()
        self._outstanding = 0
        self._working = False

    def receive(self, data: bytes) -> None:
        """Bytes from the line."""
        if self._options.loses_overlap and self._outstanding:
            self._counts.dropped += 1
            return
        for message in self._decoder.receive_data(data):
            if self._fits(message):
                self._take(message)

    def _fits(self, request: Message) -> bool:
        size, lines = len(encode_packet(request)), self._options.max_lines
        if size + (0 if self._on_air else CONSOLE_FRAMING) > self._options.buf_size:
            return False
        return lines is None or size <= max_packet(lines)

    def _take(self, request: Message) -> None:
        self._counts.requests += 1
        self.asked = True
        muted = self._options.mute_after
        if muted is not None and self._counts.requests > muted:
            return
        if self._outstanding >= self._options.buf_count:
            self._counts.dropped += 1
            return
        self._outstanding += 1
        self._counts.most_outstanding = max(self._counts.most_outstanding, self._outstanding)
        self._queue.append(request)
        if not self._working:
            self._work()

    def _work(self) -> None:
        """Carry out what waits, one after the other."""
        self._working = False
        while self._queue:
            request = self._queue.popleft()
            reply = Reply({"rc": _BUSY}) if self._is_busy() else self._carry_out(request)
            if reply is None:
                return
            pause = self._options.work + reply.takes
            if pause:
                self._working = True
                self._timers.later(pause, partial(self._worked, request, reply))
                return
            self._finish(request, reply)

    def _is_busy(self) -> bool:
        every = self._options.busy
        return every is not None and self._counts.requests % every == 0

    def _worked(self, request: Message, reply: Reply) -> None:
        self._finish(request, reply)
        self._work()

    def _finish(self, request: Message, reply: Reply) -> None:
        if self._options.latency:
            self._timers.later(self._options.latency, partial(self._hand_over, request, reply))
        else:
            self._hand_over(request, reply)

    def _hand_over(self, request: Message, reply: Reply) -> None:
        self._outstanding -= 1
        self._answer(request, reply)
