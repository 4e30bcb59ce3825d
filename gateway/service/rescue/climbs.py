"""From mild to hard: which step comes next for a node that does not answer, and when.

A climb begins with a look that nobody answered and ends with one that somebody did.
Each step is tried once in it; after the last one somebody has to go there, and the node
is still looked at now and then.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from flashers.api import Reason
from gateway.errors import RequestError
from gateway.journal.journal import Told
from gateway.model.records import Trouble
from gateway.model.rescue import Climb, Recoverable, StepResult, StepTaken
from gateway.service.rescue.errors import StepBounded
from gateway.service.rescue.rungs import Ladders, Rung
from gateway.service.rescue.stepping import Stepper
from gateway.service.site import Site

log = logging.getLogger("tender.rescue")

_GATE_S = 5.0
"""How soon a step that had to wait for others is tried again."""
_LOOK_AGAIN_S = 2.0
DEAD_LINK = frozenset({"link-error", "link-lost", "link-not-found"})
"""Troubles that say nothing of the node: nobody could ask it."""
BY_ITSELF = "recovery"
"""Who took a step that nobody asked for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a look found: an answer, silence with its trouble, or that nobody could look."""

    looked: bool = True
    answered: bool = False
    trouble: Trouble | None = None


Look = Callable[[], Awaitable[Answer]]


@dataclass(slots=True)
class Ascent:
    """A climb as this process goes through it; ``since`` is the last step's end, or the first silence."""

    climb: Climb
    since: float
    tried: list[str] = field(default_factory=list)
    trouble: Trouble | None = None
    hurry_by: str = ""
    """Who wants it at once."""
    gate: Reason | None = None
    not_before: float = 0.0
    found_silent: bool = False
    """Whether a look found it so, now or before; of one that somebody only asked about nobody knows."""


