"""Talk with the loader: reach it by a reset, ask, and leave it for the application.

Neither loader has a way in but a reset, and both go away by themselves when nobody
talks to them: Optiboot after its watchdog's second, ATmegaBOOT after about as long.
So every conversation begins with a reset, and whatever goes wrong in it is answered by
another one: a loader that lost its place in the stream cannot be told so.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from flashers.api import NodeSilent, ProtocolError, Session, WrongHardware
from flashers.stk500 import codec
from flashers.stk500.params import Stk500Params
from flashers.stk500.parts import name_of
from transports.errors import LinkError
from transports.links import ByteLink

T = TypeVar("T")

SYNC_INTERVAL = 0.45
"""Seconds between two greetings.

A part buffers two bytes.  Greetings that pile up while a loader flashes its LED
(Optiboot: 375 ms) are cut in the middle, and Optiboot leaves at half a greeting.  For
slower ones every other reset waits this much longer before the first greeting.
"""

STILL_THERE = 0.4
"""Seconds after an answer in which the loader is taken to be waiting for more; both wait about one."""

QUIET = 0.05
"""Seconds without a byte after which late answers to earlier greetings are all there."""

TRIES = 5
"""How often a step is tried, with a reset before each further try."""


class LoaderLink:
    """A conversation with the loader over the session's link."""

    def __init__(self, session: Session, params: Stk500Params) -> None:
        self.signature = b""
        self._session = session
        self._params = params
        self._link: ByteLink | None = None
        self._heard_at: float | None = None
        self._left = False

    @property
    def left(self) -> bool:
        """The loader was told to start the application, and no reset has come since."""
        return self._left and self._link is not None

    def lost(self) -> None:
        """The link is gone; opening it anew is a reset."""
        self._link = None

    @property
    def listens(self) -> bool:
        """The loader answered so recently that it is still there."""
        now = asyncio.get_running_loop().time()
        return self._heard_at is not None and now - self._heard_at < STILL_THERE

    async def enter(self) -> None:
        """Reset the node until its loader answers with a signature.

        The first opening of the link is a reset by itself: Linux raises DTR.

        Raises:
            NodeSilent: it does not, after as many resets as the profile allows.
            LinkError: the link is lost.
        """
        try:
            for tries in range(self._params.resets):
                link = await self._reset()
                await asyncio.sleep(self._params.settle + tries % 2 * SYNC_INTERVAL)
                if await self._greet(link) and await self._recognise():
                    return
        except LinkError:
            self._link = None
            raise
        raise NodeSilent(f"no loader answered after {self._params.resets} resets")

    async def ask(self, *requests: codec.Request) -> list[bytes]:
        """Send requests in one go and return what their answers carry.

        One write for several requests saves a round trip each.  It is safe as long as
        only the last of them is answered at length or takes time: a part that is busy
        answering has room for two bytes.

        Raises:
            NodeSilent: the answers are not complete in time.
            ProtocolError: they are not answers to these requests.
            LinkError: the link is lost.
        """
        link = await self._open()
        replies = codec.Replies(requests)
        self._heard_at = None
        try:
            await link.write(b"".join(request.encode() for request in requests))
            async with asyncio.timeout(self._params.reply_timeout):
                while not replies.complete:
                    replies.receive_data(await link.read())
        except TimeoutError:
            raise NodeSilent(f"no answer within {self._params.reply_timeout:g} s") from None
        except LinkError:
            self._link = None
            raise
        if replies.rest and requests[-1] != codec.LEAVE:
            raise ProtocolError(f"{len(replies.rest)} bytes more than the answer")
        self._heard_at = asyncio.get_running_loop().time()
        return replies.payloads

    async def steadily(self, step: Callable[[], Awaitable[T]]) -> T:
        """Do a step that may be repeated, entering the loader anew when it fails.

        Raises:
            NodeSilent, ProtocolError: it failed each time; this is the last trouble.
            WrongHardware: another part answers than before.
            LinkError: the link is lost.
        """
        for _ in range(TRIES - 1):
            try:
                return await step()
            except (NodeSilent, ProtocolError) as error:
                self._session.note(f"entering the loader again: {error.message}")
                before = self.signature
                await self.enter()
                if self.signature != before:
                    raise WrongHardware(
                        f"an {name_of(self.signature)} answers instead of an {name_of(before)}"
                    ) from error
        return await step()

    async def read(self, address: int, size: int) -> bytes:
        """Read flash, repeated where it fails."""

        async def once() -> bytes:
            _, data = await self.ask(codec.load_address(address), codec.read_page(size))
            return data

        return await self.steadily(once)

    async def read_surely(self, address: int, size: int) -> bytes:
        """Read flash until two readings agree: nothing else tells that a byte was bent on the line.

        Raises:
            ProtocolError: no two of them do.
        """
        last = await self.read(address, size)
        for _ in range(TRIES):
            data = await self.read(address, size)
            if data == last:
                return data
            self._session.note(f"two readings of {address:#x} differ")
            last = data
        raise ProtocolError(f"{TRIES} readings of {address:#x} differ from each other")

    async def write(self, address: int, data: bytes) -> None:
        """Write a page, repeated where it fails; whether it is right only a read can tell."""

        async def once() -> None:
            self._session.sent(len(data))
            await self.ask(codec.load_address(address), codec.prog_page(data))

        await self.steadily(once)

    async def version(self) -> str:
        """The loader's version, ``major.minor``."""

        async def once() -> str:
            (major,) = await self.ask(codec.get_parameter(codec.SW_MAJOR))
            (minor,) = await self.ask(codec.get_parameter(codec.SW_MINOR))
            return f"{major[0]}.{minor[0]}"

        return await self.steadily(once)

    async def end_line(self) -> None:
        """Have the loader send a NUL.

        It ends what the console takes for a line, so that nothing which was read out of
        the flash is taken for the beginning of what the application says.  Both loaders
        answer the SPI pass-through, which they do not have, with a zero.
        """

        async def once() -> None:
            (answer,) = await self.ask(codec.NOTHING)
            if answer != b"\0":
                raise ProtocolError(f"the loader passed {answer.hex()} through, where nothing is")

        await self.steadily(once)

    async def leave(self) -> None:
        """Have the loader start the application; it would do so by itself a second later.

        Raises:
            LinkError: the link is lost.
        """
        try:
            await self.ask(codec.LEAVE)
        except (NodeSilent, ProtocolError) as error:
            self._session.note(f"leaving the loader: {error.message}")
        self._heard_at = None
        self._left = True

    async def _open(self) -> ByteLink:
        if self._link is None:
            self._link = await self._session.open()
        return self._link

    async def _reset(self) -> ByteLink:
        self._left = False
        if self._link is not None:
            self._link.discard_input()
            await self._session.reset(self._params.reset)
            self._link = None
        return await self._open()

    async def _recognise(self) -> bool:
        try:
            self.signature, _ = await self.ask(codec.SIGNATURE, codec.ENTER)
            if self.signature != self._params.avr.signature:
                (again,) = await self.ask(codec.SIGNATURE)
                if again != self.signature:  # a bent byte is not another part
                    self._session.note(f"two signatures: {self.signature.hex()} and {again.hex()}")
                    return False
        except (NodeSilent, ProtocolError) as error:
            self._session.note(f"the loader answered, and then not: {error.message}")
            return False
        return True

    async def _greet(self, link: ByteLink) -> bool:
        """Say hello until the loader does; whatever else arrives is not for us."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._params.sync_timeout
        greetings = 0
        while (left := deadline - loop.time()) > 0:
            await link.write(codec.SYNC.encode())
            greetings += 1
            heard = await self._hear_hello(link, min(SYNC_INTERVAL, left))
            if heard:
                if greetings > 1 or heard != codec.reply():
                    await self._until_quiet(link)
                return True
        return False

    async def _hear_hello(self, link: ByteLink, seconds: float) -> bytes:
        heard = b""
        try:
            async with asyncio.timeout(seconds):
                while codec.reply() not in heard:
                    heard = heard[-1:] + await link.read()
        except TimeoutError:
            return b""
        return heard

    async def _until_quiet(self, link: ByteLink) -> None:
        """An application that never stops talking is not waited for."""
        try:
            async with asyncio.timeout(2 * SYNC_INTERVAL):
                while True:
                    try:
                        async with asyncio.timeout(QUIET):
                            await link.read()
                    except TimeoutError:
                        return
        except TimeoutError:
            return
