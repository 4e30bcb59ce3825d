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
from flashers.mcuboot_smp.codec import ConsoleDecoder, Message, Op, encode_lines, encode_packet, said_no
from flashers.mcuboot_smp.errors import SmpRefused
from flashers.mcuboot_smp.params import SmpParams
from transports.errors import LinkLost

TRIES = 3
"""Times that a request is sent before the node counts as silent."""


class Requests:
    """The host's side of one SMP conversation."""

    def __init__(self, session: Session, params: SmpParams) -> None:
        self.session = session
        self.params = params
        self._decoder = ConsoleDecoder()
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
        link = await self.session.open()
        await link.write(encode_lines(packet, self.params.line_length))

    async def receive(self, until: float) -> list[Message]:
        """The answers that come next, or none if the loop's clock reaches ``until`` first.

        Raises:
            LinkError: as for :meth:`send`.
        """
        link = await self.session.open()
        try:
            async with asyncio.timeout_at(until):
                while True:
                    messages = self._decoder.receive_data(await link.read())
                    if messages:
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

        Only requests that may be carried out twice may have more than one try.

        Raises:
            SmpRefused: the server said no.
            NodeSilent: it said nothing.
            LinkError: as for :meth:`send`.
        """
        request = Message(op, group, command, self.next_sequence(), body or {})
        packet = encode_packet(request)
        loop = asyncio.get_running_loop()
        for _ in range(tries):
            await self.send(packet)
            until = loop.time() + (reply_timeout or self.params.reply_timeout)
            while messages := await self.receive(until):
                for message in messages:
                    if answers(message, request):
                        refusal = said_no(message.body)
                        if refusal is not None:
                            raise SmpRefused(what, refusal)
                        return message.body
        raise NodeSilent(f"the node did not answer {what}")

    async def listen(self, seconds: float) -> None:
        """Say nothing for a while, and let the console be heard; a link may go and come meanwhile."""
        until = asyncio.get_running_loop().time() + seconds
        try:
            while await self.receive(until):
                pass
        except LinkLost:
            await asyncio.sleep(max(0.0, until - asyncio.get_running_loop().time()))


def answers(message: Message, request: Message) -> bool:
    """Whether this is the answer to that request."""
    return (message.sequence, message.op, message.group, message.command) == (
        request.sequence,
        request.op + 1,
        request.group,
        request.command,
    )
