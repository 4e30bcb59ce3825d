"""Serve one node until it has an image, or says why it does not take it.

The node is told that there is something, asks what, and then asks for the bytes at its own speed.
Silence has a meaning in each of these phases, and another one in each; a status that ends the
transfer is never sent to a node that is in the middle of it.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from enum import StrEnum
from typing import Any

from flashers.api import (
    DowngradeRefused,
    FirmwareImage,
    FlashError,
    NodeRefused,
    NodeSilent,
    Session,
    Stalled,
    WrongHardware,
)
from flashers.zigbee_ota.codec import (
    Answer,
    BadCommand,
    Command,
    ImageBlockRequest,
    ImageBlockResponse,
    ImageNotify,
    ImagePageRequest,
    QueryNextImageRequest,
    QueryNextImageResponse,
    Status,
    UpgradeEndRequest,
    UpgradeEndResponse,
    answer,
    frame,
    read_request,
)
from flashers.zigbee_ota.codec.general import decode_default
from flashers.zigbee_ota.codec.words import FOREVER, OTA, POLL_CONTROL, General, version_text
from flashers.zigbee_ota.params import OtaParams, Pages
from flashers.zigbee_ota.server import given
from flashers.zigbee_ota.server.counts import Counts
from flashers.zigbee_ota.server.errors import (
    CheckSilent,
    ImageDeclined,
    ImageInvalid,
    NeedsMoreImages,
    NodeAsleep,
    NodeGaveUp,
    NoRoom,
    NotifyIgnored,
    OfferDeclined,
)
from flashers.zigbee_ota.server.giving import Giver
from flashers.zigbee_ota.server.offer import Offer
from flashers.zigbee_ota.server.saying import checked_in, declined, stay_awake
from transports.errors import NodeUnreachable
from transports.zcl import Zcl, ZigbeeLink

_OFFERS = 3
"""An offer that was made so often, and not taken up, is declined."""
_CLIMBS = 3
"""Times that a higher version is found for a node that calls itself by a higher one each time it asks."""
_TIMES_OVER = 8
"""A node that was sent its image so many times over, and has not got it, will not get it."""
_FIRST_BYTES = 512
"""A node that asked for no more has looked at the header, and at nothing else."""
_HIGHEST = 0xFFFFFFFE
"""The highest file version; the next one stands for every version (ZCL revision 8, 11.4.2.7)."""
_ANSWERS = 4
"""Answers other than blocks that may be under way to a node; it asks again for what is not answered."""


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
        self._image = image
        self._endpoint = endpoint
        self._sleepy = link.facts.sleepy
        self._loop = asyncio.get_running_loop()
        self._giver: Giver | None = None
        self._answers: set[asyncio.Task[None]] = set()
        self._ended: asyncio.Future[Ended] = self._loop.create_future()
        self._asked_at = self._notified_at = self._loop.time()
        self._notices = self._offers = self._climbs = 0
        self._delivered = False
        self._done = 0
        self._whole = False
        """The node was given the end of the image, and nothing was asked since."""
        self._waited: tuple[str, float] | None = None
        self._last: Zcl | None = None
        self.offer = offer
        self.counts = Counts(session.note)
        self.taking = False
        """It asked for bytes of the image in this lease, and has not ended that."""

    async def serve(self) -> Ended:
        """Tell the node, and answer it until it has the image.

        Raises:
            FlashError: it does not take it, or asks for nothing any more; which of them, says the error.
            LinkError: the coordinator is gone.
        """
        giver = self._giver = Giver(self._session, self._link, self._params, self.counts, sleepy=self._sleepy)
        self._link.listen(OTA)
        if self._sleepy:
            self._link.listen(POLL_CONTROL)
        work = [self._loop.create_task(each) for each in (self._hear(giver), self._watch())]
        ends: set[asyncio.Future[Any]] = {*work, self._ended, giver.failed}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for each in (giver.failed, *work):
                if each.done():
                    each.result()
            return self._ended.result()
        finally:
            for task in (*work, *self._answers):
                task.cancel()
            await asyncio.gather(*work, *self._answers, return_exceptions=True)
            await giver.aclose()
            if not self._ended.done():
                self._ended.cancel()
            elif not self._ended.cancelled():
                self._ended.exception()
            self._session.note(f"served: {self.counts.summary() or 'nothing'}")

    async def withdraw(self) -> None:
        """Have a node in mid-image stop and forget it: only where people gave the attempt up."""
        if self.taking and self._last is not None:
            self.taking = False
            await self._say(self._last, ImageBlockResponse(Status.ABORT))

    # What the node says

    async def _hear(self, giver: Giver) -> None:
        while not self._ended.done():
            self._take(await self._link.heard(), giver)

    def _take(self, heard: Zcl, giver: Giver) -> None:
        if heard.cluster == POLL_CONTROL:
            if checked_in(heard):
                self._answer(stay_awake(heard, self._params.stall_timeout))
                self._notify_now()
            return
        if heard.general and heard.command == General.DEFAULT_RESPONSE:
            self._refused(heard)
        if heard.general or heard.to_client or heard.manufacturer is not None:
            return
        try:
            ask = read_request(heard)
        except BadCommand as error:
            self.counts.odd("malformed", error.message)
            self._refuse(heard, Status.MALFORMED_COMMAND)
            return
        match ask:
            case ImageBlockRequest():
                self._block(heard, ask, giver)
            case ImagePageRequest():
                self._page(heard, ask, giver)
            case QueryNextImageRequest():
                self._run(self._query(heard, ask))
            case UpgradeEndRequest():
                self._run(self._end(heard, ask))
            case _:
                self._refuse(heard, Status.UNSUPPORTED_COMMAND)

    def _refused(self, heard: Zcl) -> None:
        """It has something against an answer of ours."""
        try:
            command, status = decode_default(heard.payload)
        except BadCommand:
            return
        if command != Command.QUERY_NEXT_IMAGE_RESPONSE or status == Status.SUCCESS or not self._offers:
            return
        if status == Status.INSUFFICIENT_SPACE:
            self._fail(NoRoom(f"the node has no room for {self.offer.size} bytes"))
        else:
            self._fail(self._declined(f"the node declines the offer with status 0x{status:02x}"))

    def _block(self, asked: Zcl, ask: ImageBlockRequest, giver: Giver) -> None:
        self._last = asked
        if self._is_ours(asked, ask) and self._goes_on(ask.offset, min(ask.size, giver.size.limit)):
            giver.block(asked, ask, self.offer)

    def _page(self, asked: Zcl, ask: ImagePageRequest, giver: Giver) -> None:
        self._last = asked
        if not self._is_ours(asked, ask):
            return
        if self._params.pages is Pages.OFF or giver.gaps.hopeless:
            # It goes on by blocks (ZCL revision 8, 11.13.7.4).
            self._refuse(asked, Status.UNSUPPORTED_COMMAND)
        elif not ask.page:
            self.counts.odd("malformed", "a page of no bytes is asked for")
            self._refuse(asked, Status.MALFORMED_COMMAND)
        elif self._goes_on(ask.offset, ask.page):
            giver.page(asked, ask, self.offer)

    def _is_ours(self, asked: Zcl, ask: ImageBlockRequest | ImagePageRequest) -> bool:
        """Whether a question is about bytes that there are; it is answered here where not."""
        if not self.offer.means(ask.file):
            self.counts.odd("other", f"the node asks for another image: {ask.file}")
            # It stops asking for that one, and asks what there is instead.
            self._refuse(asked, Status.NO_IMAGE_AVAILABLE)
            self._notify_now()
            return False
        if ask.offset >= self.offer.size or not ask.size:
            said = f"the node asks for {ask.size} bytes from {ask.offset} of {self.offer.size}"
            self.counts.odd("beyond", said)
            self._refuse(asked, Status.MALFORMED_COMMAND)
            return False
        return True

    def _goes_on(self, offset: int, size: int) -> bool:
        """Note how far it is.  What it asks for next says what it has; it may also have begun anew."""
        self._asked_at = self._loop.time()
        self.taking = True
        self._notices = 0
        self._whole = offset + size >= self.offer.size
        if offset > self._done:
            self._done, self._offers = offset, 0
        self._session.progress(self._done, self.offer.size)
        if self.counts.bytes > _TIMES_OVER * self.offer.size:
            self._fail(Stalled("the node was sent its image many times over, and still asks for it"))
        return not self._ended.done()

    # Query

    async def _query(self, asked: Zcl, ask: QueryNextImageRequest) -> None:
        self._asked_at = self._loop.time()
        offer = self.offer
        if not offer.for_node(ask.file):
            self.counts.odd("other", f"the node asks what there is for another image: {ask.file}")
            await self._say(asked, QueryNextImageResponse(Status.NO_IMAGE_AVAILABLE))
            return
        if not offer.hardware_fits(ask.hardware):
            await self._say(asked, QueryNextImageResponse(Status.NO_IMAGE_AVAILABLE))
            low, high = offer.header.hardware or (0, 0)
            self._fail(
                WrongHardware(f"the image is for hardware {low} to {high}, and the node has {ask.hardware}")
            )
            return
        if self._is_there(ask.file.version):
            await self._say(asked, QueryNextImageResponse(Status.NO_IMAGE_AVAILABLE))
            self._end_with(Ended.RUNS)
            return
        if ask.file.version >= offer.version and not await self._climb(ask.file.version):
            await self._say(asked, QueryNextImageResponse(Status.NO_IMAGE_AVAILABLE))
            self._fail(OfferDeclined(f"the node calls itself by ever higher versions: {ask.file}"))
            return
        if self._offers >= _OFFERS:
            self._fail(self._not_taken())
            return
        self._offers += 1
        self.taking = False
        await self._say(asked, self.offer.answer())

    def _is_there(self, runs: int) -> bool:
        """Whether the node runs these bytes, under their own version or the one that it was told."""
        own = self.offer.header.file.version
        told = given.really(self._session, runs)
        if told is not None:
            return told.artifact == str(self._image.artifact)
        return runs == own and not self.offer.disguised

    async def _climb(self, runs: int) -> bool:
        """Offer the image above what the node says that it runs; kept before it is said."""
        self._climbs += 1
        if self._climbs > _CLIMBS or runs >= _HIGHEST:
            return False
        own = self.offer.header
        await given.will_tell(self._session, self._image, runs + 1, own.file.version, own.text)
        known = self.offer.known_as | {self.offer.version}
        self.offer = replace(self.offer, version=runs + 1, known_as=known)
        self._session.note(
            f"offered as {version_text(runs + 1)}, since the node says that it runs {version_text(runs)}"
        )
        return True

    # The end

    async def _end(self, asked: Zcl, ask: UpgradeEndRequest) -> None:
        self._asked_at = self._loop.time()
        if not self.offer.means(ask.file):
            self.counts.odd("other", f"the node ends another image: {ask.file}")
            self._refuse(asked, Status.NO_IMAGE_AVAILABLE)
            self._notify_now()
            return
        if ask.status == Status.SUCCESS:
            self.taking = False
            version = ask.file.version
            self.offer = replace(self.offer, version=version, known_as=self.offer.known_as | {version})
            self._session.progress(self.offer.size, self.offer.size)
            await self._say(asked, UpgradeEndResponse(ask.file, 0, FOREVER))
            # Not heard, it asks again, and whoever is there then tells it to wait as well.
            self._end_with(Ended.STAGED)
            return
        whole = self._whole or self._done >= self.offer.size * 0.9
        self._refuse(asked, Status.SUCCESS)
        if ask.status == Status.REQUIRE_MORE_IMAGE:
            self.taking = False
            self._fail(NeedsMoreImages("the node wants more images before it starts this one"))
        elif ask.status == Status.INVALID_IMAGE:
            self.taking = False
            self._fail(self._invalid(whole=whole))
        elif ask.status == Status.ABORT:
            self.taking = False
            early = not self._done and self.offer.disguised
            text = "the node gave the image up by itself (ABORT)"
            self._fail(DowngradeRefused(text) if early else NodeGaveUp(text))
        else:
            self.taking = False
            self._fail(NodeRefused(f"the node ends the transfer with status 0x{ask.status:02x}"))

    def _invalid(self, *, whole: bool) -> FlashError:
        if not whole:
            return self._declined("the node looked into the image's header and calls it invalid")
        return ImageInvalid("the node has the whole image, and calls it invalid")

    def _not_taken(self) -> FlashError:
        """It was offered the image again and again, and came no further."""
        if self._done > _FIRST_BYTES:
            return NodeGaveUp(f"the node begins anew each time, and never came beyond {self._done}")
        return self._declined("the node was offered the image, and does not take it")

    def _declined(self, text: str) -> FlashError:
        if self.offer.disguised:
            return DowngradeRefused(f"{text}; it is older than what it runs")
        return ImageDeclined(text) if self._done or self.counts.blocks else OfferDeclined(text)

    # Silence

    async def _watch(self) -> None:
        tick = 0.5 if self._sleepy else min(2.0, self._params.reply_timeout / 4)
        await self._notify()
        while not self._ended.done():
            await asyncio.sleep(tick)
            await self._mind()

    async def _mind(self) -> None:
        """What the silence means by now."""
        now, params = self._loop.time(), self._params
        quiet = now - self._asked_at
        if self.taking and self._whole:
            if quiet > params.verify_deadline:
                self._fail(CheckSilent(f"the node has everything, and said nothing for {quiet:.0f} s"))
            else:
                self._waiting("the node checks its image", params.verify_deadline - quiet)
            return
        patience = params.stall_timeout + (params.check_in if self._sleepy and self.taking else 0.0)
        offered = bool(self._offers) and not self.taking
        if quiet > patience or (self._offers >= _OFFERS and offered and quiet > params.reply_timeout):
            self._fail(self._not_taken() if offered else self._silence(quiet))
            return
        self._waiting(self._why(), patience - quiet)
        unanswered = now - max(self._notified_at, self._asked_at)
        if self._sleepy and (self._link.facts.last_heard or 0.0) > self._notified_at + params.reply_timeout:
            await self._notify()  # it was heard with something else, so it listens for a moment
        elif unanswered > params.reply_timeout * 2 ** min(self._notices, 3):
            await self._notify()

    def _waiting(self, why: str, at_most: float) -> None:
        """Tell the host once for each silence, and not before it is one."""
        said = (why, self._asked_at)
        if self._loop.time() - self._asked_at > self._params.reply_timeout and self._waited != said:
            self._waited = said
            self._session.waiting(why, at_most=at_most)

    def _why(self) -> str:
        if self._sleepy:
            return "the node sleeps"
        return "the node asks for nothing" if self.taking else "the node was told, and does not ask yet"

    def _silence(self, quiet: float) -> FlashError:
        if self._sleepy:
            return NodeAsleep(f"the node did not wake for {quiet:.0f} s")
        if self.taking:
            return Stalled(
                f"the node asked for nothing for {quiet:.0f} s, at {self._done} of {self.offer.size}"
            )
        if self._delivered:
            return NotifyIgnored(f"the node was told {self._notices} times that there is an image for it")
        return NodeSilent("the node cannot be told that there is an image for it")

    def _notify_now(self) -> None:
        """Soon, but not with every frame that it sends."""
        if self._loop.time() - self._notified_at > self._params.reply_timeout / 2:
            self._run(self._notify())

    async def _notify(self) -> None:
        self._notified_at = self._loop.time()
        self._notices += 1
        try:
            await self._link.send(
                frame(ImageNotify(), endpoint=self._endpoint), acknowledged=not self._sleepy
            )
        except NodeUnreachable as error:
            if self._notices == 1:
                self._session.note(f"not told yet: {error.message}")
        else:
            self._delivered = True

    # Answers

    async def _say(self, asked: Zcl, what: Answer) -> None:
        """Answer; who does not hear it asks again."""
        try:
            await self._link.send(answer(asked, what), acknowledged=True)
        except NodeUnreachable:
            self.counts.lost += 1

    def _refuse(self, asked: Zcl, status: Status) -> None:
        """The default response, with which questions are declined that have no answer of their own."""
        self._answer(declined(asked, status))

    def _answer(self, asked: Zcl) -> None:
        async def send() -> None:
            try:
                await self._link.send(asked, acknowledged=False)
            except NodeUnreachable:
                self.counts.lost += 1

        self._run(send())

    def _run(self, work: Coroutine[object, object, None]) -> None:
        if len(self._answers) >= _ANSWERS:
            work.close()
            self.counts.dropped += 1
            return
        task = self._loop.create_task(work)
        self._answers.add(task)
        task.add_done_callback(self._answered)

    def _answered(self, task: "asyncio.Task[None]") -> None:
        self._answers.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not self._ended.done():
            self._ended.set_exception(error)

    def _fail(self, error: FlashError) -> None:
        if not self._ended.done():
            self._ended.set_exception(error)

    def _end_with(self, how: Ended) -> None:
        if not self._ended.done():
            self._ended.set_result(how)
