"""An attempt's record as it stands, and the one way in which it gets onto the disk."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from flashers.api import Firmware, Reason, RollbackKind
from flashers.api.errors import PluginBug
from gateway.attempt.downgrades import older_taken
from gateway.attempt.health import Hook
from gateway.attempt.hearing import Hearing
from gateway.attempt.identity import Keeper
from gateway.attempt.ports import Artifacts, AttemptJournal, Clock, NodeType, WaysBack
from gateway.attempt.session import HostSession
from gateway.attempt.telling import done_told, phase_told
from gateway.model.outcomes import Outcome
from gateway.model.records import Part, Record

log = logging.getLogger("tender.attempt")


@dataclass(slots=True)
class Surroundings:
    """Everything that an attempt is lent by the service."""

    journal: AttemptJournal
    artifacts: Artifacts
    ways_back: WaysBack
    node_type: NodeType
    clock: Clock
    hooks: Callable[[str], Hook]
    proved_way_back: Callable[[Record, RollbackKind], Awaitable[None]] | None = None
    keeper: Keeper | None = None
    """Makes sure that it is the node that is meant; without one nobody knows who is known."""
    hearing: Hearing | None = None
    """Who hears the node's own data."""
    reports: Hearing | None = None
    """Who hears what the node reports by itself, where its network does."""
    restart: Callable[[Record, HostSession], Awaitable[None]] | None = None
    """Restarts a node that fell silent by its ladder; without it that is the profile's ``reset``."""
    may_wait: bool = False
    """Whether a node behind a radio that is not heard may be waited for, with nothing held meanwhile."""
    may_not_start: Callable[[Record], Reason | None] = lambda _: None
    """Why a node that has everything staged is not to be started now."""
    held: Callable[[], bool] = lambda: False
    """Whether a node that is untouched stays so, because nothing new is to be begun."""


class Ledger:
    """The record; whoever changes it does so here, and writes it before the node is touched."""

    def __init__(self, record: Record, session: HostSession, around: Surroundings) -> None:
        self.record = record
        self._session = session
        self._around = around

    async def save(self, *, told: bool = False) -> None:
        """Write the record, and tell its phase if it is news; an ended record is never written again."""
        if not self.record.done:
            await self._around.journal.save(self.record, (phase_told(self.record),) if told else ())

    async def end(self) -> None:
        """Write the end and tell it, in one transaction; a success is the next known-good."""
        record, result = self.record, self.record.result
        if result is None:
            raise PluginBug("told of an end that is none")
        known_good = None
        if result.outcome in (Outcome.SUCCEEDED, Outcome.ALREADY_THERE):
            known_good = {part.component.id: part.want for part in record.parts}
        await self._around.journal.save(record, (done_told(record),), known_good=known_good)
        if self._around.node_type.declaration.may_refuse_older:
            for ran in older_taken(record):
                await self.learn_downgrade(ran, taken=True)
        if result.outcome is Outcome.ROLLED_BACK and self._around.proved_way_back is not None:
            await self._around.proved_way_back(record, result.rollback)
        log.info("node=%s attempt=%d outcome=%s", record.node, record.id, result.outcome)

    async def learn_downgrade(self, ran: Firmware | None, *, taken: bool) -> None:
        """Such a node took an older image while that ran, or would not."""
        if ran is not None and ran.version is not None:
            await self._around.ways_back.learn_downgrade(self.record, ran.version, taken=taken)

    def count_bytes(self) -> None:
        """Add what was put on the link since the last count."""
        self.record = replace(self.record, bytes_sent=self.record.bytes_sent + self._session.bytes_sent)
        self._session.bytes_sent = 0

    def part(self, component: str) -> Part:
        """A component's share."""
        return next(part for part in self.record.parts if part.component.id == component)
