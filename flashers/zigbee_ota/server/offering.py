"""What a node that asks is offered: the image, under a version above the one that it names.

A node says what it runs each time it asks.  What it is then told is written down first where it is
not the file's own version, since nobody but us could say later what the node was given under it.
"""

from dataclasses import replace

from flashers.api import FirmwareImage, FlashError, Session, WrongHardware
from flashers.zigbee_ota.codec import File, QueryNextImageRequest, QueryNextImageResponse, Status
from flashers.zigbee_ota.codec.words import version_text
from flashers.zigbee_ota.server import given
from flashers.zigbee_ota.server.counts import Counts
from flashers.zigbee_ota.server.errors import OfferDeclined
from flashers.zigbee_ota.server.offer import Offer

HIGHEST = 0xFFFFFFFE
"""The highest file version; the next one stands for every version (ZCL revision 8, 11.4.2.7)."""
_CLIMBS = 3
"""Times that a higher version is found for a node that calls itself by a higher one each time it asks."""
_NOTHING = QueryNextImageResponse(Status.NO_IMAGE_AVAILABLE)


class Offering:
    """One image, offered to one node; ``offer`` is what stands now."""

    def __init__(self, session: Session, image: FirmwareImage, offer: Offer, counts: Counts) -> None:
        self._session = session
        self._image = image
        self._counts = counts
        self._climbs = 0
        self.offer = offer

    async def asked(self, ask: QueryNextImageRequest) -> tuple[QueryNextImageResponse, FlashError | None]:
        """The answer to a query, and what ends the service, if something does."""
        offer = self.offer
        if not offer.for_node(ask.file):
            self._counts.odd("other", f"the node asks what there is for another image: {ask.file}")
            return _NOTHING, None
        if not offer.hardware_fits(ask.hardware):
            low, high = offer.header.hardware or (0, 0)
            text = f"the image is for hardware {low} to {high}, and the node has {ask.hardware}"
            return _NOTHING, WrongHardware(text)
        if self.runs(ask.file):
            return _NOTHING, None
        if ask.file.version >= offer.version and not await self._climb(ask.file.version):
            return _NOTHING, OfferDeclined(f"the node calls itself by ever higher versions: {ask.file}")
        return self.offer.answer(), None

    def runs(self, file: File) -> bool:
        """Whether a node that names this runs these bytes, under their own version or the one it was told."""
        if not self.offer.for_node(file):
            return False
        told = given.really(self._session, file.version)
        if told is not None:
            return told.artifact == str(self._image.artifact)
        return file.version == self.offer.header.file.version and not self.offer.disguised

    def taken(self, version: int) -> None:
        """The node has it, and calls it by this version."""
        self.offer = replace(self.offer, version=version, known_as=self.offer.known_as | {version})

    async def _climb(self, runs: int) -> bool:
        """Offer the image above what the node says that it runs; kept before it is said."""
        self._climbs += 1
        if self._climbs > _CLIMBS or runs >= HIGHEST:
            return False
        own = self.offer.header
        await given.will_tell(self._session, self._image, runs + 1, own.file.version, own.text)
        known = self.offer.known_as | {self.offer.version}
        self.offer = replace(self.offer, version=runs + 1, known_as=known)
        self._session.note(
            f"offered as {version_text(runs + 1)}, since the node says that it runs {version_text(runs)}"
        )
        return True
