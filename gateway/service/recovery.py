"""Bring nodes back by themselves: as soon as they answer, and by steps from outside if they do not.

A wounded node keeps its target and its known-good pinned.  It is looked at again and
again, less and less often; when it answers, an attempt of its own goes on where the
last one ended.  How many of those there are is bounded by the profile; after that an
operator has to ask.  One on the air that is heard by chance is looked at soon after that,
however long the pause was to be.  A node that stays silent gets the next step of its ladder
(:mod:`gateway.service.rescue.climbs`), and so does one that was found silent without
being wounded.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from flashers.api import FirmwareImage, ProbeCost, Role, Seen, Stalled
from flashers.api.errors import NodeSilent
from gateway.attempt.advance import recovery_of
from gateway.attempt.looking import trouble_of
from gateway.attempt.telling import phase_told
from gateway.model.records import Observation, Record
from gateway.service.adapters.overhearing import Overhearing
from gateway.service.adapters.reach import place_of
from gateway.service.looking import look
from gateway.service.nodes.sights import saw
from gateway.service.rescue.climbs import Answer, Climbs
from gateway.service.site import Site
from gateway.service.zigbee import on_network
from transports.errors import LinkBusy, LinkDenied, LinkError, TenderError
from transports.links import Medium

log = logging.getLogger("tender.recovery")

_FIRST_LOOK_S = 5.0
_LAST_LOOK_S = 600.0
_SOON_S = 0.01
_CALLED_S = 1.0
"""From a call that was overheard to the look: one that comes and goes is worth a moment's patience."""
_CALLED_AGAIN_S = 30.0
"""The least seconds between two looks for that reason; twice as many after each that was in vain."""
_HEARD_AGAIN_S = 10.0
"""The least seconds between two looks at a node that chatters and does not answer."""


@dataclass(frozen=True, slots=True)
class _Patient:
    """A node that is looked after; ``wound`` is the attempt that left it wounded, if one did."""

    node: str
    wound: Record | None = None


@dataclass(slots=True)
class _Called:
    """When a node that was overheard is looked at again for that, at the earliest."""

    not_before: float = 0.0
    pause: float = _CALLED_AGAIN_S
    due: bool = False
    """Its next look is for that reason."""


