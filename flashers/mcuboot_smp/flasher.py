"""A node with MCUboot and MCUmgr, step by step: what each verb of a flasher means here.

The order is the one that MCUboot wants: bytes into the other slot, the slot named
for one start, a restart, and the running slot confirmed.  Each verb looks first and
does only what is not so already, so that it may be called again after any crash.
"""

from collections.abc import Mapping
from contextlib import suppress

from flashers.api import (
    Activate,
    Backup,
    Confirm,
    Digest,
    Evidence,
    EvidenceKind,
    FirmwareImage,
    ImageMismatch,
    NodeRefused,
    NodeSilent,
    NotSupported,
    Of,
    Preflight,
    Probe,
    ProtocolError,
    Reason,
    ResetKind,
    Revert,
    Role,
    Seen,
    Session,
    Slot,
    Transfer,
)
from flashers.mcuboot_smp import commands, preflight
from flashers.mcuboot_smp.errors import ModeContradicted, SlotBusy, SmpRefused
from flashers.mcuboot_smp.node import Node
from flashers.mcuboot_smp.params import Mode, SmpParams
from flashers.mcuboot_smp.state import ImageState
from flashers.mcuboot_smp.upload import Upload
from transports.errors import TenderError

_UPLOADS = 2
"""An upload whose last answer was lost, and which is not there after all, is made once more."""
_CONFIRMS = 3


class McubootFlasher:
    """One node for one lease; implements :class:`flashers.api.Flasher`."""

    def __init__(self, session: Session, params: SmpParams) -> None:
        self.session = session
        self.params = params
        self.node = Node(session, params)
        self._brought_into_loader = False

    # Looking

    async def probe(self, ask: Probe) -> Seen:
        """Ask for the image list, which costs the node nothing."""
        del ask
        try:
            return await self.node.seen(await self.node.state())
        except NodeSilent:
            self.node.forget()
            return Seen(Role.SILENT)

    async def preflight(self, ask: Preflight) -> tuple[Reason, ...]:
        """What the node's answers and the image say against it."""
        return await preflight.reasons(ask, self.node.requests, await self.node.abilities())

    # Bringing bytes in

    async def backup(self, ask: Backup) -> bytes:
        """MCUmgr cannot read a slot out."""
        raise NotSupported(f"a node with MCUmgr cannot be read out ({ask.component.id})")

    async def enter_loader(self) -> None:
        """Bring a node with one slot into serial recovery; others take images while they run."""
        if self.params.mode is not Mode.SERIAL_RECOVERY:
            return
        with suppress(NodeSilent):
            if await self.node.role(await self.node.state()) is Role.LOADER:
                return
        self._brought_into_loader = True
        await self.node.restart_into_loader()
        if await self.node.role(await self.node.answering()) is not Role.LOADER:
            raise NotSupported("the node restarted its application instead of serial recovery")

    async def transfer(self, ask: Transfer) -> Seen | None:
        """Upload the image, unless a slot holds it already, and see that the node lists it."""
        image, number, mode = ask.image, ask.image.component.image, self.params.mode
        state = await self.node.state()
        if _holder(state, image, mode) is not None:
            self.session.progress(image.size, image.size)
            return await self.node.seen(
                state, Evidence(Of.TRANSFER, EvidenceKind.REPORTED_HASH, "image list")
            )
        if await self.node.role(state) is Role.APP:
            reason = preflight.busy(state.active(number), state.standby(number), mode)
            if reason is not None:
                raise SlotBusy(reason.message)
        self._brought_into_loader = False  # from here on there may be no application to go back to
        for _ in range(_UPLOADS):
            buffers = (await self.node.abilities()).buffers
            ended = await Upload(self.node.requests, image.payload, number, buffers).run()
            if ended.matches is False:
                raise ImageMismatch("the node's own check of its flash says that other bytes arrived")
            state = await self.node.state()
            kind = _arrived(state, image, mode)
            if kind is not None:
                kind = EvidenceKind.COMPUTED_HASH if ended.matches else kind
                return await self.node.seen(state, Evidence(Of.TRANSFER, kind, "image list"))
            if ended.sure:
                break
        raise ImageMismatch("the node took every byte, and does not list the image")

    # Starting

    async def activate(self, ask: Activate) -> Seen | None:
        """Name the images for one start, and restart; nothing if they run already."""
        wanted = {image.component.image: identity_of(image) for image in ask.images}
        state = await self.node.state()
        if await self.node.role(state) is Role.LOADER:
            self._brought_into_loader = False
            await self.node.restart()
            return None
        if _all_run(state, wanted):
            return await self.node.seen(state)
        on_trial = state.on_trial() if self.params.mode.trial else {}
        if on_trial:
            # The restart takes these back, and without it no slot can be named.
            await self.node.restart()
            state = await self.node.answering()
            wanted = on_trial | wanted
            if _all_run(state, wanted):
                return await self.node.seen(state)
        for number, identity in wanted.items():
            await self._arm(number, identity, state)
        await self.node.restart()
        return None

    async def _arm(self, number: int, identity: Digest, state: ImageState) -> None:
        holder = state.holder(number, identity)
        if holder is None:
            raise ImageMismatch(f"no slot of image {number} holds {identity}")
        if self.params.mode.trial and (number, holder.slot) in state.for_good:
            raise ModeContradicted("the node means to start the image for good, without a trial")
        if holder.active or holder.pending or self.params.mode.highest_wins:
            return
        try:
            state = await self.node.write_state({"hash": identity.value, "confirm": False})
        except SmpRefused as refused:
            if refused.said.slot_busy:
                raise SlotBusy("another image is pending on the node") from refused
            raise
        holder = state.holder(number, identity)
        if holder is None or not (holder.pending or holder.active):
            raise NodeRefused(f"the node does not mean to start {identity} next")

    async def confirm(self, ask: Confirm) -> Seen | None:
        """Make the running slot permanent, if it is still the one that was proved."""
        number = ask.component.image
        state = await self.node.state()
        for _ in range(_CONFIRMS):
            active = state.active(number)
            if active is None or active.firmware is None or active.firmware.identity != ask.running:
                found = active.firmware.identity if active is not None and active.firmware else None
                raise ImageMismatch(f"the node runs {found or 'an unknown image'}, not {ask.running}")
            if active.confirmed:
                return await self.node.seen(state)
            # Without a hash it is the running slot that is meant, even if the node has just
            # restarted; a hash would make a reverted image permanent.  Only image 0 can be so named.
            body = {"confirm": True} | ({"hash": ask.running.value} if number else {})
            try:
                state = await self.node.write_state(body, tries=1)
            except NodeSilent:
                state = await self.node.state()
        raise ProtocolError("the node takes the confirmation, and still calls the image unconfirmed")

    async def rollback(self, ask: Revert) -> Seen | None:
        """Restart without confirming; MCUboot takes the image back."""
        if not self.params.mode.trial:
            raise NotSupported(f"MCUboot in the mode {self.params.mode} takes nothing back")
        try:
            state = await self.node.state()
        except NodeSilent:
            if self.params.reset is ResetKind.NONE:
                raise
            await self.node.restart_by_line()
            return None
        on_trial = state.on_trial()
        if not any(component.image in on_trial for component in ask.components):
            raise NotSupported("the running image is confirmed; MCUboot does not take it back")
        await self.node.restart()
        return None

    # Beside the update

    async def command(self, request: bytes, *, reply_timeout: float) -> bytes:
        """``echo:TEXT``, or a request as JSON; see :mod:`flashers.mcuboot_smp.commands`."""
        return await commands.command(self.node.requests, request, reply_timeout=reply_timeout)

    async def identify(self) -> None:
        """Send the profile's own command."""
        if self.params.identify is None:
            raise NotSupported("the profile names no command that makes this node show itself")
        await self.command(self.params.identify.encode(), reply_timeout=self.params.reply_timeout)

    async def cleanup(self) -> None:
        """Start the application that we had stopped and not touched.

        Else nothing is to be done: an unfinished upload is kept for its resumption.
        """
        if self._brought_into_loader:
            self._brought_into_loader = False
            with suppress(TenderError):
                await self.node.restart()


