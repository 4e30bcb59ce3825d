"""A node with the secure loader, step by step: what each verb of a flasher means here.

The node has two lives that do not know of each other: an application that can say its
version and step aside, and a loader that takes objects and can say how far it has come.
Each verb finds out which of them is there, and does only what is not so already.
"""

import asyncio
from contextlib import suppress
from dataclasses import replace

from flashers.api import (
    Activate,
    Backup,
    Confirm,
    Digest,
    Evidence,
    EvidenceKind,
    Firmware,
    FirmwareImage,
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
    Transfer,
    TransferRefused,
)
from flashers.nordic_dfu.params import Banks, Entry, NordicParams
from flashers.nordic_dfu.secure import door, objects, preflight, seeing
from flashers.nordic_dfu.secure.errors import image_refused
from flashers.nordic_dfu.secure.image import init_of
from flashers.nordic_dfu.secure.loader import Loader
from flashers.nordic_dfu.secure.words import CONTROL
from transports.errors import LinkLost, NodeUnreachable, TenderError
from transports.gatt import GattLink

_IN_VAIN = 3
"""Lost links in a row without headway, after which the host shall look again."""
_LOOKS = 2
_STILL_THERE = 3.0
"""Seconds in which a loader that was told to start the image may still be heard."""
_LOOK_EVERY = 0.5


