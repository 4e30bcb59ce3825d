"""A loader at the other end: questions and answers on its control point, and packets.

An answer belongs to the question that is open, and packet receipts come between; there is
one question at a time, as in the loader.
"""

import asyncio
from contextlib import suppress

from flashers.api import NodeSilent, ProtocolError, Session
from flashers.nordic_dfu.params import NordicParams
from flashers.nordic_dfu.secure import codec
from flashers.nordic_dfu.secure.codec import Place, Response
from flashers.nordic_dfu.secure.words import CONTROL, PACKET, Object, Op
from transports.errors import LinkError
from transports.gatt import GattLink

_WORD = 4
"""Packets are whole words, so that none cuts a write to flash (``nrf_dfu_ble.c``, the MTU it agrees to)."""
_SMALLEST = 20
_GOES = 2.0
"""Seconds in which a loader that was told to leave has to be gone."""


class Loader:
    """The loader at the end of one connection; :meth:`listen` comes first."""

    def __init__(self, session: Session, link: GattLink, params: NordicParams) -> None:
        self.session = session
        self.link = link
        self._patience = params.reply_timeout

    async def listen(self) -> None:
        """Subscribe to its answers."""
        async with self._patient("taking a subscription"):
            await self.link.subscribe(CONTROL)

    @property
    def packet(self) -> int:
        """Bytes of a packet."""
        room = self.link.room(PACKET)
        return room // _WORD * _WORD if room >= _WORD else _SMALLEST

    async def select(self, kind: Object) -> tuple[Place, int]:
        """How far objects of this kind have come, and how large one may be."""
        answer = await self.ask(codec.select(kind))
        if answer.place is None or not answer.largest:
            raise ProtocolError("the loader does not say how far it is")
        return answer.place, answer.largest

    async def create(self, kind: Object, size: int) -> Response:
        """Begin an object."""
        return await self.ask(codec.create(kind, size), must=False)

    async def receipts(self, every: int) -> None:
        """Ask for a receipt after each so many packets from here on."""
        await self.ask(codec.receipts(every))

    async def place(self) -> Place:
        """How far the present object's kind has come."""
        answer = await self.ask(codec.plain(Op.CRC))
        if answer.place is None:
            raise ProtocolError("the loader does not say how far it is")
        return answer.place

    async def execute(self) -> Response:
        """Take the present object for complete; for the last one of an image this starts it."""
        return await self.ask(codec.plain(Op.EXECUTE), must=False)

    async def ask(self, request: bytes, *, must: bool = True) -> Response:
        """Write a request and wait for its answer.

        Raises:
            NodeSilent: none comes.
            ProtocolError: the answer is no, and ``must`` is set.
            LinkError: the link is lost.
        """
        op = request[0]
        async with self._patient(f"answering operation {op:#04x}"):
            await self.link.write(CONTROL, request, response=True)
            while (answer := await self.heard()).op != op:
                pass
        if must and not answer.ok:
            raise ProtocolError(f"the loader says no to operation {op:#04x}: {answer.said}")
        return answer

    async def heard(self) -> Response:
        """The next thing that it says."""
        while True:
            source, value = await self.link.heard()
            answer = codec.read_response(value) if source == CONTROL else None
            if answer is not None:
                return answer

    async def send(self, data: bytes) -> None:
        """Send a packet; that it arrived is for the loader's receipts to say."""
        await self.link.write(PACKET, data, response=False)

    async def abort(self) -> None:
        """Have it restart the application, if that is still there, and see it go; whatever it answers."""
        with suppress(LinkError, TimeoutError):
            async with asyncio.timeout(_GOES):
                await self.link.write(CONTROL, codec.plain(Op.ABORT), response=True)
                while True:
                    await self.link.heard()

    def _patient(self, what: str) -> "_Patience":
        return _Patience(self._patience, what)


class _Patience:
    """A time-out that says what the loader did not do."""

    def __init__(self, seconds: float, what: str) -> None:
        self._timeout = asyncio.timeout(seconds)
        self._said = f"the loader takes more than {seconds:g} s for {what}"

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(self, kind: object, error: object, trace: object) -> None:
        try:
            await self._timeout.__aexit__(kind, error, trace)  # type: ignore[arg-type]
        except TimeoutError:
            raise NodeSilent(self._said) from None
