"""See the node: probe it, remember for how long it has been silent, and keep what is news."""

import asyncio
from dataclasses import replace

from flashers import api as verbs
from flashers.api import Evidence, FirmwareImage, Flasher, IdentityChanged, Of, ProbeCost, Role, Seen
from gateway.attempt.guard import Guard
from gateway.attempt.identity import identify, tell_stranger
from gateway.attempt.ledger import Ledger, Surroundings
from gateway.attempt.session import HostSession
from gateway.model.records import Observation, Part, Target, Trouble
from transports.errors import TenderError


class Images:
    """The images of an attempt, each verified and parsed once."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._known: dict[tuple[bytes, str], FirmwareImage] = {}

    async def of(self, target: Target, part: Part) -> FirmwareImage:
        """The target's image.  Raises TenderError if it is not what it should be."""
        key = (target.artifact.value, part.component.id)
        if key not in self._known:
            self._known[key] = await self._around.artifacts.image(target, part.component)
        image = self._known[key]
        if target.firmware.identity not in (None, image.firmware.identity):
            # The node's old image, which it still holds itself: only its name is needed.
            return replace(image, firmware=target.firmware)
        return image


class Looker:
    """Looks at one node for one attempt.

    ``heard_from`` is the console's mark from before the last restart that we know of;
    what the node printed before that says nothing of what runs now.
    """

    def __init__(
        self,
        ledger: Ledger,
        flasher: Flasher,
        session: HostSession,
        around: Surroundings,
        guard: Guard,
        images: Images,
    ) -> None:
        self._ledger = ledger
        self._flasher = flasher
        self._session = session
        self._around = around
        self._guard = guard
        self._images = images
        self._silent_since: float | None = None
        self._kept = Seen(Role.UNKNOWN)
        self.last = Seen(Role.UNKNOWN)
        self.heard_from: int | None = None

    async def look(self, fresh: Seen | None) -> Observation:
        """What the node shows; ``fresh`` is what a verb has just learned, and spares a probe."""
        trouble: Trouble | None = None
        if fresh is not None and self._says_nothing_of_its_boot(fresh):
            fresh = None
        if fresh is None:
            try:
                fresh = await self._guard.do(self._probe())
            except TenderError as error:
                trouble = trouble_of(error)
        try:
            if fresh is not None:
                await self._guard.do(self._identify(fresh))
        except TenderError as error:
            # Whatever was seen was not seen of the node that is meant.
            fresh, trouble = None, trouble_of(error)
        seen = fresh or Seen(Role.SILENT)
        if seen.role is Role.UNKNOWN:
            # Every cost was allowed, and the flasher still cannot tell: that is silence.
            seen = replace(seen, role=Role.SILENT)
        self.last = seen
        silent = seen.role in (Role.SILENT, Role.ASLEEP)
        trouble = trouble or (self._session.silence() if silent else None)
        observation = Observation(self.stamped(seen), self._silence(seen), self._around.clock(), trouble)
        if not silent and seen != self._kept:
            self._kept = seen
            await self._around.journal.save_seen(self._ledger.record.node, observation)
        return observation

    def _says_nothing_of_its_boot(self, fresh: Seen) -> bool:
        """Whether a verb told what lies in a node that runs, and not how it is known that it runs.

        Where nothing can be started once more that would be the last word on it.
        """
        rules = self._ledger.record.rules
        told = any(piece.of is Of.BOOT for piece in fresh.evidence)
        return fresh.role is Role.APP and bool(rules.boot) and not rules.startable and not told

    def listen(self) -> None:
        """The node is about to be restarted: what it prints counts from here."""
        self.heard_from = self._session.lines().mark()

    def forgive_silence(self) -> None:
        """It was restarted, and has its boot deadline again."""
        self._silent_since = None

    def stamped(self, seen: Seen) -> Seen:
        """The same, with the time on each piece of evidence."""
        at = self._around.clock()

        def stamp(piece: Evidence) -> Evidence:
            return piece if piece.at is not None else replace(piece, at=at)

        return replace(seen, evidence=tuple(stamp(piece) for piece in seen.evidence))

    def _silence(self, seen: Seen) -> float:
        """For how long it has been silent, in seconds of this process."""
        if seen.role not in (Role.SILENT, Role.ASLEEP):
            self._silent_since = None
            return 0.0
        now = asyncio.get_running_loop().time()
        if self._silent_since is None:
            self._silent_since = now
        return now - self._silent_since

    async def _identify(self, seen: Seen) -> None:
        if self._around.keeper is not None:
            rule, touched = self._around.node_type.profile.identity, self._ledger.record.touched
            await identify(self._session, self._flasher, rule, seen, self._around.keeper, touched=touched)

    async def _probe(self) -> Seen:
        targets = [
            (target, part)
            for part in self._ledger.record.parts
            for target in (part.want, *([part.known_good] if part.known_good else await self._familiar(part)))
        ]
        candidates = [await self._images.of(target, part) for target, part in targets]
        restarts = self._around.node_type.declaration.probe_cost is ProbeCost.RESTARTS_APPLICATION
        if self.heard_from is None and restarts:
            self.listen()
        ask = verbs.Probe(ProbeCost.RESTARTS_APPLICATION, tuple(candidates))
        try:
            return await self._flasher.probe(ask)
        except IdentityChanged as error:
            if self._around.keeper is not None:
                await tell_stranger(self._session, self._around.keeper, error)
            raise

    async def _familiar(self, part: Part) -> list[Target]:
        """What it ran well before, and what such nodes are known to run: worth comparing its flash with."""
        record, found = self._ledger.record, list[Target]()
        for target in await self._around.ways_back.familiar(record.node, record.profile, part.component.id):
            try:
                await self._images.of(target, part)
            except TenderError:
                continue
            found.append(target)
        return found


def trouble_of(error: TenderError) -> Trouble:
    """An error as it is stored."""
    return Trouble(error.code, error.message, error.what_to_do, error.retryable)