class Climbs:
    """Every node that does not answer, and how far up its ladder it is."""

    def __init__(self, site: Site, ladders: Ladders, stepper: Stepper) -> None:
        self._site = site
        self._ladders = ladders
        self._stepper = stepper
        self._ascents: dict[str, Ascent] = {}

    async def load(self) -> None:
        """Go on where an earlier process stood; each silence is found anew before the next step."""
        for climb in await self._site.journal.open_climbs():
            tried = [step.name for step in await self._site.journal.steps(climb=climb.id)]
            self._ascents[climb.node] = Ascent(climb, self._now(), tried, found_silent=True)

    def of(self, node: str) -> Ascent | None:
        """How far it is; None for a node that answered, or was not looked at."""
        return self._ascents.get(node)

    def silent(self) -> list[str]:
        """Every node that is known not to answer."""
        return [node for node in self._ascents if node in self._site.nodes]

    async def noticed(self, node: str, why: str = "silent") -> bool:
        """A node was found silent outside of recovery; whether anything follows from that by itself."""
        if node in self._ascents:
            return True
        if why == "silent" and not self._ladders.explicit(node):
            return False
        (await self._begin(node, why)).found_silent = True
        return True

    async def hurry(self, node: str, by: str) -> None:
        """Climb without waiting between steps, from the first one if all were tried."""
        ascent = self._ascents.get(node)
        if ascent is not None and ascent.climb.exhausted:
            await self._end(ascent)
            ascent = None
        if ascent is None:
            ascent = await self._begin(node, "asked")
        ascent.hurry_by, ascent.not_before, ascent.gate = by, 0.0, None

    async def answered(self, node: str) -> None:
        """It was heard: whatever was tried, nothing more is needed."""
        ascent = self._ascents.pop(node, None)
        if ascent is not None:
            await self._end(ascent)

    async def unanswered(self, node: str, why: str, trouble: Trouble | None, look: Look) -> bool:
        """A look found silence: take the step that is due, if one is; whether the node answers now."""
        ascent = self._ascents.get(node) or await self._begin(node, why)
        ascent.trouble, ascent.found_silent = trouble, True
        try:
            while (rung := self._due(node, ascent)) is not None:
                answer = await self._climb(node, ascent, rung, look)
                if answer is None:
                    return False
                if answer.answered:
                    await self.answered(node)
                    return True
                ascent.trouble = answer.trouble
            if self.next_rung(node) is None and not ascent.climb.exhausted:
                await self._exhaust(node, ascent)
            return False
        finally:
            self._site.inventory.shown_anew(node)

    def next_rung(self, node: str) -> Rung | None:
        """The mildest step that was not tried since it fell silent, and can help."""
        ascent = self._ascents.get(node)
        tried = ascent.tried if ascent is not None else []
        trouble = ascent.trouble if ascent is not None else None
        rungs = (each for each in self._ladders.rungs(node) if each.name not in tried)
        return next((each for each in rungs if _helps(each, trouble)), None)

    def next_in(self, node: str) -> float | None:
        """Seconds until the next step may be taken; None if none is by itself."""
        ascent, rung = self._ascents.get(node), self.next_rung(node)
        if ascent is None or rung is None or not self._may(ascent):
            return None
        now = self._now()
        wait = 0.0 if ascent.hurry_by else rung.wait
        bounded, _ = self._stepper.bounded(node, rung)
        return max(0.0, ascent.since + wait - now, ascent.not_before - now, bounded)

    def _may(self, ascent: Ascent) -> bool:
        return bool(self._site.config.rescue.by_itself or ascent.hurry_by)

    def _due(self, node: str, ascent: Ascent) -> Rung | None:
        left = self.next_in(node)
        return self.next_rung(node) if left is not None and left <= 0 else None

    async def _climb(self, node: str, ascent: Ascent, rung: Rung, look: Look) -> Answer | None:
        """Take one step and look; None if it has to wait."""
        try:
            by = ascent.hurry_by or BY_ITSELF
            step = await self._stepper.take(node, rung, by, climb=ascent.climb.id or None)
        except RequestError as error:
            ascent.gate = Reason(error.code, error.message, error.what_to_do)
            ascent.not_before = self._now() + (0.0 if isinstance(error, StepBounded) else _GATE_S)
            log.info("node=%s step=%s waits=%s", node, rung.name, error.code)
            return None
        ascent.gate = None
        ascent.tried.append(rung.name)
        self._was_tried_on_others(step, rung)
        if step.result is StepResult.FAILED:
            await self._stepper.tell(step)
            ascent.since = self._now()
            return Answer(trouble=ascent.trouble)
        answer = await self._settle(node, step, look)
        ascent.since = self._now()
        return answer

    def _was_tried_on_others(self, step: StepTaken, rung: Rung) -> None:
        """Who shares the switch, and is silent as well, had the same step just now."""
        if step.result is StepResult.FAILED or rung.circuit is None:
            return
        for node in step.affects:
            other = self._ascents.get(node)
            if other is None or not other.found_silent:
                continue
            for each in self._ladders.rungs(node):
                same = each.circuit is not None and each.circuit.key == rung.circuit.key
                if same and each.name not in other.tried:
                    other.tried.append(each.name)
                    other.since = self._now()

    async def _settle(self, node: str, step: StepTaken, look: Look) -> Answer | None:
        """Look until it answers, or should have."""
        profile = self._site.node_types.get(self._site.nodes[node].profile).profile
        end = self._now() + profile.timing.boot_deadline
        answer = Answer()
        while True:
            answer = await look()
            if not answer.looked or answer.answered or self._now() >= end:
                break
            await asyncio.sleep(_LOOK_AGAIN_S)
        if not answer.looked:
            await self._stepper.tell(step)
            return None
        await self._stepper.tell(step, StepResult.ANSWERED if answer.answered else StepResult.SILENT)
        return answer

    async def _begin(self, node: str, why: str) -> Ascent:
        climb = Climb(node, why, began=self._site.clock())
        if self._ladders.rungs(node):
            climb = await self._site.journal.begin_climb(climb)
        ascent = self._ascents[node] = Ascent(climb, self._now())
        self._site.inventory.shown_anew(node)
        return ascent

    async def _end(self, ascent: Ascent) -> None:
        self._ascents.pop(ascent.climb.node, None)
        if ascent.climb.id:
            await self._site.journal.save_climb(replace(ascent.climb, ended=self._site.clock()))
        self._site.inventory.shown_anew(ascent.climb.node)

    async def _exhaust(self, node: str, ascent: Ascent) -> None:
        """Nothing is left; said once."""
        ascent.climb = replace(ascent.climb, exhausted=True)
        ascent.hurry_by = ""
        if not ascent.climb.id:
            return
        steps = await self._site.journal.steps(node, also_hit=True, limit=len(ascent.tried))
        data: dict[str, object] = {
            "recoverable": Recoverable.SITE_VISIT.value,
            "why": ascent.climb.why,
            "steps": [{"step": step.name, "result": step.result.value} for step in reversed(steps)],
        }
        told = (Told("rescue.exhausted", node=node, data=data),) if steps else ()
        await self._site.journal.save_climb(ascent.climb, told)
        log.warning("node=%s needs a visit: %d steps did not help", node, len(steps))

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _helps(rung: Rung, trouble: Trouble | None) -> bool:
    """Whether a step can do anything about it.

    Where the link itself is dead only what it is made of can bring it back: the node behind
    it may run very well, and its power is not to be cut for a cable or a network.
    """
    return trouble is None or trouble.code not in DEAD_LINK or rung.revives_link
