"""Give every open attempt its turn, and keep one that goes wrong from touching the others.

An attempt waits for its artifacts, then for its link; waiting holds neither.  What
an attempt raises stays in it: a bug puts that one attempt aside, a full disk makes
it wait, and the rest goes on.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass, replace

from flashers.api import Reason, Role, Seen
from gateway.attempt import advance, exposure
from gateway.attempt.hearing import Hearing
from gateway.attempt.ports import NodeType
from gateway.attempt.radio import Waits
from gateway.attempt.runner import Runner, Surroundings
from gateway.attempt.session import HostSession
from gateway.attempt.steps import Finish
from gateway.attempt.telling import done_told, phase_told
from gateway.control import DeploymentPolicy, Progress
from gateway.model.outcomes import CancelReason, Outcome, Phase
from gateway.model.records import Record, Trouble
from gateway.service import media
from gateway.service.equip import equip
from gateway.service.links.leases import Lease
from gateway.service.rescue.rescue import Rescue
from gateway.service.rollout.staging import Staging
from gateway.service.rollout.turns import Turns
from gateway.service.site import Site
from gateway.service.ways_back import KnownWays
from gateway.service.words import words_of
from gateway.service.zigbee.reporting import Reports
from transports.errors import TenderError

log = logging.getLogger("tender.supervisor")

_TICK_S, _LAST_TICK_S = 1.0, 300.0
"""How soon gates are looked at again when nothing happened: doubled from the first to the last."""
_SOON_S = 0.01
_STOP_TICK_S = 0.1
_RETRY_S = 15.0
"""Pause before artifacts that did not come, or a full disk, are tried again."""


_NO_POLICY = DeploymentPolicy()


@dataclass(slots=True)
class _Open:
    """An attempt that has not ended, and where it is."""

    record: Record
    since: float
    policy: DeploymentPolicy
    equipped: bool = False
    task: asyncio.Task[None] | None = None
    runner: Runner | None = None
    began: bool = False
    """Whether it has its link, and so counts as under way."""
    exposed: bool = False
    """While it has no runner: whether its node's window was left open."""
    gates: tuple[Reason, ...] = ()
    not_before: float = 0.0
    aside: Trouble | None = None
    ending: bool = False
    """Its end is being written; nothing else may be."""


_Work = Callable[[_Open], Coroutine[None, None, None]]


