"""Look at nodes on request: at one now, or at many in turn, and never at a cost that nobody allowed."""

import logging
from contextlib import AsyncExitStack
from dataclasses import replace

from flashers.api import FirmwareImage, ProbeCost, Role
from gateway.errors import NodeAsleep, NodeBusy, NodeUnknown, ProbeCosts, RequestError
from gateway.model.records import Observation
from gateway.service.looking import look
from gateway.service.nodes.sights import saw
from gateway.service.site import Site
from gateway.service.supervisor import Supervisor
from gateway.service.zigbee import on_network
from gateway.service.zigbee.reach import place_of
from transports.errors import LinkBusy, TenderError

log = logging.getLogger("tender.look")


class Looks:
    """One look at a time on each node."""

    def __init__(self, site: Site, supervisor: Supervisor) -> None:
        self._site = site
        self._supervisor = supervisor
        self._at: set[str] = set()

    def at(self, node: str) -> bool:
        """Whether it is looked at just now."""
        return node in self._at

    def cost(self, node: str) -> ProbeCost:
        """What a look does to it.  Raises ProfileUnknown, BadProfile or PluginBroken."""
        return self._site.node_types.get(self._site.nodes[node].profile).declaration.probe_cost

    async def look(self, node: str, *, allow_restart: bool) -> bool:
        """Look at it now, and keep what is seen; whether it runs something else than last known.

        Raises:
            NodeUnknown: there is none.
            NodeAsleep: it sleeps, and is left to.
            NodeBusy: an attempt, another look or other software has it or its link.
            ProbeCosts: it would restart its application, and that was not allowed.
            IdentityChanged: another node answers.
            RequestError, LinkError: it does not answer.
        """
        site = self._site
        if node not in site.nodes:
            raise NodeUnknown(f"there is no node {node!r}")
        if self._supervisor.holds(node):
            raise NodeBusy(f"an attempt is open on {node}")
        if node in self._at:
            raise NodeBusy(f"{node} is looked at just now", remedy="Ask again in a moment.")
        if (asleep := on_network.asleep(site, node)) is not None:
            raise NodeAsleep(asleep.message, remedy=asleep.remedy)
        cost = self.cost(node)
        if cost is ProbeCost.RESTARTS_APPLICATION and not allow_restart:
            raise ProbeCosts(f"looking at {node} restarts its application")
        self._at.add(node)
        try:
            return await self._look(node, cost)
        finally:
            self._at.discard(node)

    async def _look(self, node: str, cost: ProbeCost) -> bool:
        site = self._site
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(site.leases.hold(site.channel(node), f"a look at {node}"))
            except LinkBusy as busy:
                raise NodeBusy(busy.message, remedy=busy.what_to_do) from busy
            if self._supervisor.holds(node):
                raise NodeBusy(f"an attempt is open on {node}")  # since we waited for the link
            seen = await look(site, node, cost, await self._candidates(node))
        if seen.role is Role.ASLEEP:
            site.zigbee.hearing.missed(place_of(site.nodes[node].spec))
            raise NodeAsleep(f"{node} sleeps")
        rescue = self._supervisor.rescue
        if seen.role in (Role.SILENT, Role.UNKNOWN):
            if rescue is not None:
                rescue.found_silent(node)
            raise RequestError(f"{node} does not answer", remedy="Check its power and its cable.")
        if rescue is not None:
            await rescue.climbs.answered(node)
        at = site.clock()
        stamped = tuple(replace(piece, at=at) for piece in seen.evidence)
        return await saw(site.inventory, node, Observation(replace(seen, evidence=stamped), at=at))

    async def _candidates(self, node: str) -> tuple[FirmwareImage, ...]:
        """Images that a node without a name for its firmware may hold."""
        profile = self._site.nodes[node].profile
        stock = self._site.stock(profile)
        found = []
        for table in self._site.node_types.get(profile).profile.components:
            own = self._site.inventory.known_goods(node).get(table.id)
            for target in [*([own] if own else []), *await self._site.journal.baselines(profile, table.id)]:
                try:
                    found.append(await stock.image(target, table.value()))
                except TenderError as error:
                    log.info("node=%s candidate=%s", node, error.code)
        return tuple(found)
