"""Take one step on one node, and owe nobody its power.

Before anything is done it is written down what has to be put on again, so that a
process that dies in between leaves the next one a note.  While a step is under way no
attempt begins on a node that it hits, and none begins a step that would hit a node
which may have no firmware that runs.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from flashers.api import Reason
from gateway.attempt.session import HostSession
from gateway.journal.journal import Told
from gateway.model.records import Record
from gateway.model.rescue import StepResult, StepTaken
from gateway.service.rescue.bounds import Uses
from gateway.service.rescue.errors import (
    LinkInUse,
    NeighbourInAttempt,
    NodeExposed,
    NodeInAttempt,
    StepBounded,
)
from gateway.service.rescue.owed import Owed
from gateway.service.rescue.rungs import Ladders, Rung, counted, counted_as
from gateway.service.site import Site
from transports.errors import LinesUnsupported, TenderError
from transports.power import Circuit
from transports.power.lines import pulse

log = logging.getLogger("tender.rescue")

Under = Callable[[str], Record | None]
"""The attempt that is at work on a node, if one is."""


@dataclass(frozen=True, slots=True)
class Force:
    """What somebody who asked for a step has allowed."""

    own_attempt: bool = False
    """Also while the node is inside an attempt, where that is safe."""
    others: bool = False
    """Also while a neighbour with two slots is inside one: it has firmware that runs all the time."""


NO_FORCE = Force()


class Stepper:
    """All steps of a gateway, by whomever they are asked for."""

    def __init__(
        self,
        site: Site,
        ladders: Ladders,
        under_way: Under,
        exposed: Callable[[], tuple[str, ...]],
    ) -> None:
        self._site = site
        self._ladders = ladders
        self._under_way = under_way
        self._exposed = exposed
        self.owed = Owed(self._is_on)
        self.uses = Uses()
        self.released: Callable[[], None] = lambda: None
        """Called when a step has ended: an attempt may have waited for that."""
        self._hit: dict[str, StepTaken] = {}

    # What others ask

    def gate(self, node: str) -> Reason | None:
        """Why no attempt may begin on this node now."""
        step = self._hit.get(node)
        if step is not None:
            text = f"The step {step.name} on {step.node} {_DOES[step.effect.value]} {node} just now."
            return Reason("power-step", text, "It goes on when the step has ended, in some seconds.")
        return self.owed.gate(node)

    def under_way(self, node: str) -> StepTaken | None:
        """The step that hits this node now."""
        return self._hit.get(node)

    def refusal(self, node: str, hits: tuple[str, ...], force: Force = NO_FORCE) -> TenderError | None:
        """Why a step that hits these nodes, too, must not be taken now."""
        exposed = self._exposed()
        for other in (node, *hits):
            if other in exposed:
                return NodeExposed(f"{other} has no firmware that runs right now")
            if other in self._hit:
                return LinkInUse(f"another step hits {other} just now")
        own = self._under_way(node)
        if own is not None and not force.own_attempt:
            return NodeInAttempt(f"attempt {own.id} is at work on {node} ({own.phase})")
        if own is not None and not own.rules.separate and own.touched:
            return NodeExposed(f"attempt {own.id} has written the one slot of {node}, and has not proved it")
        for other in hits:
            record = self._under_way(other)
            if record is not None and not (force.others and record.rules.separate):
                return NeighbourInAttempt(f"attempt {record.id} is at work on {other} ({record.phase})")
        return None

    def bounded(self, node: str, rung: Rung) -> tuple[float, str]:
        """Seconds until a step may be taken again (0: now), and why."""
        key, now = counted_as(node, rung.name, rung.circuit), asyncio.get_running_loop().time()
        at = self.uses.allowed_at(key, per_day=rung.per_day, pause=rung.pause, now=now)
        if at <= now:
            return 0.0, ""
        if self.uses.today(key, now) >= rung.per_day:
            return at - now, f"{rung.name} was taken {rung.per_day} times in 24 hours, which is its bound"
        return at - now, f"{rung.name} was taken less than {rung.pause:g} s ago"

    # Taking one

    async def take(
        self, node: str, rung: Rung, by: str, *, climb: int | None = None, force: Force = NO_FORCE
    ) -> StepTaken:
        """Take a step; what came of it, with nothing told yet.

        A switch that failed is a result, not an error.

        Raises:
            NodeInAttempt, NodeExposed, NeighbourInAttempt, LinkInUse, StepBounded: not now.
            SwitchMissing: nobody knows where its switch is.
            JournalError: it could not be written down, and so was not done.
        """
        rung = self._ladders.located(node, rung)
        hits = await self._ladders.hits(node, rung)
        # From here to the marks nothing is awaited: what is found out stays true.
        refusal = self.refusal(node, hits, force)
        if refusal is not None:
            raise refusal
        left, why = self.bounded(node, rung)
        if left > 0:
            raise StepBounded(f"{why}; it may be taken again in {left:.0f} s")
        step = StepTaken(
            node, rung.name, rung.kind, rung.effect, by, climb=climb, affects=hits, circuit=rung.circuit
        )
        leases = self._take_links(step, own=self._under_way(node) is None)
        for name in (node, *hits):
            self._hit[name] = step
        try:
            return await self._written(replace(step, at=self._site.clock()), rung)
        finally:
            for name in (node, *hits):
                self._hit.pop(name, None)
            for lease in leases:
                self._site.leases.give_back(lease)
            self.released()

    async def in_attempt(self, record: Record, session: HostSession, rung: Rung) -> None:
        """A mild step inside an attempt, which has the link and counts it itself.

        Raises:
            TenderError: it could not be done.
        """
        step = StepTaken(
            record.node,
            rung.name,
            rung.kind,
            rung.effect,
            f"attempt {record.id}",
            circuit=rung.circuit,
            at=self._site.clock(),
        )
        self._use(step)
        begun = await self._site.journal.begin_step(step)

        async def work() -> None:
            if rung.line is None:
                await self.owed.cut(begun, rung.circuit or Circuit(), rung.hold)
                return
            try:
                await pulse(await session.open(), rung.line, rung.hold)
            except LinesUnsupported:
                # A port whose lines cannot be driven: Linux raises them on every open.
                await session.close()
                await session.open()

        ended = await self._ended(begun, work)
        await self.tell(ended)
        if ended.result is StepResult.FAILED:
            session.note(f"{rung.name}: {ended.code}: {ended.message}")

    async def tell(self, step: StepTaken, result: StepResult | None = None) -> StepTaken:
        """The last word on a step, in the journal and to whoever listens."""
        step = step if result is None else replace(step, result=result)
        data: dict[str, object] = {
            "step": step.name,
            "kind": step.kind,
            "effect": step.effect.value,
            "result": step.result.value,
            "affects": list(step.affects),
            "by": step.by,
            "seconds": step.seconds,
            "code": step.code,
            "message": step.message,
            "remedy": step.remedy,
        }
        told = (Told("rescue.step", node=step.node, data=data),)
        await self._site.journal.save_step(step, is_open=step in self.owed, told=told)
        return step

    # What an earlier process left

    async def restore(self) -> None:
        """Give power again wherever an earlier process may have left it off; before anything else is done."""
        clock, now = self._site.clock(), asyncio.get_running_loop().time()
        for step in await self._site.journal.steps(limit=1000):
            self.uses.remember(counted(step), step.at, clock, now)
        left = await self._site.journal.unfinished_steps()
        off = [step for step, is_open in left if is_open and step.circuit is not None]
        for step, _ in left:
            if step not in off:  # done and not told, or a modem line: the kernel let it go
                await self._is_on(step)
        await self.owed.take_over(off)

    async def _is_on(self, step: StepTaken) -> None:
        begun = step.result is StepResult.BEGUN
        await self.tell(step, StepResult.INTERRUPTED if begun else None)
        self.released()

    # How

    def _take_links(self, step: StepTaken, *, own: bool) -> list[Any]:
        """The links of all nodes that are hit, or of none."""
        site, taken = self._site, list[Any]()
        busy = {site.channel(name) for name in step.affects if self._under_way(name) is not None}
        busy |= set() if own else {site.channel(step.node)}
        wanted = {site.channel(name) for name in (step.node, *step.affects)} - busy
        for channel in sorted(wanted):
            lease = site.leases.take(channel, f"the step {step.name} on {step.node}")
            if lease is None:
                for each in taken:
                    site.leases.give_back(each)
                reason = site.leases.reason(channel)
                raise LinkInUse(reason.message if reason is not None else f"{channel} is in use")
            taken.append(lease)
        return taken

    async def _written(self, step: StepTaken, rung: Rung) -> StepTaken:
        if step.circuit is not None:
            try:
                await self.owed.check(step.circuit)
            except TenderError as error:
                step = replace(step, result=StepResult.FAILED, **_words(error))
                begun = await self._site.journal.begin_step(step)
                await self._site.journal.save_step(begun)
                return begun
        self._use(step)
        begun = await self._site.journal.begin_step(step)
        log.info("node=%s step=%s by=%s", step.node, step.name, step.by)

        async def work() -> None:
            if rung.line is not None:
                link = await self._site.opener(self._site.link(step.node))
                try:
                    await pulse(link, rung.line, rung.hold)
                finally:
                    await link.aclose()
            else:
                await self.owed.cut(begun, rung.circuit or Circuit(), rung.hold)

        return await self._ended(begun, work)

    async def _ended(self, step: StepTaken, work: Callable[[], Awaitable[None]]) -> StepTaken:
        loop = asyncio.get_running_loop()
        began, result, words = loop.time(), StepResult.DONE, dict[str, Any]()
        try:
            await work()
        except TenderError as error:
            result, words = StepResult.FAILED, _words(error)
            log.warning("node=%s step=%s failed: %s", step.node, step.name, error.message)
        ended = replace(step, result=result, seconds=round(loop.time() - began, 1), **words)
        self.owed.came_to(ended)
        await self._site.journal.save_step(ended, is_open=ended in self.owed)
        return ended

    def _use(self, step: StepTaken) -> None:
        self.uses.note(counted(step), asyncio.get_running_loop().time())


_DOES = {"power": "cuts the power of", "reset": "resets"}


def _words(error: TenderError) -> dict[str, Any]:
    return {"code": error.code, "message": error.message, "remedy": error.what_to_do}
