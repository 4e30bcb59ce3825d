"""Bring an init packet and an image into a loader, object by object; everything but the last execute.

The loader says where it stands, and nothing else counts: it is asked at the beginning, so
an interrupted transfer goes on with whatever the loader still has; each object's CRC-32 is
compared before it is executed; and packets flow as receipts come back, since a write that
returned says nothing of arrival.

A receipt does not say that a packet was written: it was queued, behind the erase of its page
at first, and what finds the queue full is lost.  So no more is sent than has room, until the
erase must be over.

Source: nRF5 SDK 17.1.0, ``nrf_dfu_req_handler.c``: creating a data object goes back to the
end of the last executed one, and is answered before its page is erased; creating a command
object begins everything anew; a packet for which the queue has no room counts for its
receipt, which says offset 0 and CRC 0 then.
"""

import asyncio
from collections import deque

from flashers.api import ProtocolError, Stalled
from flashers.nordic_dfu.params import Keeps, NordicParams
from flashers.nordic_dfu.secure.codec import Place, crc32
from flashers.nordic_dfu.secure.errors import InitTooLarge, LoaderLost, init_refused
from flashers.nordic_dfu.secure.loader import Loader
from flashers.nordic_dfu.secure.words import Object, Op, Result

_REPEATS = 6
"""Times that one object is sent again before its transfer is given up."""
_RECEIPT_PATIENCE = 1.0
"""Seconds without a receipt after which the loader is asked where it stands."""
_SETTINGS = 4
"""Operations on flash with which settings are written: two pages, each erased and written
(``nrf_dfu_settings.c``); the answer to what had them written does not wait for that."""
_SETTINGS_ERASES = 2
_LONGEST_ERASE = 1.0
"""Seconds that an erase is believed to take at most, however often packets were lost meanwhile."""
_NOT_QUEUED = Place(0, 0)
"""What the receipt of a packet says for which there was no room."""


class _Bent(Exception):
    """Packets were lost, or changed: the object has to be sent again."""


async def holds(loader: Loader, init: bytes, image: bytes) -> bool:
    """Whether the loader has all of this package, and would start it."""
    command, _ = await loader.select(Object.COMMAND)
    if command != _after(init, len(init)):
        return False
    data, _ = await loader.select(Object.DATA)
    return data == _after(image, len(image))


