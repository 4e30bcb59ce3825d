"""Bring wounded nodes back by themselves, as soon as they answer.

A wounded node keeps its target and its known-good pinned.  It is looked at again and
again, less and less often; when it answers, an attempt of its own goes on where the
last one ended.  How many of those there are is bounded by the profile; after that an
operator has to ask.
"""

import asyncio
import logging
from collections.abc import Callable

from flashers.api import ProbeCost, Role, Seen
from gateway.attempt.advance import recovery_of
from gateway.attempt.telling import phase_told
from gateway.model.records import Observation, Record
from gateway.service.looking import look
from gateway.service.site import Site
from transports.errors import TenderError

log = logging.getLogger("tender.recovery")

_FIRST_LOOK_S = 5.0
_LAST_LOOK_S = 600.0
_TICK_S = 1.0
"""No more often than this is anybody looked at."""


class Recovery:
    """Looks after the wounded."""

    def __init__(
        self,
        site: Site,
        found: Callable[[Record], None],
        busy: Callable[[str], bool],
        first_look: float = _FIRST_LOOK_S,
    ) -> None:
        self._site = site
        self._found = found
        self._busy = busy
        self._first_look = first_look
        self._next: dict[str, float] = {}
        self._pause: dict[str, float] = {}
        self._looking: set[str] = set()
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """An attempt has ended: somebody may be wounded now, or free to be looked at."""
        self._wake.set()

    async def run(self) -> None:
        """Work for ever; ends only by cancellation."""
        async with asyncio.TaskGroup() as group:
            await self._look_around(group)

    async def _look_around(self, group: asyncio.TaskGroup) -> None:
        while True:
            self._wake.clear()
            wounded = self._site.inventory.wounded()
            names = {record.node for record in wounded}
            for node in self._next.keys() - names - self._looking:
                del self._next[node], self._pause[node]
            for record in wounded:
                if record.node not in self._looking and self._due(record):
                    # Each on its own: one that takes long keeps no other waiting.
                    self._looking.add(record.node)
                    group.create_task(self._contained(record))
            try:
                async with asyncio.timeout(self._quiet_for(wounded)):
                    await self._wake.wait()
            except TimeoutError:
                pass

    def _quiet_for(self, wounded: list[Record]) -> float | None:
        """Seconds until the next look is due; None while nobody is wounded."""
        if not wounded:
            return None
        now = asyncio.get_running_loop().time()
        names = [record.node for record in wounded if record.node not in self._looking]
        due = [self._next[node] - now for node in names if node in self._next and not self._busy(node)]
        return max(_TICK_S, min([_LAST_LOOK_S, *due]))

    async def look(self, record: Record) -> Record | None:
        """Look at a wounded node; the attempt that brings it back if it answers."""
        site, node = self._site, record.node
        channel = site.channel(node)
        lease = site.leases.take(channel, f"a look at {node}")
        if lease is None:
            return None
        try:
            seen = await self._probe(record)
        finally:
            site.leases.give_back(lease)
        if seen.role not in (Role.APP, Role.LOADER):
            return None
        await site.inventory.save_seen(node, Observation(seen, at=site.clock()))
        again = await site.journal.create(lambda number: recovery_of(record, number), phase_told)
        await site.known(again)
        log.info("node=%s attempt=%d recovers=%d", node, again.id, record.id)
        return again

    async def _probe(self, record: Record) -> Seen:
        stock = self._site.stock(record.profile)
        targets = [(part.want, part.component) for part in record.parts]
        targets += [(part.known_good, part.component) for part in record.parts if part.known_good]
        candidates = [await stock.image(target, component) for target, component in targets]
        return await look(self._site, record.node, ProbeCost.RESTARTS_APPLICATION, tuple(candidates))

    def _due(self, record: Record) -> bool:
        if self._busy(record.node) or record.node not in self._site.nodes:
            return False
        now = asyncio.get_running_loop().time()
        pause = self._pause.setdefault(record.node, self._first_look)
        return now >= self._next.setdefault(record.node, now + pause)

    async def _contained(self, record: Record) -> None:
        node = record.node
        pause = self._pause[node] = min(self._pause[node] * 2, _LAST_LOOK_S)
        try:
            if await self._worn_out(record):
                self._pause[node] = _LAST_LOOK_S
            else:
                again = await self.look(record)
                if again is not None:
                    self._found(again)
        except TenderError as error:
            log.info("node=%s still=%s", node, error.code)
        except Exception:
            log.exception("node=%s cannot be looked at", node)
        finally:
            self._looking.discard(node)
            self._next[node] = asyncio.get_running_loop().time() + pause
            self._wake.set()

    async def _worn_out(self, record: Record) -> bool:
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
