"""A Zigbee node that updates itself, step by step: what each verb of a flasher means for who pulls.

The node asks, and is answered; it checks what it has, waits to be told to start it, and then says
what it runs.  Nothing else counts as success, and no status does.
"""

import asyncio
from contextlib import suppress

from flashers.api import (
    Activate,
    Backup,
    Confirm,
    DowngradeRefused,
    Evidence,
    EvidenceKind,
    Firmware,
    FirmwareImage,
    FlashError,
    ImageMismatch,
    NodeSilent,
    NotSupported,
    Of,
    Preflight,
    Probe,
    Reason,
    Revert,
    Role,
    Seen,
    Session,
    Slot,
    Transfer,
)
from flashers.zigbee_ota import asking, preflight, probing
from flashers.zigbee_ota.codec import File
from flashers.zigbee_ota.codec.words import IDENTIFY, version_text
from flashers.zigbee_ota.params import OtaParams
from flashers.zigbee_ota.probing import STAGED, Said, endpoint_of
from flashers.zigbee_ota.server import given
from flashers.zigbee_ota.server.errors import ActivationIgnored, ImageInvalid, NodeGaveUp, OfferDeclined
from flashers.zigbee_ota.server.offer import Offer, header_of
from flashers.zigbee_ota.server.offering import HIGHEST
from flashers.zigbee_ota.server.serving import Ended, Server
from flashers.zigbee_ota.server.starting import Started, Starter
from transports.errors import LinkError
from transports.zcl import Zcl

_REFUSED = "zigbee-ota-refused"
"""The artifact that a node refused once, after it was offered it under another version."""
_IDENTIFY_S = 10
_WITHDRAWN_IN = 3.0
"""Seconds to tell a node to stop; whoever cancelled does not wait for long."""


