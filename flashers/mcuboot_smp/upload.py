"""Send an image, several pieces at a time, to a node that decides what comes next.

Source: Zephyr documentation, "Image upload" (group 1, command 1).  The first
request carries offset 0, the length and a hash of the whole; a node that was
interrupted in this very upload answers with the offset where it stopped, any other
begins anew.  Every answer names the offset that the node wants next, and that is
what it gets.

Every link keeps the order, so an answer also says that whatever was sent before its
request has been read or lost.  That is how a loss is noticed at the next answer,
without waiting for a timer.

A radio loses nothing while it is connected, and everything that is under way when it is
not any more.  Then the node is connected to again and asked to go on, in the same transfer.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from math import inf

from flashers.api import NodeSilent, ProtocolError, Stalled
from flashers.mcuboot_smp.codec import Group, ImageCommand, Message, Op, said_no
from flashers.mcuboot_smp.errors import transfer_refused
from flashers.mcuboot_smp.pieces import Buffers, Pieces
from flashers.mcuboot_smp.requests import Requests
from flashers.mcuboot_smp.window import Window
from transports.errors import LinkLost

_RESTARTS = 3
"""Times that a node may forget the whole upload before the transfer is given up."""
_SMALL_AFTER = 3
"""Unanswered sendings of a large message after which small ones are tried."""
_SHORTEST_RESEND = 0.2
"""Seconds; a node may pause for an erase now and then."""
_RECONNECTS = 5
"""Connections to a node behind a radio that may be lost one after the other without any headway."""
_RENEW_AFTER = 2
"""Unanswered sendings after which a connection is ended, since its server may have lost the thread."""
_IDLE_ANSWERS = 500
"""Answers without headway after which it is no use going on, however quickly they come."""
_ANSWER = (Op.WRITE_ANSWER, Group.IMAGE, ImageCommand.UPLOAD)


@dataclass(frozen=True, slots=True)
class Ended:
    """How an upload ended.

    ``matches`` is what the node says of its flash, if it looked.  ``sure`` False: the
    last answer was lost, and the node's image list has to tell.
    """

    sure: bool = True
    matches: bool | None = None


@dataclass(slots=True)
class _Sent:
    """A request that has no answer yet."""

    sequence: int
    start: int
    end: int
    packet: bytes
    at: float
    stale: bool = False


class Upload:
    """One image on its way into one node; :meth:`run` is called once."""

    def __init__(self, requests: Requests, data: bytes, image: int, buffers: Buffers) -> None:
        self.requests = requests
        self.window = Window((buffers.count or 2) - 1, lossless=requests.wire.reconnects)
        self._pieces = Pieces(data, image, buffers, requests.params, requests.wire)
        self._total = len(data)
        self._proved = self._pieces.large == self._pieces.small
        self._waiting: deque[_Sent] = deque()
        self._next = 0
        self._taken = 0
        self._all_sent = False
        self._restarts = 0
        self._unanswered = 0
        self._idle = 0
        self._disconnects = 0
        self._round_trip: float | None = None
        self._deviation = 0.0
        self._headway = 0.0
        self._heard = -inf
        self._loop = asyncio.get_running_loop()

    async def run(self) -> Ended:
        """Send until the node has everything.

        Raises:
            TransferRefused: the node will not have this image.
            NodeSilent, Stalled: no headway for the profile's ``stall_timeout``.
            LinkError: the link was lost; calling again goes on where the node stopped.
        """
        self._headway = self._loop.time()
        while True:
            try:
                await self._fill()
                ended = self._judge(await self.requests.receive(self._deadline()))
                if ended is not None:
                    return ended
                now = self._loop.time()
                if self._waiting and now >= self._deadline():
                    await self._resend(now)
            except LinkLost:
                if not self._may_reconnect():
                    raise
                now = self._loop.time()
            if now - self._headway > self.requests.params.stall_timeout or self._idle > _IDLE_ANSWERS:
                raise self._stalled()

    def _may_reconnect(self) -> bool:
        """Go on from what the node has acknowledged; it says by itself where it really stands."""
        self._waiting.clear()
        self._next = self._taken
        self._disconnects += 1
        return self.requests.wire.reconnects and self._disconnects <= _RECONNECTS

    # Sending

    async def _fill(self) -> None:
        """Send as much as the window allows; alone, while it is not known where the node stands."""
        while self._next < self._total and len(self._waiting) < self.window.limit:
            fresh = sum(not sent.stale for sent in self._waiting)
            if fresh >= self.window.size or (fresh and self._waiting[-1].start == 0):
                return
            sent = self._piece(self._next)
            self._waiting.append(sent)
            self._next = sent.end
            self._all_sent = self._all_sent or sent.end == self._total
            await self._send(sent)

    def _piece(self, start: int) -> _Sent:
        sequence = self.requests.next_sequence()
        end, packet = self._pieces.request(sequence, start)
        return _Sent(sequence, start, end, packet, self._loop.time())

    async def _send(self, sent: _Sent) -> None:
        await self.requests.send(sent.packet)
        if self.requests.wire.reconnects:
            sent.at = self._loop.time()  # the node may have been connected to first
        self.requests.session.sent(sent.end - sent.start)

    async def _resend(self, now: float) -> None:
        """Nothing came for too long: send the oldest piece once more, just as it was."""
        self._unanswered += 1
        self.window.lost(silently=True)
        start = self._taken if self._waiting[0].stale else self._waiting[0].start
        same = [sent for sent in self._waiting if sent.start == start and not sent.stale]
        self._waiting.clear()
        if self.requests.wire.reconnects and self._unanswered >= _RENEW_AFTER:
            await self.requests.wire.renew()
        if not same:
            self._next = start
            return
        if not self._proved and self._unanswered >= _SMALL_AFTER and len(same) == 1:
            # Perhaps the message is too large for it.  If it was only slow, it answers the first.
            self._pieces.largest = self._pieces.small
            same.append(self._piece(start))
        self._waiting.extend(same)
        self._next = same[-1].end
        same[0].at = now
        await self._send(same[-1])

    def _deadline(self) -> float:
        """When the oldest request counts as lost; twice as late after each sending."""
        if not self._waiting:
            return self._loop.time()
        patience = self.requests.params.reply_timeout
        if self._round_trip is not None and self._waiting[0].start:
            usual = 2 * (self._round_trip + 4 * self._deviation)
            if self.requests.wire.reconnects:
                patience = max(patience, usual)  # it is late, not lost, and again would be one too many
            else:
                patience = min(patience, max(_SHORTEST_RESEND, usual))
        return self._waiting[0].at + patience * float(2 ** min(self._unanswered, 4))

    # Judging answers

    def _judge(self, messages: list[Message]) -> Ended | None:
        for message in messages:
            if (message.op, message.group, message.command) != _ANSWER:
                continue
            sent = self._retire(message.sequence)
            if sent is None:
                continue
            self._heard = self._loop.time()
            refusal = said_no(message.body)
            if refusal is not None:
                if not refusal.passing:
                    raise transfer_refused(refusal)
                self._waiting.appendleft(sent)  # as if unanswered: it is sent again in its time
                continue
            offset = message.body.get("off")
            if not isinstance(offset, int) or not 0 <= offset <= self._total:
                raise ProtocolError(f"the node asks for offset {offset!r} of {self._total}")
            ended = self._follow(sent, offset, message)
            if ended is not None:
                return ended
        return None

    def _retire(self, sequence: int) -> _Sent | None:
        """The request of this number; all before it were read or lost, so they go too."""
        if not any(sent.sequence == sequence for sent in self._waiting):
            return None
        while True:
            sent = self._waiting.popleft()
            if sent.sequence == sequence:
                return sent

    # Where the node stands

    def _follow(self, sent: _Sent, offset: int, message: Message) -> Ended | None:
        """The node wants this offset next."""
        if offset == self._total:
            self.requests.session.progress(offset, offset)
            matches = message.body.get("match")
            return Ended(matches=matches if isinstance(matches, bool) else None)
        if offset < self._taken:
            return self._forgotten(offset)
        self._measure(sent)
        if offset > self._taken:
            self._taken, self._headway = offset, self._loop.time()
            self._idle = self._disconnects = 0
            self.requests.session.progress(offset, self._total)
        else:
            self._idle += 1
        if sent.stale:
            return None
        if offset == sent.end:
            self._proved = True
            if len(sent.packet) > self._pieces.largest:
                self._pieces.largest = self._pieces.large
            self.window.answered()
        elif offset <= sent.start and sent.start:
            self._go_on_from(offset)
            self.window.lost()
        else:
            # The first answer of a resumed upload, or less was taken than was sent.
            self._go_on_from(offset)
        return None

    def _forgotten(self, offset: int) -> Ended | None:
        """The node is behind where it was: it restarted, or it has finished and its answer was lost."""
        if self._all_sent and offset == 0:
            return Ended(sure=False)
        self._restarts += 1
        if self._restarts > _RESTARTS:
            raise Stalled(f"the node forgot the transfer {self._restarts} times")
        self._taken = offset
        self._go_on_from(offset)
        return None

    def _go_on_from(self, offset: int) -> None:
        for sent in self._waiting:
            sent.stale = True
        self._next = offset

    def _measure(self, sent: _Sent) -> None:
        if self._unanswered:
            self._unanswered = 0  # nobody knows which of several sendings was answered
        elif sent.start:
            took = self._loop.time() - sent.at
            known = self._round_trip
            if known is None:
                self._round_trip, self._deviation = took, took / 2
            else:
                self._deviation += (abs(took - known) - self._deviation) / 4
                self._round_trip = known + (took - known) / 8

    def _stalled(self) -> Stalled | NodeSilent:
        if self._heard > self._headway or self._idle:
            return Stalled(f"the node answers, and stands at {self._taken} of {self._total} bytes")
        return NodeSilent(f"the node stopped answering at {self._taken} of {self._total} bytes")
