"""What nodes send, and to whom it goes: exactly once.

An answer goes to whoever asked; another frame to whoever listens to that node and cluster; an OTA
request of a node that nobody listens to, to the stand-in; all else the way of zigpy.  Commands of
the OTA cluster never go that way, since zigpy's own answers end transfers: an unknown query is
told that there is no image, and a block request outside of a session that it is aborted.

This is also the path of every block request, so nothing here reads more than a frame's header.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from transports.zcl import Zcl
from transports.zigbee.attributes import (
    CONFIGURE_RESPONSE,
    DEFAULT_RESPONSE,
    READ,
    READ_REPORTING_RESPONSE,
    READ_RESPONSE,
    WRITE_RESPONSE,
)
from transports.zigbee.network import OTA, StandIn

log = logging.getLogger(__name__)

KEPT = 64
"""Frames that wait for a listener who is slower than its node; the oldest go, as if they had been lost."""
ANSWERS = 4
"""Answers of the stand-in that are under way to one node: one that floods gets no more."""
POLL_CONTROL, CHECK_IN = 0x0020, 0x00
"""A sleepy node says that it is awake (ZCL revision 8, 3.16.5)."""

_EXPECTED_ELSEWHERE = frozenset({READ_RESPONSE, WRITE_RESPONSE, CONFIGURE_RESPONSE, READ_REPORTING_RESPONSE})
"""Answers that nobody here asked for: zigpy did."""

Key = tuple[str, int, int, int]
"""Node, endpoint, cluster, sequence number."""


class Inbox:
    """What one link hears; closed by the loss of the coordinator."""

    __slots__ = ("_arrived", "_frames", "closed")

    def __init__(self) -> None:
        self._frames: deque[Zcl] = deque(maxlen=KEPT)
        self._arrived = asyncio.Event()
        self.closed = False

    def put(self, frame: Zcl) -> None:
        """One more."""
        self._frames.append(frame)
        self._arrived.set()

    def close(self) -> None:
        """Nothing comes any more; who waits is told."""
        self.closed = True
        self._arrived.set()

    async def get(self) -> Zcl | None:
        """The next one; None when it was closed, also where frames are left: nobody could answer them."""
        while not self.closed:
            if self._frames:
                return self._frames.popleft()
            self._arrived.clear()
            await self._arrived.wait()
        return None


@dataclass(frozen=True, slots=True)
class _Question:
    frame: Zcl
    answer: asyncio.Future[Zcl]

    def fits(self, frame: Zcl) -> bool:
        """Whether a frame with the question's number, cluster and endpoint is its answer."""
        mine = self.frame
        if frame.to_client == mine.to_client or self.answer.done():
            return False
        if frame.general and frame.command == DEFAULT_RESPONSE:
            return len(frame.payload) >= 1 and frame.payload[0] == mine.command
        if mine.general:
            return frame.general and frame.command == (
                READ_RESPONSE if mine.command == READ else mine.command + 1
            )
        return not frame.general


