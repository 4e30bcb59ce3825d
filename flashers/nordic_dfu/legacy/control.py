"""The conversation with a loader: commands with their answers, packets with their receipts.

A write that returned says nothing.  What a loader has taken is what it says in a receipt,
and what it wrote is what it answers at the end.
"""

import asyncio
import struct

from flashers.api import NodeSilent, ProtocolError
from flashers.nordic_dfu.legacy import codec
from flashers.nordic_dfu.legacy.codec import Receipt, Response
from flashers.nordic_dfu.legacy.errors import PacketsLost
from flashers.nordic_dfu.legacy.words import CONTROL, PACKET, PACKET_BYTES, WORD, Op, Result
from transports.gatt import GattLink

_PATIENCE = 4096
"""Values that may be heard while one is waited for; a node that floods is not listened to for ever."""


class ControlPoint:
    """One connection to a loader, listened to; ``reply_timeout`` in seconds."""

    def __init__(self, link: GattLink, reply_timeout: float) -> None:
        self.link = link
        self.room = min(PACKET_BYTES, link.room(PACKET)) // WORD * WORD
        self._reply_timeout = reply_timeout

    @classmethod
    async def listening(cls, link: GattLink, reply_timeout: float) -> "ControlPoint":
        """Begin; without a listener a loader refuses every command.  Raises LinkError."""
        await link.subscribe(CONTROL)
        return cls(link, reply_timeout)

    async def tell(self, command: bytes) -> None:
        """Write a command that has no answer.  Raises LinkError."""
        await self.link.write(CONTROL, command, response=True)

    async def ask(self, command: bytes, within: float | None = None) -> Response:
        """Write a command and wait for how it ended.  Raises as :meth:`answer`."""
        self.link.discard_heard()
        await self.tell(command)
        return await self.answer(command[0], within)

    async def answer(self, op: int, within: float | None = None) -> Response:
        """How this operation ended; receipts that come before it are passed over.

        Raises:
            NodeSilent: it does not say so in time.
            ProtocolError: it says all kinds of things instead.
            LinkError: the link is lost.
        """
        for _ in range(_PATIENCE):
            said = await self._next(within, f"an answer to {_name(op)}")
            if isinstance(said, Response) and said.op == op:
                return said
        raise ProtocolError(f"the node answers everything but {_name(op)}")

    async def pieces(self, data: bytes) -> None:
        """Send packets that are answered together, as an init packet is.  Raises LinkError."""
        for start in range(0, len(data), self.room):
            await self.link.write(PACKET, data[start : start + self.room], response=False)

    async def receipt(self, sent: int) -> None:
        """Wait until the loader has taken everything that was sent.

        Raises:
            PacketsLost: it has not, and says so or stopped counting.
            NodeSilent, ProtocolError, LinkError: as for :meth:`answer`.
        """
        try:
            said = await self._next(None, "a receipt")
            while isinstance(said, Response) and said.op != Op.RECEIVE:
                said = await self._next(None, "a receipt")
        except NodeSilent:
            await self.count(sent)
            raise
        if isinstance(said, Response):
            raise PacketsLost(f"the loader could not take a packet: {said.said}")
        if said.received != sent:
            raise PacketsLost(f"{sent} bytes were sent, and the loader has {said.received}")

    async def received(self, size: int, within: float) -> None:
        """Wait until the loader has written the whole image.  Raises as :meth:`receipt`."""
        try:
            said = await self.answer(Op.RECEIVE, within)
        except NodeSilent:
            await self.count(size)
            raise
        if said.result != Result.SUCCESS:
            raise PacketsLost(f"the loader could not take a packet: {said.said}")

    async def count(self, sent: int) -> None:
        """Ask how much it has taken, where it fell silent in a transfer.

        Raises:
            PacketsLost: less than was sent.
            NodeSilent, ProtocolError, LinkError: as for :meth:`answer`.
        """
        said = await self.ask(codec.plain(Op.REPORT_SIZE))
        if said.result == Result.SUCCESS and len(said.value) == 4:
            (received,) = struct.unpack("<I", said.value)
            if received != sent:
                raise PacketsLost(f"{sent} bytes were sent, and the loader has {received}")

    async def _next(self, within: float | None, what: str) -> Response | Receipt:
        timeout = self._reply_timeout if within is None else within
        try:
            async with asyncio.timeout(timeout):
                for _ in range(_PATIENCE):
                    characteristic, value = await self.link.heard()
                    said = codec.read_answer(value) if characteristic == CONTROL else None
                    if said is not None:
                        return said
        except TimeoutError:
            raise NodeSilent(f"{what} did not come within {timeout:g} s") from None
        raise ProtocolError(f"instead of {what} the node sends what is no answer")


def _name(op: int) -> str:
    return Op(op).name.lower() if op in set(Op) else f"operation {op}"