class Bringing:
    """One package on its way into one loader; :meth:`run` may be called again after a lost link."""

    def __init__(self, init: bytes, image: bytes, params: NordicParams) -> None:
        self._init = init
        self._image = image
        self._window = params.window
        self._erase = params.erase_time
        self._saves = params.keeps is Keeps.PROGRESS
        self._saving = False
        """Whether the loader writes its settings while the next object begins."""
        self._every = 1
        self._erased_at = 0.0
        """When the page of the present object must have been erased, by the loop's time."""
        self._room = self._window
        """Packets of it that may come before that."""
        self.begun = False
        """The loader has taken the init packet, after which a single bank may be gone."""
        self.taken = 0
        """Bytes of the image that the loader has been known to have."""

    async def run(self, loader: Loader) -> None:
        """Everything but the last execute.

        Raises:
            TransferRefused: the loader will not have this package.
            Stalled: the same object is bent again and again.
            NodeSilent, LinkError: the loader is gone; running again goes on.
        """
        command, room = await loader.select(Object.COMMAND)
        if len(self._init) > room:
            raise InitTooLarge(f"the init packet has {len(self._init)} bytes, and the loader takes {room}")
        if command != _after(self._init, len(self._init)):
            await self._begin(loader)
        else:
            # Taken or not: the loader says the same to an init packet that it has taken before.
            await self._execute_init(loader)
        place, largest = await loader.select(Object.DATA)
        start = await self._resume(loader, place, largest)
        await self._agree(loader, largest)
        while start < len(self._image):
            end = min(start // largest * largest + largest, len(self._image))
            await self._object(loader, start, end, largest)
            start = end
            if end < len(self._image):
                await self._execute(loader)
        self._progress(loader, len(self._image))

    # The init packet

    async def _begin(self, loader: Loader) -> None:
        for _ in range(_REPEATS):
            await self._agree(loader, len(self._init))
            answer = await loader.create(Object.COMMAND, len(self._init))
            if not answer.ok:
                raise init_refused(answer)
            try:
                await self._pour(loader, self._init, 0, len(self._init), counts=False)
            except _Bent:
                self._narrow()
                continue
            await self._execute_init(loader)
            return
        raise Stalled("the init packet arrives bent again and again")

    async def _execute_init(self, loader: Loader) -> None:
        answer = await loader.execute()
        if not answer.ok:
            raise init_refused(answer)
        self.begun = self._saving = True

    # The image

    async def _resume(self, loader: Loader, place: Place, largest: int) -> int:
        """Where to go on: as far as the loader has the right bytes."""
        if place.offset and place.offset <= len(self._image) and place == _after(self._image, place.offset):
            loader.session.note(f"the loader has {place.offset} of {len(self._image)} bytes already")
            self._progress(loader, place.offset)
            if place.offset % largest == 0 and place.offset < len(self._image):
                await self._execute(loader, perhaps=True)
            return place.offset
        if place.offset:
            # Other bytes, in the open object at least; what was executed before it may be right.
            first = (place.offset - 1) // largest * largest
            size = min(largest, len(self._image) - first)
            answer = await loader.create(Object.DATA, size) if size > 0 else None
            if answer is not None and answer.ok:
                place = await loader.place()
                if place.offset == first and place == _after(self._image, first):
                    return first
            await self._begin(loader)
            await loader.select(Object.DATA)
        return 0

    async def _object(self, loader: Loader, start: int, end: int, largest: int) -> None:
        first = start // largest * largest
        for _ in range(_REPEATS):
            try:
                if start == first:
                    await self._create(loader, end - first)
                await self._pour(loader, self._image, start, end)
            except _Bent:
                self._narrow()
                await asyncio.sleep(self._erase)  # what is queued is written before it is begun anew
                await self._agree(loader, largest)
                start = first
                continue
            return
        raise Stalled(f"the object at {first} of {len(self._image)} bytes arrives bent again and again")

    async def _create(self, loader: Loader, size: int) -> None:
        loop = asyncio.get_running_loop()
        asked = loop.time()
        answer = await loader.create(Object.DATA, size)
        heard = (asked + loop.time()) / 2  # it has to get there, and the answer back
        if answer.result == Result.INVALID_OBJECT:
            raise _Bent  # its queue was full, and had no room for the erase
        if answer.result == Result.NOT_PERMITTED:
            raise LoaderLost("the loader does not know what it has agreed to receive")
        if not answer.ok:
            raise ProtocolError(f"the loader begins no object: {answer.said}")
        erases = 1 + (_SETTINGS_ERASES if self._saving else 0)
        self._erased_at = heard + erases * self._erase
        self._room = max(1, self._window - (_SETTINGS if self._saving else 0))
        self._saving = False

    async def _execute(self, loader: Loader, *, perhaps: bool = False) -> None:
        """Take an object that is not the last for complete; ``perhaps`` it was before."""
        answer = await loader.execute()
        if not answer.ok and not (perhaps and answer.result == Result.NOT_PERMITTED):
            raise LoaderLost(f"the loader does not take an object for complete: {answer.said}")
        self._saving = self._saves

    # Packets

    async def _pour(self, loader: Loader, data: bytes, start: int, end: int, *, counts: bool = True) -> None:
        """Send a part of ``data`` as receipts allow, until the loader has said its CRC-32 at the end."""
        size, loop = loader.packet, asyncio.get_running_loop()
        waiting: deque[Place] = deque()  # where receipts are due, with what they have to say
        sent = acknowledged = taken = start
        packets, crc, asked = 0, crc32(data[:start]), False
        held = start + self._room * size if counts and loop.time() < self._erased_at else end
        ahead = max(self._window, self._every) * size
        while acknowledged < end:
            while sent < end and sent - max(acknowledged, taken) < ahead:
                if sent >= held:
                    await asyncio.sleep(self._erased_at - loop.time())
                    held, taken = end, sent  # from here on it writes as fast as they come
                piece = data[sent : min(sent + size, end)]
                await loader.send(piece)
                if counts:
                    loader.session.sent(len(piece))
                sent, packets, crc = sent + len(piece), packets + 1, crc32(piece, crc)
                if packets % self._every == 0 or sent == end:
                    waiting.append(Place(sent, crc))
            receipt: Place | None
            if sent == end and packets % self._every and not asked:
                asked = True
                receipt = await loader.place()  # or one of the receipts that come before its answer
            else:
                receipt = await _receipt(loader)
            place = receipt or await loader.place()
            if place == _NOT_QUEUED or (receipt is None and place.offset != sent):
                raise _Bent
            if place.offset <= acknowledged:
                continue  # a receipt that came after the loader was asked
            while waiting and waiting[0].offset < place.offset:
                waiting.popleft()  # its receipt was lost, and what came later says as much
            if not waiting or waiting[0] != place:
                raise _Bent
            waiting.popleft()
            acknowledged = place.offset
            if counts:
                self._progress(loader, acknowledged)

    async def _agree(self, loader: Loader, largest: int) -> None:
        """Say how often receipts shall come: once an object if hardly more comes after the erase."""
        packets = -(-largest // loader.packet)
        half = max(1, self._window // 2)
        self._every = packets if packets <= self._window - _SETTINGS + half else half
        await loader.receipts(self._every)

    def _narrow(self) -> None:
        """The loader may have room for less than we thought, or be longer about its erase."""
        self._window = max(1, self._window // 2)
        self._erase = min(_LONGEST_ERASE, 2 * self._erase)

    def _progress(self, loader: Loader, done: int) -> None:
        if done > self.taken:
            self.taken = done
            loader.session.progress(done, len(self._image))


def _after(data: bytes, offset: int) -> Place:
    return Place(offset, crc32(data[:offset]))


async def _receipt(loader: Loader) -> Place | None:
    """The next receipt; None if none comes in time."""
    try:
        async with asyncio.timeout(_RECEIPT_PATIENCE):
            while (answer := await loader.heard()).op != Op.CRC or answer.place is None:
                pass
    except TimeoutError:
        return None
    return answer.place
