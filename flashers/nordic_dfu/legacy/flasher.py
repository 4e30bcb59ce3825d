"""Bring a node with a legacy loader to an image, and say what it runs as far as it tells.

The node names no image, only its application's version perhaps.  What a transfer proves is
the loader's checksum; what a start proves is that version, where the profile says which
characteristic has it.
"""

from dataclasses import replace

from flashers.api import (
    Activate,
    Backup,
    Confirm,
    Evidence,
    EvidenceKind,
    Firmware,
    FirmwareImage,
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
from flashers.api.versions import same_version, version_key
from flashers.nordic_dfu.legacy import words
from flashers.nordic_dfu.legacy.control import ControlPoint
from flashers.nordic_dfu.legacy.door import Door
from flashers.nordic_dfu.legacy.errors import PacketsLost
from flashers.nordic_dfu.legacy.image import objections
from flashers.nordic_dfu.legacy.transfer import AlreadyBegun, Headway, Pace, begin, end, send, validate
from flashers.nordic_dfu.legacy.words import Op
from flashers.nordic_dfu.params import Banks, NordicParams
from transports.errors import LinkLost, TenderError
from transports.gatt import GattLink

_LOOKS = 2
"""A connection that is lost in a look is made anew once."""
_TRIES = 4
"""Transfers in one verb: after lost packets with half as many at a time, and once after a reset."""


class LegacyFlasher:
    """One node for one lease; see :class:`flashers.api.Flasher`."""

    def __init__(self, session: Session, params: NordicParams) -> None:
        self._session = session
        self._params = params
        self._door = Door(session, params)
        self._control: ControlPoint | None = None
        self._ran: str | None = None
        self._before: str | None = None
        self._activated: FirmwareImage | None = None
        self._pace = Pace(min(params.receipts, words.AHEAD))

    # Looking

    async def probe(self, ask: Probe) -> Seen:
        """Ask the application for its version, or see that the loader is there.

        Where several candidates have that version, it says nothing of which one runs.
        """
        for _ in range(_LOOKS):
            try:
                return await self._look(ask.candidates)
            except NodeSilent:
                break
            except LinkLost:
                continue
        return Seen(Role.SILENT)

    async def _look(self, candidates: tuple[FirmwareImage, ...] = ()) -> Seen:
        """Raises NodeSilent, LinkError."""
        link, role = await self._door.whichever()
        if role is Role.LOADER:
            told = await _revision(link)
            return Seen(Role.LOADER, facts={"loader": f"legacy {told}"} if told else {"loader": "legacy"})
        version = await self._version(link)
        self._ran = version
        if self._activated is None and _ambiguous(version, candidates):
            unknown = Slot(0, 0, None, active=True, confirmed=True)
            return Seen(Role.APP, (unknown,), facts={"version": version or ""})
        slot = Slot(0, 0, self._firmware(version), active=True, confirmed=True)
        boot = Evidence(Of.BOOT, EvidenceKind.VERSION, f"the application says {version}")
        if version and self._may_be_the_old(version):
            return Seen(Role.APP, (slot,), facts={"version": version})
        return Seen(Role.APP, (slot,), (boot,) if version else ())

    def _may_be_the_old(self, version: str) -> bool:
        """Whether it said the same before what was activated in this lease.

        With one bank the old application is gone, and whatever answers is the new one.
        """
        two = self._params.banks is Banks.DUAL
        before = self._before
        return self._activated is not None and two and before is not None and same_version(version, before)

    def _firmware(self, version: str | None) -> Firmware | None:
        """What an application is that names this version.

        In the lease that brought an image it is known to be that one, whatever it calls itself,
        unless it may be the old one: a second bank that was never copied leaves it where it was.
        """
        image = self._activated
        if image is not None:
            new = self._before is not None and version is not None and not same_version(version, self._before)
            single = self._params.banks is Banks.SINGLE
            if single or new or version is None or _says(image, version):
                return replace(image.firmware, version=version or image.firmware.version)
        return Firmware(version=version) if version else None

    async def _version(self, link: GattLink) -> str | None:
        where = self._params.version_characteristic
        if where is None or not link.has(where):
            return None
        text = (await link.read(where)).split(b"\0")[0].decode("utf-8", "replace").strip()
        # Whatever else is read there names no version that a package could have.
        return text if text.isascii() and text.isprintable() and version_key(text) is not None else None

    async def preflight(self, ask: Preflight) -> tuple[Reason, ...]:
        """Whatever the loader would say no to, most of it after its erase."""
        slot = ask.seen.active(0)
        named = slot.firmware.version if slot is not None and slot.firmware else None
        running = named or str(ask.seen.facts.get("version", "")) or None
        found = objections(ask.image, self._params, running)
        return tuple(Reason(each.code, each.message, each.what_to_do) for each in found)

    async def backup(self, ask: Backup) -> bytes:
        """No loader of this kind gives its flash away."""
        raise NotSupported("Legacy loaders cannot be read.")

    # Changing

    async def enter_loader(self) -> None:
        """Leave the application, having heard its version."""
        link, role = await self._door.whichever()
        if role is Role.APP:
            self._ran = await self._version(link)
        self._control = await self._door.into_loader()

    async def transfer(self, ask: Transfer) -> Seen | None:
        """Send, validate, activate, and look at what started."""
        image = ask.image
        for objection in objections(image, self._params, None):
            raise objection
        headway = Headway(self._session, image.size)
        if self._started_before(image):
            headway.reached(image.size)
            return await self._back_in_application()
        self._before, self._ran, self._activated = self._ran, None, None
        control = await self._validated(image, headway)
        await self._door.will_restart()
        seen = await self._activate(control, image)
        if seen is not None and seen.role is Role.LOADER:
            # The command may have been lost; a loader that has nothing to activate restarts.
            self._session.note("the node is still in its loader, and is told once more")
            seen = await self._activate(await self._in_loader(), image)
        return seen

    def _started_before(self, image: FirmwareImage) -> bool:
        """Whether this lease has had it activated, and the application says nothing else."""
        ran, activated = self._ran, self._activated
        same = activated is not None and activated.artifact == image.artifact and _says(image, ran)
        return same and ran is not None and not self._may_be_the_old(ran)

    async def _activate(self, control: ControlPoint, image: FirmwareImage) -> Seen | None:
        await end(control, Op.ACTIVATE)
        self._control, self._activated = None, image
        return await self._started(image)

    async def _validated(self, image: FirmwareImage, headway: Headway) -> ControlPoint:
        for left in reversed(range(_TRIES)):
            control = await self._in_loader()
            try:
                await begin(control, image)
                await send(control, image.payload, self._pace, headway, self._session.sent)
                await validate(control)
            except (AlreadyBegun, PacketsLost) as error:
                if not left:
                    raise
                self._session.note(f"{error.message}; it is begun anew")
                if isinstance(error, PacketsLost):
                    self._pace = self._pace.slower
                await self._reset()
            else:
                return control
        raise PacketsLost

    async def _started(self, image: FirmwareImage) -> Seen | None:
        """What runs after an activation; None where the node is not heard yet."""
        try:
            await self._door.restarted()
            seen = await self._look()
        except (NodeSilent, LinkLost):
            return None
        if seen.role is not Role.APP:
            return seen
        kind = "CRC-16" if image.facts.get("check") == "crc16" else "checksum"
        arrived = Evidence(Of.TRANSFER, EvidenceKind.CHECKSUM, f"the loader's own {kind}, unsigned")
        return replace(seen, evidence=(arrived, *seen.evidence))

    async def activate(self, ask: Activate) -> Seen | None:
        """A node in its loader is restarted, and starts what it has; else there is nothing to do."""
        del ask
        return await self._back_in_application()

    async def confirm(self, ask: Confirm) -> Seen | None:
        """Nothing to do: what was activated stays."""
        del ask
        return None

    async def rollback(self, ask: Revert) -> Seen | None:
        """Two banks are no trial: the old image is gone when the new one starts."""
        raise NotSupported("This loader keeps no older image; send the known-good instead.")

    async def command(self, request: bytes, *, reply_timeout: float) -> bytes:
        """Nothing can be asked but the version."""
        raise NotSupported("Nothing can be asked of such an application; see its version instead.")

    async def identify(self) -> None:
        """Nothing in this protocol shows a node to somebody in front of it."""
        raise NotSupported("Nothing in this protocol shows a node to somebody in front of it.")

    async def cleanup(self) -> None:
        """Leave no node in its loader that has an application to start."""
        control, self._control = self._control, None
        if control is None or control.link.lost:
            return
        try:
            await end(control, Op.RESET)
        except TenderError as error:
            self._session.note(f"leaving the loader: {error.message}")

    # The loader

    async def _in_loader(self) -> ControlPoint:
        if self._control is None or self._control.link.lost:
            self._control = await self._door.into_loader()
        return self._control

    async def _reset(self) -> None:
        control, self._control = self._control, None
        if control is not None and not control.link.lost:
            await end(control, Op.RESET)

    async def _back_in_application(self) -> Seen:
        """Have a node in its loader start what it has, and look.  Raises NodeSilent, LinkError."""
        link, role = await self._door.whichever()
        if role is Role.LOADER:
            self._control = None
            await end(await ControlPoint.listening(link, self._params.reply_timeout), Op.RESET)
            await self._door.restarted()
        return await self._look()


def _says(image: FirmwareImage, version: str | None) -> bool:
    """Whether this version is the image's."""
    wanted = image.firmware.version
    return version is not None and wanted is not None and same_version(version, wanted)


def _ambiguous(version: str | None, candidates: tuple[FirmwareImage, ...]) -> bool:
    """Whether several of these are other bytes of this version."""
    return len({image.firmware.identity for image in candidates if _says(image, version)}) > 1


async def _revision(link: GattLink) -> str | None:
    if not link.has(words.REVISION):
        return None
    told = await link.read(words.REVISION)
    return f"{told[1]}.{told[0]}" if len(told) >= 2 else None
