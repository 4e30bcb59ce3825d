"""Physical rescue as people and attempts use it; see :class:`gateway.verbs.rescue.RescueVerbs`."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from flashers.api import Reason, RollbackKind
from gateway.attempt.session import HostSession
from gateway.errors import NodeUnknown
from gateway.model.outcomes import Outcome
from gateway.model.records import Record
from gateway.model.rescue import Effect, Judgement
from gateway.service.rescue.climbs import DEAD_LINK, Climbs
from gateway.service.rescue.errors import LinkInUse, NodeInAttempt, OthersHit
from gateway.service.rescue.identify import identify
from gateway.service.rescue.recoverable import Case, judge
from gateway.service.rescue.rungs import Ladders
from gateway.service.rescue.showing import chosen, rung_view, step_view, what_next
from gateway.service.rescue.stepping import Force, Stepper, Under
from gateway.service.rescue.words import way_back
from gateway.service.site import Site
from gateway.verbs.rescue import Action, Rescued, Shown, StepView
from transports.errors import LinkBusy, TenderError

if TYPE_CHECKING:
    from gateway.service.recovery import Recovery

_SILENCE = frozenset({"node-silent", "stalled", "link-error", "link-lost", "link-not-found"})
"""Why a node was not reached, where it or its adapter may be hung; not that somebody else has its port."""
_WAS_HEARD = frozenset(
    {
        Outcome.SUCCEEDED,
        Outcome.ALREADY_THERE,
        Outcome.FLASHED,
        Outcome.ROLLED_BACK,
        Outcome.FAILED,
        Outcome.CHANGED_BY_OTHERS,
    }
)
"""Ends that cannot come of a silent node."""


class Rescue:
    """Ladders, steps and climbs; recovery looks at the nodes, and is given by :meth:`looked_after_by`."""

    def __init__(
        self,
        site: Site,
        under_way: Under,
        exposed: Callable[[], tuple[str, ...]],
        released: Callable[[], None],
    ) -> None:
        self._site = site
        self._under_way = under_way
        self.ladders = Ladders(site)
        self.stepper = Stepper(site, self.ladders, under_way, exposed)
        self.stepper.released = released
        self.climbs = Climbs(site, self.ladders, self.stepper)
        self._recovery: Recovery | None = None
        self._noticing: set[asyncio.Task[None]] = set()
        site.inventory.plight = self.judgement
        site.inventory.way_back = self.way_back

    def looked_after_by(self, recovery: "Recovery") -> None:
        """Who looks at the silent."""
        self._recovery = recovery

    async def start(self) -> None:
        """Give power again that an earlier process took, before anything else is done."""
        await self.stepper.restore()
        await self.ladders.find_places()
        await self.climbs.load()

    async def run(self) -> None:
        """Keep giving power that could not be given; ends only by cancellation."""
        await self.stepper.owed.keep_trying()

    # For attempts

    def gate(self, node: str) -> Reason | None:
        """Why no attempt may begin on this node now."""
        return self.stepper.gate(node)

    async def restart(self, record: Record, session: HostSession) -> None:
        """Restart a node that fell silent inside an attempt: by the ladder's mild steps in turn."""
        mild = [
            rung
            for rung in self.ladders.rungs(record.node)
            if rung.effect is Effect.RESET and not await self.ladders.hits(record.node, rung)
        ]
        if not mild:
            await session.reset(self._site.node_types.get(record.profile).profile.reset)
            return
        await self.stepper.in_attempt(record, session, mild[(max(record.resets, 1) - 1) % len(mild)])

    def ended(self, record: Record) -> None:
        """An attempt ended: a node that it did not reach is left to the ladder, one that it did is heard."""
        result = record.result
        if result is None:
            return
        if result.outcome is Outcome.NOT_REACHED and result.code in _SILENCE:
            self.found_silent(record.node)
        elif result.outcome in _WAS_HEARD:
            self._later(self.climbs.answered(record.node))

    def found_silent(self, node: str) -> None:
        """A node did not answer somebody."""
        if node in self._site.nodes:
            self._later(self._noticed(node))

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(_kept(work))
        self._noticing.add(task)
        task.add_done_callback(self._noticing.discard)

    async def _noticed(self, node: str) -> None:
        if await self.climbs.noticed(node) and self._recovery is not None:
            self._recovery.wake()

    # Verbs

    async def power(
        self, node: str, action: Action, *, step: str | None, force: bool, yes_all: bool, asked_by: str
    ) -> StepView:
        """Take a step on a node, as somebody asks for it."""
        self._known(node)
        rung = chosen(node, self.ladders.rungs(node), action, step)
        hits = await self.ladders.hits(node, rung)
        refusal = self.stepper.refusal(node, hits, Force(own_attempt=force, others=yes_all))
        if refusal is not None:
            raise refusal
        if hits and not yes_all:
            does = "cuts the power of" if rung.effect is Effect.POWER else "resets"
            raise OthersHit(f"{rung.name} also {does} {', '.join(hits)}")
        taken = await self.stepper.take(node, rung, asked_by, force=Force(own_attempt=force, others=yes_all))
        await self.stepper.tell(taken)
        return step_view(taken)

    async def recover(self, node: str) -> Rescued:
        """What is known of a node's rescue."""
        self._known(node)
        site, view = self._site, self._site.inventory.view(node)
        ascent, steps = self.climbs.of(node), await site.journal.steps(node, also_hit=True, limit=20)
        tried = ascent.tried if ascent is not None else ()
        rungs = [
            rung_view(node, rung, await self.ladders.hits(node, rung), self.stepper, tried=rung.name in tried)
            for rung in self.ladders.rungs(node)
        ]
        wound = site.inventory.wound(node)
        worn_out = wound is not None and self._recovery is not None and await self._recovery.worn_out(wound)
        found = self.judgement(node, worn_out=worn_out)
        working = self.stepper.under_way(node) is not None or (
            self._recovery is not None and self._recovery.working(node)
        )
        look = self._recovery.next_look_in(node) if self._recovery is not None else None
        text, left = what_next(node, found, self.climbs, look, worn_out=worn_out)
        if working:
            text, left = "It is being worked on.", None
        return Rescued(
            node=node,
            state=view.state,
            recoverable=found.by.value if found.by is not None else "",
            reason=found.reason,
            silent=ascent is not None and ascent.found_silent,
            steps=tuple(map(step_view, steps)),
            ladder=tuple(rungs),
            next=text,
            next_in=left,
            gate=ascent.gate if ascent is not None else self.stepper.gate(node),
            attempt=view.attempt,
            reset_by=view.reset_by,
            way_back=view.way_back,
            working=working,
        )

    async def recover_now(self, node: str, *, asked_by: str) -> Rescued:
        """Look at once, and climb without waiting."""
        self._known(node)
        record = self._site.inventory.last(node)
        if record is not None and not record.done:
            raise NodeInAttempt(
                f"attempt {record.id} is open on {node}, and brings it back itself",
                remedy="Wait for it (`tender watch`), or cancel it.",
            )
        await self.climbs.hurry(node, asked_by)
        if self._recovery is not None:
            self._recovery.look_now(node)
        return await self.recover(node)

    async def identify(self, node: str, *, asked_by: str) -> Shown:
        """Have a node show itself."""
        del asked_by  # the log has it
        self._known(node)
        record = self._under_way(node)
        if record is not None:
            raise NodeInAttempt(
                f"attempt {record.id} is at work on {node} ({record.phase})", remedy="Ask again after it."
            )
        try:
            async with self._site.leases.hold(self._site.channel(node), f"{node} shows itself"):
                return Shown(node, await identify(self._site, node))
        except LinkBusy as error:
            raise LinkInUse(error.message) from error

    # How it stands

    def judgement(self, node: str, *, worn_out: bool = False) -> Judgement:
        """What it takes to have this node back."""
        ascent = self.climbs.of(node)
        trouble = ascent.trouble if ascent is not None else None
        worn_out = worn_out or (self._recovery is not None and self._recovery.gave_up(node))
        return judge(
            Case(
                wounded=self._site.inventory.wound(node) is not None,
                silent=ascent is not None and ascent.found_silent,
                trouble=trouble,
                left=self.climbs.next_rung(node) if ascent is not None else None,
                dead_link=trouble is not None and trouble.code in DEAD_LINK,
                tried=len(ascent.tried) if ascent is not None else 0,
                worn_out=worn_out,
                off=self.stepper.owed.of(node) is not None,
                by_itself=self._site.config.rescue.by_itself,
            )
        )

    def way_back(self, node: str, kind: RollbackKind) -> tuple[str, str]:
        """``reset_by`` and what it means for the way back; empty if the profile cannot be used."""
        try:
            profile = self._site.node_types.get(self._site.nodes[node].profile).profile
        except (TenderError, KeyError):
            return "", ""
        power = any(rung.effect is Effect.POWER for rung in self.ladders.rungs(node))
        return profile.resets.value, way_back(kind, profile, power_step=power)

    def _known(self, node: str) -> None:
        if node not in self._site.nodes:
            raise NodeUnknown(f"there is no node {node!r}")


async def _kept(work: Coroutine[Any, Any, None]) -> None:
    """What is only noted: where the disk is full the next look notices it again."""
    with suppress(TenderError):
        await work
