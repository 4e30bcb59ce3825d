"""Serve one node until it has an image, or says why it does not take it.

The node is told that there is something, asks what, and then asks for the bytes at its own speed.
Silence has a meaning in each of these phases, and another one in each; a status that ends the
transfer is never sent to a node that is in the middle of it.
"""

import asyncio
from enum import StrEnum
from typing import Any

from flashers.api import FirmwareImage, FlashError, Session, Stalled
from flashers.zigbee_ota.codec import (
    BadCommand,
    Command,
    ImageBlockRequest,
    ImageBlockResponse,
    ImageNotify,
    ImagePageRequest,
    QueryNextImageRequest,
    Status,
    UpgradeEndRequest,
    UpgradeEndResponse,
    frame,
    read_request,
)
from flashers.zigbee_ota.codec.general import decode_default
from flashers.zigbee_ota.codec.words import FOREVER, OTA, POLL_CONTROL, General
from flashers.zigbee_ota.params import OtaParams, Pages
from flashers.zigbee_ota.server import verdicts
from flashers.zigbee_ota.server.answers import Answers
from flashers.zigbee_ota.server.counts import Counts
from flashers.zigbee_ota.server.giving import Giver
from flashers.zigbee_ota.server.offer import Offer
from flashers.zigbee_ota.server.offering import Offering
from flashers.zigbee_ota.server.saying import checked_in, stay_awake
from flashers.zigbee_ota.server.state import State
from transports.errors import NodeUnreachable
from transports.zcl import Zcl, ZigbeeLink

_TIMES_OVER = 8
"""A node that was sent its image so many times over, and has not got it, will not get it."""
_TICK, _SLEEPY_TICK = 2.0, 0.5
"""Seconds between two looks at how long it has been silent; a sleepy one listens for a moment only."""


class Ended(StrEnum):
    """How serving a node ends well."""

    STAGED = "staged"
    """It has the image, checked it, and waits."""
    RUNS = "runs"
    """It runs the image already."""


