"""One image into one loader: start, init packet, packets with receipts, validation, activation.

A loader forgets nothing between two connections and offers nothing to go on from, so what
was begun before is ended by a reset, and each transfer begins at zero.  Everything that
could be refused is sent after the erase: it has to be right beforehand.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from flashers.api import FirmwareImage, ImageMismatch, ImageTooLarge, Session
from flashers.nordic_dfu.legacy import codec
from flashers.nordic_dfu.legacy.control import ControlPoint
from flashers.nordic_dfu.legacy.errors import InitRefused, LoaderRefused, LoaderTooOld
from flashers.nordic_dfu.legacy.image import init_of
from flashers.nordic_dfu.legacy.words import PACKET, Kind, Op, Result, Step
from transports.errors import LinkLost

ERASE_TIMEOUT = 60.0
"""Seconds for the erase of a bank: 256 pages of an nRF51 take 22.3 ms each (product specification 3.4)."""

_FIRST_PAUSE = 0.02
GOODBYE_TIMEOUT = 5.0
"""Seconds from a command that ends the connection until that is noticed; a supervision time-out fits in."""


class AlreadyBegun(LoaderRefused):
    """The loader is in the middle of an update that somebody began; only a reset ends it."""

    code = "update-already-begun"


class Headway:
    """Tells how far it is, and never goes back when a transfer is begun anew."""

    def __init__(self, session: Session, total: int) -> None:
        self._session = session
        self._total = total
        self._done = 0

    def reached(self, done: int) -> None:
        """The loader has so many bytes."""
        self._done = max(self._done, done)
        self._session.progress(self._done, self._total)


async def begin(control: ControlPoint, image: FirmwareImage) -> None:
    """Have the loader erase a bank and take the init packet.

    Raises:
        AlreadyBegun: an update is under way.
        ImageTooLarge: it has no room.
        LoaderTooOld: it speaks the first form of the protocol.
        InitRefused: it does not take this init packet.
        LoaderRefused, NodeSilent, ProtocolError, LinkError: it goes no further.
    """
    control.link.discard_heard()
    await control.tell(codec.start(Kind.APPLICATION))
    await control.pieces(codec.sizes(image.size))
    said = await control.answer(Op.START, ERASE_TIMEOUT)
    match said.result:
        case Result.SUCCESS:
            pass
        case Result.INVALID_STATE:
            raise AlreadyBegun("the loader is in the middle of another update")
        case Result.NOT_SUPPORTED:
            raise LoaderTooOld("the loader does not know a start with a type and three sizes")
        case Result.DATA_SIZE:
            raise ImageTooLarge(f"the loader has no room for {image.size} bytes, and has erased nothing")
        case _:
            raise LoaderRefused(f"the loader refuses to start: {said.said}")
    await control.tell(codec.init(Step.BEGIN))
    await control.pieces(init_of(image))
    said = await control.ask(codec.init(Step.COMPLETE))
    if said.result != Result.SUCCESS:
        raise InitRefused(f"the loader does not take the init packet: {said.said}")


@dataclass(frozen=True, slots=True)
class Pace:
    """So many packets at most ahead of the loader's receipts, and so many seconds after each receipt.

    A receipt says that a packet is held, not that it is written; so a loader that loses some
    is given both, fewer packets and more time.
    """

    packets: int
    pause: float = 0.0

    @property
    def slower(self) -> "Pace":
        """The next one to try."""
        return Pace(max(1, self.packets // 2), max(_FIRST_PAUSE, 2 * self.pause))


async def send(
    control: ControlPoint, data: bytes, pace: Pace, headway: Headway, count: Callable[[int], None]
) -> None:
    """Send the image.

    Raises:
        PacketsLost, NodeSilent, ProtocolError, LinkError: it does not arrive.
    """
    await control.tell(codec.receipts(pace.packets))
    control.link.discard_heard()
    await control.tell(codec.plain(Op.RECEIVE))
    step = control.room * pace.packets
    for start in range(0, len(data), step):
        part = data[start : start + step]
        for place in range(0, len(part), control.room):
            piece = part[place : place + control.room]
            count(len(piece))
            await control.link.write(PACKET, piece, response=False)
        if start + step < len(data):
            await control.receipt(start + step)
            headway.reached(start + step)
            if pace.pause:
                await asyncio.sleep(pace.pause)
    await control.received(len(data), ERASE_TIMEOUT)
    headway.reached(len(data))


async def validate(control: ControlPoint) -> None:
    """Have the loader compute the checksum over what it wrote.

    Raises:
        ImageMismatch: it is not the one of the init packet.
        LoaderRefused, NodeSilent, ProtocolError, LinkError: it does not say.
    """
    said = await control.ask(codec.plain(Op.VALIDATE))
    if said.result == Result.CRC_ERROR:
        raise ImageMismatch("the loader's checksum over what it wrote is not that of the package")
    if said.result != Result.SUCCESS:
        raise LoaderRefused(f"the loader refuses to validate: {said.said}")


async def end(control: ControlPoint, op: Op) -> None:
    """Activate, or reset: the answer is the end of the connection, which is waited for."""
    try:
        await control.tell(codec.plain(op))
        async with asyncio.timeout(GOODBYE_TIMEOUT):
            while True:
                await control.link.heard()
    except (LinkLost, TimeoutError):
        await control.link.aclose()