class SecureFlasher:
    """One node for one lease; implements :class:`flashers.api.Flasher`."""

    def __init__(self, session: Session, params: NordicParams) -> None:
        self._session = session
        self._params = params
        self._link: GattLink | None = None
        self._loader: Loader | None = None
        self._before: Firmware | None = None
        """What the application called itself before anything was sent."""
        self._sent: Digest | None = None
        """The image that the loader was given in this lease."""
        self._brought_in = False
        """It is in its loader by our doing, and nothing there keeps it from going back."""
        self._foretold = params.entry is not Entry.NONE
        """The host knows where the loader will be, though nobody may have been asked to go there."""

    # Looking

    async def probe(self, ask: Probe) -> Seen:
        """Connect to whoever is there; it costs the node nothing."""
        for _ in range(_LOOKS):
            try:
                return await self._look(ask.candidates)
            except NodeUnreachable:
                break
            except (NodeSilent, LinkLost):
                await self._session.close()  # perhaps it only restarted, and the link knows nothing of that
        return Seen(Role.SILENT)

    async def _look(self, candidates: tuple[FirmwareImage, ...]) -> Seen:
        link = await self._whichever()
        if link.has(CONTROL):
            return await seeing.loader(await self._listening(link), candidates, self._params)
        return self._ran(await seeing.application(link, self._params, candidates))

    async def _whichever(self) -> GattLink:
        """The node in whatever role it is; a button may have brought it into its loader any time."""
        if not self._foretold and self._session.address is not None:
            where = door.calling(self._session, self._params, self._session.address)
            await self._session.will_call(Role.LOADER, where)
            self._foretold = True
        return await self._session.connect(Role.UNKNOWN)

    def _ran(self, seen: Seen) -> Seen:
        """Remember which version ran before anything was sent: after that it says nothing new."""
        slot = seen.active(0)
        named = slot.firmware if slot is not None else None
        version = named.version if named is not None else seen.facts.get("version")
        if version is not None and self._sent is None:
            self._before = Firmware(version=str(version))
        return seen

    async def preflight(self, ask: Preflight) -> tuple[Reason, ...]:
        """What the profile, the package and the node's version say against it."""
        return preflight.reasons(ask, self._params)

    async def backup(self, ask: Backup) -> bytes:
        """These loaders give nothing out."""
        raise NotSupported(f"a node with Nordic's loader cannot be read out ({ask.component.id})")

    # Bringing bytes in

    async def enter_loader(self) -> None:
        """Have the application step aside, and find the loader."""
        loop = asyncio.get_running_loop()
        link = await self._whichever()
        if link.has(CONTROL):
            await self._listening(link)
            return
        if self._before is None:
            self._ran(await seeing.application(link, self._params))
        await door.go_in(self._session, link, self._params)
        self._brought_in = True
        until = loop.time() + self._params.loader_deadline
        while True:
            try:
                link = await self._session.connect(Role.LOADER)
                if link.has(CONTROL):
                    await self._listening(link)
                    return
                await self._session.close()  # the application, at the same address
            except (NodeUnreachable, LinkLost):
                pass
            if loop.time() >= until:
                raise NodeSilent("the application went, and its loader is not heard")
            await asyncio.sleep(_LOOK_EVERY)

    async def transfer(self, ask: Transfer) -> Seen | None:
        """Send everything but the last execute; with one bank that too, since nothing else runs."""
        await self._bring(ask.image)
        if self._params.banks is Banks.SINGLE:
            return await self._start(ask.image)
        return seeing.in_loader(ask.image, self._params)

    async def _bring(self, image: FirmwareImage) -> None:
        bringing = objects.Bringing(init_of(image), image.payload, self._params)
        in_vain, taken = 0, 0
        while True:
            try:
                await bringing.run(await self._present())
            except LinkLost:
                in_vain, taken = (in_vain + 1, taken) if bringing.taken == taken else (1, bringing.taken)
                if in_vain >= _IN_VAIN:
                    raise
            except TransferRefused:
                await self._step_back()
                raise
            else:
                self._brought_in = False
                self._sent = image.artifact
                return
            finally:
                if bringing.begun and self._params.banks is Banks.SINGLE:
                    self._brought_in = False  # there may be no application to go back to

    async def _present(self) -> Loader:
        """The loader that is there.

        Raises:
            NodeSilent: the application is there instead.
        """
        link = await self._whichever()
        if not link.has(CONTROL):
            raise NodeSilent("the node left its loader, and runs its application")
        return await self._listening(link)

    async def _listening(self, link: GattLink) -> Loader:
        if self._loader is None or self._link is not link:
            loader = Loader(self._session, link, self._params)
            await loader.listen()
            self._link, self._loader = link, loader
        return self._loader

    # Starting

    async def activate(self, ask: Activate) -> Seen | None:
        """The last execute.  A node that lost power after the transfer is given the image once more."""
        (image,) = ask.images
        seen = await self.probe(Probe(candidates=ask.images))
        if seen.role is Role.SILENT:
            raise NodeSilent("the node is not heard, so it cannot be told to start anything")
        if seen.role is Role.APP:
            slot = seen.active(image.component.image)
            if slot is not None and image.firmware.same(slot.firmware):
                return seen
            self._require_sent(image)
            await self.enter_loader()
        if not await objects.holds(await self._present(), init_of(image), image.payload):
            self._require_sent(image)
            await self._bring(image)
        return await self._start(image)

    def _require_sent(self, image: FirmwareImage) -> None:
        """The node has not got it: it may only have forgotten what we sent it just now."""
        if self._sent != image.artifact:
            raise ImageMismatch("the loader does not hold the image that it is to start")

    async def _start(self, image: FirmwareImage) -> Seen | None:
        """Execute the last object, and wait for the application."""
        self._brought_in = False
        with suppress(LinkLost):  # it restarts; whether it took the command, it says itself
            answer = await (await self._present()).execute()
            if not answer.ok:
                raise image_refused(answer)
            seen = await self._application()
            return seen if seen is None or seen.role is not Role.APP else self._started(image, seen)
        seen = await self._application()
        if seen is not None and seen.role is Role.APP and self._cannot_tell(image):
            return seeing.running(None)  # the old one or the new one, by the same name
        return seen

    def _cannot_tell(self, image: FirmwareImage) -> bool:
        """Whether a version says nothing of which one runs.

        With two banks the old one might still run, and have the same; with one bank it is gone.
        """
        return self._params.banks is Banks.DUAL and image.firmware.same(self._before)

    def _started(self, image: FirmwareImage, seen: Seen) -> Seen:
        """The loader took the image for valid and an application came up; without a version that is all."""
        told = self._params.version_characteristic is not None and not self._cannot_tell(image)
        kind = EvidenceKind.CHECKSUM if self._params.version_characteristic else EvidenceKind.COMPUTED_HASH
        proof = Evidence(Of.TRANSFER, kind, "the loader's check, before it started the image")
        if told:
            slot = seen.active(0)
            named = slot is not None and image.firmware.same(slot.firmware)
            return replace(seen, evidence=(proof, *seen.evidence)) if named else seen
        # Its version says nothing, or nothing that it did not say before.
        return seeing.running(image.firmware, proof)

    async def _application(self) -> Seen | None:
        """The node as soon as it is back; None leaves it to the host to look."""
        loop = asyncio.get_running_loop()
        await self._session.close()
        began = loop.time()
        while loop.time() - began < self._params.boot_deadline:
            try:
                link = await self._session.connect(Role.UNKNOWN)
                if not link.has(CONTROL):
                    return await seeing.application(link, self._params)
                if loop.time() - began > _STILL_THERE:
                    return None
                await self._session.close()
            except (NodeUnreachable, LinkLost, NodeSilent):
                pass
            await asyncio.sleep(_LOOK_EVERY)
        return None

    async def confirm(self, ask: Confirm) -> Seen | None:
        """Nothing to do: what the loader has started stays."""
        del ask
        return None

    async def rollback(self, ask: Revert) -> Seen | None:
        """These loaders keep no older image."""
        del ask
        raise NotSupported("This loader keeps no older image; send the known-good instead.")

    async def command(self, request: bytes, *, reply_timeout: float) -> bytes:
        """Read a characteristic of the application: the request is its UUID as text.

        Raises:
            NotSupported: the application has none of that name.
            NodeSilent: it does not answer.
        """
        uuid = request.decode("ascii", "replace").strip().lower()
        link = await self._session.connect(Role.APP)
        if not link.has(uuid):
            raise NotSupported(f"the application has no characteristic {uuid!r}")
        try:
            async with asyncio.timeout(reply_timeout):
                return await link.read(uuid)
        except TimeoutError:
            raise NodeSilent(f"no value of {uuid} came within {reply_timeout:g} s") from None

    async def identify(self) -> None:
        """The protocol has nothing for that."""
        raise NotSupported("Nothing in this protocol shows a node to somebody in front of it.")

    async def cleanup(self) -> None:
        """Do not leave a node in its loader for nothing; one that has begun to receive goes on later."""
        with suppress(TenderError):
            await self._step_back()

    async def _step_back(self) -> None:
        """Have the loader start the application again, if it was we who brought the node there."""
        if not self._brought_in:
            return
        self._brought_in = False
        link = await self._session.connect(Role.UNKNOWN)
        if link.has(CONTROL):
            await (await self._listening(link)).abort()
        await self._session.close()
