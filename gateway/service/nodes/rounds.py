"""Rounds of looks over many nodes: on request, and by themselves as the configuration says.

Links work side by side and each has one look at a time.  A round lives in memory: what
it saw is in the journal, and after a restart another round finds that out.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from flashers.api import ProbeCost, Stamp
from gateway.config.probing import ProbingTable
from gateway.service.nodes.errors import ProbingUnderWay, RoundUnknown
from gateway.service.nodes.looks import Looks
from gateway.service.nodes.query import select, stale
from gateway.service.site import Site
from gateway.verbs.nodes import ProbeAll, Probed, ProbeRound
from transports.errors import TenderError

log = logging.getLogger("tender.look")

_KEPT = 10
"""Rounds that can still be asked about."""
_TURN_S = 60.0
"""How often the nodes that are due by themselves are looked for."""
_LEFT_OUT = frozenset({"probe-costs", "node-busy", "node-asleep", "not-owner"})
"""Why a node is left out of a round, as against one that was looked at in vain."""


@dataclass(slots=True)
class _Round:
    number: int
    asked_by: str
    begun: Stamp
    left: int
    fresh: int
    results: dict[str, Probed] = field(default_factory=dict)
    task: "asyncio.Task[None] | None" = None

    def view(self) -> ProbeRound:
        """How far it is."""
        results = tuple(self.results[name] for name in sorted(self.results))
        return ProbeRound(self.number, self.asked_by, self.begun, self.left, self.fresh, results)


class Rounds:
    """Begins rounds, and remembers the last of them."""

    def __init__(self, site: Site, looks: Looks, table: ProbingTable) -> None:
        self._site = site
        self._looks = looks
        self._table = table
        self._rounds: dict[int, _Round] = {}
        self._looked_at: dict[str, float] = {}

    async def run(self) -> None:
        """Look by ourselves, as often as the configuration says; ends only by cancellation."""
        every = self._table.every
        if not every:
            return
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(_TURN_S, every))
            now = loop.time()
            due = [
                name
                for name in sorted(self._site.nodes)
                if now - self._looked_at.get(name, -every) >= every and self._may_look(name)
            ]
            due = [name for name in due if self._is_stale(name, every)]
            if due:
                await self._work(self._new("the configuration", due, 0), due, allow_restart=False)

    def begin(self, request: ProbeAll, asked_by: str) -> ProbeRound:
        """Begin a round.  Raises ProbingUnderWay while one that was asked for has not ended."""
        under_way = next(
            (each for each in self._rounds.values() if each.task is not None and each.left), None
        )
        if under_way is not None:
            raise ProbingUnderWay(f"round {under_way.number} has {under_way.left} nodes left")
        chosen = [view.name for view in select(self._site.inventory.views(), request.where)]
        wanted = [name for name in chosen if request.stale_s is None or self._is_stale(name, request.stale_s)]
        made = self._new(asked_by, wanted, len(chosen) - len(wanted))
        made.task = asyncio.create_task(self._work(made, wanted, allow_restart=request.allow_restart))
        return made.view()

    def show(self, number: int) -> ProbeRound:
        """How far a round is.  Raises RoundUnknown."""
        if number not in self._rounds:
            raise RoundUnknown(f"there is no round {number}")
        return self._rounds[number].view()

    async def stop(self) -> None:
        """Leave what was not looked at."""
        tasks = [each.task for each in self._rounds.values() if each.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _new(self, asked_by: str, nodes: list[str], fresh: int) -> _Round:
        number = max(self._rounds, default=0) + 1
        made = self._rounds[number] = _Round(number, asked_by, self._site.clock(), len(nodes), fresh)
        self._rounds.pop(number - _KEPT, None)
        return made

    async def _work(self, made: _Round, nodes: Iterable[str], *, allow_restart: bool) -> None:
        lines: dict[str, list[str]] = defaultdict(list)
        for name in nodes:
            lines[self._site.channel(name)].append(name)
        room = asyncio.Semaphore(self._table.parallel)

        async def one_line(names: list[str]) -> None:
            async with room:
                for name in names:
                    made.results[name] = await self._one(name, allow_restart=allow_restart)
                    made.left -= 1

        await asyncio.gather(*(one_line(names) for names in lines.values()))
        log.info("round=%d by=%r nodes=%d", made.number, made.asked_by, len(made.results))

    async def _one(self, name: str, *, allow_restart: bool) -> Probed:
        self._looked_at[name] = asyncio.get_running_loop().time()
        try:
            changed = await self._looks.look(name, allow_restart=allow_restart)
        except TenderError as error:
            result = "left-out" if error.code in _LEFT_OUT else "failed"
            return Probed(name, result, error.code, error.message, error.what_to_do)
        except Exception as error:
            log.exception("node=%s cannot be looked at", name)
            return Probed(name, "failed", "internal", repr(error), "See the service's log, and report it.")
        return Probed(name, "changed" if changed else "seen", runs=self._runs(name))

    def _runs(self, name: str) -> str:
        if name not in self._site.nodes:
            return ""
        known = [each.firmware for each in self._site.inventory.view(name).components]
        return ", ".join(each.version or str(each.identity)[:19] for each in known if each is not None)

    def _may_look(self, name: str) -> bool:
        try:
            return self._looks.cost(name) is not ProbeCost.RESTARTS_APPLICATION
        except TenderError:
            return False

    def _is_stale(self, name: str, limit_s: float) -> bool:
        verified = self._site.inventory.view(name).verified_at
        return stale(verified, limit_s, self._site.clock().unix_ms)
