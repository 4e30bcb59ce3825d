"""Ask every node what it really runs: once, when it may be asked, and before an attempt begins on it.

A node whose application restarts when it is looked at is left alone until somebody
allowed that, or until an attempt is open on it, which would look anyway.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

from flashers.api import Component, FirmwareImage, ProbeCost, Reason, Role, Seen
from gateway.attempt import advance
from gateway.attempt.steps import Finish
from gateway.attempt.telling import done_told
from gateway.journal.journal import Told
from gateway.journal.origins import ToAsk
from gateway.model.outcomes import CancelReason, Origin, Outcome
from gateway.model.records import Observation, Part, Record, Trouble
from gateway.service.looking import look
from gateway.service.node_types import rules_of
from gateway.service.rebuilding.judging import Finding, Known, judge, outdated
from gateway.service.rebuilding.remembered import Remembered, read_remembered
from gateway.service.rebuilding.sources import Sources
from gateway.service.site import Site
from gateway.service.supervisor import Supervisor
from transports.errors import TenderError

log = logging.getLogger("tender.rebuild")

_SOON_S = 5.0
"""When a node is thought of again that an attempt is at work on."""
_FIRST_PAUSE_S, _LAST_PAUSE_S = 5.0, 600.0
"""Between two tries at a node that does not answer: doubled from the first to the last."""
_TRIES_BEFORE_AN_ATTEMPT = 2
"""After this many tries in vain an attempt goes on to find out for itself."""
_AT_ONCE = 8
_LOOKED = (Outcome.SUCCEEDED, Outcome.ALREADY_THERE, Outcome.FLASHED, Outcome.ROLLED_BACK, Outcome.FAILED)
"""Ends that are told with proof of what the node runs or holds."""


class Asker:
    """Works through the nodes that are to be asked."""

    def __init__(
        self, site: Site, supervisor: Supervisor, sources: Sources, found_ill: Callable[[], None]
    ) -> None:
        self._site = site
        self._supervisor = supervisor
        self._sources = sources
        self._found_ill = found_ill
        self._open: dict[str, ToAsk] = {}
        self._remembered: dict[str, Remembered] = {}
        self._due: dict[str, float] = {}
        self._pause: dict[str, float] = {}
        self._troubles: dict[str, Reason] = {}
        self._at: set[str] = set()
        self._gated: set[str] = set()
        self._writing: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._places = asyncio.Semaphore(_AT_ONCE)
        self.ready = True
        """Whether what helps in judging answers has been gathered."""

    async def load(self) -> None:
        """Take up what the journal has."""
        self._open = await self._site.journal.to_ask()
        remembered = await self._site.journal.remembered()
        read = {name: read_remembered(state) for name, state in remembered.items()}
        self._remembered = {name: state for name, state in read.items() if state is not None}
        self._wake.set()

    @property
    def asked(self) -> dict[str, ToAsk]:
        """Every node that is or was to be asked."""
        return dict(self._open)

    @property
    def remembers(self) -> int:
        """How many nodes upstream still knew."""
        return len(self._remembered)

    def ended(self, record: Record) -> None:
        """An attempt has looked at its node, and knows better than any question."""
        entry, result = self._open.get(record.node), record.result
        if entry is None or entry.answer is not None or result is None or result.outcome not in _LOOKED:
            return
        known = self._site.inventory.known_goods(record.node)
        names = [part.component.id for part in record.parts]
        answer = {
            "role": Role.APP.value,
            "runs": {name: str(each.identity or each.version) for name, each in result.after.items() if each},
            "known_good": {name: "kept" if name in known else "unknown" for name in names},
            "bare": False,
            "reasons": [],
        }
        self._open[record.node] = done = replace(entry, answer=answer)
        task = asyncio.create_task(self._write_down(done))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _write_down(self, entry: ToAsk) -> None:
        with suppress(TenderError):  # it is asked again after the next start, then
            await self._site.journal.save_asked(entry)

    def trouble(self, node: str) -> Reason | None:
        """Why it could not be asked the last time."""
        return self._troubles.get(node)

    def costs(self, node: str) -> bool:
        """Whether asking it restarts its application, and nothing allows that now."""
        entry = self._open.get(node)
        return entry is not None and not self._allowed(entry) and self._restarts(node)

    def gate(self, record: Record) -> Reason | None:
        """Why an attempt waits: its node is asked first what it really runs."""
        entry = self._open.get(record.node)
        if entry is None or entry.answer is not None or record.touched:
            return None
        if entry.tries >= _TRIES_BEFORE_AN_ATTEMPT and self.ready:
            self._gated.discard(record.node)
            return None
        if record.node not in self._gated:
            self._gated.add(record.node)
            self._wake.set()
        return _FIRST_ASKED

    @property
    def settled(self) -> bool:
        """Whether nothing is left that can be asked now for the first time."""
        return self.ready and not any(
            entry.answer is None and not entry.tries and not self.costs(name) and name in self._site.nodes
            for name, entry in self._open.items()
        )

    def heard(self, node: str) -> None:
        """It gave a sign of life: one that sleeps can be asked now, and not at its next time."""
        entry = self._open.get(node)
        if entry is not None and entry.answer is None and node in self._due:
            self._due[node] = 0.0
            self._wake.set()

    def wake(self) -> None:
        """Something may be possible now that was not."""
        self._wake.set()

    async def run(self, settled: Callable[[], Awaitable[None]]) -> None:
        """Work for ever; ``settled`` is called whenever everybody who can be asked has been.

        Nothing ticks while there is nobody to ask.
        """
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                quiet = self._ask_around(group)
                if self.settled and not self._at:
                    await settled()
                try:
                    async with asyncio.timeout(quiet):
                        await self._wake.wait()
                except TimeoutError:
                    pass

    def _ask_around(self, group: asyncio.TaskGroup) -> float | None:
        """Begin the questions that are due; seconds until the next one is."""
        if not self.ready:
            return None
        now, quiet = asyncio.get_running_loop().time(), None
        for entry in self._open.values():
            node = entry.node
            if entry.answer is not None or node in self._at or node not in self._site.nodes:
                continue
            if self.costs(node):
                continue
            left = max(self._due.get(node, 0.0) - now, _SOON_S if self._supervisor.at_work(node) else 0.0)
            if left <= 0:
                self._at.add(node)
                group.create_task(self._contained(entry))
            else:
                quiet = left if quiet is None else min(quiet, left)
        return quiet

    def _allowed(self, entry: ToAsk) -> bool:
        """Whether its application may be restarted for it; an attempt that waits would do so, too."""
        told = self._remembered.get(entry.node)
        return entry.costly or entry.node in self._gated or (told is not None and told.unsettled)

    def _restarts(self, node: str) -> bool:
        try:
            node_type = self._site.node_types.get(self._site.nodes[node].profile)
        except (TenderError, KeyError):
            return False
        return node_type.declaration.probe_cost is ProbeCost.RESTARTS_APPLICATION

    async def _contained(self, entry: ToAsk) -> None:
        """One node's trouble stays with it."""
        node = entry.node
        try:
            async with self._places:
                await self._ask(entry)
            self._troubles.pop(node, None)
        except TenderError as error:
            self._troubles[node] = Reason(error.code, error.message, error.what_to_do)
            log.info("node=%s asked in vain: %s", node, error.code)
        except Exception:
            log.exception("node=%s cannot be asked", node)
            self._troubles[node] = Reason("bug", "A bug in Tender or in a plugin: see the log.", "")
        finally:
            self._at.discard(node)
        if self._open[node].answer is None:
            self._open[node] = replace(self._open[node], tries=self._open[node].tries + 1)
            pause = self._pause[node] = min(self._pause.get(node, _FIRST_PAUSE_S / 2) * 2, _LAST_PAUSE_S)
            self._due[node] = asyncio.get_running_loop().time() + pause
        self._wake.set()
        self._supervisor.wake()

    async def _ask(self, entry: ToAsk) -> None:
        """Look, judge, and write down what that establishes.

        Raises:
            TenderError: it does not answer, or cannot be looked at.
        """
        site, node = self._site, entry.node
        node_type = site.node_types.get(site.nodes[node].profile)
        profile = node_type.profile
        components = [table.value() for table in profile.components]
        candidates = {
            table.id: await self._sources.candidates(profile.name, table) for table in profile.components
        }
        images = tuple(each.image for found in candidates.values() for each in found)
        allowed = ProbeCost.RESTARTS_APPLICATION if self._allowed(entry) else node_type.declaration.probe_cost
        async with site.leases.hold(site.channel(node), f"a look at {node}"):
            if self._supervisor.at_work(node) is not None:
                raise AtWork(f"an attempt is at work on {node}")
            seen = await look(site, node, allowed, (*images, *await self._own(node, components)))
        if seen.role in (Role.SILENT, Role.UNKNOWN, Role.ASLEEP):
            raise NoAnswer(f"{node} does not answer")
        last = site.inventory.seen(node)
        known = Known(
            site.inventory.known_goods(node),
            last.seen if last is not None else None,
            self._remembered.get(node),
        )
        rules = rules_of(profile, node_type.declaration)
        targets = {name: [each.target for each in found] for name, found in candidates.items()}
        finding = judge(seen, rules, components, targets, known)
        await self._keep(entry, seen, finding, known, components)

    async def _own(self, node: str, components: list[Component]) -> list[FirmwareImage]:
        """What it went back to, or such nodes had before: worth comparing its flash with."""
        site, found = self._site, list[FirmwareImage]()
        profile = site.nodes[node].profile
        for component in components:
            own = site.inventory.known_goods(node).get(component.id)
            baselines = await site.journal.baselines(profile, component.id)
            for target in [*([own] if own is not None else []), *baselines]:
                try:
                    found.append(await site.stock(profile).image(target, component))
                except TenderError as error:
                    log.info("node=%s candidate=%s", node, error.code)
        return found

    async def _keep(
        self, entry: ToAsk, seen: Seen, finding: Finding, known: Known, components: list[Component]
    ) -> None:
        site, node = self._site, entry.node
        at = site.clock()
        stamped = replace(seen, evidence=tuple(replace(piece, at=at) for piece in seen.evidence))
        told: tuple[Told, ...] = ()
        if known.last is not None and _names(known.last) != _names(seen):
            told = (
                Told("node.changed", node=node, data={"before": _names(known.last), "after": _names(seen)}),
            )
        await site.inventory.save_seen(node, Observation(stamped, at=at), told)
        await self._settle_attempts(node, seen, finding, known, components)
        answer = {
            "role": seen.role.value,
            "runs": dict(finding.runs),
            "known_good": dict(finding.known_good),
            "bare": finding.bare,
            "reasons": [
                {"code": reason.code, "message": reason.message, "remedy": reason.remedy}
                for reason in finding.reasons
            ],
        }
        done = replace(entry, answer=answer)
        await site.journal.save_asked(done, finding.established)
        for component, target in finding.established.items():
            site.inventory.set_known_good(node, component, target)
        await site.refresh_pins()
        self._open[node] = done

    async def _settle_attempts(
        self, node: str, seen: Seen, finding: Finding, known: Known, components: list[Component]
    ) -> None:
        """What this answer means for what is open on the node, and for a node that runs nothing."""
        open_here = [record for record in self._supervisor.records() if record.node == node]
        for record in open_here:
            wants = {part.component.id: part.want.firmware for part in record.parts}
            if not record.touched and outdated(seen, record.rules, components, wants, known):
                step = Finish(Outcome.REFUSED, _OUTDATED)
                await self._supervisor.cancel(record.id, CancelReason.CANCELLED, "import", untouched=step)
        if not finding.bare:
            return
        if open_here:
            await self._begun_already(open_here[0], finding)
        elif finding.way_on and self._site.inventory.wound(node) is None:
            await self._wounded(node, seen, finding, components)

    async def _begun_already(self, record: Record, finding: Finding) -> None:
        """Somebody has erased the node since this was written: it is inside its window, whoever began it."""
        parts = tuple(
            replace(part, known_good=part.known_good or finding.way_on.get(part.component.id))
            for part in record.parts
        )
        if not await self._supervisor.amend(advance.found_begun(record, parts)):
            raise AtWork(f"the attempt on {record.node} is being made ready")

    async def _wounded(self, node: str, seen: Seen, finding: Finding, components: list[Component]) -> None:
        """A node that runs nothing, and an end of ours that says so: recovery does the rest."""
        site = self._site
        node_type = site.node_types.get(site.nodes[node].profile)
        rules = rules_of(node_type.profile, node_type.declaration, no_rollback="allow")
        parts = tuple(
            Part(component, finding.way_on[component.id], known_good=finding.way_on[component.id])
            for component in components
            if component.id in finding.way_on
        )
        at = site.clock()

        def make(number: int) -> Record:
            record = Record(
                id=number,
                node=node,
                profile=node_type.profile.name,
                parts=parts,
                rules=rules,
                origin=Origin.RECOVERY,
                asked_by="import",
                created=at,
            )
            begun = advance.found_begun(record, parts)
            return advance.finish(begun, Finish(Outcome.WOUNDED, _RUNS_NOTHING), seen, at=at)

        record = await site.journal.create(make, done_told)
        await site.known(record)
        self._found_ill()
        log.warning("node=%s attempt=%d found without firmware", node, record.id)


def _names(seen: Seen) -> dict[str, str | None]:
    """What a node runs, by image number."""
    return {
        str(slot.image): str(slot.firmware.identity) if slot.firmware.identity else slot.firmware.version
        for slot in seen.slots
        if slot.active and slot.firmware is not None
    }


class NoAnswer(TenderError):
    """The node did not answer."""

    code = "node-silent"
    remedy = "Check its power and its cable; it is asked again by itself."
    retryable = True


class AtWork(TenderError):
    """An attempt has the node just now."""

    code = "node-busy"
    remedy = "It is asked again by itself."
    retryable = True


_FIRST_ASKED = Reason(
    "state-not-asked",
    "The state is from elsewhere, and this node was not asked yet what it runs.",
    "It is asked now; `tender state show` tells what is known.",
)
_OUTDATED = Trouble(
    "state-outdated",
    "The node was brought to something else after the state was exported; this attempt is from before.",
    "Deploy again if the older release is really meant.",
)
_RUNS_NOTHING = Trouble(
    "found-without-firmware",
    "The node ran before, and was found in its loader without firmware that runs.",
    "It is brought back by itself to its known-good.",
)
