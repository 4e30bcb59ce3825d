"""Give every open attempt its turn, and keep one that goes wrong from touching the others.

An attempt waits for its artifacts, then for its link; waiting holds neither.  What
an attempt raises stays in it: a bug puts that one attempt aside, a full disk makes
it wait, and the rest goes on.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace

from flashers.api import Reason, Role, Seen
from gateway.attempt import advance
from gateway.attempt.ports import NodeType
from gateway.attempt.runner import Runner, Surroundings
from gateway.attempt.session import HostSession
from gateway.attempt.steps import Finish
from gateway.attempt.telling import done_told, phase_told
from gateway.control import Progress
from gateway.model.outcomes import CancelReason, Outcome, Phase
from gateway.model.records import Record, Trouble
from gateway.service.equip import equip
from gateway.service.leases import Lease
from gateway.service.site import Site
from gateway.service.ways_back import KnownWays
from transports.errors import TenderError

log = logging.getLogger("tender.supervisor")

_TICK_S = 1.0
"""How often gates are looked at again when nothing happened."""
_STOP_TICK_S = 0.1
_RETRY_S = 15.0
"""Pause before artifacts that did not come, or a full disk, are tried again."""


@dataclass(slots=True)
class _Open:
    """An attempt that has not ended, and where it is."""

    record: Record
    since: float
    deadline_s: float | None = None
    equipped: bool = False
    task: asyncio.Task[None] | None = None
    runner: Runner | None = None
    gates: tuple[Reason, ...] = ()
    not_before: float = 0.0
    aside: Trouble | None = None


class Supervisor:
    """All open attempts of a gateway."""

    def __init__(
        self,
        site: Site,
        *,
        progress: Callable[[Progress], None] = lambda _: None,
        ended: Callable[[Record], None] = lambda _: None,
    ) -> None:
        self._site = site
        self._progress = progress
        self._ended = ended
        self._open: dict[int, _Open] = {}
        self._wake = asyncio.Event()
        self._stopping = False
        self._ways = KnownWays(site.journal, site.inventory)

    async def run(self) -> None:
        """Work for ever; ends only by cancellation, after :meth:`stop`."""
        while True:
            await self._schedule()
            self._wake.clear()
            try:
                async with asyncio.timeout(_TICK_S):
                    await self._wake.wait()
            except TimeoutError:
                pass

    def add(self, record: Record, *, deadline_s: float | None = None) -> None:
        """Take an open attempt."""
        self._open[record.id] = _Open(record, self._now(), deadline_s)
        self._wake.set()

    async def cancel(self, attempt_id: int, reason: CancelReason, by: str) -> None:
        """End an attempt early, as far as its node allows; nothing happens if it has ended."""
        entry = self._open.get(attempt_id)
        if entry is None:
            return
        if entry.runner is not None:
            await entry.runner.ask_cancel(reason, by)
            return
        entry.record = advance.ask_cancel(entry.record, reason, by)
        if not entry.record.touched and not entry.record.activations:
            outcome = {
                CancelReason.SUPERSEDED: Outcome.SUPERSEDED,
                CancelReason.DEADLINE: Outcome.NOT_REACHED,
            }.get(reason, Outcome.CANCELLED)
            await self._end_untouched(entry, Finish(outcome))
        else:
            await self._site.inventory.save(entry.record)

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
        runners = [entry.runner for entry in self._open.values() if entry.runner is not None]
        return tuple(sorted(runner.record.node for runner in runners if runner.exposed))

    async def stop(self, budget_s: float) -> None:
        """No new exposure; a node inside its window is brought through if that fits the budget."""
        self._stopping = True
        tasks = [entry.task for entry in self._open.values() if entry.task is not None]
        for entry in list(self._open.values()):
            if entry.task is not None and (entry.runner is None or not entry.runner.exposed):
                entry.task.cancel()
        end = self._now() + budget_s
        while self.exposed and self._now() < end:  # noqa: ASYNC110 - a verb tells nobody that its window ended
            await asyncio.sleep(_STOP_TICK_S)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    # Scheduling

    async def _schedule(self) -> None:
        if self._stopping:
            return
        busy_nodes: set[str] = set()
        limit = self._site.config.rollout.max_in_parallel
        for _, entry in sorted(self._open.items()):
            first = entry.record.node not in busy_nodes
            busy_nodes.add(entry.record.node)
            if entry.task is not None or entry.aside is not None:
                continue
            if await self._too_late(entry):
                continue
            if entry.record.node not in self._site.nodes:
                entry.gates = (_NOT_CONFIGURED,)
            elif not first:
                entry.gates = (_EARLIER_ATTEMPT,)
            elif entry.not_before > self._now():
                pass  # the gate that made it wait stands
            elif not entry.equipped:
                self._begin(entry, self._equip(entry))
            elif sum(1 for other in self._open.values() if other.runner is not None) >= limit:
                entry.gates = (Reason("parallel-limit", f"{limit} nodes are under way."),)
            else:
                self._try_link(entry)
            if entry.gates and entry.record.phase is Phase.QUEUED:
                entry.record = replace(entry.record, phase=Phase.WAITING)
                await self._site.inventory.save(entry.record, (phase_told(entry.record),))

    def _try_link(self, entry: _Open) -> None:
        record = entry.record
        channel = self._site.link(record.node).channel
        lease = self._site.leases.take(channel, record.node)
        if lease is None:
            reason = self._site.leases.reason(channel)
            entry.gates = (reason,) if reason is not None else ()
            return
        entry.gates = ()
        self._begin(entry, self._attempt(entry, lease), lease)

    def _begin(self, entry: _Open, work: Coroutine[None, None, None], lease: Lease | None = None) -> None:
        entry.task = asyncio.create_task(self._contained(entry, work, lease))

    async def _contained(self, entry: _Open, work: Coroutine[None, None, None], lease: Lease | None) -> None:
        """The catch-all around one attempt."""
        try:
            await work
        except asyncio.CancelledError:
            raise
        except TenderError as error:
            log.warning("node=%s attempt=%d waits=%s", entry.record.node, entry.record.id, error.code)
            entry.gates = (Reason(error.code, error.message, error.what_to_do),)
            entry.not_before = self._now() + _RETRY_S
        except Exception as error:
            log.exception("node=%s attempt=%d quarantined", entry.record.node, entry.record.id)
            entry.aside = Trouble("quarantined", f"A bug in Tender or in a plugin: {error!r}")
            self._site.inventory.quarantine(entry.record.node, on=True)
        finally:
            if lease is not None:
                self._site.leases.give_back(lease)
            entry.task = entry.runner = None
            self._wake.set()

    async def _too_late(self, entry: _Open) -> bool:
        deadline = entry.deadline_s
        if deadline is None or entry.record.touched or self._now() - entry.since < deadline:
            return False
        why = Trouble("deadline", "The deployment's deadline passed before this node had its turn.")
        await self._end_untouched(entry, Finish(Outcome.NOT_REACHED, why))
        return True

    # The life of one

    async def _equip(self, entry: _Open) -> None:
        try:
            entry.record = await equip(entry.record, self._site)
        except TenderError as error:
            if error.retryable or entry.record.touched:
                raise
            step = Finish(Outcome.REFUSED, Trouble(error.code, error.message, error.what_to_do))
            await self._end_untouched(entry, step)
            return
        entry.equipped = True
        entry.gates = ()
        await self._site.inventory.save(entry.record)

    async def _attempt(self, entry: _Open, lease: Lease) -> None:
        site, record = self._site, entry.record
        node_type = site.node_types.get(record.profile)
        if record.started is None:
            record = replace(record, started=site.clock())
        session = HostSession(
            record.node,
            site.link(record.node),
            site.opener,
            identity=site.inventory.identity(record.node),
            progress=lambda done, total: self._show(entry, done, total),
        )
        entry.runner = runner = Runner(record, session, self._surroundings(node_type))
        try:
            await runner.run()
        finally:
            entry.record = runner.record
        await self._close(entry, session)

    def _surroundings(self, node_type: NodeType) -> Surroundings:
        return Surroundings(
            journal=self._site.inventory,
            artifacts=self._site.stock(node_type.profile.name),
            ways_back=self._ways,
            node_type=node_type,
            clock=self._site.clock,
            hooks=self._site.hooks,
            proved_way_back=self._ways.proved,
        )

    async def _close(self, entry: _Open, session: HostSession) -> None:
        record = entry.record
        if session.identity is not None:
            await self._site.inventory.keep_identity(record.node, session.identity.value)
        if record.result is not None and record.result.outcome is not Outcome.SUCCEEDED:
            frames = [str(frame) for frame in session.recorder]
            await self._site.journal.keep_trace(record.id, frames)
        await self._gone(entry)

    async def _end_untouched(self, entry: _Open, step: Finish) -> None:
        """End an attempt whose node was never asked."""
        seen = self._site.inventory.seen(entry.record.node)
        last = seen.seen if seen is not None else Seen(Role.UNKNOWN)
        entry.record = advance.finish(entry.record, step, last, at=self._site.clock())
        await self._site.inventory.save(entry.record, (done_told(entry.record),))
        await self._gone(entry)

    async def _gone(self, entry: _Open) -> None:
        self._open.pop(entry.record.id, None)
        await self._site.refresh_pins()
        self._ended(entry.record)
        self._wake.set()

    def _show(self, entry: _Open, done: int, total: int) -> None:
        record = entry.runner.record if entry.runner is not None else entry.record
        self._progress(Progress(record.node, record.id, record.phase.value, done, total))

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


_EARLIER_ATTEMPT = Reason(
    "earlier-attempt", "An earlier attempt on this node has not ended yet.", "It goes first."
)
_NOT_CONFIGURED = Reason(
    "node-not-configured",
    "The node is no longer in the configuration.",
    "Put it back, or cancel the attempt.",
)
