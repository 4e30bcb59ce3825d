"""A lease on a bench: a session, and a flasher whose every verb is held to what holds for all of them.

Each argument is handed over as text and back, and so is each result; each verb has to
end, and raises named errors alone.  Beside the verbs there is the least of a host: once
through an update, and again until the node is where it should be.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from flashers.api import (
    Activate,
    Backup,
    Component,
    Confirm,
    Digest,
    FirmwareImage,
    Preflight,
    Probe,
    ProbeCost,
    Reason,
    Revert,
    Role,
    Seen,
    Transfer,
)
from flashers.api.plain import dump, load
from flashers.conformance.places import Place
from flashers.conformance.rules import Failure, require
from flashers.conformance.subject import Subject, identity_of
from transports.errors import TenderError

T = TypeVar("T")

_ROUNDS = 8
_PAUSE = 0.1
"""Seconds after an error: no host tries again in the same moment."""
_COSTS = list(ProbeCost)


def through_text(value: T) -> T:
    """The same value, as another process would receive it."""
    try:
        again = load(type(value), dump(value))
    except Exception as error:
        raise Failure(f"{type(value).__name__} cannot be written as text: {error}") from error
    require(again == value, f"{type(value).__name__} comes back from text as something else: {again}")
    return again


class Lease:
    """A flasher at work, watched."""

    def __init__(self, subject: Subject, place: Place) -> None:
        self.subject = subject
        self.place = place
        self.session = place.session()
        self.flasher = self.subject.plugin.open(self.session, self.subject.params)

    async def probe(self, allowed: ProbeCost | None = None) -> Seen:
        """Look, at the cost that was declared if nothing else is said."""
        declared, subject = self.subject.declared.probe_cost, self.subject
        ask = Probe(declared if allowed is None else allowed, (subject.new, subject.old))
        seen = self._looked(await self._do(self.flasher.probe, ask))
        require(seen is not None, "probe returned nothing")
        cost = Seen(Role.UNKNOWN).cost if seen is None else seen.cost
        require(
            _COSTS.index(cost) <= _COSTS.index(ask.allowed),
            f"a probe that may cost {ask.allowed} says that it did cost {cost}",
        )
        return seen or Seen(Role.UNKNOWN)

    async def preflight(self, image: FirmwareImage, seen: Seen) -> tuple[Reason, ...]:
        """Ask for reasons."""
        reasons = tuple(await self._do(self.flasher.preflight, Preflight(image, seen)))
        for reason in reasons:
            through_text(reason)
            require(reason.code and reason.message, f"a reason says nothing: {reason}")
        return reasons

    async def backup(self) -> bytes:
        """Read the node."""
        return bytes(await self._do(self.flasher.backup, Backup(Component())))

    async def enter_loader(self) -> None:
        """Bring it into its loader."""
        await self._do(self.flasher.enter_loader)

    async def transfer(self, image: FirmwareImage) -> Seen | None:
        """Send the image."""
        return self._looked(await self._do(self.flasher.transfer, Transfer(image)))

    async def activate(self, image: FirmwareImage) -> Seen | None:
        """Start it."""
        return self._looked(await self._do(self.flasher.activate, Activate((image,))))

    async def confirm(self, running: Digest) -> Seen | None:
        """Make what runs permanent."""
        return self._looked(await self._do(self.flasher.confirm, Confirm(Component(), running)))

    async def rollback(self) -> Seen | None:
        """Have it taken back."""
        return self._looked(await self._do(self.flasher.rollback, Revert((Component(),))))

    async def command(self) -> bytes:
        """Ask the application something that it will hardly know."""
        return bytes(await self._do(self.flasher.command, b"conformance?", reply_timeout=1.0))

    async def identify(self) -> None:
        """Have the node show itself."""
        await self._do(self.flasher.identify)

    async def end(self) -> None:
        """Clean up and give the link back; nothing of the flasher may be left."""
        try:
            async with asyncio.timeout(self.subject.patience):
                await self.flasher.cleanup()
        except Exception as error:
            raise Failure(f"cleanup raised {error!r}, and it never may") from error
        await self.session.close()
        mine = {asyncio.current_task(), *self.place.tasks}
        left = [task.get_name() for task in asyncio.all_tasks() if task not in mine]
        require(not left, f"the flasher left tasks behind: {', '.join(left)}")
        require(not self.place.held, "the flasher keeps the link open behind the session's back")

    # What a host does

    async def arrive(self, image: FirmwareImage) -> None:
        """Once through an update, as plainly as it can be said; a named error ends it."""
        await self.enter_loader()
        await self.transfer(image)
        await self.activate(image)
        seen = await self.answering()
        active = seen.active(image.component.image)
        if active is not None and image.firmware.same(active.firmware) and not active.confirmed:
            await self.confirm(identity_of(image))

    async def answering(self) -> Seen:
        """Look until the node answers."""
        seen = await self.probe()
        for _ in range(_ROUNDS):
            if seen.role not in (Role.SILENT, Role.ASLEEP):
                break
            await asyncio.sleep(1)
            seen = await self.probe()
        return seen

    async def bring(self, image: FirmwareImage) -> None:
        """Look and do what is missing, again after whatever may be tried again.

        Raises:
            Failure: that does not end with the node running this image for good.
        """
        story: list[str] = []
        for _ in range(_ROUNDS):
            try:
                seen = await self.probe()
                active = seen.active(image.component.image)
                there = active is not None and image.firmware.same(active.firmware)
                if seen.role is Role.APP and there and active is not None and active.confirmed:
                    return
                if seen.role in (Role.SILENT, Role.ASLEEP):
                    story.append(seen.role)
                    await asyncio.sleep(1)
                else:
                    await self.arrive(image)
                    story.append("went through")
            except TenderError as error:
                story.append(error.code)
                require(error.retryable, f"{error.code} cannot be tried again: {error.message}")
                await asyncio.sleep(_PAUSE)
        raise Failure(f"the node is never brought to the target: {', '.join(story)}")

    # Holding the flasher to its word

    async def _do(self, verb: Callable[..., Awaitable[Any]], *asks: object, **more: float) -> Any:
        name = getattr(verb, "__name__", "a verb")
        timeout = asyncio.timeout(self.subject.patience)
        try:
            async with timeout:
                return await verb(*map(through_text, asks), **more)
        except TenderError as error:
            require(error.code != "internal", f"{name} raised {error!r}, whose class has no code of its own")
            raise
        except Exception as error:
            if timeout.expired():
                raise Failure(f"{name} has not ended after {self.subject.patience:g} s") from error
            raise Failure(f"{name} raised {error!r}, which is no named error") from error

    def _looked(self, seen: Seen | None) -> Seen | None:
        if seen is None:
            return None
        require(isinstance(seen, Seen), f"a verb returned {seen!r} where a Seen or None belongs")
        through_text(seen)
        places = [(slot.image, slot.slot) for slot in seen.slots]
        require(len(set(places)) == len(places), f"a slot is told twice: {places}")
        for image in {slot.image for slot in seen.slots}:
            active = [slot.slot for slot in seen.slots if slot.image == image and slot.active]
            require(len(active) <= 1, f"image {image} cannot run from the slots {active} at once")
        return seen


async def _preflight(lease: Lease) -> tuple[Reason, ...]:
    return await lease.preflight(lease.subject.new, await lease.probe())


VERBS: Mapping[str, Callable[[Lease], Awaitable[object]]] = {
    "probe": Lease.probe,
    "preflight": _preflight,
    "enter_loader": Lease.enter_loader,
    "transfer": lambda lease: lease.transfer(lease.subject.new),
    "activate": lambda lease: lease.activate(lease.subject.new),
    "confirm": lambda lease: lease.confirm(identity_of(lease.subject.new)),
    "rollback": Lease.rollback,
    "backup": Lease.backup,
    "command": Lease.command,
    "identify": Lease.identify,
}
"""Every verb but cleanup, about the new image."""