def identity_of(image: FirmwareImage) -> Digest:
    """The digest by which the node will name this image.

    Raises:
        ImageMismatch: it has none, so it was not made by this flasher.
    """
    if image.firmware.identity is None:
        raise ImageMismatch("the image has no digest that a node could report")
    return image.firmware.identity


def _all_run(state: ImageState, wanted: Mapping[int, Digest]) -> bool:
    return all((slot := state.holder(n, digest)) is not None and slot.active for n, digest in wanted.items())


def _holder(state: ImageState, image: FirmwareImage, mode: Mode) -> Slot | None:
    """The slot that holds the image where it belongs.

    Serial recovery writes the slot that runs.  Where power failed in an upload it is the
    application that takes the rest of it, and puts it into another slot.
    """
    holder = state.holder(image.component.image, identity_of(image))
    elsewhere = mode is Mode.SERIAL_RECOVERY and holder is not None and not holder.active
    return None if elsewhere else holder


def _arrived(state: ImageState, image: FirmwareImage, mode: Mode) -> EvidenceKind | None:
    """How the list shows that the image is there; a loader without hashes shows its version."""
    number = image.component.image
    if _holder(state, image, mode) is not None:
        return EvidenceKind.REPORTED_HASH
    slots = [slot for slot in state.slots if slot.image == number]
    unnamed = [slot.firmware for slot in slots if slot.firmware and slot.firmware.identity is None]
    if not state.flagged and any(image.firmware.same(firmware) for firmware in unnamed):
        return EvidenceKind.VERSION
    return None