class ZigbeeFlasher:
    """One node for one lease; implements :class:`flashers.api.Flasher`."""

    def __init__(self, session: Session, params: OtaParams) -> None:
        self._session = session
        self._params = params

    # Looking

    async def probe(self, ask: Probe) -> Seen:
        """Ask the node for its versions; it costs it nothing."""
        return await probing.look(self._session, self._params, ask)

    async def preflight(self, ask: Preflight) -> tuple[Reason, ...]:
        """What the profile, the file and the node say against it."""
        return preflight.reasons(ask, self._params)

    async def backup(self, ask: Backup) -> bytes:
        """These nodes give nothing out."""
        raise NotSupported(f"a Zigbee node's firmware cannot be read out ({ask.component.id})")

    # Bringing bytes in

    async def enter_loader(self) -> None:
        """Nothing to do: the application takes the image while it goes on."""

    async def transfer(self, ask: Transfer) -> Seen | None:
        """Serve the node until it has the image and waits with it."""
        link = await self._session.zigbee()
        said = await probing.ask(link, self._params)
        image = ask.image
        if said is not None and self._has(said, image):
            self._session.progress(image.size, image.size)
            return await self._has_it(said, image)
        offer = await self._offer(ask, said)
        server = Server(
            self._session, link, self._params, image, offer, endpoint=endpoint_of(link, self._params)
        )
        try:
            ended = await server.serve()
        except asyncio.CancelledError:
            if self._session.cancelled:
                with suppress(TimeoutError, LinkError):
                    async with asyncio.timeout(_WITHDRAWN_IN):
                        await server.withdraw()
            raise
        except (ImageInvalid, NodeGaveUp) as error:
            raise await self._refused(image, server.offer, error) from error
        self._session.progress(image.size, image.size)
        if self._session.remembered(_REFUSED) is not None:
            await self._session.remember(_REFUSED, None)
        if ended is Ended.RUNS:
            return None
        await self._session.remember(STAGED, f"{server.offer.version} {image.artifact}")
        return await self._has_it(said, image)

    async def _has_it(self, said: Said | None, image: FirmwareImage) -> Seen | None:
        """It waits with the image; one that cannot wait is told to start it, or does so unasked."""
        if self._params.stages:
            return self._staged(said, image)
        return await self.activate(Activate((image,)))

    def _has(self, said: Said, image: FirmwareImage) -> bool:
        """Whether the node says that it waits with these bytes, which it checked."""
        if not said.has_image or said.downloaded is None:
            return False
        told = given.really(self._session, said.downloaded)
        if told is not None:
            return told.artifact == str(image.artifact)
        version, artifact = probing.staged_word(self._session)
        if version == said.downloaded:
            return artifact == str(image.artifact)
        return said.downloaded == header_of(image).file.version

    async def _offer(self, ask: Transfer, said: Said | None) -> Offer:
        """The image, under a version that the node takes for higher than its own.

        What is told of it is written down before anybody is told.
        """
        header = header_of(ask.image)
        own = header.file.version
        runs = said.current if said is not None else None
        if runs is None and ask.replaces is not None and ask.replaces.version is not None:
            runs = int(ask.replaces.version) if ask.replaces.version.isdecimal() else None
        version = own
        if runs is not None and runs >= own:
            if runs >= HIGHEST:
                raise OfferDeclined(f"nothing can be offered to a node that runs {version_text(runs)}")
            version = runs + 1
            again = [
                each.told
                for each in given.given(self._session)
                if each.artifact == str(ask.image.artifact) and each.told > runs
            ]
            version = max([version, *again])
            self._session.note(f"{version_text(own)} is offered as {version_text(version)}")
        known = given.known_as(self._session, ask.image, own)
        await given.will_tell(self._session, ask.image, version, own, header.text)
        return Offer(header, ask.image.payload, version, known)

    async def _refused(
        self, image: FirmwareImage, offer: Offer, error: ImageInvalid | NodeGaveUp
    ) -> FlashError:
        """Once it may be a bit that was bent on the way, or a low battery; twice it is the image's age."""
        if not offer.disguised or (isinstance(error, NodeGaveUp) and not error.at_once):
            return error
        if self._session.remembered(_REFUSED) == str(image.artifact):
            return DowngradeRefused(f"twice {error.message}; it is older than what it runs")
        await self._session.remember(_REFUSED, str(image.artifact))
        return error

    def _staged(self, said: Said | None, image: FirmwareImage) -> Seen:
        """The node waits with the image; what it runs is what it said before."""
        waits = Slot(image.component.image, 1, Firmware(version=image.firmware.version))
        proof = Evidence(Of.TRANSFER, EvidenceKind.CHECKSUM, "the node has it, and found it good")
        if said is None or said.current is None:
            return Seen(Role.APP, (waits,), (proof,))
        told = given.really(self._session, said.current)
        runs = Firmware(version=str(said.current if told is None else told.version))
        running = Slot(image.component.image, 0, runs, active=True, confirmed=True)
        return Seen(Role.APP, (running, waits), (proof,))

    # Starting

    async def activate(self, ask: Activate) -> Seen | None:
        """Tell the node to start what it waits with."""
        (image,) = ask.images
        link = await self._session.zigbee()
        header = header_of(image)
        said = await probing.ask(link, self._params)
        word, artifact = probing.staged_word(self._session)
        ours = artifact == str(image.artifact)
        runs = self._names(image, header.file.version)
        if said is not None:
            if self._runs(said, image, runs):
                return probing.seen_of(said, self._session, self._params, ask.images)
            if not (self._has(said, image) or (said.status is None and ours)):
                raise ImageMismatch("the node does not hold the image that it is to start")
        elif not ours:
            raise NodeSilent("the node does not answer, and is not known to hold the image")
        version = said.downloaded if said is not None and said.downloaded is not None else word
        file = File(header.file.manufacturer, header.file.image_type, version or header.file.version)
        starter = Starter(self._session, link, self._params, file, endpoint=endpoint_of(link, self._params))
        try:
            started = await starter.start(runs)
        except ActivationIgnored:
            await self._session.remember(STAGED, None)
            raise
        await self._session.remember(STAGED, None)
        if started is Started.GONE:
            return None
        return await probing.look(self._session, self._params, Probe(candidates=ask.images))

    def _names(self, image: FirmwareImage, own: int) -> frozenset[int]:
        """The versions by which a node calls itself that runs this image."""
        return given.known_as(self._session, image, own)

    def _runs(self, said: Said, image: FirmwareImage, names: frozenset[int]) -> bool:
        if said.current is None or said.current not in names or said.has_image:
            return False
        told = given.really(self._session, said.current)
        return told is None or told.artifact == str(image.artifact)

    async def confirm(self, ask: Confirm) -> Seen | None:
        """Nothing to do: what the node has started stays, or its loader takes it back by itself."""
        del ask
        return None

    async def rollback(self, ask: Revert) -> Seen | None:
        """Nothing takes an older image back on request; it is sent again."""
        del ask
        raise NotSupported("A Zigbee node keeps no older image; the known-good is sent instead.")

    # Asking

    async def command(self, request: bytes, *, reply_timeout: float) -> bytes:
        """Read an attribute, or how it is reported: see :mod:`flashers.zigbee_ota.asking`."""
        link = await self._session.zigbee()
        return await asking.answered(link, request.decode("ascii", "replace"), within=reply_timeout)

    async def identify(self) -> None:
        """Have it blink or beep, as its Identify cluster does (ZCL revision 8, 3.5.2.3.1)."""
        link = await self._session.zigbee()
        servers = link.facts.servers
        if servers and not any(IDENTIFY in clusters for clusters in servers.values()):
            raise NotSupported("the node has no Identify cluster")
        payload = _IDENTIFY_S.to_bytes(2, "little")
        await link.send(Zcl(IDENTIFY, 0x00, payload, asking.serving(link, IDENTIFY)), acknowledged=True)

    async def cleanup(self) -> None:
        """Nothing is left: a node that has begun goes on where it is, or keeps what it has."""
