"""The verbs about links, as every door calls them; see :class:`gateway.verbs.links.LinkVerbs`."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

from flashers.api import Reason
from gateway.model.links import Finding, LeaseView, LinkView
from gateway.service.adapters.watching import AdapterWatch
from gateway.service.links.diagnosis import diagnose
from gateway.service.links.errors import LeaseUnknown, LinkExposed, LinkLeased, LinkNotLent
from gateway.service.links.facts import LinkFacts
from gateway.service.links.shared import Stage
from gateway.service.links.sights import Sights
from gateway.service.links.users import UserLeases
from gateway.service.site import Site
from gateway.service.supervisor import Supervisor
from gateway.service.zigbee.watching import NetworkWatch
from gateway.verbs.links import LeaseRequest
from transports.errors import LinkBusy, TenderError

log = logging.getLogger("tender.links")

_SAVE_S = 60.0
"""How far behind the counters in the journal may be."""
_GRACE_S = 5.0
"""How long a user waits, unasked, for what only has to be put down."""
_TICK_S = 1.0


class Links:
    """What can be asked about links; and the life of the leases."""

    def __init__(self, site: Site, supervisor: Supervisor, upstream: Callable[[], str]) -> None:
        self._site = site
        self._supervisor = supervisor
        self._sights = Sights(site, upstream)
        self._giving = asyncio.Lock()

    @property
    def adapters(self) -> AdapterWatch:
        """What becomes of the Bluetooth adapters."""
        return self._sights.adapters

    @property
    def networks(self) -> NetworkWatch:
        """What becomes of the Zigbee networks."""
        return self._sights.networks

    def lacking(self) -> tuple[Reason, ...]:
        """Adapters and networks that are not as they should be."""
        return (*self.adapters.reasons(), *self.networks.reasons())

    def amiss(self, changed: Callable[[], None]) -> None:
        """Call ``changed`` when one of them fell ill, or is well again."""
        self.adapters.amiss = changed
        self._site.zigbee.listen_states(changed)

    # The service's life

    async def start(self) -> None:
        """Give back what is still out, before anybody can ask for more."""
        self._site.traffic.load(await self._site.journal.traffic())
        await self._sights.load()
        await self._site.leases.start()

    async def run(self) -> None:
        """Write the counters down, some time after something passed."""
        while True:
            await self._site.leases.news(None)
            await asyncio.sleep(_SAVE_S)
            await self._sights.look()
            await self._save()

    async def stop(self) -> None:
        """Let other software back, and write the counters down."""
        await self._site.leases.stop()
        await self._save()

    async def _save(self) -> None:
        now, stamp = asyncio.get_running_loop().time(), self._site.clock()
        unsaved = self._site.traffic.unsaved(now=now, stamp=stamp)
        adapters = self._sights.new_adapters()
        if not unsaved and not adapters:
            return
        try:
            await self._site.journal.keep_traffic(unsaved, adapters)
        except TenderError as error:  # numbers that nothing is decided by
            log.info("counters not kept: %s", error.code)

    # Looking

    async def links(self) -> list[LinkView]:
        """Every link, by name."""
        facts, names = await self._sights.facts(), self._sights.names()
        return sorted((self._view(each, names) for each in facts), key=lambda view: view.name)

    async def link(self, name: str) -> LinkView:
        """One link."""
        return self._view(await self._sights.facts_of(name))

    async def diagnose(self, name: str) -> Finding:
        """Whose fault it is."""
        return diagnose(await self._sights.facts_of(name))

    async def leases(self) -> list[LeaseView]:
        """Every lease that is out."""
        mine = [self._sights.holder(channel, None) for channel in sorted(self._site.leases.held)]
        return [*mine, *self._users.views()]

    def gates(self, node: str, others: tuple[Reason, ...]) -> tuple[Reason, ...]:
        """What a node waits for, with what would keep an attempt on it from its link if there were one."""
        reason = self._site.leases.reason(self._site.channel(node))
        if reason is None or reason.code == "link-busy" or reason.code in {gate.code for gate in others}:
            return others
        return (*others, reason)

    # Users

    async def lease(self, request: LeaseRequest) -> LeaseView:
        """Give the link to the user."""
        name = self._sights.named(request.link)
        if name.startswith("zigbee:"):
            raise LinkNotLent
        end = self._now() + request.wait_s
        grace = self._now() + max(request.wait_s, _GRACE_S)
        while True:
            async with self._giving:
                busy = await self._step_aside(name, request.who)
                if busy is None:
                    lease = await self._users.give(name, request.seconds, request.who, request.why)
                    self._site.leases.drop_claim(self._sights.resolved(name))
                    return self._users.view(lease)
            now, patient = self._now(), isinstance(busy, LinkExposed | LinkLeased)
            left = (end if patient else grace) - now
            if left <= 0:
                self._site.leases.drop_claim(self._sights.resolved(name))
                raise busy
            await self._site.leases.news(min(left, _TICK_S))

    async def renew(self, lease_id: int, seconds: float, *, asked_by: str) -> LeaseView:
        """Count anew."""
        lease = await self._users.renew(lease_id, seconds)
        log.info("link=%s lease=%d renewed by=%s", lease.channel, lease.id, asked_by)
        return self._users.view(lease)

    async def give_back(self, target: str, *, asked_by: str) -> LeaseView:
        """End a user's lease."""
        if target.isdecimal():
            lease = self._users.get(int(target))
        else:
            name = self._sights.named(target)
            found = self._users.on(self._sights.resolved(name))
            if found is None:
                raise LeaseUnknown(f"nobody has a lease of {name}")
            lease = found
        view = self._users.view(lease)
        await self._users.end(lease, by=asked_by)
        return view

    async def _step_aside(self, name: str, who: str) -> LinkBusy | None:
        """Make room on a link; the answer is what is still in the way."""
        site, channel = self._site, self._sights.resolved(name)
        if (leased := self._users.on(channel)) is not None:
            reason = self._users.reason(channel)
            return LinkLeased(reason.message if reason is not None else f"{leased.who} has {name}.")
        nodes = {node for node in site.nodes if site.channel(node) == channel}
        site.leases.claim(channel, who)
        exposed = sorted(nodes & set(self._supervisor.finishing))
        if exposed:
            text = f"{', '.join(exposed)} on {name} has no firmware that runs until its transfer has ended."
            return LinkExposed(text)
        await self._supervisor.step_aside(nodes)
        held = site.leases.held.get(channel, ())
        if held:
            return LinkBusy(f"{name} is held for {', '.join(lease.holder for lease in held)}.")
        shared = site.leases.shared(channel)
        if shared is not None and shared.stage is not Stage.THEIRS:
            shared.let_go()
            return LinkBusy(f"{name} is being given back to {shared.neighbour.who}.")
        return None

    def _view(self, facts: LinkFacts, names: Mapping[str, str] | None = None) -> LinkView:
        return replace(self._sights.view(facts, names), finding=diagnose(facts))

    @property
    def _users(self) -> UserLeases:
        users = self._site.leases.users
        if users is None:
            raise LeaseUnknown("this gateway keeps no journal, so it gives no leases")
        return users

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
