"""Bring an AVR with an STK500v1 bootloader to an image, and say what it holds and runs.

There is one slot: writing replaces what runs, page by page.  Nothing is reported by
the node but, perhaps, the line that its application prints at boot; so the bytes are
read back, and the line is what proves a boot.
"""

import re

from flashers.api import (
    Activate,
    Backup,
    ComponentKind,
    Confirm,
    FirmwareImage,
    NodeSilent,
    NotSupported,
    Preflight,
    Probe,
    ProbeCost,
    Reason,
    Revert,
    Role,
    Seen,
    Session,
    Transfer,
    WrongHardware,
)
from flashers.stk500.boot import Flash, seen_with, wait_for_boot
from flashers.stk500.compare import held_images
from flashers.stk500.image import backup_of, is_blank, pages
from flashers.stk500.loader import LoaderLink
from flashers.stk500.params import Stk500Params
from flashers.stk500.parts import name_of
from flashers.stk500.transfer import bring
from transports.errors import LinkError, TenderError

_ANY_TEXT = re.compile(r"\S")
_NOTHING = re.compile(r"(?!)")


class Stk500Flasher:
    """One node for one lease; see :class:`flashers.api.Flasher`."""

    def __init__(self, session: Session, params: Stk500Params) -> None:
        self._session = session
        self._params = params
        self._loader = LoaderLink(session, params)
        self._proved: FirmwareImage | None = None

    async def probe(self, ask: Probe) -> Seen:
        """Read the flash and start the application; nothing is learned without a restart."""
        if ask.allowed is not ProbeCost.RESTARTS_APPLICATION:
            return Seen(Role.UNKNOWN)
        return await self._look(ask.candidates)

    async def preflight(self, ask: Preflight) -> tuple[Reason, ...]:
        """The part, the hardware that the application names, and where the image would lie."""
        reasons: list[Reason] = []
        expected, remedy = self._params.avr, WrongHardware.remedy
        signature = ask.seen.facts.get("signature", expected.signature.hex())
        if signature != expected.signature.hex():
            found = name_of(bytes.fromhex(str(signature)))
            reasons.append(
                Reason("wrong-hardware", f"The part is an {found}, not an {expected.name}.", remedy)
            )
        named = ask.seen.facts.get("hardware")
        for hardware in (self._params.hardware, ask.image.facts.get("hardware")):
            if hardware is not None and named is not None and named != hardware:
                reasons.append(
                    Reason("wrong-hardware", f"The node says {named!r}, not {hardware!r}.", remedy)
                )
                break
        if ask.image.component.kind is not ComponentKind.FIRMWARE:
            what = ask.image.component.kind
            reasons.append(Reason("not-supported", f"These loaders write firmware, not a {what}.", ""))
        try:
            self._params.area.check(ask.image.segments)
        except TenderError as error:
            reasons.append(Reason(error.code, error.message, error.what_to_do))
        return tuple(reasons)

    async def backup(self, ask: Backup) -> bytes:
        """The application area as Intel HEX, without the erased pages at its end."""
        await self._enter()
        flash = bytearray()
        size = self._params.avr.page_size
        for address in self._params.area.application[::size]:
            flash += await self._loader.read_surely(address, size)
        await self._loader.leave()
        if is_blank(flash):
            raise NotSupported("The flash is empty, so there is nothing to go back to.", remedy="")
        return backup_of(bytes(flash), size)

    async def enter_loader(self) -> None:
        """Reset the node; it stays in its loader for about a second after each answer."""
        await self._enter()

    async def transfer(self, ask: Transfer) -> Seen | None:
        """Write, read back, start the application and wait for its boot line."""
        self._params.area.check(ask.image.segments)
        self._proved = None
        await self._enter()
        await bring(self._loader, self._session, pages(ask.image, self._params.avr.page_size))
        self._proved = ask.image
        return await self._start(Flash((ask.image,)))

    async def activate(self, ask: Activate) -> Seen | None:
        """Restart the node; its flash is not read again if we have proved it ourselves."""
        if self._proved is None or self._proved not in ask.images:
            return await self._look(ask.images)
        await self._enter(fresh=True)
        return await self._start(Flash((self._proved,)))

    async def confirm(self, ask: Confirm) -> Seen | None:
        """Nothing to do: what lies in the only slot stays."""
        return None

    async def rollback(self, ask: Revert) -> Seen | None:
        """These loaders keep no older image."""
        raise NotSupported("This loader keeps no older image; send the known-good instead.")

    async def command(self, request: bytes, *, reply_timeout: float) -> bytes:
        """Send a line to the application and return the next line that has text in it."""
        if not self._loader.left:
            await self._start_application()
        console = self._session.lines()
        try:
            link = await self._session.open()
            link.discard_input()
            mark = console.mark()
            await link.write(request + b"\n")
            line = await console.wait_for(_ANY_TEXT, since=mark, timeout=reply_timeout)
        except LinkError:
            self._loader.lost()
            raise
        if line is None:
            raise NodeSilent(f"no line came within {reply_timeout:g} s after {request!r}")
        return line.encode()

    async def identify(self) -> None:
        """A bootloader's LED says nothing of which node it is."""
        raise NotSupported("Nothing in this protocol shows a node to somebody in front of it.")

    async def cleanup(self) -> None:
        """Do not leave the node in its loader."""
        if self._loader.listens:
            try:
                await self._loader.leave()
            except TenderError as error:
                self._session.note(f"leaving the loader: {error.message}")

    async def _enter(self, *, fresh: bool = False) -> None:
        """Be in the loader of the right part."""
        if fresh or not self._loader.listens:
            await self._loader.enter()
        found, expected = self._loader.signature, self._params.avr
        if found != expected.signature:
            await self._loader.leave()
            raise WrongHardware(f"The part is an {name_of(found)}, not an {expected.name}.")

    async def _look(self, candidates: tuple[FirmwareImage, ...]) -> Seen:
        mark = self._session.lines().mark()
        try:
            await self._loader.enter()
        except NodeSilent:
            return await self._without_loader(mark)
        try:
            facts: dict[str, str | int | bool] = {"signature": self._loader.signature.hex()}
            if self._loader.signature != self._params.avr.signature:
                await self._loader.leave()
                facts["part"] = name_of(self._loader.signature)
                return Seen(Role.LOADER, cost=ProbeCost.RESTARTS_APPLICATION, facts=facts)
            facts["loader"] = f"{self._params.loader} {await self._loader.version()}"
            flash = await self._read(candidates)
            self._proved = flash.held[0] if flash.held else None
            return await self._start(flash, facts)
        except NodeSilent:
            # What the console has heard since the reset may be flash contents.
            return await self._without_loader(self._session.lines().mark() + 1)

    async def _read(self, candidates: tuple[FirmwareImage, ...]) -> Flash:
        size = self._params.avr.page_size
        first = await self._loader.read(0, size)
        if is_blank(first):
            first = await self._loader.read_surely(0, size)

        async def read(address: int, count: int) -> bytes:
            return first if address == 0 else await self._loader.read(address, count)

        return Flash(tuple(await held_images(candidates, size, read)), blank=is_blank(first))

    async def _start(self, flash: Flash, facts: dict[str, str | int | bool] | None = None) -> Seen:
        """Leave the loader, and say what starts."""
        await self._loader.end_line()
        mark = self._session.lines().mark()
        await self._loader.leave()
        boot = await wait_for_boot(self._session, self._params, mark)
        return seen_with(self._params, flash, boot, facts or {"signature": self._loader.signature.hex()})

    async def _without_loader(self, since: int) -> Seen:
        """No loader answers; the application may still have said that it starts."""
        boot = await wait_for_boot(self._session, self._params, since)
        if boot is None:
            return Seen(Role.SILENT, cost=ProbeCost.RESTARTS_APPLICATION)
        return seen_with(self._params, Flash(), boot, {"loader": "absent"})

    async def _start_application(self) -> None:
        """Have the application run, and be past its start."""
        mark = self._session.lines().mark()
        try:
            await self._enter()
            mark = self._session.lines().mark()
            await self._loader.leave()
        except NodeSilent as error:
            self._session.note(f"the application is asked without its loader: {error.message}")
            link = await self._session.open()
            await link.write(b"\n")  # what we said to a loader is not the beginning of a line
        if await wait_for_boot(self._session, self._params, mark) is None:
            await self._session.lines().wait_for(_NOTHING, since=mark, timeout=self._params.sync_timeout)