class Recovery:
    """Looks after the wounded and the silent."""

    def __init__(
        self,
        site: Site,
        climbs: Climbs,
        found: Callable[[Record], None],
        busy: Callable[[str], bool],
        first_look: float = _FIRST_LOOK_S,
    ) -> None:
        self._site = site
        self._climbs = climbs
        self._found = found
        self._busy = busy
        self._first_look = first_look
        self._next: dict[str, float] = {}
        self._pause: dict[str, float] = {}
        self._looking: set[str] = set()
        self._heard: set[str] = set()
        self._looked: dict[str, float] = {}
        self._asked: set[str] = set()
        self._worn: set[str] = set()
        self._overhearing = Overhearing(site.reach, self._overheard)
        self._called: dict[str, _Called] = {}
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Work for ever; ends only by cancellation.  Nothing ticks while nobody is ill."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                quiet = self._look_around(group)
                try:
                    async with asyncio.timeout(quiet):
                        await self._wake.wait()
                except TimeoutError:
                    pass

    def wake(self) -> None:
        """Somebody may be ill, or may be looked at again."""
        self._wake.set()

    def look_now(self, node: str) -> None:
        """Somebody wants this one looked at at once, however often that was in vain."""
        self._asked.add(node)
        self._pause[node] = self._first_look
        self._next[node] = asyncio.get_running_loop().time()
        self._wake.set()

    def heard(self, node: str) -> None:
        """One that is looked after gave a sign of life: it is looked at now, and not at its next look."""
        if node in self._looking:
            self._heard.add(node)
        elif node in self._next:
            self._pause[node] = self._first_look
            now = asyncio.get_running_loop().time()
            soon = max(now, self._looked.get(node, now) + _HEARD_AGAIN_S)
            self._next[node] = min(self._next[node], soon)
            self._wake.set()

    def gave_up(self, node: str) -> bool:
        """Whether it was found worn out when its turn came."""
        return node in self._worn

    def working(self, node: str) -> bool:
        """Whether it is being looked at."""
        return node in self._looking

    def next_look_in(self, node: str) -> float | None:
        """Seconds until the next look, None if none is planned."""
        if node not in self._next:
            return None
        return max(0.0, self._next[node] - asyncio.get_running_loop().time())

    async def worn_out(self, record: Record) -> bool:
        """Whether as many recoveries as the profile allows have ended wounded again."""
        bound = self._site.node_types.get(record.profile).profile.bounds.recoveries
        count, earlier = 0, record
        while earlier.recovers is not None and count < bound:
            count += 1
            before = await self._site.journal.attempt(earlier.recovers)
            if before is None:
                break
            earlier = before
        return count >= bound

    async def look(self, record: Record) -> Record | None:
        """Look at a wounded node; the attempt that brings it back if it answers."""
        seen = await self._seen(_Patient(record.node, record))
        return await self._recovers(record, seen) if _answers(seen) else None

    def _patients(self) -> list[_Patient]:
        wounded = [_Patient(record.node, record) for record in self._site.inventory.wounded()]
        names = {patient.node for patient in wounded}
        return wounded + [_Patient(node) for node in self._climbs.silent() if node not in names]

    def _look_around(self, group: asyncio.TaskGroup) -> float | None:
        """Begin the looks that are due; seconds until the next one is."""
        patients = self._patients()
        names = {patient.node for patient in patients}
        for node in self._next.keys() - names - self._looking:
            del self._next[node]
            self._pause.pop(node, None)
            self._called.pop(node, None)
            self._looked.pop(node, None)
            self._worn.discard(node)
        self._overhearing.look_out(self._places(names))
        now, quiet = asyncio.get_running_loop().time(), None
        for patient in patients:
            node = patient.node
            if node in self._looking or self._busy(node) or node not in self._site.nodes:
                continue
            pause = self._pause.setdefault(node, self._first_look)
            left = self._next.setdefault(node, now + pause) - now
            if left <= 0:
                # Each on its own: one that takes long keeps no other waiting.
                self._looking.add(node)
                group.create_task(self._contained(patient))
            else:
                quiet = max(_SOON_S, left if quiet is None else min(quiet, left))
        return quiet

    def _places(self, names: set[str]) -> dict[str, str]:
        """Those of them that are on the air."""
        specs = {node: self._site.nodes[node].spec for node in names if node in self._site.nodes}
        return {place_of(spec): node for node, spec in specs.items() if spec.medium is Medium.BLE}

    def _overheard(self, node: str) -> None:
        """It called, and somebody listened for whatever reason."""
        now = asyncio.get_running_loop().time()
        if node in self._looking or node in self._worn or self._next.get(node, 0.0) <= now + _CALLED_S:
            return
        called = self._called.setdefault(node, _Called())
        if now >= called.not_before:
            called.not_before, called.pause = now + called.pause, min(2 * called.pause, _LAST_LOOK_S)
            called.due, self._next[node] = True, now + _CALLED_S
            log.info("node=%s is heard, and looked at soon", node)
            self._wake.set()

    async def _contained(self, patient: _Patient) -> None:
        node, asked = patient.node, patient.node in self._asked
        self._looked[node] = asyncio.get_running_loop().time()
        self._asked.discard(node)
        called = self._called.get(node)
        pause = self._pause[node]
        if called is not None and called.due:
            called.due = False
        else:
            pause = self._pause[node] = min(2 * pause, _LAST_LOOK_S)
        try:
            worn = patient.wound is not None and await self.worn_out(patient.wound)
            if worn is not (node in self._worn):
                (self._worn.add if worn else self._worn.discard)(node)
                self._site.inventory.shown_anew(node)
            if worn and not asked:
                self._pause[node] = _LAST_LOOK_S
            else:
                await self._look_after(patient)
        except TenderError as error:
            log.info("node=%s still=%s", node, error.code)
        except Exception:
            log.exception("node=%s cannot be looked at", node)
        finally:
            self._looking.discard(node)
        if node in self._heard:
            self._heard.discard(node)
            pause = min(pause, _HEARD_AGAIN_S)
        step = self._climbs.next_in(node)
        now = asyncio.get_running_loop().time()
        if node not in self._asked:  # while it was looked at
            self._next[node] = now + (pause if step is None else min(pause, max(step, 1.0)))
        self._wake.set()

    async def _look_after(self, patient: _Patient) -> None:
        node = patient.node
        answer = await self._answer(patient)
        if answer.answered:
            self._called.pop(node, None)
            await self._climbs.answered(node)
        elif answer.looked:
            why = "wounded" if patient.wound is not None else "silent"
            await self._climbs.unanswered(node, why, answer.trouble, lambda: self._answer(patient))

    async def _answer(self, patient: _Patient) -> Answer:
        """Look once, and take up what is to be done if it answers.

        Raises:
            TenderError: it could not be looked at, which says nothing of the node.
        """
        node = patient.node
        if self._busy(node):
            return Answer(looked=False)
        try:
            seen = await self._seen(patient)
        except TenderError as error:
            if not _is_silence(error) or on_network.away(self._site, node):
                raise
            return Answer(trouble=trouble_of(error))
        if seen is None or seen.role is Role.ASLEEP:
            return Answer(looked=False)
        if not _answers(seen):
            return Answer()
        if patient.wound is not None:
            self._found(await self._recovers(patient.wound, seen))
        else:
            await saw(self._site.inventory, node, self._stamped(seen))
        return Answer(answered=True)

    async def _seen(self, patient: _Patient) -> Seen | None:
        """What it shows; None if its link cannot be had now."""
        site, node = self._site, patient.node
        lease = site.leases.take(site.channel(node), f"a look at {node}")
        if lease is None:
            return None
        try:
            images = await self._images(patient)
            touched = patient.wound is not None and patient.wound.touched
            return await look(site, node, ProbeCost.RESTARTS_APPLICATION, images, touched=touched)
        finally:
            site.leases.give_back(lease)

    async def _recovers(self, record: Record, seen: Seen | None) -> Record:
        site, node = self._site, record.node
        if seen is not None:
            await site.inventory.save_seen(node, self._stamped(seen))
        again = await site.journal.create(lambda number: recovery_of(record, number), phase_told)
        await site.known(again)
        log.info("node=%s attempt=%d recovers=%d", node, again.id, record.id)
        return again

    def _stamped(self, seen: Seen) -> Observation:
        at = self._site.clock()
        evidence = tuple(replace(piece, at=piece.at or at) for piece in seen.evidence)
        return Observation(replace(seen, evidence=evidence), at=at)

    async def _images(self, patient: _Patient) -> tuple[FirmwareImage, ...]:
        """What it may hold, to compare its flash with."""
        if patient.wound is None:
            return await self._familiar(patient.node)
        stock, parts = self._site.stock(patient.wound.profile), patient.wound.parts
        targets = [(part.want, part.component) for part in parts]
        targets += [(part.known_good, part.component) for part in parts if part.known_good]
        return tuple([await stock.image(target, component) for target, component in targets])

    async def _familiar(self, node: str) -> tuple[FirmwareImage, ...]:
        site, found = self._site, list[FirmwareImage]()
        profile = site.nodes[node].profile
        for table in site.node_types.get(profile).profile.components:
            own = site.inventory.known_goods(node).get(table.id)
            for target in [*([own] if own else []), *await site.journal.baselines(profile, table.id)]:
                try:
                    found.append(await site.stock(profile).image(target, table.value()))
                except TenderError as error:
                    log.info("node=%s candidate=%s", node, error.code)
        return tuple(found)


def _answers(seen: Seen | None) -> bool:
    return seen is not None and seen.role in (Role.APP, Role.LOADER)


def _is_silence(error: TenderError) -> bool:
    """Whether it says that the node, or the way to it, is dead; not that somebody else has its port."""
    if isinstance(error, LinkError):
        return not isinstance(error, LinkBusy | LinkDenied)
    return isinstance(error, NodeSilent | Stalled)