class Supervisor:
    """All open attempts of a gateway."""

    def __init__(
        self,
        site: Site,
        *,
        turns: Turns,
        progress: Callable[[Progress], None] = lambda _: None,
        ended: Callable[[Record], None] = lambda _: None,
    ) -> None:
        self._site = site
        self._progress = progress
        self._ended = ended
        self.turns = turns
        """Whose turn it is."""
        self._open: dict[int, _Open] = {}
        self._wake = asyncio.Event()
        self._stopping = False
        self.drained: Callable[[], Reason | None] = lambda: None
        """Why nothing new is begun, if that is so."""
        self.first_asked: Callable[[Record], Reason | None] = lambda _: None
        """Why an attempt waits for its node to be asked what it runs; only of those that could go on."""
        self.hearing: Hearing | None = None
        self._reports = Reports(site)
        self.staging = Staging(site, turns, lambda: self.drained())  # noqa: PLW0108 - it is given later
        """When nodes that have their image are started."""
        self._ways = KnownWays(site.journal, site.inventory)
        self.rescue: Rescue | None = None
        """Who restarts nodes from outside, and cuts their power."""
        site.leases.listen(self._wake.set)
        site.reach.listen(self._wake.set)
        site.zigbee.listen(self._wake.set)

    async def run(self) -> None:
        """Work for ever; ends only by cancellation, after :meth:`stop`.

        Nothing ticks while nobody waits: a gateway is idle for most of its years.
        """
        patience = _TICK_S
        while True:
            self._wake.clear()
            await self._schedule()
            try:
                async with asyncio.timeout(self._quiet_for(patience)):
                    await self._wake.wait()
                patience = _TICK_S
            except TimeoutError:
                patience = min(patience * 2, _LAST_TICK_S)

    def wake(self) -> None:
        """What an attempt waited for may be so now."""
        self._wake.set()

    def _quiet_for(self, patience: float) -> float | None:
        """Seconds until an attempt that waits has to be looked at again; None if none does."""
        waiting = [entry for entry in self._open.values() if entry.task is None and entry.aside is None]
        if not waiting or self._stopping:
            return None
        now = self._now()
        due = [entry.not_before - now for entry in waiting if entry.not_before > now]
        due += [
            entry.since + entry.policy.deadline_s - now
            for entry in waiting
            if entry.policy.deadline_s is not None and not entry.record.touched
        ]
        due += [left for entry in waiting if (left := self.staging.opens_in(entry.record)) is not None]
        return max(_SOON_S, min([patience, *due]))

    def add(self, record: Record, policy: DeploymentPolicy = _NO_POLICY) -> None:
        """Take an open attempt; ``policy`` is its deployment's."""
        self._open[record.id] = _Open(record, self._now(), policy, exposed=exposure.opened(record))
        self._wake.set()

    async def cancel(
        self, attempt_id: int, reason: CancelReason, by: str, *, untouched: Finish | None = None
    ) -> None:
        """End an attempt early, as far as its node allows; nothing happens if it has ended.

        One that waits untouched ends as ``untouched`` says, else as the reason does.
        """
        entry = self._open.get(attempt_id)
        if entry is None or entry.ending:
            return
        if entry.runner is not None:
            await entry.runner.ask_cancel(reason, by)
            return
        asked = advance.ask_cancel(entry.record, reason, by)
        if not asked.touched and not asked.activations:
            outcome = {
                CancelReason.SUPERSEDED: Outcome.SUPERSEDED,
                CancelReason.DEADLINE: Outcome.NOT_REACHED,
            }.get(reason, Outcome.CANCELLED)
            await self._end_untouched(entry, untouched or Finish(outcome), asked)
            return
        entry.record = asked  # at once: a runner may be about to be made of it
        await self._site.inventory.save(asked)
        # What was put aside gets one more turn: on its way back it may well miss the bug.
        entry.aside, entry.not_before = None, 0.0
        self._site.inventory.quarantine(asked.node, on=False)
        self._wake.set()

    async def amend(self, record: Record) -> bool:
        """More is known of an attempt that waits than its record said; False if it does not wait any more."""
        entry = self._open.get(record.id)
        if entry is None or entry.task is not None or entry.ending:
            return False
        await self._site.inventory.save(record)
        entry.record, entry.exposed = record, exposure.opened(record)
        self._wake.set()
        return True

    def gates(self, attempt_id: int) -> tuple[Reason, ...]:
        """What an attempt waits for."""
        entry = self._open.get(attempt_id)
        if entry is None:
            return ()
        if entry.aside is not None:
            return (Reason(entry.aside.code, entry.aside.message, entry.aside.remedy),)
        return entry.gates

    def record(self, attempt_id: int) -> Record | None:
        """An open attempt as it is at this moment."""
        entry = self._open.get(attempt_id)
        if entry is None:
            return None
        return entry.runner.record if entry.runner is not None else entry.record

    def records(self) -> list[Record]:
        """All open attempts as they are at this moment, oldest first."""
        return [
            entry.runner.record if entry.runner is not None else entry.record
            for _, entry in sorted(self._open.items())
        ]

    def at_work(self, node: str) -> Record | None:
        """The attempt that has this node's link, as it stands; None if none has."""
        for entry in self._open.values():
            if entry.record.node == node and entry.began and entry.task is not None:
                return entry.runner.record if entry.runner is not None else entry.record
        return None

    def session(self, attempt_id: int) -> HostSession | None:
        """The session of an attempt that is under way."""
        entry = self._open.get(attempt_id)
        return entry.runner.session if entry is not None and entry.runner is not None else None

    def holds(self, node: str) -> bool:
        """Whether an attempt is open on this node."""
        return any(entry.record.node == node for entry in self._open.values())

    @property
    def depth(self) -> int:
        """How many attempts are open."""
        return len(self._open)

    @property
    def exposed(self) -> tuple[str, ...]:
        """Nodes that may have no firmware that runs right now."""
        return tuple(sorted({entry.record.node for entry in self._open.values() if _is_exposed(entry)}))

    @property
    def finishing(self) -> tuple[str, ...]:
        """Of the exposed nodes those that are being worked on."""
        runners = [entry.runner for entry in self._open.values() if entry.runner is not None]
        return tuple(sorted(runner.record.node for runner in runners if runner.exposed))

    def exposed_records(self) -> list[Record]:
        """The attempts of the exposed nodes, as they stand."""
        return [
            entry.runner.record if entry.runner is not None else entry.record
            for entry in self._open.values()
            if _is_exposed(entry)
        ]

    async def step_aside(self, nodes: Collection[str]) -> None:
        """Leave the attempts on these nodes where they are; each goes on when its gates let it again."""
        tasks = [
            entry.task
            for entry in self._open.values()
            if entry.task is not None and entry.began and entry.record.node in nodes
        ]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def stop(self, budget_s: float) -> None:
        """No new exposure; a node inside its window is brought through if that fits the budget."""
        self._stopping = True
        tasks = [entry.task for entry in self._open.values() if entry.task is not None]
        for entry in list(self._open.values()):
            if entry.task is not None and (entry.runner is None or not entry.runner.exposed):
                entry.task.cancel()
        end = self._now() + budget_s
        while self.finishing and self._now() < end:  # noqa: ASYNC110 - a verb tells nobody that its window ended
            await asyncio.sleep(_STOP_TICK_S)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    # Scheduling

    async def _schedule(self) -> None:
        if self._stopping:
            return
        await self.turns.tell_stops()
        busy_nodes: set[str] = set()
        for _, entry in sorted(self._open.items()):
            first = entry.record.node not in busy_nodes
            busy_nodes.add(entry.record.node)
            if entry.task is not None or entry.aside is not None or entry.ending:
                continue
            try:
                await self._give_turn(entry, first=first)
            except TenderError as error:
                self._wait(entry, error)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one is no reason to end all
                self._put_aside(entry, error)

    async def _give_turn(self, entry: _Open, *, first: bool) -> None:
        if await self._too_late(entry):
            return
        if entry.record.node not in self._site.nodes:
            entry.gates = (_NOT_CONFIGURED,)
        elif not first:
            entry.gates = (_EARLIER_ATTEMPT,)
        elif entry.not_before > self._now():
            pass  # the gate that made it wait stands
        elif (foreign := self._site.not_ours(entry.record.node)) is not None:
            entry.gates = (foreign,)
        elif (others_first := self.turns.reason(entry.record, entry.policy)) is not None:
            entry.gates = (others_first,)
        elif not entry.equipped:
            self._begin(entry, self._equip)
        elif (unasked := self.first_asked(entry.record)) is not None:
            entry.gates = (unasked,)
        elif self.rescue is not None and (step := self.rescue.gate(entry.record.node)) is not None:
            entry.gates = (step,)
        elif not entry.record.touched and (drained := self.drained()) is not None:
            entry.gates = (drained,)
        elif (not_yet := self.staging.waits(entry.record) or self._limit(entry)) is not None:
            entry.gates = (not_yet,)
        elif (stranger := self._site.identities.gate(entry.record.node)) is not None:
            entry.gates = (stranger,)
            await self._site.identities.look_at_place(entry.record.node)
        else:
            self._try_link(entry)
        if entry.gates and entry.record.phase is Phase.QUEUED:
            await self._say_that_it_waits(entry)

    async def _say_that_it_waits(self, entry: _Open) -> None:
        queued = entry.record
        entry.record = waiting = replace(queued, phase=Phase.WAITING)
        try:
            await self._site.inventory.save(waiting, (phase_told(waiting),))
        except TenderError:
            if entry.record is waiting:  # and nobody has gone on from there
                entry.record = queued
            raise

    def _limit(self, entry: _Open) -> Reason | None:
        """Why no more nodes may be under way now: of the gateway, or of this deployment."""
        under_way = [other.record for other in self._open.values() if other.began]
        limit = self._site.config.rollout.max_in_parallel
        if len(under_way) >= limit:
            return Reason("parallel-limit", f"{limit} nodes are under way.", "It has its turn after them.")
        mine, name = entry.policy.max_in_parallel, entry.record.deployment
        if mine is not None and sum(1 for record in under_way if record.deployment == name) >= mine:
            text = f"{mine} nodes of deployment {name} are under way."
            return Reason("parallel-limit", text, "It has its turn after them.")
        return None

    def _try_link(self, entry: _Open) -> None:
        record = entry.record
        if (not_there := media.gate(self._site, record)) is not None:
            entry.gates = (not_there,)
            return
        channel = self._site.channel(record.node)
        lease = self._site.leases.take(channel, record.node)
        if lease is None:
            reason = self._site.leases.reason(channel)
            entry.gates = (reason,) if reason is not None else ()
            return
        media.began(self._site, record)
        entry.gates, entry.began = (), True
        self._begin(entry, self._attempt, lease)

    def _begin(self, entry: _Open, work: _Work, lease: Lease | None = None) -> None:
        self.turns.busy.add(entry.record.id)
        entry.task = asyncio.create_task(self._contained(entry, work))
        # Not at the task's own end: one that is cancelled before its first step has none.
        entry.task.add_done_callback(lambda _: self._let_go(entry, lease))

    def _let_go(self, entry: _Open, lease: Lease | None) -> None:
        if lease is not None:
            self._site.leases.give_back(lease)
            media.ended(self._site, entry.record)
        entry.task = entry.runner = None
        entry.began = False
        self.turns.busy.discard(entry.record.id)
        self._wake.set()

    async def _contained(self, entry: _Open, work: _Work) -> None:
        """The catch-all around one attempt."""
        try:
            await work(entry)
        except asyncio.CancelledError:
            raise
        except TenderError as error:
            self._wait(entry, error)
        except Exception as error:  # noqa: BLE001 - a bug in judging one node stays with it
            self._put_aside(entry, error)

    def _wait(self, entry: _Open, error: TenderError) -> None:
        """Expected trouble: it is tried again after a pause."""
        level = logging.INFO if isinstance(error, exposure.Staged) else logging.WARNING
        log.log(level, "node=%s attempt=%d waits=%s", entry.record.node, entry.record.id, error.code)
        entry.gates = (Reason(error.code, error.message, error.what_to_do),)
        # What is held has a gate that says why; it is shown at the next turn.
        held = isinstance(error, exposure.Held | exposure.Staged)
        entry.not_before = self._now() + (0.0 if held else _pause(error))

    def _put_aside(self, entry: _Open, error: Exception) -> None:
        """A bug: this one attempt is left alone until somebody cancels it or the service starts again."""
        log.error("node=%s attempt=%d quarantined", entry.record.node, entry.record.id, exc_info=error)
        entry.aside = Trouble("quarantined", f"A bug in Tender or in a plugin: {error!r}", _REPORT)
        self._site.inventory.quarantine(entry.record.node, on=True)

    async def _too_late(self, entry: _Open) -> bool:
        deadline = entry.policy.deadline_s
        if deadline is None or entry.record.touched or self._now() - entry.since < deadline:
            return False
        why = Trouble("deadline", "The deployment's deadline passed before this node had its turn.")
        await self._end_untouched(entry, Finish(Outcome.NOT_REACHED, why))
        return True

    # The life of one

    async def _equip(self, entry: _Open) -> None:
        try:
            equipped = await equip(entry.record, self._site)
        except TenderError as error:
            if error.retryable or entry.record.touched:
                raise
            step = Finish(Outcome.REFUSED, Trouble(error.code, error.message, error.what_to_do))
            await self._end_untouched(entry, step)
            return
        if entry.record.cancel is not None:  # meanwhile
            equipped = replace(equipped, cancel=entry.record.cancel, cancel_by=entry.record.cancel_by)
        await self._site.inventory.save(equipped)
        entry.record, entry.equipped, entry.gates = equipped, True, ()

    async def _attempt(self, entry: _Open) -> None:
        site = self._site
        # What was meant to be written when the disk was full was not: the journal's word counts.
        record = await site.journal.attempt(entry.record.id) or entry.record
        if entry.record.cancel is not None:
            record = replace(record, cancel=entry.record.cancel, cancel_by=entry.record.cancel_by)
        node_type = site.node_types.get(record.profile)
        if record.started is None:
            record = replace(record, started=site.clock())
        session = HostSession(
            record.node,
            site.link(record.node),
            site.opener,
            identity=site.inventory.identity(record.node),
            progress=lambda done, total: self._show(entry, done, total),
            counters=site.counters(record.node),
            radio=site.radio(record.node),
            network=site.network(record.node),
            words=await words_of(site.journal, record),
        )
        await media.admit(site, session, record)
        await self.turns.began(record)
        entry.runner = runner = Runner(record, session, self._surroundings(node_type, record))
        try:
            await runner.run()
        finally:
            entry.record, entry.exposed = runner.record, runner.exposed
        await self._close(entry, session)

    def _surroundings(self, node_type: NodeType, record: Record) -> Surroundings:
        return Surroundings(
            journal=self._site.inventory,
            artifacts=self._site.stock(node_type.profile.name),
            ways_back=self._ways,
            node_type=node_type,
            clock=self._site.clock,
            hooks=self._site.hooks,
            proved_way_back=self._ways.proved,
            keeper=self._site.identities,
            hearing=self.hearing,
            reports=self._reports.of(record.node),
            restart=self.rescue.restart if self.rescue is not None else None,
            may_wait=True,
            may_not_start=self.staging.gate,
            held=lambda: self.drained() is not None or self.turns.held(record) is not None,
        )

    async def _close(self, entry: _Open, session: HostSession) -> None:
        record = entry.record
        if record.result is not None and record.result.outcome is not Outcome.SUCCEEDED:
            frames = session.recorder.text().splitlines()
            await self._site.journal.keep_trace(record.id, frames)
        await self._gone(entry)

    async def _end_untouched(self, entry: _Open, step: Finish, record: Record | None = None) -> None:
        """End an attempt whose node was never asked."""
        record = record or entry.record
        # Whatever was about to be written of it must not come after its end.
        entry.ending = True
        try:
            await self._leave(entry)
            await self._write_end(entry, step, record)
        except BaseException:
            entry.ending = False
            self._wake.set()
            raise
        await self._gone(entry)

    async def _leave(self, entry: _Open) -> None:
        if entry.task is not None and entry.task is not asyncio.current_task():
            entry.task.cancel()
            await asyncio.wait([entry.task])

    async def _write_end(self, entry: _Open, step: Finish, record: Record) -> None:
        inventory = self._site.inventory
        seen = inventory.seen(record.node)
        # Of a wounded node the last look may be from before it was written.
        known = seen is not None and inventory.wound(record.node) is None
        last = seen.seen if seen is not None and known else Seen(Role.UNKNOWN)
        ended = advance.finish(record, step, last, at=self._site.clock())
        await inventory.save(ended, (done_told(ended),))
        entry.record = ended

    async def _gone(self, entry: _Open) -> None:
        self._open.pop(entry.record.id, None)
        media.forget(self._site, entry.record)
        self._site.inventory.quarantine(entry.record.node, on=False)
        await self._site.refresh_pins()
        self._ended(entry.record)
        self._wake.set()

    def _show(self, entry: _Open, done: int, total: int) -> None:
        record = entry.runner.record if entry.runner is not None else entry.record
        self._progress(Progress(record.node, record.id, record.phase.value, done, total))

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _pause(error: TenderError) -> float:
    return error.again_s if isinstance(error, Waits) else _RETRY_S


def _is_exposed(entry: _Open) -> bool:
    return entry.runner.exposed if entry.runner is not None else entry.exposed


_REPORT = "Report it; cancel the attempt, or restart the service, to have it tried again."
_EARLIER_ATTEMPT = Reason(
    "earlier-attempt", "An earlier attempt on this node has not ended yet.", "It goes first."
)
_NOT_CONFIGURED = Reason(
    "node-not-configured",
    "The node is no longer in the configuration.",
    "Put it back, or cancel the attempt.",
)