class Traffic:
    """Who waits for what, in one network; outlives its coordinator.

    Args:
        send: puts an answer onto the air, and never raises.
        check_in: called with a node's Poll Control check-in; it answers by itself.
    """

    def __init__(
        self, send: Callable[[str, Zcl], asyncio.Task[None]], check_in: Callable[[str, Zcl], None]
    ) -> None:
        self._send = send
        self._check_in = check_in
        self._asked: dict[Key, _Question] = {}
        self._inboxes: dict[tuple[str, int], Inbox] = {}
        self._stand_in: StandIn | None = None
        self._wanted: Callable[[str], bool] | None = None
        self._hearers: list[Callable[[str, Zcl | None], None]] = []
        self._answering: dict[str, int] = {}

    # What others want

    def ask(self, ieee: str, frame: Zcl) -> asyncio.Future[Zcl] | None:
        """Expect the answer to this frame; None while another question has its number."""
        key = _key(ieee, frame)
        if key in self._asked:
            return None
        answer = asyncio.get_running_loop().create_future()
        self._asked[key] = _Question(frame, answer)
        return answer

    def forget(self, ieee: str, frame: Zcl) -> None:
        """Nobody waits for its answer any more."""
        self._asked.pop(_key(ieee, frame), None)

    def waits(self, ieee: str) -> bool:
        """Whether somebody waits for an answer of this node, or listens to it."""
        return any(key[0] == ieee for key in self._asked) or any(key[0] == ieee for key in self._inboxes)

    def wants_fast_poll(self, wanted: Callable[[str], bool]) -> None:
        """Whom else to ask whether a node that checks in shall stay awake."""
        self._wanted = wanted

    def stays_awake(self, ieee: str) -> bool:
        """Whether a node that checks in shall stay awake: somebody waits for it, or is about to."""
        if self.waits(ieee):
            return True
        try:
            return self._wanted is not None and self._wanted(ieee)
        except Exception:  # a node that sleeps on checks in again
            log.exception("node=%s nobody knows whether it is waited for", ieee)
            return False

    def listen(self, ieee: str, cluster: int, inbox: Inbox) -> None:
        """Hand this node's frames in this cluster to ``inbox``; whoever had them has them no more."""
        self._inboxes[ieee, cluster] = inbox

    def leave(self, inbox: Inbox) -> None:
        """Hand it nothing more."""
        for key in [key for key, own in self._inboxes.items() if own is inbox]:
            del self._inboxes[key]

    def stand_in(self, answer: StandIn) -> None:
        """Who answers OTA requests that nobody listens to."""
        self._stand_in = answer

    def hear(self, listener: Callable[[str, Zcl | None], None]) -> Callable[[], None]:
        """Call ``listener`` with everything; returns what ends it."""
        self._hearers.append(listener)

        def end() -> None:
            if listener in self._hearers:
                self._hearers.remove(listener)

        return end

    def lost(self) -> None:
        """The coordinator is gone: whoever waits for a node is told."""
        for inbox in self._inboxes.values():
            inbox.close()
        self._inboxes.clear()
        for question in self._asked.values():
            question.answer.cancel()
        self._asked.clear()

    # What nodes send

    def sign_of_life(self, ieee: str, frame: Zcl | None = None) -> None:
        """Tell those who hear everything."""
        for listener in tuple(self._hearers):
            try:
                listener(ieee, frame)
            except Exception:  # one that stumbles must not keep a frame from the others
                log.exception("node=%s a listener stumbled over its frame", ieee)

    def received(self, ieee: str, frame: Zcl) -> bool:
        """Whether it was for somebody here; else it goes the way of zigpy."""
        self.sign_of_life(ieee, frame)
        question = self._asked.get(_key(ieee, frame))
        if question is not None and question.fits(frame):
            question.answer.set_result(frame)
            return True
        if frame.general and frame.command in _EXPECTED_ELSEWHERE:
            return False
        inbox = self._inboxes.get((ieee, frame.cluster))
        if inbox is not None:
            inbox.put(frame)
            return True
        if (
            frame.cluster == POLL_CONTROL
            and frame.to_client
            and not frame.general
            and frame.command == CHECK_IN
        ):
            self._check_in(ieee, frame)
            return True
        if frame.cluster != OTA or frame.general:
            return False
        if not frame.to_client:
            self._for_the_stand_in(ieee, frame)
        return True

    def _for_the_stand_in(self, ieee: str, frame: Zcl) -> None:
        if self._stand_in is None or self._answering.get(ieee, 0) >= ANSWERS:
            return
        try:
            answer = self._stand_in(ieee, frame)
        except Exception:  # silence is safe, and the radio has to go on
            log.exception("node=%s nothing is answered, since the answer could not be made", ieee)
            return
        if answer is None:
            return
        if answer.tsn is None:
            answer = replace(answer, tsn=frame.tsn)
        self._answering[ieee] = self._answering.get(ieee, 0) + 1
        self._send(ieee, answer).add_done_callback(lambda _: self._answered(ieee))

    def _answered(self, ieee: str) -> None:
        left = self._answering[ieee] - 1
        if left:
            self._answering[ieee] = left
        else:
            del self._answering[ieee]


def _key(ieee: str, frame: Zcl) -> Key:
    return ieee, frame.endpoint, frame.cluster, -1 if frame.tsn is None else frame.tsn