class Server:
    """Serves one node with one image for the length of a verb."""

    def __init__(
        self,
        session: Session,
        link: ZigbeeLink,
        params: OtaParams,
        image: FirmwareImage,
        offer: Offer,
        *,
        endpoint: int,
    ) -> None:
        self._session = session
        self._link = link
        self._params = params
        self._endpoint = endpoint
        self._sleepy = link.facts.sleepy
        self._loop = asyncio.get_running_loop()
        self._state = State(self._loop.time(), self._loop.time())
        self._counts = Counts(session.note, session.node)
        self._offering = Offering(session, image, offer, self._counts)
        self._answers = Answers(link, self._counts)
        self._giver = Giver(session, link, params, self._counts, sleepy=self._sleepy)
        self._ended: asyncio.Future[Ended] = self._loop.create_future()
        self._waited: tuple[str, float] | None = None
        self._last: Zcl | None = None

    @property
    def offer(self) -> Offer:
        """What the node is offered, under the version that it was told."""
        return self._offering.offer

    async def serve(self) -> Ended:
        """Tell the node, and answer it until it has the image.

        Raises:
            FlashError: it does not take it, or asks for nothing any more; which of them, says the error.
            LinkError: the coordinator is gone.
        """
        self._link.listen(OTA)
        if self._sleepy:
            self._link.listen(POLL_CONTROL)
        work = [self._loop.create_task(each) for each in (self._hear(), self._watch())]
        trouble: list[asyncio.Future[Any]] = [self._giver.failed, self._answers.failed, *work]
        try:
            await asyncio.wait({*trouble, self._ended}, return_when=asyncio.FIRST_COMPLETED)
            for each in trouble:
                if each.done():
                    each.result()
            return self._ended.result()
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            await self._answers.aclose()
            await self._giver.aclose()
            if not self._ended.done():
                self._ended.cancel()
            elif not self._ended.cancelled():
                self._ended.exception()
            self._counts.end()

    async def withdraw(self) -> None:
        """Have a node in mid-image stop and forget it: only where people gave the attempt up."""
        if self._state.taking and self._last is not None:
            self._state.taking = False
            await self._answers.say(self._last, ImageBlockResponse(Status.ABORT))

    # What the node says

    async def _hear(self) -> None:
        while not self._ended.done():
            self._take(await self._link.heard())

    def _take(self, heard: Zcl) -> None:
        if heard.cluster == POLL_CONTROL:
            if checked_in(heard):
                self._answers.tell(stay_awake(heard, self._params.stall_timeout))
                self._notify_now()
            return
        if heard.general and heard.command == General.DEFAULT_RESPONSE:
            self._complained(heard)
        if heard.general or heard.to_client or heard.manufacturer is not None:
            return
        try:
            ask = read_request(heard)
        except BadCommand as error:
            self._counts.odd("malformed", error.message)
            self._answers.refuse(heard, Status.MALFORMED_COMMAND)
            return
        match ask:
            case ImageBlockRequest():
                self._block(heard, ask)
            case ImagePageRequest():
                self._page(heard, ask)
            case QueryNextImageRequest():
                self._answers.run(self._query(heard, ask))
            case UpgradeEndRequest():
                self._answers.run(self._end(heard, ask))
            case _:
                self._answers.refuse(heard, Status.UNSUPPORTED_COMMAND)

    def _complained(self, heard: Zcl) -> None:
        """It has something against an answer of ours."""
        try:
            command, status = decode_default(heard.payload)
        except BadCommand:
            return
        if command == Command.QUERY_NEXT_IMAGE_RESPONSE and status and self._state.offers:
            self._fail(verdicts.complained(status, self._state, self.offer))

    def _block(self, asked: Zcl, ask: ImageBlockRequest) -> None:
        if self._is_ours(asked, ask) and self._goes_on(ask.offset, min(ask.size, self._giver.size.limit)):
            self._giver.block(asked, ask, self.offer)

    def _page(self, asked: Zcl, ask: ImagePageRequest) -> None:
        if not self._is_ours(asked, ask):
            return
        if self._params.pages is Pages.OFF or self._giver.gaps.hopeless:
            # It goes on by blocks (ZCL revision 8, 11.13.7.4).
            self._answers.refuse(asked, Status.UNSUPPORTED_COMMAND)
        elif not ask.page:
            self._counts.odd("malformed", "a page of no bytes is asked for")
            self._answers.refuse(asked, Status.MALFORMED_COMMAND)
        elif self._goes_on(ask.offset, ask.page):
            self._giver.page(asked, ask, self.offer)

    def _is_ours(self, asked: Zcl, ask: ImageBlockRequest | ImagePageRequest) -> bool:
        """Whether a question is about bytes that there are; it is answered here where not."""
        last, self._last = self._last, asked
        if last is not None and last.tsn == asked.tsn and last.payload != asked.payload:
            self._counts.same_number += 1
        if not self.offer.means(ask.file):
            self._counts.odd("other", f"the node asks for another image: {ask.file}")
            # It stops asking for that one, and asks what there is instead.
            self._answers.refuse(asked, Status.NO_IMAGE_AVAILABLE)
            self._notify_now()
            return False
        if ask.offset >= self.offer.size or not ask.size:
            text = f"the node asks for {ask.size} bytes from {ask.offset} of {self.offer.size}"
            self._counts.odd("beyond", text)
            self._answers.refuse(asked, Status.MALFORMED_COMMAND)
            return False
        return True

    def _goes_on(self, offset: int, size: int) -> bool:
        """Note how far it is; False ends it."""
        whole = self.offer.size
        self._state.goes_on(offset, offset + size, whole, self._loop.time())
        self._session.progress(self._state.done, whole)
        if self._counts.bytes > _TIMES_OVER * whole:
            self._fail(Stalled("the node was sent its image many times over, and still asks for it"))
        return not self._ended.done()

    async def _query(self, asked: Zcl, ask: QueryNextImageRequest) -> None:
        state = self._state
        state.asked_at = self._loop.time()
        said, trouble = await self._offering.asked(ask)
        if said.status == Status.SUCCESS and state.offers >= verdicts.OFFERS:
            self._fail(verdicts.not_taken(state, self.offer))
            return
        await self._answers.say(asked, said)
        if trouble is not None:
            self._fail(trouble)
        elif said.status == Status.SUCCESS:
            state.offers += 1
            state.taking = False
        elif self._offering.runs(ask.file):
            self._end_with(Ended.RUNS)

    async def _end(self, asked: Zcl, ask: UpgradeEndRequest) -> None:
        self._state.asked_at = self._loop.time()
        if not self.offer.means(ask.file):
            self._counts.odd("other", f"the node ends another image: {ask.file}")
            self._answers.refuse(asked, Status.NO_IMAGE_AVAILABLE)
            self._notify_now()
        elif ask.status == Status.SUCCESS:
            self._offering.taken(ask.file.version)
            await self._answers.say(asked, UpgradeEndResponse(ask.file, 0, FOREVER))
            # Not heard, it asks again, and whoever is there then tells it to wait as well.
            self._state.taking = False
            self._end_with(Ended.STAGED)
        else:
            self._answers.refuse(asked, Status.SUCCESS)
            trouble = verdicts.ended(ask.status, self._state, self.offer)
            self._state.taking = False
            self._fail(trouble)

    # Silence

    async def _watch(self) -> None:
        tick = _SLEEPY_TICK if self._sleepy else min(_TICK, self._params.reply_timeout / 4)
        await self._notify()
        while not self._ended.done():
            await asyncio.sleep(tick)
            await self._mind()

    async def _mind(self) -> None:
        """What the silence means by now, and whether the node is told once more."""
        state, params, now = self._state, self._params, self._loop.time()
        quiet = now - state.asked_at
        heard_at = self._link.facts.last_heard or 0.0
        since_offer = max(heard_at, state.told_at) - state.asked_at
        there = since_offer > params.reply_timeout
        trouble = verdicts.silent(quiet, state, self.offer, params, sleepy=self._sleepy, there=there)
        if trouble is not None:
            self._fail(trouble)
            return
        left = verdicts.patience(state, params, sleepy=self._sleepy) - quiet
        self._waiting(verdicts.waits(state, sleepy=self._sleepy), left)
        if state.taking and state.whole:
            return
        if self._sleepy and heard_at > state.notified_at + params.reply_timeout:
            await self._notify()  # it was heard with something else, so it listens for a moment
        elif now - max(state.notified_at, state.asked_at) > params.reply_timeout * 2 ** min(state.notices, 3):
            await self._notify()

    def _waiting(self, why: str, at_most: float) -> None:
        """Tell the host once for each silence, and not before it is one."""
        silence = (why, self._state.asked_at)
        if self._loop.time() - self._state.asked_at > self._params.reply_timeout and self._waited != silence:
            self._waited = silence
            self._session.waiting(why, at_most=at_most)

    def _notify_now(self) -> None:
        """Soon, but not with every frame that it sends."""
        if self._loop.time() - self._state.notified_at > self._params.reply_timeout / 2:
            self._answers.run(self._notify())

    async def _notify(self) -> None:
        state = self._state
        state.notified_at = self._loop.time()
        state.notices += 1
        notice = frame(ImageNotify(), endpoint=self._endpoint)
        try:
            await self._link.send(notice, acknowledged=not self._sleepy)
        except NodeUnreachable as error:
            if state.notices == 1:
                self._session.note(f"not told yet: {error.message}")
        else:
            state.delivered = True
            if not self._sleepy:
                state.told_at = self._loop.time()

    def _fail(self, error: FlashError) -> None:
        if not self._ended.done():
            self._ended.set_exception(error)

    def _end_with(self, how: Ended) -> None:
        if not self._ended.done():
            self._ended.set_result(how)
