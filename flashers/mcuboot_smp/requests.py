"""Ask a node one thing and get its answer, on a line that loses some of both.

Every request has a sequence number and is sent again, as it was, until its own
answer comes; an answer to anything else is late or somebody's noise and is ignored
(Zephyr documentation, "SMP Protocol Specification": the answer has the request's
sequence number).
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from flashers.api import NodeSilent, Session
from flashers.mcuboot_smp.codec import (
    Message,
    Op,
    encode_packet,
    said_no,
)
from flashers.mcuboot_smp.errors import SmpRefused
from flashers.mcuboot_smp.params import SmpParams
from flashers.mcuboot_smp.wire import wire_of
from transports.errors import LinkLost

TRIES = 3
"""Times that a request is sent before the node counts as silent."""
_BUSY_PAUSE = 0.2
"""Seconds until a server that said it is busy is asked again."""


class Requests:
    """The host's side of one SMP conversation."""

    def __init__(self, session: Session, params: SmpParams) -> None:
        self.session = session
        self.params = params
        self.wire = wire_of(session, params)
        self._sequence: int | None = None

    def next_sequence(self) -> int:
        """The number of the next request, 0 to 255.

        The first one depends on the time, so that a late answer to somebody who asked before us
        is hardly ever taken for ours.
        """
        last = self._sequence
        if last is None:
            last = int(asyncio.get_running_loop().time() * 1000)
        self._sequence = (last + 1) % 256
        return self._sequence

    async def send(self, packet: bytes) -> None:
        """Put one request on the line.

        Raises:
            LinkError: the link cannot be opened, or was lost.
        """
        await self.wire.send(packet)

    async def receive(self, until: float) -> list[Message]:
        """The answers that come next, or none if the loop's clock reaches ``until`` first.

        Raises:
            LinkError: as for :meth:`send`.
        """
        clock = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout_at(until):
                while True:
                    messages = await self.wire.receive()
                    # A time-out cannot end a read that never has to wait: a flood is ended here.
                    if messages or clock() >= until:
                        return messages
        except TimeoutError:
            return []

    async def ask(
        self,
        op: Op,
        group: int,
        command: int,
        body: Mapping[str, Any] | None = None,
        *,
        tries: int = TRIES,
        reply_timeout: float | None = None,
        what: str = "a request",
    ) -> Mapping[str, Any]:
        """The answer's body.

        Only requests that may be carried out twice may have more than one try; one that was
        refused because the server is busy was not carried out, and is sent again in any case.

        Raises:
            SmpRefused: the server said no.
            NodeSilent: it said nothing.
            LinkError: as for :meth:`send`.
        """
        request = Message(op, group, command, self.next_sequence(), body or {})
        packet = encode_packet(request)
        silences = refusals = losses = 0
        while silences < tries:
            try:
                await self.send(packet)
                answer = await self._answer_to(request, reply_timeout or self.params.reply_timeout)
            except LinkLost:
                if not self.wire.reconnects:
                    raise
                losses += 1
                if tries > 1 and losses < TRIES:
                    continue  # whoever is connected to anew is asked as if for the first time
                answer = None
            if answer is None:
                silences += 1
                continue
            refusal = said_no(answer.body)
            if refusal is None:
                return answer.body
            refusals += 1
            if not refusal.passing or refusals == TRIES:
                raise SmpRefused(what, refusal)
            await asyncio.sleep(_BUSY_PAUSE)
        raise NodeSilent(f"the node did not answer {what}")

    async def _answer_to(self, request: Message, patience: float) -> Message | None:
        clock = asyncio.get_running_loop().time
        until = clock() + patience
        while clock() < until:
            for message in await self.receive(until):
                if answers(message, request):
                    return message
        return None

    async def listen(self, seconds: float) -> None:
        """Say nothing for a while, and let the console be heard; a link may go and come meanwhile."""
        clock = asyncio.get_running_loop().time
        until = clock() + seconds
        try:
            while clock() < until:
                await self.receive(until)
        except LinkLost:
            await asyncio.sleep(max(0.0, until - clock()))


def answers(message: Message, request: Message) -> bool:
    """Whether this is the answer to that request."""
    return (message.sequence, message.op, message.group, message.command) == (
        request.sequence,
        request.op + 1,
        request.group,
        request.command,
    )
